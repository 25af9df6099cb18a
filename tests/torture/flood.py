"""`python -m tests.torture.flood --seconds 600`: one room floods, another must be heard as before.

The real hub and its broker over TLS. The rogue is an enrolled room: it sends rubbish and repeated
batches on every topic it may use, some of it retained, some longer than the broker takes, as fast
as it is let; when it is thrown out it comes back. The other room records a row four times a second
and waits for the hub's ack, sending again as rooms do. Its waits are the figure.
"""

from __future__ import annotations

import argparse
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from edge.certificate import context
from hub.config import load
from protocols.messages.acks import Ack
from protocols.messages.cursor import RESEND_MS_MIN
from protocols.messages.signed import parse_message
from protocols.messages.topics import BROKER_BYTES_MAX, DOWN_ACK, UP_EV, UP_LEAVES, UP_ST, topic
from tests.bench.site import HubProcess, broker_name, enrolled
from tests.hub.scripted_room import ScriptedRoom
from tests.torture.plain_mqtt import Peer

EVERY_S: Final = 0.25
AGAIN_S: Final = RESEND_MS_MIN / 1000  # a room sends what is not acknowledged again
P99_S_MAX: Final = 5.0
LENGTHS: Final = (10, 1_000, 1_000, 20_000, 120_000)
GIANT_EVERY: Final = 2_000
AHEAD: Final = 256  # messages on their way before an acknowledgement is waited for
DISK_BYTES_MAX: Final = 256 * 1024**2  # what a flood may add to the hub's folder, of any length


@dataclass(slots=True)
class Figures:
    """What was seen.

    Args:
        waits_s: of the other room's rows, until the hub's ack.
        sent: the rogue's messages.
        grown: bytes of the hub's folder and its broker's.
    """

    waits_s: list[float] = field(default_factory=list)
    sent: int = 0
    grown: int = 0

    def p(self, part: float) -> float:
        """The wait that this part of all is not longer than."""
        ordered = sorted(self.waits_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))]

    def wrong(self) -> list[str]:
        """What did not hold."""
        found = []
        if not self.waits_s or self.p(0.99) > P99_S_MAX:
            found.append(f"p99 of the other room: expected at most {P99_S_MAX} s")
        if self.sent < len(self.waits_s):
            found.append("there was no flood")
        if self.grown > DISK_BYTES_MAX:
            found.append(f"the hub's folder: expected at most {DISK_BYTES_MAX} bytes more")
        return found

    def line(self) -> str:
        """In words."""
        p50, p99, most = (f"{one:.3f}" for one in (self.p(0.5), self.p(0.99), max(self.waits_s)))
        return (
            f"rows {len(self.waits_s)}, waits s p50 {p50} p99 {p99} max {most}, "
            f"rogue sent {self.sent}, folder grew {self.grown} bytes ({broker_name()})"
        )


def run(folder: Path, seconds: float) -> Figures:
    """Floods a new hub for so long; returns what was seen."""
    data = folder / "hub"
    rogue, other = enrolled(data, 2)
    replace(load(data), mqtt_tls=True).write()
    figures = Figures()
    with HubProcess(data) as hub:
        room = _Other(other, hub.mqtt_port)
        room.row()  # what only the first row takes is nobody's wait
        before = _size(data)
        words = [sys.executable, "-m", "tests.torture.flood", "--rogue", str(rogue)]
        with subprocess.Popen(
            [*words, "--port", str(hub.mqtt_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as flood:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                figures.waits_s.append(room.row())
                room.pause.wait(EVERY_S)
            figures.sent = int((flood.communicate()[0].split() or ["0"])[-1])
        figures.grown = _size(data) - before
        room.close()
    return figures


class _Other:
    """The room that is no part of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.pause = threading.Event()
        self._room = ScriptedRoom(folder)
        self._stream = self._room.open()
        self._peer = _peer(folder, self._room.ctl, port)
        self._peer.subscribe(topic(self._room.ctl, DOWN_ACK))
        self._peer.send(self._room.topic(UP_ST), self._room.birth(self._stream), retain=True)

    def close(self) -> None:
        self._peer.vanish()

    def row(self) -> float:
        """Records a row; seconds until the hub has acknowledged it."""
        room, stream = self._room, self._stream
        room.write(stream)
        first = len(stream.lines) - 1 or 1
        began = time.monotonic()
        while True:
            self._peer.send(room.topic(UP_EV), room.batch(stream, first))
            until = time.monotonic() + AGAIN_S
            while (left := until - time.monotonic()) > 0:
                if self._acked(left) >= len(stream.lines):
                    return time.monotonic() - began

    def _acked(self, within_s: float) -> int:
        got = self._peer.take(within_s)
        if got is None or not got.topic.endswith(DOWN_ACK):
            return 0
        ack = Ack.read(parse_message(got.payload, limit=BROKER_BYTES_MAX))
        return ack.upto if ack.epoch == self._stream.epoch else 0


def _peer(folder: Path, ctl: str, port: int) -> Peer:
    peer = Peer(("127.0.0.1", port), ctl, "", tls=context(folder))
    if peer.refused:
        raise ConnectionError(f"the broker does not let {ctl} in: {peer.refused}")
    return peer


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def rogue(folder: Path, port: int) -> int:
    """Floods until its input is closed; returns how many messages went out."""
    room, chance, sent = ScriptedRoom(folder), random.Random(11), 0  # noqa: S311
    stream = room.open()
    for _ in range(50):
        room.write(stream)
    batch = room.batch(stream)
    over = threading.Event()

    def ends() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=ends, daemon=True).start()
    while not over.is_set():
        try:
            peer = _peer(folder, room.ctl, port)
            mids: list[int] = []
            while not over.is_set():
                giant = sent % GIANT_EVERY == GIANT_EVERY - 1
                size = BROKER_BYTES_MAX + 1 if giant else chance.choice(LENGTHS)
                payload = batch if sent % 5 == 0 else chance.randbytes(size)
                name = room.topic(chance.choice(UP_LEAVES))
                sent += 1
                mids.append(peer.send(name, payload, mid=sent % 65_000 + 1, retain=sent % 7 == 0))
                if len(mids) >= AHEAD:
                    peer.accepted(mids[-1])
                    mids.clear()
        except (OSError, ssl.SSLError):
            over.wait(0.05)
    return sent


def main(words: Sequence[str]) -> int:
    """Floods for the time asked for; prints `n = …` last."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.flood", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (600)")
    parser.add_argument("--rogue", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.rogue is not None:
        sys.stdout.write(f"{rogue(args.rogue, args.port)}\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        figures = run(Path(folder), args.seconds)
    wrong = figures.wrong()
    sys.stdout.write("".join(f"FAILED {one}\n" for one in wrong) + figures.line() + "\n")
    sys.stdout.write(f"{figures.sent} messages of the flood\nn = {len(figures.waits_s)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
