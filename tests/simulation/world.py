"""The virtual clock of a history and what stands under it."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from tests.simulation.broker import Broker
from tests.simulation.hub import Hub
from tests.simulation.ledger import Ledger
from tests.simulation.room import Room
from tests.simulation.template import CTLS, templates


@dataclass
class World:
    """The virtual clock and what stands under it."""

    seed: int
    home: Path
    now: int = 0
    leap: timedelta = timedelta()
    chance: Random = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - a seed must play the same history again
        self._heap: list[tuple[int, int, str, Callable[[], None]]] = []
        self._count = itertools.count()
        self._trace = hashlib.sha256()
        self.log: list[str] | None = None
        self.broker = Broker(self.later, self.chance)
        hub, journal = templates(self.home / "template")
        self.here = self.home / f"history-{self.seed}"
        self.here.mkdir()
        (self.here / "hub").mkdir()
        shutil.copyfile(hub, self.here / "hub" / "hub.sqlite")
        self.hub = Hub(self, self.here / "hub" / "hub.sqlite")
        self.rooms: list[Room] = []
        for ctl in CTLS[: self.chance.choice((1, 1, 2, 3))]:
            (self.here / ctl).mkdir()
            shutil.copyfile(journal, self.here / ctl / "journal.sqlite")
            self.rooms.append(Room(self, ctl, self.here / ctl / "journal.sqlite"))

    def later(self, wait_ms: int, what: str, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + wait_ms, next(self._count), what, act))

    def note(self, *words: object) -> None:
        text = f"{self.now} {' '.join(map(str, words))}"
        self._trace.update(text.encode())
        if self.log is not None:
            self.log.append(text)

    def run_until(self, end: int) -> None:
        while self._heap and self._heap[0][0] <= end:
            self.now, _, what, act = heapq.heappop(self._heap)
            self.steps += 1
            self.note(what)
            act()
        self.now = end

    def trace(self) -> str:
        for place in sorted(self.ledger.held):
            self._trace.update(f"{place} {self.ledger.held[place]}".encode())
        return self._trace.hexdigest()
