"""A broker worse than Mosquitto: everything it may do to a message it does, and says "accepted".

It loses its queue, drops what is over a cap after acknowledging it, duplicates, reorders, hands a
message to a later connection, keeps a will over a newer birth, and leaves links half open.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.messages.topics import RETAINED, UP_ST, parse_topic

HUB = "hub"
LATENCY_MS = 4
Deliver = Callable[[str, bytes, bool], None]
Later = Callable[[int, str, Callable[[], None]], None]


@dataclass(frozen=True)
class Habits:
    """How bad it is, as chances per message; all 0 is a good broker."""

    drop: float = 0.0
    twice: float = 0.0
    reorder_ms: int = 0
    stale: float = 0.0
    stale_ms: int = 0
    cap: int = 1 << 30
    will_late_ms: int = 0


@dataclass
class Line:
    """One client's connection. A half-open one swallows everything until it is noticed."""

    client: str
    deliver: Deliver
    lost: Callable[[], None]
    will: tuple[str, bytes] | None = None
    half_open: bool = False
    waiting: int = 0


@dataclass
class Broker:
    """Topics of rooms go to the hub, the hub's to the room they name."""

    later: Later
    chance: random.Random
    habits: Habits = field(default_factory=Habits)
    lines: dict[str, Line] = field(default_factory=dict)
    retained: dict[str, bytes] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)
    run: int = 0

    def connect(self, line: Line) -> bool:
        """A client comes; one of the same name is thrown out, as MQTT has it."""
        if line.client in self.cut_off:
            return False
        before = self.lines.get(line.client)
        if before is not None:
            self.drop(before)
        self.lines[line.client] = line
        if line.client == HUB:
            for name, payload in sorted(self.retained.items()):
                self.route(HUB, name, payload, retained=True)
        return True

    def drop(self, line: Line, *, tell: bool = True) -> None:
        """A connection ends without a goodbye: its will is spoken, now or much later."""
        if self.lines.get(line.client) is not line:
            return
        del self.lines[line.client]
        if line.will is not None:
            name, payload = line.will
            wait = self.chance.randrange(self.habits.will_late_ms + 1)
            self.later(wait, "will", lambda: self._will(name, payload))
        if tell:
            self.later(LATENCY_MS, "lost", line.lost)

    def leave(self, client: str, *, tell: bool = True) -> None:
        """`drop` by name."""
        if client in self.lines:
            self.drop(self.lines[client], tell=tell)

    def forget_everything(self) -> None:
        """Killed with its store: queue, retained messages, connections."""
        self.run += 1
        self.retained.clear()
        for line in list(self.lines.values()):
            line.will = None
            self.drop(line)

    def publish(self, line: Line, name: str, payload: bytes, *, retain: bool = False) -> None:
        """Takes a message; it is acknowledged whatever becomes of it."""
        if self.lines.get(line.client) is not line or line.half_open:
            return
        where = parse_topic(name)
        if where is None:
            return
        if retain and where.leaf in RETAINED:
            self.retained[name] = payload
        to = HUB if where.leaf.startswith("up/") else where.ctl
        self.route(to, name, payload)

    def _will(self, name: str, payload: bytes) -> None:
        self.retained[name] = payload
        self.route(HUB, name, payload)

    def route(self, to: str, name: str, payload: bytes, *, retained: bool = False) -> None:
        """On its way to one client, whoever sent it."""
        habits, chance = self.habits, self.chance
        line = self.lines.get(to)
        if line is None or line.waiting >= habits.cap or chance.random() < habits.drop:
            return
        for _ in range(2 if chance.random() < habits.twice else 1):
            self._copy(line, name, payload, retained=retained)

    def _copy(self, line: Line, name: str, payload: bytes, *, retained: bool) -> None:
        habits, chance, run = self.habits, self.chance, self.run
        wait = LATENCY_MS + (chance.randrange(habits.reorder_ms) if habits.reorder_ms else 0)
        stale = chance.random() < habits.stale
        if stale:
            wait += chance.randrange(habits.stale_ms)
        line.waiting += 1

        def arrive() -> None:
            self._hand_over(line, name, payload, run=run, stale=stale, retained=retained)

        self.later(wait, "deliver", arrive)

    def _hand_over(
        self, line: Line, name: str, payload: bytes, *, run: int, stale: bool, retained: bool
    ) -> None:
        line.waiting -= 1
        now = self.lines.get(line.client)
        if run != self.run or now is None or now.half_open or (now is not line and not stale):
            return
        now.deliver(name, payload, retained)


__all__ = ["HUB", "UP_ST", "Broker", "Habits", "Line"]
