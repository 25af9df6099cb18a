"""Timers that fail are named until they work again; one that fails stops no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Guard:
    """Runs acts at the edge of a loop and remembers which of them fail; `/readyz` shows them."""

    def __init__(self) -> None:
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self, act: Callable[[], object]) -> None:
        """Does an act; whatever it raises is logged with its trace and kept under its name."""
        # Not repr as a default: it would print a whole hub at each tick, half built or not.
        name = getattr(act, "__qualname__", "") or type(act).__name__
        try:
            act()
        except Exception as error:
            # The loop's edge: one timer that fails must not stop the pings of every room.
            log.exception("timer %s failed; it runs again in a second", name)
            with self._lock:
                self._failing[name] = type(error).__name__
            return
        with self._lock:
            self._failing.pop(name, None)

    def failing(self) -> dict[str, str]:
        """Timers whose last run failed, with the kind of error."""
        with self._lock:
            return dict(self._failing)
