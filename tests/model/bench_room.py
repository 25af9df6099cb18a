"""A whole room in one thread: the real journal on SQLite, the real loop, a simulated lock board.

The board is reached through its bytes, both ways, as over a line; its lock springs, or is jammed.
Time is a number. Every pulse is judged in the moment in which the board would feel it: its intent
must be on the disk by then, and the law must allow it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.clock import iso_ms
from edge.devices import TwoReads
from edge.inbox import Inbox
from edge.journal import Journal, Row
from edge.room import Answer, Draft, Effect, Input, Pulse
from edge.runtime import Runtime
from edge.simulators.board import Request
from edge.simulators.cu16 import SimulatedCu16
from edge.turn import Turn
from protocols.messages.event import decode_event
from protocols.policy.room_model import RoomState
from protocols.policy.room_state import RoomConfig
from protocols.wire import cu16 as wire
from tests.edge.room_bench import MANAGER, SESSION, STAFF, session_plan
from tests.model import law
from tests.model.room_walk import Setting, person

CTL = "c-0123456789ab"
START = datetime(2026, 11, 24, 0, 40, tzinfo=UTC)


@dataclass(slots=True)
class Hands:
    """A clock that stands still until it is moved; another boot begins at nothing."""

    boots: int = 0
    mono: int = 0
    at: datetime = START

    def mono_ms(self) -> int:
        return self.mono

    def wall(self) -> datetime:
        return self.at

    def trust(self) -> str:
        return "rtc"

    def wait(self, seconds: int) -> None:
        self.mono += seconds * 1000
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True)
class Board:
    """The driver's work on a simulated board, without its thread: bytes both ways, two reads."""

    count: int
    simulated: SimulatedCu16 = field(init=False)
    host: wire.HostDecoder = field(default_factory=wire.HostDecoder)
    reads: dict[int, tuple[TwoReads[str], TwoReads[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.simulated = SimulatedCu16(count=self.count)
        self.forget()

    def forget(self) -> None:
        self.reads = {no: (TwoReads(), TwoReads()) for no in range(1, self.count + 1)}

    def pulse(self, lock: int) -> None:
        self.simulated.heard(wire.encode(wire.Unlock(0, lock)))

    def poll(self) -> dict[str, list[str]]:
        for answer in self.simulated.heard(wire.encode(wire.ReadStatus(0))):
            for status in self.host.receive_data(answer):
                for no, (door, item) in self.reads.items():
                    door.read("closed" if status.closed[no - 1] else "open")
                    item.read("present" if status.item[no - 1] else "absent")
        return {
            str(no): [door.confirmed or "unknown", item.confirmed or "unknown"]
            for no, (door, item) in self.reads.items()
        }

    def hand(self, do: str, lock: int) -> None:
        self.simulated.order(do, Request({"lock": lock}, "hand"))

    def jam(self, lock: int, *, on: bool) -> None:
        self.simulated.order("jam", Request({"lock": lock, "on": on}, "hand"))

    def locker(self, lock: int) -> Mapping[str, bool]:
        lockers: Any = self.simulated.state()["lockers"]
        found: Mapping[str, bool] = lockers[str(lock)]
        return found


class Room:
    """The room and what it did."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.pack = setting.pack()
        self.folder = tempfile.TemporaryDirectory(prefix="room-")
        self.clock = Hands()
        self.board = Board(setting.members)
        self.epochs = 0
        self.acts = 0
        self.pulses: list[Pulse] = []
        self.answers: tuple[Answer, ...] = ()
        self.journal: Journal
        self.runtime: Runtime
        self._start()
        self.runtime.open()
        rows = [session_plan(members=[person(no) for no in setting.numbers])]
        plan = {"generation": 1, "n": 1, "hash": "ab", "sessions": rows, "pack_hash": "ab"}
        self.feed("plan", plan)
        self.feed("system_probe", {"ok": True})
        self.poll()

    def close(self) -> None:
        self.journal.close()
        self.folder.cleanup()

    @property
    def state(self) -> RoomState:
        return self.runtime.state

    # -- the program -------------------------------------------------------------------------
    def _start(self) -> None:
        self.clock.boots += 1
        self.journal = Journal.open(
            Path(self.folder.name) / "journal.sqlite",
            ctl=CTL,
            boot=f"boot-{self.clock.boots}",
            clock=self.clock,
            entropy=self._drawn,
        )
        config = RoomConfig(ctl=CTL, place="changsha-2", lockers=tuple(self.setting.numbers))
        self.runtime = Runtime(
            config=config,
            pack=self.pack,
            journal=self.journal,
            clock=self.clock,
            inbox=Inbox(),
            run_effect=self._effect,
            on_change=lambda: None,
            heartbeat=lambda: None,
            software="test",
            config_hash="",
        )
        self.board.forget()

    def _drawn(self, count: int) -> bytes:
        self.epochs += 1
        return self.epochs.to_bytes(count, "big")

    def restart(self, *, off_s: int = 5) -> None:
        """The process ends where it is; another one takes up the journal."""
        before = self.state
        self.journal.close()
        self.clock.mono = 0
        self.clock.at += timedelta(seconds=off_s)
        self._start()
        # What an hour off brings, lateness and phones not fetched, is the next thing that happens.
        assert self.state.sessions == before.sessions, "a restart found another session"
        held = {no: one.deposit for no, one in before.lockers.items()}
        assert {no: one.deposit for no, one in self.state.lockers.items()} == held
        self.runtime.open()
        self.poll()

    def _effect(self, effect: Effect) -> None:
        if isinstance(effect, Pulse):
            with_intent = [one for one in self.openings() if one["intent"] == effect.intent]
            assert [one["locker"] for one in with_intent] == [effect.lock], "no intent on the disk"
            self.pulses.append(effect)
            self.board.pulse(effect.lock)

    def openings(self) -> list[Mapping[str, Any]]:
        """Every intent on the disk, read by another connection as somebody else would."""
        reader = self.journal.reader()
        try:
            found = [one.data for one in reader.replay() if one.type == "locker.opening"]
        finally:
            reader.close()
        return found

    def feed(self, kind: str, data: dict[str, Any]) -> tuple[Row, ...]:
        """One turn of the loop, judged."""
        self.acts += 1
        before, pulsed = self.state, len(self.pulses)
        fed = self.runtime.feed([Turn(kind, data)])
        events = [decode_event(row.line) for row in fed.rows]
        drafts = tuple(Draft(one.type, one.session, dict(one.data)) for one in events)
        self.answers = fed.answers
        answer = fed.answers[0].result if fed.answers else {}
        inp = Input(kind, data, self.clock.mono_ms(), iso_ms(self.clock.wall()))
        pulses = tuple(self.pulses[pulsed:])
        step = law.Step(self.pack, before, self.state, inp, drafts, pulses, answer)
        assert law.broken(step) == []
        return fed.rows

    def poll(self, times: int = 2) -> list[str]:
        """The board is read; returns the types of what was recorded of it."""
        types: list[str] = []
        for _ in range(times):
            rows = self.feed("lockers", {"states": self.board.poll()})
            types += [decode_event(row.line).type for row in rows]
        return types

    def tick(self, seconds: int) -> None:
        self.clock.wait(seconds)
        self.poll()
        self.feed("tick", {})

    # -- people ------------------------------------------------------------------------------
    def card(self, no: int) -> None:
        session = self.state.sessions[SESSION]
        matches = [] if session.wiped or not no else [{"session": SESSION, "no": no}]
        self.feed("card", {"matches": matches, "layout": "resident"})

    def staff(self, act: str, *by: Mapping[str, str], **args: Any) -> None:
        people = list(by) or [STAFF]
        self.feed("staff", {"act": act, "session": SESSION, "args": args, "by": people})

    def order(self, word: str, **more: Any) -> None:
        n = self.state.sessions[SESSION].last_n + 1
        data = {
            "id": f"o-{self.acts}",
            "session": SESSION,
            "n": n,
            "order": word,
            "members": [],
            "venues": [],
            "committee": "complete",
            "exceptions": ["members_seated"],
            "by": MANAGER,
            "via": "hub",
            "raw": "r",
        }
        self.feed("order", {**data, **more})

    def sign(self, no: int, document: str) -> None:
        data = {
            "id": f"s-{self.acts}",
            "session": SESSION,
            "member": no,
            "document": document,
            "outcome": "signed",
            "digest": "",
            "by": [STAFF],
            "raw": "r",
        }
        self.feed("statement", data)

    def command(self, verb: str, *by: Mapping[str, str], **args: Any) -> None:
        about = {"id": f"c-{self.acts}", "verb": verb, "args": args, "by": list(by)}
        self.feed("command", {**about, "session": SESSION, "expect": None})
