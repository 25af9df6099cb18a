"""How much a room writes to its disk in a day: cards and SSDs wear out by bytes written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from edge.capacity import EVENTS_A_DAY
from edge.inbox import Inbox
from edge.journal import Journal
from edge.runtime import TICK_MS, Runtime
from edge.turn import Turn
from tests.edge.crash_disk import ApswPort
from tests.edge.room_bench import config, demo_pack

A_DAY_BYTES = 200_000_000  # all but pictures
A_DAY_MS = 24 * 60 * 60 * 1000
SHARE = 100  # of a day is played


class CountingDisk(apsw.VFS):
    """The disk as it is, with every byte counted that SQLite writes to it."""

    def __init__(self, name: str) -> None:
        self.name, self.bytes = name, 0
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> CountingFile:  # noqa: N802 - its name in SQLite
        return CountingFile(self, name, flags)


class CountingFile(apsw.VFSFile):
    """One open file of it."""

    def __init__(self, disk: CountingDisk, name: Any, flags: list[int]) -> None:
        self.disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name in SQLite
        self.disk.bytes += len(data)
        super().xWrite(data, offset)


@dataclass
class HandClock:
    """Both clocks, moved by hand."""

    ms: int = 1_000
    at: datetime = field(default_factory=lambda: datetime(2026, 11, 24, tzinfo=UTC))

    def mono_ms(self) -> int:
        return self.ms

    def wall(self) -> datetime:
        return self.at

    def trust(self) -> str:
        return "ntp"

    def go(self, ms: int) -> None:
        self.ms += ms
        self.at += timedelta(milliseconds=ms)


@dataclass
class WornRoom:
    """A room's loop over a journal on a disk that counts."""

    runtime: Runtime
    clock: HandClock
    disk: CountingDisk

    def live(self, ms: int, each: Callable[[], object] = lambda: None) -> int:
        """Lets time go by, tick after tick; returns the bytes written."""
        before = self.disk.bytes
        for _ in range(ms // TICK_MS):
            self.clock.go(TICK_MS)
            each()
            self.runtime.tick()
        return self.disk.bytes - before


@pytest.fixture
def room(tmp_path: Path) -> Iterator[WornRoom]:
    clock, disk, draws = HandClock(), CountingDisk("counting"), iter(range(1, 10**6))

    def connect(path: Path) -> ApswPort:
        return ApswPort(apsw.Connection(str(path), vfs="counting"))

    journal = Journal.open(
        tmp_path / "journal.db",
        ctl="c-0123456789ab",
        boot="boot",
        clock=clock,
        entropy=lambda n: next(draws).to_bytes(n, "big"),
        connect=connect,
    )
    runtime = Runtime(
        config=config(),
        pack=demo_pack(),
        journal=journal,
        clock=clock,
        inbox=Inbox(),
        run_effect=lambda _effect: None,
        on_change=lambda: None,
        heartbeat=lambda: None,
        software="test",
        config_hash="",
    )
    runtime.open()
    yield WornRoom(runtime, clock, disk)
    journal.close()
    disk.unregister()


def test_a_full_day_wears_the_disk_less_than_its_budget(room: WornRoom) -> None:
    """A hundredth of it is played: each event in a commit of its own, each acknowledged alone."""
    events, journal = EVENTS_A_DAY // SHARE, room.runtime.journal
    ticks = iter(range(A_DAY_MS // SHARE // TICK_MS))
    apart = A_DAY_MS // SHARE // TICK_MS // events
    wrote = journal.seq

    def happen() -> None:
        if next(ticks) % apart == 0:
            about = {"what": "selftest", "reason": f"{journal.seq} " * 40}
            data = {"type": "effect.failed", "session": "", "data": about}
            room.runtime.feed([Turn("system", data)])
            journal.set_cursor(journal.epoch, journal.seq)

    bytes_ = room.live(A_DAY_MS // SHARE, happen)

    assert journal.seq - wrote >= events, "a day in which too little happens proves nothing"
    assert 0 < bytes_ * SHARE < A_DAY_BYTES


def test_the_same_reading_again_and_a_room_at_rest_write_only_the_proof(room: WornRoom) -> None:
    """Once a minute a write is proven; nothing else goes to a disk of a room at rest."""
    room.runtime.feed([Turn("mains", {"present": True})])
    room.live(60_000)
    seq = room.runtime.journal.seq
    a_minute = room.live(60_000)

    def same() -> None:
        room.runtime.feed([Turn("mains", {"present": True})])

    ten = room.live(10 * 60_000, same)

    assert room.runtime.journal.seq == seq
    assert 0 < ten <= 2 * 10 * a_minute
    assert ten * (A_DAY_MS // (10 * 60_000)) < A_DAY_BYTES / 4
