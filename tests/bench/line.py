"""From a board's byte to the hub's commit: the whole line, a hundred times a second.

A UPS answers on a serial port (a pty) that the mains have gone, or are back; the second answer that
agrees is the byte that makes a fact. Driver, codec, room, journal, signature and uplink run as in a
room; the broker and the hub are processes of their own. The driver asks once a second by itself:
here it is woken, with its own `wake`, as often as is needed for a hundred facts a second.
"""

from __future__ import annotations

import json
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from protocols.wire import megatec as wire
from tests.bench.journal import Blocks
from tests.bench.measure import Figure, percentile
from tests.bench.recorder import own_ns
from tests.bench.site import WAIT_S, HubProcess, broker_name, enrolled, write_room
from tests.system.room_rig import until

FACTS = 300  # per round: three seconds, and three of them above the 99th percentile
PERIOD_S = 0.01
SYNCS, HOPS = 100, 100  # per round
NS_PER_MS = 1_000_000
FACT = "power.state"
QUERY_BYTES_MAX = 64
POLL_S = 0.1
ANSWERS = {
    mains: wire.encode_event(
        wire.Status(
            input_v=228.0 if mains else 0.0,
            fault_v=228.0,
            output_v=228.0,
            load_pct=34,
            frequency_hz=50.0,
            battery_v=2.27,
            temperature_c=25.0,
            utility_fail=not mains,
        )
    )
    for mains in (True, False)
}


class Board:
    """The UPS's end of the line: answers every query, whoever asked for it, until it is closed.

    `sent`: when the first byte of an answer went out by which the driver believes a change, ns.
    """

    def __init__(self, master: int, room: subprocess.Popen[bytes]) -> None:
        self.sent: list[int] = []
        self._master, self._room = master, room
        self._mains = self._before = self._told = True
        self._answers = 0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="board")
        self._thread.start()

    def turn(self) -> None:
        """The mains go, or come back; returns when the room has been told twice."""
        with self._changed:
            self._mains = not self._mains
            facts, answers = len(self.sent), self._answers
            self._wake()
            self._wait(lambda: self._answers > answers)
            self._wake()
            self._wait(lambda: len(self.sent) > facts)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _wake(self) -> None:
        if self._room.stdin is not None:
            os.write(self._room.stdin.fileno(), b".")

    def _wait(self, done: Callable[[], bool]) -> None:
        if not self._changed.wait_for(done, WAIT_S):
            raise TimeoutError("the room does not ask its UPS: see room.log")

    def _serve(self) -> None:
        heard = b""
        while not self._ended.is_set():
            if not select.select([self._master], [], [], POLL_S)[0]:
                continue
            heard += os.read(self._master, QUERY_BYTES_MAX)
            while wire.QUERY in heard:
                heard = heard.split(wire.QUERY, 1)[1]
                self._answer()

    def _answer(self) -> None:
        with self._changed:
            mains, begun = self._mains, time.monotonic_ns()
            os.write(self._master, ANSWERS[mains])
            if mains is self._before is not self._told:
                self._told = mains
                self.sent.append(begun)
            self._before = mains
            self._answers += 1
            self._changed.notify_all()


@dataclass(slots=True)
class Line:
    """A room on the line; one round fills `delays_ms`."""

    hub: HubProcess
    board: Board
    blocks: Blocks
    hops: Hops
    journal: Path
    seen: int = 0
    word: str = ""
    delays_ms: list[float] = field(default_factory=list)

    def p50(self) -> float:
        """One round of facts; the median delay, milliseconds."""
        self.board.sent.clear()
        due, pause = time.monotonic(), threading.Event()
        for _ in range(FACTS):
            due += PERIOD_S
            self.board.turn()
            pause.wait(max(due - time.monotonic(), 0.0))
        facts = self.new_facts(FACTS)
        self.delays_ms = [
            (self.hub.committed(epoch, seq) - begun) / NS_PER_MS
            for (epoch, seq), begun in zip(facts, self.board.sent, strict=True)
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

    def heard(self) -> bool:
        """Whether the room has its first word of the UPS on record: from there on it turns."""
        try:
            rows = self._rows()
        except sqlite3.OperationalError:
            return False  # the room has not made its journal yet
        words = [(at, json.loads(line)["data"]["ups"]) for at, _, _, line in rows]
        self.seen, self.word = words[-1] if words else (0, "")
        return self.word == "online"

    def new_facts(self, count: int) -> list[tuple[str, int]]:
        """Epoch and seq of each turn of the UPS's word since the last look, once there are all."""

        def turns() -> list[tuple[int, str, int, str]]:
            found, word = [], self.word
            for at, epoch, seq, line in self._rows():
                said = json.loads(line)["data"]["ups"]
                if said != word:
                    found.append((at, epoch, seq, said))
                word = said
            return found

        facts = until("the facts of this round", lambda: (f := turns())[count - 1 :] and f)
        self.seen, self.word = facts[-1][0], facts[-1][3]
        return [(epoch, seq) for _, epoch, seq, _ in facts]

    def _rows(self) -> list[tuple[int, str, int, bytes]]:
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as db:
            return db.execute(
                "SELECT id, epoch, seq, line FROM event JOIN epoch USING (n)"
                " WHERE id > ? AND type = ? ORDER BY id",
                (self.seen, FACT),
            ).fetchall()


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
        board = stack.enter_context(closing(Board(master, process)))
        line = Line(hub, board, blocks, hops, journal)
        until("the UPS is heard", line.heard, within_s=WAIT_S)
        board.turn()
        line.hub.committed(*line.new_facts(1)[-1])
        before = (own_ns(process.pid), own_ns(hub.pid))
        line.p50()
        room_us, hub_us = (
            (own_ns(pid) - ns) / FACTS / 1000
            for pid, ns in zip((process.pid, hub.pid), before, strict=True)
        )
        why = (
            f"Per fact the room takes {room_us:.0f} µs of CPU and the hub {hub_us:.0f}: signature, "
            "checks, live state, projections, signed ack. Both sync other commits on the same disk "
            "(the room's cursor, the hub's projections), and one commit waits for the other."
        )
        yield [
            Figure(
                name="device byte to commit p50",
                limit=f"2 fdatasync + {broker_name()} hop",
                unit="ms",
                floor=6.0,
                at_most=True,
                ours=line.p50,
                reference=line.floor_ms,
                why=why,
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
