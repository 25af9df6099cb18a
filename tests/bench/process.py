"""How long a fresh room and a fresh hub take to answer, and what they hold in memory then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.config import read_room_file
from protocols.messages.topics import QOS, UP_ST
from tests.bench.line import running
from tests.bench.measure import Figure
from tests.bench.site import WAIT_S, HubProcess, broker_kind, enrolled, write_room
from tests.hub.scripted_room import ScriptedRoom
from tests.system.room_rig import evalroom, free_port, until

ROOMS = 500
ROOM_MIB, HUB_MIB = 60.0, 300.0


@dataclass(slots=True)
class Start:
    """A program that is started afresh each round, asked until it answers, looked at and ended."""

    words: Sequence[str]
    log: Path
    url: str
    settled: Callable[[httpx.Response], bool]
    mib: float = 0.0

    def run(self) -> float:
        """Milliseconds to the first answer; `mib` is what it holds when it has settled."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            with httpx.Client(timeout=WAIT_S) as client:
                until("an answer", lambda: client.get(self.url), within_s=WAIT_S, every_s=0.01)
                took_s = time.monotonic() - begun
                until("all heard", lambda: self.settled(client.get(self.url)), within_s=WAIT_S)
            self.mib = resident_mib(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT_S)
        return took_s * 1000


def resident_mib(pid: int) -> float:
    """Resident memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def bare_ms() -> float:
    """What the interpreter alone takes."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.monotonic() - begun) * 1000


def births(hub: HubProcess, credentials: Sequence[Path]) -> None:
    """Every room says that it is there, retained as the contract has it."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "births", protocol=mqtt.MQTTv311)
    client.username_pw_set("hub", hub.password("hub"))
    client.connect("127.0.0.1", hub.mqtt_port)
    client.loop_start()
    for folder in credentials:
        room = ScriptedRoom(folder)
        said = room.birth(room.open())
        sent = client.publish(room.topic(UP_ST), said, qos=QOS[UP_ST], retain=True)
        sent.wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()


def screenless_mib(path: Path, hub: HubProcess) -> float:
    """What a room holds without its pages, when the hub has its first rows."""
    seen = len(hub.commits)
    with running(path, "no-screen") as process:
        hub.wait(lambda all_: len(all_) > seen, "the room's first rows at the hub")
        return resident_mib(process.pid)


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Both programs, each round afresh."""
    data = folder / "hub"
    credentials = enrolled(data, ROOMS)
    with HubProcess(data) as hub:
        births(hub, credentials)
    small = folder / "small"
    (own,) = enrolled(small, 1)
    port = free_port()
    words = evalroom("hub", "serve", data, "--port", port, "--broker", broker_kind())
    heard = f"http://127.0.0.1:{port}/readyz"
    hub_start = Start(
        words,
        folder / "hub.log",
        heard,
        lambda answer: answer.json()["ingest"]["taken"] >= ROOMS,
    )
    with HubProcess(small) as served:
        path = write_room(folder / "room", own, served, {})
        screen = int(read_room_file(path).get("screen", "port"))
        url = f"http://127.0.0.1:{screen}/api/state"
        room_start = Start(
            evalroom("edge", "run", path),
            folder / "room.log",
            url,
            lambda answer: answer.is_success,
        )
        yield [
            Figure(
                name="room, start",
                limit="bare interpreter",
                unit="ms",
                floor=None,
                ours=room_start.run,
                reference=bare_ms,
            ),
            _memory("room", lambda: screenless_mib(path, served), ROOM_MIB),
            Figure(
                name="room with its pages, memory",
                limit="promised without them",
                unit="MiB",
                floor=None,
                ours=lambda: room_start.mib,
                reference=lambda: ROOM_MIB,
            ),
            Figure(
                name=f"hub, {ROOMS} rooms, start",
                limit="bare interpreter",
                unit="ms",
                floor=None,
                ours=hub_start.run,
                reference=bare_ms,
            ),
            _memory(f"hub, {ROOMS} rooms", lambda: hub_start.mib, HUB_MIB),
        ]


def _memory(name: str, ours: Callable[[], float], promised: float) -> Figure:
    return Figure(
        name=f"{name}, memory",
        limit="promised",
        unit="MiB",
        floor=1.0,
        at_most=True,
        ours=ours,
        reference=lambda: promised,
    )
