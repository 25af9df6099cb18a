"""Wrong secrets in a row: five, then ten minutes, over restarts too (WIRE §1, §7).

Setting the clock gives no new tries, and neither does pulling the plug: a wrong one is on the disk
before it is answered, and a restart, whose pause only the wall clock knows, begins the ten minutes
anew.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

TRIES_MAX = 5
LOCK_MS = 10 * 60 * 1000
KEPT_MAX = 256  # names with wrong tries; a room's plans name a tenth of that


@dataclass(slots=True)
class Tries:
    """Counts by name: a person's PIN, a session's offline codes.

    Args:
        now_ms: steady time; it goes on across restarts.
        keep: makes the counts durable; called after a wrong try and when a right one clears them.
    """

    now_ms: Callable[[], int]
    keep: Callable[[bytes], None]
    _wrong: dict[str, tuple[int, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def recall(self, kept: bytes | None) -> None:
        """Takes up what was kept before a restart; rubbish counts as none."""
        try:
            found = json.loads(kept or b"{}").items()
            now_ms = self.now_ms()
            rows = {str(who): (int(count), now_ms) for who, (count, _) in found}
        except (ValueError, TypeError, AttributeError):
            return
        with self._lock:
            self._wrong = rows

    def minutes(self, name: str) -> int:
        """Whole minutes until the next try, 0 when it may be made now."""
        count, since = self._wrong.get(name, (0, 0))
        left_ms = since + LOCK_MS - self.now_ms()
        if count >= TRIES_MAX and left_ms > 0:
            return left_ms // 60_000 + 1
        if count >= TRIES_MAX:
            with self._lock:
                self._wrong.pop(name, None)
        return 0

    def wrong(self, name: str) -> int:
        """A wrong try; returns how many are left before the lock."""
        with self._lock:
            count = self._wrong.get(name, (0, 0))[0] + 1
            self._wrong[name] = (count, self.now_ms())
        self._keep()
        return max(TRIES_MAX - count, 0)

    def right(self, name: str) -> None:
        """A right one: the row is over."""
        with self._lock:
            cleared = self._wrong.pop(name, None)
        if cleared is not None:
            self._keep()

    def _keep(self) -> None:
        with self._lock:
            newest = sorted(self._wrong.items(), key=lambda one: one[1][1])[-KEPT_MAX:]
        self.keep(json.dumps(dict(newest)).encode("utf-8"))
