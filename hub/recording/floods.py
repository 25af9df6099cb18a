"""Rooms that send more than there are places for, and for how long their topics are closed.

Neither broker bounds how much one client sends, and the hub reads all rooms through one connection:
who fills that line takes the others' places in it, and each of their messages that is dropped costs
five seconds. A room of ours never has more than a few messages unanswered; one that is refused
hundreds a second is none of ours any more. What it records waits in its journal.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

REFUSED_MAX: Final = 200
"""In one second; a room has four batches in flight and a handful of other messages."""
SHUT_MS: Final = 60_000
"""Long enough that a flood is mostly silence, short enough for a room that has come to itself."""


class Floods:
    """Counts what had no place and says who is shut out; used by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._until_ms: dict[str, int] = {}

    def refused(self, ctl: str) -> None:
        """A message of this room had no place."""
        with self._lock:
            self._refused[ctl] += 1

    def shut(self, now_ms: int) -> frozenset[str]:
        """Who has no topics now; called once a second."""
        with self._lock:
            counted, self._refused = self._refused, Counter()
        for ctl, count in counted.items():
            if count > REFUSED_MAX:
                self._until_ms[ctl] = now_ms + SHUT_MS
        self._until_ms = {ctl: end for ctl, end in self._until_ms.items() if end > now_ms}
        return frozenset(self._until_ms)
