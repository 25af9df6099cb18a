"""Plays a script on a town, round by round, and keeps the figures."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from hub.demo.supervise import TooLateError, until
from tests.torture.hands import Hands, Recoveries
from tests.torture.judge import Verdict, judge, outdated, waiting
from tests.torture.script import Round, Step
from tests.torture.town import HUB_LINE, Town

TAIL_S: Final = 150.0  # a room that waits longest tries again after a minute
TICK_S: Final = 0.05
CALM_S: Final = 30.0


@dataclass(slots=True)
class Figures:
    """What was done and seen."""

    done: Counter[str] = field(default_factory=Counter)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    late: list[str] = field(default_factory=list)


@dataclass
class Torture:
    """One town under blows."""

    town: Town
    seed: int
    figures: Figures = field(default_factory=Figures)
    hands: list[Hands] = field(default_factory=list)
    _ends: dict[str, float] = field(default_factory=dict)
    _pause: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.recoveries = Recoveries(self.town, self.figures.recoveries)

    def start(self) -> None:
        """Hands begin to move in every room of the open town."""
        for site in self.town.rooms:
            rng = random.Random(f"{self.seed} {site.place}")  # noqa: S311 - no secret
            self.hands.append(Hands(site, rng))
            self.hands[-1].start()
        self.recoveries.start()

    def stop(self) -> None:
        """Hands rest for good."""
        self.recoveries.stop()
        for one in self.hands:
            one.stop()

    def play(self, round_: Round) -> bool:
        """One round with its quiet tail; True when everything arrived as it was written."""
        for one in self.hands:
            one.rest.clear()
        try:
            self._blows(round_)
        except TooLateError as error:
            self.figures.late.append(str(error))
        self._calm()
        return self._settle()

    def _blows(self, round_: Round) -> None:
        if self.town.apart != round_.apart:
            for name in self.town.seat(apart=round_.apart):
                self._count(f"kill {name}", "")
        restores = [one.what for one in round_.steps].count("restore")
        backup = self.town.backup() if restores else None
        for step in round_.steps:
            if step.what == "restore" and backup is not None:
                old = partial(outdated, self.town, backup)
                until("the backup is old", old, within_s=CALM_S)
                self.town.restore(backup)
                self._count("restore", "")
                restores -= 1
                backup = self.town.backup() if restores else None
            else:
                self._strike(step)
            self._wait(step.pause_s)

    def _strike(self, step: Step) -> None:
        if step.what == "fault":
            self._fault(step)
        elif step.what == "store":
            self._until_struck(step, self.town.lose_store)
            self._count("store", "")
        else:
            self._until_struck(step, lambda: self.town.kill(step.name))
            name = step.name if step.name in {"hub", "broker"} else "room"
            self._count(f"kill {name}", step.name if name == "room" else "")

    def _until_struck(self, step: Step, strike: Callable[[], bool]) -> None:
        """Who is dead already is waited for: every blow of the script falls."""
        until(f"{step.what} {step.name}", strike, within_s=CALM_S, every_s=TICK_S)

    def _fault(self, step: Step) -> None:
        self.town.line(step.name, "none")
        self.town.line(step.name, step.kind, step.way)
        self._ends[step.name] = time.monotonic() + step.lasts_s
        leg = HUB_LINE if step.name == HUB_LINE else "room"
        self.figures.done[f"fault {leg} {step.kind}"] += 1

    def _count(self, what: str, name: str) -> None:
        self.figures.done[what] += 1
        self.recoveries.died(what.rsplit(maxsplit=1)[-1], name)

    def _wait(self, seconds: float) -> None:
        """Lets time pass; lines whose time is over are good again."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for name in [one for one, over in self._ends.items() if over <= now]:
                self._mend(name)
            self._pause.wait(TICK_S)

    def _mend(self, name: str) -> None:
        self.town.line(name, "none")
        del self._ends[name]

    def _calm(self) -> None:
        """The last bad lines run out, the hands rest."""
        while self._ends:
            self._wait(TICK_S)
        for one in self.hands:
            one.rest.set()

    def _settle(self) -> bool:
        """The quiet tail: has everything arrived, and is it what was written?

        A room may write a row of its own between two looks; then both look again.
        """
        begun, figures = time.monotonic(), self.figures
        said = ""

        def arrived() -> bool:
            nonlocal said
            said = waiting(self.town)
            if not said:
                figures.verdict = judge(self.town)
            return not (said or figures.verdict.findings)

        try:
            until("everything arrives", arrived, within_s=TAIL_S)
            figures.tails.append(time.monotonic() - begun)
        except TooLateError:
            figures.late += [said] if said else []
            figures.verdict = judge(self.town)
        return not (figures.late or figures.verdict.findings)
