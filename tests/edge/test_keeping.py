"""What was handed over long ago goes, on the record; what a start decides by stays."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.inbox import Inbox
from edge.intake import KV_PLAN
from edge.journal import Journal
from edge.keeping import CONTENTS_MAX, EVERY_MS, FIRST_MS, LOW_EVERY_MS, Keeping
from edge.media.spool import Kept, Spool
from edge.remote import KV_CLOSED
from edge.runtime import Runtime
from edge.snapshot import KV_FOLD, resumed
from edge.space import LOW_BYTES
from edge.turn import Turn
from protocols.messages.event import Event
from protocols.policy.room_model import RoomState
from protocols.policy.room_state import initial, recorded
from tests.edge.room_bench import SESSION, START, Bench, config, demo_pack, session_plan

KEEP = timedelta(days=36)
RECEIPTED = {SESSION: "pk-000000000001"}


@dataclass
class BenchClock:
    at: datetime = START
    ms: int = 5_000_000
    how: str = "ntp"

    def mono_ms(self) -> int:
        return self.ms

    def wall(self) -> datetime:
        return self.at

    def trust(self) -> str:
        return self.how

    def go(self, span: timedelta) -> None:
        self.at += span
        self.ms += round(span.total_seconds() * 1000)


@dataclass
class Room:
    """A room whose day is over, with its journal and spool."""

    folder: Path
    clock: BenchClock = field(default_factory=BenchClock)
    receipted: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    later: list[Callable[[], None]] = field(default_factory=list)
    journal: Journal = field(init=False)
    runtime: Runtime = field(init=False)
    keeping: Keeping = field(init=False)

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder / "spool")
        self.start()

    def start(self) -> None:
        self.journal = Journal.open(
            self.folder / "journal.sqlite",
            ctl="c-0123456789ab",
            boot="boot",
            clock=self.clock,
            entropy=lambda count: next(self.numbers).to_bytes(count, "big"),
        )
        self.fold()

    def fold(self) -> RoomState:
        self.runtime = Runtime(
            config=config(),
            pack=demo_pack(),
            journal=self.journal,
            clock=self.clock,
            inbox=Inbox(),
            run_effect=lambda _effect: None,
            on_change=lambda: None,
            heartbeat=lambda: None,
            software="test",
            config_hash="",
        )
        self.keeping = Keeping(
            self.runtime,
            self.spool,
            lambda: self.receipted,
            lambda name: self.journal.kv_get(KV_CLOSED + name) is not None,
            lambda _what, act: self.later.append(act),
        )
        return recorded(self.runtime.state)

    def restart(self) -> RoomState:
        self.journal.close()
        self.start()
        return recorded(self.runtime.state)

    def day(self, *, closed: bool = True) -> None:
        """The rows of a whole day, as the rules make them."""
        bench = Bench().ended()
        for no in (3, 4, 5):
            bench.collect(no)
            bench.staff("left.confirm", no=no)
        if closed:
            bench.order("close")
        for draft, *_ in bench.rows:
            self.runtime._append([draft])
        self.fold()

    def acked(self) -> None:
        for one in self.journal.epochs():
            self.journal.set_cursor(one.epoch, one.last)

    def segment(self, content: bytes, *sessions: str) -> str:
        path = self.spool.folder / "new"
        path.write_bytes(content)
        kept = self.spool.take(path, {"stream": "room"}, sessions)
        self.spool.uploaded(kept.sha256)
        return kept.sha256

    def round(self, ticks: int = 60) -> None:
        """A round's time comes, and goes by tick for tick."""
        self.clock.ms = max(self.clock.ms, self.keeping.due_ms)
        self.ticks(ticks)

    def ticks(self, count: int = 60) -> None:
        for _ in range(count):
            self.runtime.feed(self.keeping.tick())
            while self.later:
                self.later.pop()()

    def said(self, kind: str) -> list[dict[str, object]]:
        return [dict(event.data) for event in self.rows() if event.type == kind]

    def rows(self) -> list[Event]:
        return list(self.journal.replay())


class Unplugged(Spool):
    """Its disk answers nothing any more."""

    def releasable(self, receipted: Collection[str]) -> list[Kept]:
        raise OSError(f"no disk for {len(receipted)} sessions")

    def free(self) -> int:
        raise OSError("no disk")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    yield found
    found.journal.close()


def test_rows_go_when_acked_closed_receipted_and_old_and_it_is_said(room: Room) -> None:
    room.day()
    count = len(room.rows())
    room.receipted = RECEIPTED
    room.round()
    assert len(room.rows()) == count, "nothing is acked, nothing is old"
    room.acked()
    room.round()
    assert len(room.rows()) == count, "nothing is old"
    room.clock.go(KEEP)
    room.receipted = {}
    room.round()
    kept = [event.type for event in room.rows()]
    assert {"session.sealed", "seat.state"} <= set(kept), "no receipt"
    assert "room.started" not in kept, "only what was before the session"
    room.receipted = RECEIPTED
    room.round()

    types = [event.type for event in room.rows()]
    assert types == ["epoch.opened", "journal.pruned", "journal.pruned"]
    assert [said["rows"] for said in room.said("journal.pruned")] == [2, count - 3]


def test_on_a_low_disk_what_was_handed_over_goes_at_once_and_nothing_else(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.day()
    other = room.segment(b"nobody has it yet", "s-00000000000b")
    mine = [room.segment(b"%d" % n, SESSION) for n in range(3)]
    room.keeping.due_ms = room.clock.ms + EVERY_MS
    left = [LOW_BYTES]
    monkeypatch.setattr(room.spool, "free", lambda: left[0])
    room.ticks()
    left[0] -= 1
    room.ticks()
    assert [room.spool.has(one) for one in mine] == [True] * 3, "no receipt"

    room.receipted = RECEIPTED
    room.ticks()
    assert [room.spool.has(one) for one in mine] == [True] * 3, "it has just been looked through"
    room.clock.go(timedelta(milliseconds=LOW_EVERY_MS))
    room.ticks()

    assert [room.spool.has(one) for one in mine] == [False] * 3
    assert room.spool.has(other)
    assert [said["segments"] for said in room.said("spool.released")] == [3]


def test_nothing_of_a_session_goes_before_it_is_closed_nor_what_was_shared_with_it(
    room: Room,
) -> None:
    room.day(closed=False)
    room.runtime.feed([Turn("mains", {"present": False}), Turn("mains", {"present": False})])
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    before = [(event.seq, event.type) for event in room.rows()]
    room.round()

    left = [(event.seq, event.type) for event in room.rows()]
    first = next(seq for seq, kind in before if kind == "session.prepared")
    assert [one for one in left if one[0] >= first][:-1] == [
        one for one in before if one[0] >= first
    ]
    assert left[-1][1] == "journal.pruned", "what was before the session went"


def test_an_untrusted_clock_and_a_running_session_let_nothing_go(room: Room) -> None:
    room.day()
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    room.clock.how = "none"
    room.round()
    assert room.said("journal.pruned") == []

    room.clock.how = "ntp"
    other = "s-00000000000b"
    about = {"generation": 1, "n": 2, "hash": "2" * 64, "pack_hash": "ab"}
    room.runtime.feed([Turn("plan", {**about, "sessions": [session_plan(other)]})])
    order = {"id": "f" * 32, "session": other, "n": 9, "order": "open", "raw": "r"}
    more = {"members": [], "venues": [], "committee": "", "via": "hub"}
    by = {"person": "p-manager", "post": "HB-01", "role": "home_manager", "org": "hubei"}
    room.runtime.feed([Turn("order", {**order, **more, "by": by})])
    assert room.runtime.state.sessions[other].phase.value == "check_in"
    room.round()
    assert room.said("journal.pruned") == []


def test_after_pruning_a_start_knows_everything_it_decided_by_before(room: Room) -> None:
    room.runtime.feed([Turn("mains", {"present": True}), Turn("mains", {"present": True})])
    room.runtime.feed([Turn("mains", {"present": False}), Turn("mains", {"present": False})])
    for _ in range(10):
        room.clock.go(timedelta(seconds=1))
        room.runtime.feed([Turn("tick", {})])
    room.day()
    raised = room.runtime.state.fault_count
    assert raised > 0
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    room.round()
    live = recorded(room.runtime.state)
    assert room.said("fault.raised") == [], "the rows that it was folded from are gone"

    assert room.fold() == live
    after = room.restart()
    assert replace(after, epoch=live.epoch, seq=live.seq) == live
    assert after.fault_count == raised
    assert room.keeping.closed(SESSION)


def test_a_fold_of_another_program_gives_its_counters_and_a_new_device_is_unknown() -> None:
    state = initial(config())
    kept = {"epoch": "e" * 32, "seq": 3, "state": {"fault_count": 7, "openings": 4}}
    found, after = resumed(json.dumps(kept).encode(), config(), {"e" * 32})
    assert (found, after) == (replace(state, fault_count=7, openings=4), None)
    found, after = resumed(json.dumps(kept).encode(), config(), set())
    assert (found.fault_count, after) == (7, None)


def test_segments_go_after_the_receipt_and_it_is_said_before(room: Room) -> None:
    room.day()
    shared = room.segment(b"shared", SESSION, "s-00000000000b")
    mine = [room.segment(b"%d" % number, SESSION) for number in range(CONTENTS_MAX + 1)]
    room.round()
    assert all(room.spool.has(one) for one in mine), "no receipt"

    room.receipted = RECEIPTED
    room.clock.ms = room.keeping.due_ms
    while not room.said("spool.released"):
        room.runtime.feed(room.keeping.tick())
        assert all(room.spool.has(one) for one in mine)
        while room.later:
            room.later.pop()()
    room.round()

    assert not any(room.spool.has(one) or room.spool.path(one).exists() for one in mine)
    assert room.spool.has(shared), "another session needs it"
    (said,) = room.said("spool.released")
    size = sum(len(b"%d" % number) for number in range(CONTENTS_MAX + 1))
    about = {"receipt": RECEIPTED[SESSION], "segments": CONTENTS_MAX + 1, "bytes": size}
    assert said == {"session": SESSION, **about}


def test_the_rows_of_a_session_stay_while_its_segments_do(room: Room) -> None:
    room.day()
    sha256 = room.segment(b"one", SESSION)
    room.spool.resend()
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    room.round()
    assert room.said("session.sealed") != [], "the hub does not have the segment any more"

    room.spool.uploaded(sha256)
    room.round()
    assert room.said("session.sealed") == []


def test_a_round_comes_soon_after_a_start_and_then_once_a_day(room: Room) -> None:
    room.day()
    first = room.keeping.due_ms
    assert first == room.clock.ms + FIRST_MS
    room.keeping.tick()
    assert room.later == [], "not before"
    room.round()
    assert room.keeping.due_ms == first + EVERY_MS


def test_what_fails_beside_the_loop_ends_the_round_and_not_the_room(room: Room) -> None:
    room.day()
    room.clock.ms = room.keeping.due_ms
    room.keeping.tick()
    room.keeping.spool = Unplugged(room.spool.folder)
    with pytest.raises(OSError, match="no disk"):
        room.later.pop()()
    assert room.keeping.tick() == []
    assert room.keeping.tick() == []
    room.keeping.spool = room.spool
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    room.round()
    assert room.said("journal.pruned") != []


def test_the_small_state_is_written_with_the_rows_it_stands_for(room: Room) -> None:
    room.day()
    assert room.journal.kv_get(KV_FOLD) is None
    assert room.journal.kv_get(KV_PLAN) is None
    room.acked()
    room.receipted = RECEIPTED
    room.clock.go(KEEP)
    room.round()
    kept = json.loads(room.journal.kv_get(KV_FOLD) or b"")
    assert (kept["epoch"], kept["seq"]) == (room.journal.epoch, room.journal.seq - 1)
