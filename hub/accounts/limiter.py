"""Slows down guessing: failures per login and per address, within bounded memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

FAILURES_PER_LOGIN: Final = 5
FAILURES_PER_ADDRESS: Final = 30
"""An office shares one address; one login has one person behind it."""
WINDOW_MS: Final = 10 * 60 * 1000
TRACKED_MAX: Final = 10_000
"""Names are made up by whoever guesses; the oldest counter goes."""


@dataclass(slots=True)
class _Count:
    failures: int
    since_ms: int


class Limiter:
    """Counts failures in windows of ten minutes; time is an argument."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def wait_ms(self, login: str, address: str, now_ms: int) -> int:
        """How long this login from this address must wait; 0 is not at all."""
        with self._lock:
            return max(
                self._left(f"login:{login}", FAILURES_PER_LOGIN, now_ms),
                self._left(f"from:{address}", FAILURES_PER_ADDRESS, now_ms),
            )

    def failed(self, login: str, address: str, now_ms: int) -> None:
        """Counts a wrong password."""
        with self._lock:
            for key in (f"login:{login}", f"from:{address}"):
                count = self._counts.pop(key, None)
                if count is None or now_ms - count.since_ms >= WINDOW_MS:
                    count = _Count(0, now_ms)
                count.failures += 1
                self._counts[key] = count
            while len(self._counts) > TRACKED_MAX:
                self._counts.pop(next(iter(self._counts)))

    def succeeded(self, login: str) -> None:
        """Forgets the failures of a login; those of the address stay."""
        with self._lock:
            self._counts.pop(f"login:{login}", None)

    def _left(self, key: str, limit: int, now_ms: int) -> int:
        count = self._counts.get(key)
        if count is None or count.failures < limit:
            return 0
        return max(0, count.since_ms + WINDOW_MS - now_ms)
