"""A full disk: nothing is carried out, nothing is lost, and the room goes on unaided."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge import app
from edge.clock import Clock
from edge.config import read_room_file
from edge.held import HELD_MAX, Held, Seen
from edge.inbox import Inbox, Observed
from edge.journal import DiskFullError, Journal, Own
from edge.journal_file import SqlitePort, connect_sqlite
from edge.room import Effect, Pulse, Sound
from edge.runtime import Runtime
from edge.turn import Turn
from tests.edge.room_bench import SESSION, STAFF, config, demo_pack, session_plan
from tests.system.room_rig import Rig

PLENTY = 1_000_000  # pages


@dataclass
class Room:
    """A loop over a real journal whose file may be forbidden to grow."""

    journal: Journal
    runtime: Runtime
    done: list[Effect]
    beats: list[int] = field(default_factory=list)
    rung: list[int] = field(default_factory=list)

    def fill(self) -> None:
        """Uses up all space there is."""
        pages = self.journal.port.execute("PRAGMA page_count")[0][0]
        self.journal.port.execute(f"PRAGMA max_page_count = {pages}")
        for size in (8_000, 500, 1):
            with pytest.raises(DiskFullError):
                self.write(size)

    def write(self, size: int) -> None:
        for n in range(1_000):
            self.journal.append([Own("help.called", "", {"n": n, "x": "x" * size})])

    def make_room(self) -> None:
        self.journal.port.execute(f"PRAGMA max_page_count = {PLENTY}")

    def types(self, after: int) -> list[str]:
        return [one.type for one in self.journal.replay() if one.seq > after]

    def beat(self) -> None:
        self.beats.append(1)
        self.runtime.stop()

    def turn_once(self) -> None:
        """The loop as it is, until its next beat."""
        before = len(self.beats)
        self.runtime.heartbeat = self.beat
        self.runtime._stop.clear()
        self.runtime.inbox = Inbox()
        self.runtime.run()
        assert len(self.beats) > before


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    clock = Clock()
    draws = iter(range(1, 1000))
    journal = Journal.open(
        tmp_path / "journal.sqlite",
        ctl="c-0123456789ab",
        boot="boot",
        clock=clock,
        entropy=lambda count: next(draws).to_bytes(count, "big"),
    )
    done: list[Effect] = []
    runtime = Runtime(
        config=config(),
        pack=demo_pack(),
        journal=journal,
        clock=clock,
        inbox=Inbox(),
        run_effect=done.append,
        on_change=lambda: None,
        heartbeat=lambda: None,
        software="test",
        config_hash="",
    )
    made = Room(journal, runtime, done)
    runtime.on_change = lambda: made.rung.append(1)
    yield made
    journal.close()


def doors(door: str) -> Turn:
    states = {str(number): [door, "absent"] for number in (1, 2, 3, 4)}
    return Turn("lockers", {"device": "locker", "states": states})


def prepared(room: Room) -> None:
    """Members may come, and a locker is about to be needed."""
    about = {"generation": 1, "n": 1, "hash": "0" * 64, "pack_hash": "ab"}
    room.runtime.open()
    room.runtime.feed([Turn("plan", {**about, "sessions": [session_plan()]}), doors("closed")])
    order = {"id": "a" * 32, "session": SESSION, "n": 1, "order": "open", "raw": "x", "by": STAFF}
    room.runtime.feed([Turn("order", {**order, "members": [], "via": "hub", "venues": []})])
    assert room.runtime.state.sessions[SESSION].phase.value == "check_in"


def test_nothing_is_carried_out_and_everything_is_on_the_record_afterwards(room: Room) -> None:
    prepared(room)
    room.fill()
    written, state = room.journal.seq, room.runtime.state
    card = Turn("card", {"matches": [{"session": SESSION, "no": 3}], "layout": "resident"})
    room.done.clear()
    room.rung.clear()
    mains = [Turn("mains", {"device": "gpio", "present": on}) for on in (True, True, False)]
    fed = room.runtime.feed([*mains, doors("closed"), card, doors("open")])
    declare = {"act": "identify.two_staff", "session": SESSION, "args": {}, "by": [STAFF]}
    asked = room.runtime.feed([Turn("staff", declare)])

    assert [one.result["reason"] for one in (*fed.answers, *asked.answers)] == ["storage_full"] * 2
    assert set(room.done) == {Sound("refused")}
    assert (room.journal.seq, room.runtime.state) == (written, state)
    assert room.runtime.storage()["state"] == "full"
    assert not room.runtime.journal_ok()
    assert room.rung, "the screen is told"
    room.turn_once()  # still full: the loop turns, the watchdog is fed, nothing is written
    assert (room.journal.seq, room.runtime.storage()["state"]) == (written, "full")

    room.make_room()
    room.turn_once()
    assert room.runtime.storage() == {"state": "ok", "elapsed_ms": 0, "held": 0}
    assert room.runtime.journal_ok()
    after = [one for one in room.journal.replay() if one.seq > written]
    refused = [one.data["input"] for one in after if one.type == "input.refused"]
    assert refused == ["card", "staff"]
    late = [one.data for one in after if one.type == "input.late"]
    assert [one["input"] for one in late] == ["mains", "mains", "lockers"]
    assert all(one["seen_at"] < after[-1].at for one in late)
    assert room.runtime.state.lockers[1].door == "open"
    assert not any(isinstance(one, Pulse) for one in room.done)
    assert room.runtime.feed([doors("closed")]).rows


def test_a_wipe_that_a_full_disk_refused_is_done_afterwards(room: Room) -> None:
    prepared(room)
    tried: list[Effect] = []

    def hands(effect: Effect) -> None:
        tried.append(effect)
        if len(tried) == 1:
            raise DiskFullError("journal: full")

    room.runtime.run_effect = hands
    room.runtime._act(Sound("ok"))
    assert room.runtime.storage()["state"] == "full"
    room.turn_once()
    assert tried == [Sound("ok"), Sound("ok")]
    assert room.runtime.storage()["state"] == "ok"


def test_the_uplink_cannot_end_the_loop_and_asks_again_afterwards(room: Room) -> None:
    prepared(room)
    asked: list[str] = []

    class Wire:
        full = True

        def link(self, *, up: bool) -> None:
            asked.append(f"link {up}")

        def arrived(self, leaf: str, *_: object, **__: object) -> list[Turn]:
            raise DiskFullError(leaf)

        def recorded(self, _rows: object) -> None:
            return

        def tick(self) -> list[Turn]:
            if self.full:
                raise DiskFullError("tick")
            return []

        def again(self) -> None:
            asked.append("again")

    room.runtime.uplink = wire = Wire()
    room.turn_once()
    assert room.runtime.storage()["state"] == "full"
    wire.full = False
    room.turn_once()
    assert (asked, room.runtime.storage()["state"]) == (["again"], "ok")


def test_what_memory_does_not_hold_is_a_named_loss() -> None:
    held = Held(limit=3)
    for n in range(5):
        held.keep(Seen(Turn("segment", {"n": n}), "2026-11-24T01:00:00.000Z", n))
    for _ in range(9):
        held.keep(Seen(Turn("tick", {}), "", 0))
    seen = []
    while one := held.first():
        seen.append(one.turn)
        held.drop()
    assert [turn.data.get("n") for turn in seen[:3]] == [0, 1, 2]
    (lost,) = seen[3:]
    assert lost.data["data"]["input"] == "segment"
    assert "2 more than the 3" in lost.data["data"]["reason"]


def test_the_same_reading_again_takes_no_place() -> None:
    held = Held()
    for n in range(3 * HELD_MAX):
        held.keep(Seen(Turn("mat", {"station": n % 2, "on": False}), "", n))
    assert len(held) == 2
    held.keep(Seen(Turn("mat", {"station": 0, "on": True}), "", 0))
    held.keep(Seen(Turn("mat", {"station": 0, "on": False}), "", 0))
    assert len(held) == 4


def test_evidence_that_waits_in_the_inbox_is_taken_on_a_full_disk(room: Room) -> None:
    prepared(room)
    room.fill()
    room.runtime.heartbeat = room.runtime.stop
    room.runtime.inbox.put(Observed("mains", {"device": "gpio", "present": True}))
    room.runtime.run()
    assert room.runtime.inbox.waiting() == 0


@pytest.mark.slow
def test_a_start_waits_for_room_instead_of_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the service manager would start it again and again."""
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    opening, tries = Journal.open, []

    def full_at_first(*args: object, **more: object) -> Journal:
        tries.append(1)
        if len(tries) == 1:
            raise DiskFullError("journal: full")
        return opening(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "open", full_at_first)
    service = app.build(read_room_file(rig.toml))
    assert len(tries) == 2
    service.close()
    rig.stop()


def test_an_opening_that_fails_leaves_no_file_open(tmp_path: Path) -> None:
    """On a full disk it is tried each second: what stays open would end the process in minutes."""
    opened: list[SqlitePort] = []

    class NoRoom(SqlitePort):
        def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
            raise DiskFullError(f"{sql}: no room for {len(list(parameters))} rows")

    def connect(path: Path) -> SqlitePort:
        opened.append(NoRoom(path, connect_sqlite(path).connection))
        return opened[-1]

    where = {"ctl": "c-0123456789ab", "boot": "boot", "clock": Clock(), "entropy": os.urandom}
    with pytest.raises(DiskFullError):
        Journal.open(tmp_path / "journal.sqlite", **where, connect=connect)

    (port,) = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        port.connection.execute("SELECT 1")
    Journal.open(tmp_path / "journal.sqlite", **where).close()
