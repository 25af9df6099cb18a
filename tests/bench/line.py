"""From a board's byte to the hub's commit: the whole line, a hundred times a second.

A UPS answers on a serial port (a pty) that the mains have gone, or are back; the second answer that
agrees is the byte that makes a fact. Driver, codec, room, journal, signature and uplink run as in a
room; the broker and the hub are processes of their own. The driver asks once a second by itself:
here it is woken, with its own `wake`, as often as is needed for a hundred facts a second.
"""

from __future__ import annotations

import os
import pty
import queue
import select
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from protocols.wire import megatec as wire
from tests.bench.journal import Blocks
from tests.bench.measure import Figure, percentile
from tests.bench.site import WAIT_S, HubProcess, broker_name, enrolled, write_room
from tests.system.room_rig import until

FACTS = 300  # per round: three seconds, and three of them above the 99th percentile
PERIOD_S = 0.01
SYNCS, HOPS = 100, 100  # per round
NS_PER_MS = 1_000_000
FACT = "power.state"
QUERY_BYTES_MAX = 64


@dataclass(slots=True)
class Board:
    """The UPS's end of the line: answers each query with what is set."""

    master: int
    room: subprocess.Popen[bytes]

    def answer(self, *, mains: bool) -> int:
        """Waits for a query and answers it; when the answer's first byte went out, ns."""
        if self.room.stdin is None:
            raise RuntimeError("the room has no input")
        os.write(self.room.stdin.fileno(), b".")
        heard = b""
        while not heard.endswith(wire.QUERY):
            if not select.select([self.master], [], [], WAIT_S)[0]:
                raise TimeoutError(f"no query on the line, heard {heard!r}; see room.log")
            heard += os.read(self.master, QUERY_BYTES_MAX)
        status = wire.Status(
            input_v=228.0 if mains else 0.0,
            fault_v=228.0,
            output_v=228.0,
            load_pct=34,
            frequency_hz=50.0,
            battery_v=2.27,
            temperature_c=25.0,
            utility_fail=not mains,
        )
        frame = wire.encode_event(status)
        begun = time.monotonic_ns()
        os.write(self.master, frame)
        return begun


@dataclass(slots=True)
class Line:
    """A room on the line; one round fills `delays_ms`."""

    hub: HubProcess
    board: Board
    blocks: Blocks
    hops: Hops
    journal: Path
    mains: bool = True
    seen: int = 0
    delays_ms: list[float] = field(default_factory=list)

    def p50(self) -> float:
        """One round of facts; the median delay, milliseconds."""
        sent: list[int] = []
        due, pause = time.monotonic(), threading.Event()
        for _ in range(FACTS):
            due += PERIOD_S
            self.mains = not self.mains
            self.board.answer(mains=self.mains)
            sent.append(self.board.answer(mains=self.mains))
            pause.wait(max(due - time.monotonic(), 0.0))
        rows = self.new_facts(FACTS)
        self.delays_ms = [
            (self.hub.committed(epoch, seq) - begun) / NS_PER_MS
            for (epoch, seq), begun in zip(rows, sent, strict=True)
        ]
        return statistics.median(self.delays_ms)

    def p99(self) -> float:
        return percentile(self.delays_ms, 99)

    def floor_ms(self) -> float:
        """Two syncs of this disk and one hop through this broker, medians."""
        syncs = []
        for _ in range(SYNCS):
            begun = time.perf_counter()
            self.blocks.write()
            syncs.append((time.perf_counter() - begun) * 1000)
        return 2 * statistics.median(syncs) + self.hops.median_ms()

    def new_facts(self, count: int) -> list[tuple[str, int]]:
        """Epoch and seq of the facts since the last look, as soon as there are so many."""

        def found() -> list[tuple[int, str, int]]:
            with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as db:
                return db.execute(
                    "SELECT id, epoch, seq FROM event JOIN epoch USING (n)"
                    " WHERE id > ? AND type = ? ORDER BY id",
                    (self.seen, FACT),
                ).fetchall()

        rows = until("the facts of this round", lambda: len(found()) >= count and found())
        self.seen = rows[-1][0]
        return [(epoch, seq) for _, epoch, seq in rows]


class Hops:
    """One connection that publishes and one that hears it: what a broker takes for one message."""

    def __init__(self, hub: HubProcess) -> None:
        self._heard: queue.Queue[int] = queue.Queue()
        self._ready = threading.Event()
        self._clients = [self._client(hub, name) for name in ("hop-from", "hop-to")]
        self._clients[1].on_subscribe = lambda *_: self._ready.set()
        self._clients[1].on_message = lambda *_: self._heard.put(time.perf_counter_ns())
        self._clients[1].subscribe("er/1/hop", qos=1)
        if not self._ready.wait(WAIT_S):
            raise TimeoutError("the broker does not answer")

    @staticmethod
    def _client(hub: HubProcess, name: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv311)
        client.username_pw_set("hub", hub.password("hub"))
        client.connect("127.0.0.1", hub.mqtt_port)
        client.loop_start()
        return client

    def median_ms(self) -> float:
        found = []
        for _ in range(HOPS):
            begun = time.perf_counter_ns()
            self._clients[0].publish("er/1/hop", b"x" * 400, qos=1)
            found.append((self._heard.get(timeout=WAIT_S) - begun) / NS_PER_MS)
        return statistics.median(found)

    def close(self) -> None:
        for client in self._clients:
            client.disconnect()
            client.loop_stop()


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Median and 99th percentile of the delay."""
    with ExitStack() as stack:
        data = folder / "hub"
        (credentials,) = enrolled(data, 1)
        hub = stack.enter_context(HubProcess(data))
        master, slave = pty.openpty()
        tty.setraw(slave)
        stack.callback(os.close, master)
        stack.callback(os.close, slave)
        room = folder / "room"
        path = write_room(room, credentials, hub, {"ups": Path(os.ttyname(slave))})
        process = stack.enter_context(running(path))
        hops = stack.enter_context(closing(Hops(hub)))
        blocks = stack.enter_context(closing(Blocks(folder / "blocks")))
        journal = room / "state" / "journal.sqlite"
        line = Line(hub, Board(master, process), blocks, hops, journal)
        for _ in range(2):  # the first fact of the day: the UPS is heard
            line.board.answer(mains=True)
        line.hub.committed(*line.new_facts(1)[-1])
        yield [
            Figure(
                name="device byte to commit p50",
                limit=f"2 fdatasync + {broker_name()} hop",
                unit="ms",
                floor=6.0,
                at_most=True,
                ours=line.p50,
                reference=line.floor_ms,
            ),
            Figure(
                name="device byte to commit p99",
                limit="its own p50",
                unit="ms",
                floor=10.0,
                at_most=True,
                ours=line.p99,
                reference=lambda: statistics.median(line.delays_ms),
            ),
        ]


@contextmanager
def running(path: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The room of this file as a process."""
    words = [sys.executable, "-m", "tests.bench.room_process", str(path), *options]
    with (path.parent / "room.log").open("ab") as log:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)
