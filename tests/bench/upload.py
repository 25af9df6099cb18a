"""A segment's way from the room's spool into the hub's store: HTTP, signed, hashed and synced."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.media.spool import Spool
from edge.media.uploader import Account, Uploader
from protocols.messages.topics import QOS, UP_EV
from tests.bench.measure import Figure, rate
from tests.bench.recorder import own_ns
from tests.bench.site import WAIT_S, HubProcess, enrolled
from tests.hub.scripted_room import ScriptedRoom
from tests.system.room_rig import until

SEGMENT_BYTES = 8 * 1024 * 1024  # ten seconds of 1080p at 6.5 Mbit/s
SEGMENTS = 6  # per round
UNBOUND = 4 * 1024**3  # bytes per second: the room's own brake is not what is timed
MIB = 2**20


@dataclass(slots=True)
class Room:
    """A room that has recorded a spool of segments and may send them."""

    hub: HubProcess
    spool: Spool
    script: ScriptedRoom
    line: mqtt.Client
    chance: random.Random
    sent: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self) -> float:
        """MiB per second of one round; what is sent is recorded at the hub before."""
        self._record()
        uploader = Uploader(
            self.spool,
            self.hub.url,
            Account(self.script.ctl, self.script.signer.kid, self.script.signer.sign),
            sink=self._told,
            rate_bytes_s=UNBOUND,
        )

        def upload() -> None:
            uploader.start()
            for _ in range(SEGMENTS):
                if not self.sent.acquire(timeout=WAIT_S):
                    raise TimeoutError("the hub does not take the segments")

        try:
            return SEGMENTS * SEGMENT_BYTES / MIB * rate(1, upload)
        finally:
            uploader.stop()

    def _told(self, kind: str, data: dict[str, Any]) -> None:
        if kind != "uploaded":
            raise ValueError(f"upload: expected a stored segment, got {kind} {data}")
        self.sent.release()

    def _record(self) -> None:
        stream = next(iter(self.script.streams.values()), None) or self.script.open()
        first = len(stream.lines) + 1 if len(stream.lines) > 1 else 1
        for _ in range(SEGMENTS):
            path = self.spool.folder / "new"
            path.write_bytes(self.chance.randbytes(SEGMENT_BYTES))
            about = {"stream": "cam1", "first_at": self.script.at, "last_at": self.script.at}
            kept = self.spool.take(path, {**about, "pts": [0, 10_000]})
            data = {**kept.about, "sha256": kept.sha256, "bytes": kept.size, "recovered": False}
            self.script.write(stream, "media.segment", data)
        name = self.script.topic(UP_EV)
        self.line.publish(name, self.script.batch(stream, first), qos=QOS[UP_EV])
        self.hub.committed(stream.epoch, len(stream.lines))
        # A segment is taken once the hub has read its row; the room's wait for that is not timed.
        until(
            "the hub knows every segment",
            lambda: self.hub.count("blob_refs") == sum(b"media.seg" in one for one in stream.lines),
        )


@dataclass(slots=True)
class Serial:
    """The least that a checked and durable copy costs, one step behind the other."""

    source: Path
    target: Path

    def copy(self) -> None:
        """SHA-256, copy, sync."""
        content = self.source.read_bytes()
        sha256(content).digest()
        shutil.copyfile(self.source, self.target)
        handle = os.open(self.target, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        self.target.unlink()

    def run(self) -> float:
        return SEGMENT_BYTES / MIB * rate(SEGMENTS, self.copy)


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """The room's own uploader against the hub's own door."""
    with ExitStack() as stack:
        data = folder / "hub"
        (credentials,) = enrolled(data, 1)
        hub = stack.enter_context(HubProcess(data))
        script = ScriptedRoom(credentials)
        line = mqtt.Client(CallbackAPIVersion.VERSION2, script.ctl, protocol=mqtt.MQTTv311)
        line.username_pw_set(script.mqtt["user"], script.mqtt["password"])
        line.connect("127.0.0.1", hub.mqtt_port)
        line.loop_start()
        stack.callback(line.loop_stop)
        stack.callback(line.disconnect)
        chance = random.Random(11)  # noqa: S311 - the same bytes in every run
        room = Room(hub, Spool(folder / "spool"), script, line, chance)
        source = folder / "segment"
        source.write_bytes(chance.randbytes(SEGMENT_BYTES))
        serial = Serial(source, folder / "copy")
        before = own_ns(hub.pid)
        room.run()
        spent_ms = (own_ns(hub.pid) - before) / 1e6 / (SEGMENTS * SEGMENT_BYTES / MIB)
        hashed_ms = 1000 / (SEGMENT_BYTES / MIB * rate(1, lambda: sha256(source.read_bytes())))
        yield [
            Figure(
                name="segment upload, 8 MiB",
                limit="SHA-256 + cp + sync",
                unit="MiB/s",
                floor=0.6,
                ours=room.run,
                reference=serial.run,
                why=f"The hub's process takes {spent_ms:.1f} ms of CPU per MiB, {hashed_ms:.1f} of "
                "them SHA-256; the rest is HTTP handed over in small pieces. The room's program "
                "reads and sends on the other core.",
            )
        ]
