"""The steady load of a town: somebody in each room sits down, gets up, opens lockers, shows cards.

And beside it a look, twenty times a second, at how far each room's rows are acknowledged: from
it follows how long after a death the record goes on.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from edge.simulators.bench import control
from edge.simulators.board import ControlError
from hub.demo.town import FIRST_MAT_PIN, LOCKERS, MAINS_PIN, RoomSite
from tests.torture.town import Town

PACE_S: Final = 0.2  # the boards are read four times a second; faster hands would not be seen
LOOK_S: Final = 0.05
STRANGER: Final = {"layout": "resident", "name": "王某某", "number": "11010519491231002X"}


@dataclass
class Hands:
    """A pair of hands in one room, moving until told to rest."""

    site: RoomSite
    rng: random.Random
    moved: int = 0
    rest: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to move."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """For good."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PACE_S):
            if self.rest.is_set():
                continue
            # Whoever is dead now is not moved; a board being killed may answer with half a line.
            with suppress(OSError, ValueError, ControlError):
                self._move()
                self.moved += 1

    def _move(self) -> None:
        locker = self.rng.randint(1, LOCKERS)
        doing = self.rng.choice(["seat", "seat", "open", "close", "close", "item", "card", "mains"])
        if doing == "seat":
            pin = FIRST_MAT_PIN + self.rng.randrange(self.site.seats)
            self._hand("pins", pin=pin, level=self.rng.randrange(2))
        elif doing == "mains":
            self._hand("pins", pin=MAINS_PIN, level=int(self.rng.random() > 0.9))
        elif doing == "card":
            shown = self.rng.random() > 0.5
            self._hand("idcard", do="insert" if shown else "remove", **(STRANGER if shown else {}))
        elif doing == "item":
            self._hand("locker", do=self.rng.choice(["put", "take"]), lock=locker)
        else:
            self._hand("locker", do="key_open" if doing == "open" else "close", lock=locker)

    def _hand(self, board: str, **fields: object) -> None:
        control(self.site.socket(board), dict(fields))


@dataclass
class Recoveries:
    """How long it takes from a death until a row written after it is acknowledged."""

    town: Town
    seconds: list[tuple[str, float]] = field(default_factory=list)
    _open: list[tuple[str, float, dict[str, int]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends looking; who has not come back yet is not counted."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def died(self, what: str, name: str) -> None:
        """`what` died; it is back when the room `name` has a new row acknowledged, else any."""
        sites = [one for one in self.town.rooms if name in ("", one.place)]
        goals = {one.place: self._look(one)[0] for one in sites}
        with self._lock:
            self._open.append((what, time.monotonic(), goals))

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            with self._lock:
                wanted = {place for _, _, goals in self._open for place in goals}
            now = {one.place: self._look(one)[1] for one in self.town.rooms if one.place in wanted}
            with self._lock:
                self._open = [one for one in self._open if not self._is_back(one, now)]

    def _is_back(self, one: tuple[str, float, dict[str, int]], now: dict[str, int]) -> bool:
        what, since, goals = one
        back = any(now.get(place, 0) > goal for place, goal in goals.items())
        if back:
            self.seconds.append((what, time.monotonic() - since))
        return back

    def _look(self, site: RoomSite) -> tuple[int, int]:
        """Rows written and rows acknowledged."""
        path = self.town.journal(site)
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn,
        ):
            row = conn.execute("SELECT SUM(last), SUM(acked) FROM epoch").fetchone()
            return int(row[0] or 0), int(row[1] or 0)
        return 0, 0
