"""A machine of a history: it has a disk, a line and a clock of its own, falls and starts again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

import apsw
from sqlalchemy.exc import SQLAlchemyError

from edge.journal import StorageError
from tests.simulation.broker import Broker, Line
from tests.simulation.disk import Plate
from tests.simulation.ledger import Ledger
from tests.simulation.template import BEGIN

TICK_MS = 2_500
RECONNECT_MS = (1_000, 5_000)
WAL_PAGES = 24  # small, so that the log is folded into the file many times in one history


class WorldPort(Protocol):
    """What a machine needs of the world around it."""

    now: int
    chance: Random
    ledger: Ledger
    broker: Broker
    leap: timedelta

    def later(self, wait_ms: int, what: str, act: Callable[[], None]) -> None: ...
    def note(self, *words: object) -> None: ...


@dataclass
class MachineClock:
    """One machine's clocks: steady since its start, and what it believes the time to be."""

    world: WorldPort
    booted: int = 0
    offset: timedelta = timedelta()
    trusted: str = "ntp"

    def mono_ms(self) -> int:
        return self.world.now - self.booted + 1_000

    def wall(self) -> datetime:
        passed = timedelta(milliseconds=self.world.now)
        return BEGIN + passed + self.world.leap + self.offset

    def trust(self) -> str:
        return self.trusted


@dataclass
class Machine:
    """What rooms and the hub have in common: a disk, a line, and that they fall and start again."""

    world: WorldPort
    name: str
    path: Path
    clock: MachineClock
    plate: Plate | None = None
    line: Line | None = None
    starts: int = 0

    @property
    def alive(self) -> bool:
        return self.plate is not None and not self.plate.dead

    def connection(self) -> apsw.Connection:
        assert self.plate is not None
        return apsw.Connection(str(self.path), vfs=self.plate.name)

    def wait(self, wait_ms: int, what: str, act: Callable[[], None]) -> None:
        """Something of this start: a fall ends it."""
        start = self.starts

        def due() -> None:
            if self.alive and self.starts == start:
                self.do(what, act)

        self.world.later(wait_ms, f"{self.name} {what}", due)

    def do(self, what: str, act: Callable[[], object]) -> None:
        """One step; a disk that stops in it stops the machine."""
        if not self.alive:
            return
        try:
            act()
        except (StorageError, SQLAlchemyError, apsw.Error):
            if self.alive:
                raise
        if not self.alive:
            self.world.note(self.name, "stopped in", what)
            self.fall(power=True)

    def fall(self, *, power: bool) -> None:
        """The machine stops: what was open is left as it is, the line goes with it."""
        plate, self.plate = self.plate, None
        if plate is None:
            return
        plate.stop()
        self.starts += 1
        self.world.note(self.name, "fell, power" if power else "fell")
        self.let_go()
        plate.settle(self.path, self.world.chance, power=power)
        if self.line is not None:
            self.world.broker.drop(self.line, tell=False)
            self.line = None

    def let_go(self) -> None:
        raise NotImplementedError

    def reconnect(self) -> None:
        self.line = None
        self.wait(self.world.chance.randrange(*RECONNECT_MS), "connect", self.connect)

    def connect(self) -> None:
        raise NotImplementedError
