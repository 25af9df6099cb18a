"""A disk that is full at the nth write, for some writes, and then has room again.

`python -m tests.torture.full_disk --writes 500` plays every n on the room's journal, under the loop
that writes it, and on the hub's database, under the ingest that records there.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
from sqlalchemy import event

from edge.clock import Clock
from edge.inbox import Inbox
from edge.journal import Journal
from edge.journal_file import Row
from edge.runtime import Runtime
from edge.turn import Turn
from hub.app import Hub, build
from hub.config import load
from protocols.messages.topics import UP_EV
from tests.edge.crash_disk import ApswPort
from tests.edge.room_bench import config, demo_pack
from tests.hub.booking.town import CHEAP
from tests.hub.enrolled_hub import ROOM, make_folder
from tests.hub.scripted_room import ScriptedRoom, Wire
from tests.simulation.disk import Dbapi

WIDTHS = (1, 7, 60)  # writes that fail: one page, a transaction, whatever is tried for a while
TURNS, BATCHES, BATCH = 45, 13, 8  # each history is longer than 500 writes
TICKS_MAX, SENDS_MAX = 400, 40
_names = itertools.count(1)


class NarrowDisk(apsw.VFS):
    """The machine's own disk, which says "full" when it is told to."""

    def __init__(self) -> None:
        self.name = f"narrow-{next(_names)}"
        self.count, self.first, self.last = 0, 0, -1
        self.refused = 0
        super().__init__(self.name, "")

    def fill(self, nth: int, width: int) -> None:
        """From the nth write from now on so many fail."""
        self.first, self.last = self.count + nth, self.count + nth + width - 1

    def heal(self) -> None:
        self.last = -1

    def write(self) -> None:
        self.count += 1
        if self.first <= self.count <= self.last:
            self.refused += 1
            raise apsw.FullError("database or disk is full")

    def xOpen(self, name: Any, flags: list[int]) -> NarrowFile:  # noqa: N802 - its name in SQLite
        return NarrowFile(self, name, flags)


class NarrowFile(apsw.VFSFile):
    """One open file of it."""

    def __init__(self, disk: NarrowDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name in SQLite
        self._disk.write()
        super().xWrite(data, offset)


def fold(connection: apsw.Connection) -> None:
    """What SQLite does behind a commit once its log is long; it tells nobody when that fails.

    apsw would: as an error of the commit, which nevertheless holds.
    """
    with contextlib.suppress(apsw.Error):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


class FoldingPort(ApswPort):
    """The room's connection."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        rows = super().execute(sql, parameters)
        if sql == "COMMIT":
            fold(self.connection)
        return rows


class FoldingDbapi(Dbapi):
    """The hub's connection."""

    def commit(self) -> None:
        super().commit()
        fold(self.connection)


@dataclass
class FullRoom:
    """The loop over a journal on such a disk; it is never started again."""

    disk: NarrowDisk
    runtime: Runtime
    said: list[tuple[str, int, str]] = field(default_factory=list)
    asked: int = 0

    def see(self) -> None:
        """One piece of evidence into the loop."""
        self.asked += 1
        about = {"type": "help.called", "session": "", "data": {"n": self.asked, "x": "x" * 700}}
        rows = self.runtime.feed([Turn("system", about)]).rows
        self.said += [(row.epoch, row.seq, row.hash) for row in rows]

    def history(self, nth: int, width: int) -> None:
        """The disk is full at the nth write while evidence comes; then it has room again."""
        self.disk.fill(nth, width)
        for n in range(TURNS):
            self.see()
            if n % 3 == 0:
                self.runtime.tick()
        self.disk.heal()
        for _ in range(TICKS_MAX):
            self.runtime.tick()
            if self.runtime.storage()["state"] == "ok":
                return
        raise AssertionError(f"full at write {nth} for {width}: {self.runtime.storage()}")

    def wrong(self) -> list[str]:
        """What was acknowledged and is not there; what was seen and is not recorded once."""
        journal = self.runtime.journal
        found = [
            f"acknowledged, gone: {place}"
            for *place, digest in self.said
            if (row := journal.read_back(*place)) is None or row.hash != digest
        ]
        rows = list(journal.replay())
        seen = [one.data["n"] for one in rows if one.type == "help.called"]
        if seen != list(range(1, self.asked + 1)):
            found.append(f"evidence: expected 1 to {self.asked} in order, got {len(seen)}")
        if [one.seq for one in rows] != list(range(1, len(rows) + 1)):
            found.append("rows: not one after the other")
        return found


def loop_over(journal: Journal) -> Runtime:
    """The room's loop as it is, without boards."""
    return Runtime(
        config=config(),
        pack=demo_pack(),
        journal=journal,
        clock=Clock(),
        inbox=Inbox(),
        run_effect=lambda _: None,
        on_change=lambda: None,
        heartbeat=lambda: None,
        software="test",
        config_hash="",
    )


@contextlib.contextmanager
def full_room(folder: Path) -> Iterator[FullRoom]:
    disk = NarrowDisk()

    def connect(path: Path) -> ApswPort:
        made = apsw.Connection(str(path), vfs=disk.name)
        made.execute("PRAGMA wal_autocheckpoint = 0")
        return FoldingPort(made)

    journal = Journal.open(
        folder / "journal.sqlite",
        ctl="c-0123456789ab",
        boot="boot",
        clock=Clock(),
        entropy=os.urandom,
        connect=connect,
    )
    runtime = loop_over(journal)
    runtime.open()
    yield FullRoom(disk, runtime)
    journal.close()
    disk.unregister()


@dataclass
class FullHub:
    """The hub's own ingest over its database on such a disk, and a room that sends to it."""

    disk: NarrowDisk
    hub: Hub
    room: ScriptedRoom
    wire: Wire
    said: dict[str, int] = field(default_factory=dict)

    def history(self, nth: int, width: int) -> None:
        """The room starts again and the disk is full at the nth write; it sends until acked."""
        stream = self.room.open(after=next(reversed(self.room.streams.values()), None))
        for _ in range(BATCHES * BATCH):
            self.room.write(stream)
        self.disk.fill(nth, width)
        for sent in range(SENDS_MAX * BATCHES):
            upto = self.said.get(stream.epoch, 0)
            if upto == len(stream.lines):
                self.disk.heal()
                return
            if sent == 2 * BATCHES:
                self.disk.heal()
            batch = self.room.batch(stream, upto + 1, upto + BATCH)
            self.hub.ingest.take(self.room.topic(UP_EV), batch)
            for ack in self.wire.acks():
                self.said[ack.epoch] = max(ack.upto, self.said.get(ack.epoch, 0))
        raise AssertionError(f"full at write {nth} for {width}: {self.hub.ingest.counted()}")

    def wrong(self) -> list[str]:
        """What is not at the hub once, in order, as it was sent."""
        plain = apsw.Connection(str(self.hub.config.database_file))
        query = "SELECT raw FROM events WHERE ctl = ? AND epoch = ? ORDER BY id"
        found = [
            f"epoch {name}: {len(stream.lines)} sent, {self.said.get(name)} acknowledged"
            for name, stream in self.room.streams.items()
            if [row[0] for row in plain.execute(query, (self.room.ctl, name))] != stream.lines
        ]
        found += [row[0] for row in plain.execute("PRAGMA integrity_check") if row[0] != "ok"]
        plain.close()
        return found


@contextlib.contextmanager
def full_hub(folder: Path) -> Iterator[FullHub]:
    data, disk = folder / "hub", NarrowDisk()
    make_folder(data)
    hub = build(load(data), services=False, stretch=CHEAP)

    @event.listens_for(hub.store.engine, "do_connect")
    def _connect(*_: object) -> Dbapi:
        plain = apsw.Connection(str(hub.config.database_file), vfs=disk.name)
        plain.execute("PRAGMA wal_autocheckpoint = 0")
        return FoldingDbapi(plain, lambda _: None)

    hub.store.engine.dispose()
    hub.rooms.rebuild()
    hub.fleet.transport = wire = Wire()
    yield FullHub(disk, hub, ScriptedRoom(data / ROOM), wire)
    hub.close()
    disk.unregister()


def play(machine: FullRoom | FullHub, writes: Sequence[int]) -> int:
    """Every n of them; returns how many histories, of which each met the full disk.

    Raises:
        AssertionError: it did not come back by itself, or something is lost, doubled, misplaced.
    """
    for nth in writes:
        before = machine.disk.refused
        machine.history(nth, WIDTHS[nth % len(WIDTHS)])
        assert machine.disk.refused > before, f"no write {nth}: the history is too short"
    wrong = machine.wrong()
    assert not wrong, json.dumps(wrong[:5])
    return len(writes)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.torture.full_disk", description=__doc__)
    parser.add_argument("--writes", type=int, default=500)
    asked = parser.parse_args(words)
    logging.disable()  # each history says that the disk is full, and that it is not
    done = 0
    for place in (full_room, full_hub):
        with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as machine:
            done += play(machine, range(1, asked.writes + 1))
            sys.stdout.write(f"{place.__name__}: {machine.disk.refused} writes refused, 0 lost\n")
    sys.stdout.write(f"n = {done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
