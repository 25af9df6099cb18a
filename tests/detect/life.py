"""An alarm's life, raised to resolved, goes on over restarts of the hub in any state.

The same history is played twice, once with restarts between (and in the middle of) its steps: what
the board shows, whom it calls and what is late is the same after every step.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.fleet.ears import RETURN_MS, UNREACHABLE_MS
from hub.problems import Problem
from hub.web.views_alarm_make import ACK_WITHIN, Alarm, BoardData, alarms_of
from protocols.messages.bodies import Pong
from tests.detect.played import memory
from tests.hub.booking.roomscript import Room, rooms_of
from tests.hub.booking.town import CTLS, Town, build_town, published

STEPS = 8
ORG = "changsha"
STRIDE_S = 4
"""While nothing happens the hub looks so often: it takes a longer pause for a stop of its own."""
Shown = tuple[str, str, bool, bool, bool]


class DiffersError(AssertionError):
    """A restart was seen on the board, or called somebody twice or not at all."""


@dataclass
class Life:
    """One hub's life; `called`: everybody who was called, for what, in order."""

    folder: Path
    town: Town
    restarts: bool
    chance: random.Random
    room: Room = field(init=False)
    away: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(CTLS.values(), False))
    faults: int = 0
    begun: int = 0
    late: int = 0
    called: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.room = rooms_of(self.town)[ORG]
        self.pass_s(6)

    def play(self, step: str) -> list[Shown]:
        if self.restarts and self.chance.random() < 0.5:
            self.restart()
        getattr(self, f"_{step}")()
        if self.restarts and self.chance.random() < 0.3:
            self.restart()
        self.pass_s(2)
        return self.shown()

    def restart(self) -> None:
        """A new process over the same database; nothing but the database is kept."""
        self.begun += 1
        old = self.town
        made = build_town(self.folder, like=old, url=f"sqlite:///{self.folder}/hub.sqlite")
        old.store.close()
        self.town = self.room.town = made
        made.rooms.rebuild()
        made.projector.run_pending()
        made.contingency.begin()

    def pass_s(self, seconds: int) -> None:
        for second in range(seconds):
            self.town.clock.pass_s(1)
            if second % 2 == 0:
                self._pongs()
            self.town.fleet.tick()
        self.town.contingency.tick()
        self.town.projector.run_pending()

    def _pongs(self) -> None:
        for ctl, away in self.away.items():
            if not away:
                said = Pong("", "", "e" * 32, 1, 1, 0, journal_ok=True, loop_ms=1)
                self.town.rooms.pong(ctl, said)

    # -- steps -----------------------------------------------------------------------------------
    def _raise(self) -> None:
        self.faults += 1
        device = f"radar{self.faults % 2}"
        data = {"fault": f"device-{self.faults}", "kind": "device", "device": device}
        more = {"what": "silent", "p": "unset", "consequence": "device_silent", "cause": ""}
        self.room.say("fault.raised", {**data, **more})

    def _clear(self) -> None:
        if self.faults:
            data = {"fault": f"device-{self.faults}", "kind": "device", "duration_ms": 1}
            self.room.say("fault.cleared", data)

    def _tamper(self) -> None:
        self.room.say("locker.unexplained", {"locker": 1, "session": "", "member": None})

    def _leave(self) -> None:
        self.away[CTLS[ORG]] = True
        self.pass_s(UNREACHABLE_MS // 1000 + 2)

    def _return(self) -> None:
        self.away = dict.fromkeys(self.away, False)

    def _deaf(self) -> None:
        self.away = dict.fromkeys(self.away, True)
        self.pass_s(UNREACHABLE_MS // 1000 + 2)

    def _way_back(self) -> None:
        self._return()
        self.pass_s(RETURN_MS // 1000 + 2)

    def _ack(self) -> None:
        for one in self.alarms():
            ctl, _, name = one.ident.partition(":")
            org = next((org for org, its in CTLS.items() if its == ctl), ORG)
            try:
                self.town.contingency.ack_alarm(self.town.who(f"{org}.fault_handler"), ctl, name)
            except Problem as refused:
                if refused.status != 404:  # over by itself since it was looked at
                    raise

    def _wait(self) -> None:
        """Nobody takes it in hand for longer than anybody may."""
        for _ in range(int(max(ACK_WITHIN.values()).total_seconds()) // STRIDE_S + 2):
            self.town.clock.pass_s(STRIDE_S)
            self._pongs()
            self.town.fleet.tick()
            self.town.contingency.tick()

    # -- looks -----------------------------------------------------------------------------------
    def shown(self) -> list[Shown]:
        """What the board says now; new calls are noted."""
        now, found = self.town.clock.wall(), []
        for one in self.alarms():
            within = ACK_WITHIN.get(one.level)
            late = not one.acked and within is not None and now - one.since > within
            self.late += late
            found.append((one.kind, one.room.ctl, one.acked, one.quiet, late))
            if one.ident not in self._known:
                self._known.add(one.ident)
                if not one.quiet and not one.acked:
                    self.called.append(f"{one.room.ctl} {one.kind}")
        return sorted(found)

    def alarms(self) -> list[Alarm]:
        return alarms_of(
            BoardData(
                now=self.town.clock.wall(),
                rooms=self.town.rooms.snapshot(),
                sessions=(),
                cases=(),
                names={},
                home_orgs=frozenset(),
                pack=self.town.pack,
                may_ack=True,
                hub=(self.town.rooms.itself(self.town.facts.hub),),
            )
        )


STEPS_OF = ("raise", "clear", "tamper", "leave", "return", "deaf", "way_back", "ack", "wait")


@dataclass
class Tally:
    """How many lives held, what they went through, and what differed in the others."""

    held: int = 0
    calls: int = 0
    late: int = 0
    restarts: int = 0
    broken: list[str] = field(default_factory=list)


def lives(first: Town, folder: Path, seed: int) -> tuple[Life, Life]:
    """The same hub twice: one that is left alone, one that is restarted."""
    made = []
    for restarts in (False, True):
        place = folder / f"{seed}-{restarts}"
        place.mkdir()
        town = build_town(place, like=first)
        made.append(Life(place, town, restarts, random.Random(seed)))  # noqa: S311
    return made[0], made[1]


def compare(calm: Life, restless: Life, steps: Sequence[str]) -> None:
    """Plays both.

    Raises:
        DiffersError: the board or the calls of one are not those of the other.
    """
    for n, step in enumerate(steps):
        seen, expected = restless.play(step), calm.play(step)
        if (seen, restless.called) != (expected, calm.called):
            raise DiffersError(
                f"step {n} of {list(steps)}: expected {expected} and {calm.called[-3:]}, "
                f"got {seen} and {restless.called[-3:]}"
            )


def play(seeds: Iterable[int]) -> Tally:
    """A life of each seed."""
    tally = Tally()
    with memory() as folder:
        (folder / "first").mkdir()
        first = build_town(folder / "first")
        published(first)
        for seed in seeds:
            steps = random.Random(seed).choices(STEPS_OF, k=STEPS)  # noqa: S311
            pair = lives(first, folder, seed)
            try:
                compare(*pair, steps)
                tally.held += 1
            except DiffersError as found:
                tally.broken.append(f"life {seed}: {found}")
            tally.calls += len(pair[0].called)
            tally.late += pair[0].late
            tally.restarts += pair[1].begun
            for one in pair:
                one.town.store.close()
                shutil.rmtree(one.folder)
        first.store.close()
    return tally
