"""What the room sees while its disk is full: kept in memory, in order, until it can be recorded.

Evidence (what a driver or the recorder saw) waits here and goes into the record when there is room
again, with the time it was seen. What somebody asked for (a card, a staff act, an order) is refused
at once and only the refusal waits: a door must not open ten minutes later for nobody.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from edge.turn import Turn

# As many as the inbox holds: minutes of a full room's readings, a few MiB. What changes nothing
# takes no place, so a quiet room holds for days.
HELD_MAX = 4096
FULL = "storage_full"
ASKED = frozenset(("card", "card_error", "staff", "order", "order_refused", "statement", "command"))
# Say the same again by themselves.
PASSING = frozenset(("tick", "card_removed"))
# Readings of a state: the same one twice is one.
STATES = frozenset(
    (
        "lockers",
        "mat",
        "radar",
        "mains",
        "ups",
        "device",
        "recording",
        "network",
        "clock_offset",
    )
)
NAMES = ("device", "station", "stream")


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn and when it was seen: RFC 3339 ('' where the turn says it itself), monotonic."""

    turn: Turn
    at: str
    mono_ms: int


@dataclass(slots=True)
class Held:
    """The list, bounded; what did not fit is counted by kind."""

    limit: int = HELD_MAX
    since_ms: int | None = None
    _seen: deque[Seen] = field(default_factory=deque)
    _last: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _over: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        """How many turns wait."""
        return len(self._seen)

    @property
    def full(self) -> bool:
        """Whether the disk is known to be full."""
        return self.since_ms is not None

    def keep(self, seen: Seen) -> None:
        """Takes one turn; an asked one as its refusal."""
        turn = seen.turn
        place = (
            turn.kind,
            next((f"{key}{turn.data[key]}" for key in NAMES if key in turn.data), ""),
        )
        if turn.kind in PASSING or (turn.kind in STATES and self._last.get(place) == turn.data):
            return
        if len(self._seen) >= self.limit:
            self._over[turn.kind] += 1
            return
        if turn.kind in ASKED:
            seen = Seen(_refused(turn.kind, FULL, seen_at=seen.at), "", seen.mono_ms)
        self._seen.append(seen)
        self._last[place] = turn.data

    def first(self) -> Seen | None:
        """The oldest turn, which stays until `drop`; behind the last one what was lost, by kind."""
        if self._seen:
            return self._seen[0]
        for kind, count in self._over.items():
            said = f"{FULL}: {count} more than the {self.limit} that memory holds"
            return Seen(_refused(kind, said), "", 0)
        return None

    def drop(self) -> None:
        """The oldest turn is on the record."""
        if self._seen:
            self._seen.popleft()
        elif self._over:
            del self._over[next(iter(self._over))]

    def over(self) -> None:
        """Everything is on the record."""
        self.since_ms = None
        self._last.clear()


def _refused(kind: str, reason: str, **more: str) -> Turn:
    data = {"input": kind, "reason": reason, **more}
    return Turn("system", {"type": "input.refused", "session": "", "data": data})
