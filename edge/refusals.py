"""Messages of the broker that nobody here can read: on the record, and not as many as there are."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.turn import Turn

QUIET_MS = 60_000
"""Whoever can write to our topics must not be able to fill the record and the disk with it."""
REASON_CHARS_MAX = 400


@dataclass(slots=True)
class Refusals:
    """Counts them by leaf; each leaf is told once a minute, with how many there were by then."""

    _waiting: dict[str, tuple[int, str]] = field(default_factory=dict)
    _quiet_until_ms: dict[str, int] = field(default_factory=dict)

    def add(self, leaf: str, reason: str) -> None:
        """One more of this leaf; the newest reason is the one that is told."""
        count, _ = self._waiting.get(leaf, (0, ""))
        self._waiting[leaf] = (count + 1, reason[:REASON_CHARS_MAX])

    def due(self, now_ms: int) -> list[Turn]:
        """Facts `wire.refused` of the leaves whose minute is over."""
        turns = []
        for leaf, (count, reason) in tuple(self._waiting.items()):
            if now_ms >= self._quiet_until_ms.get(leaf, now_ms):
                self._quiet_until_ms[leaf] = now_ms + QUIET_MS
                del self._waiting[leaf]
                about = {"leaf": leaf, "reason": reason, "count": count}
                turns.append(Turn("system", {"type": "wire.refused", "session": "", "data": about}))
        return turns
