"""How much one room may send, at once and in a day: one that sends more slows itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hub.problems import Problem

UPLOADS_AT_ONCE: Final = 4
"""A room sends one after the other, and a second time when a connection hangs."""
DAY_BYTES_MAX: Final = 400 * 1000**3
"""Four cameras at 8 Mbit/s all day are 346 GB."""
DAY_MS: Final = 24 * 3600 * 1000


@dataclass(slots=True)
class _Share:
    since_ms: int
    bytes: int = 0
    uploads: int = 0


class Shares:
    """Counts by controller, in the one loop that receives; `coming` is what is on its way in all.

    Args:
        now_ms: steady clock.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._shares: dict[str, _Share] = {}
        self.coming = 0

    @contextmanager
    def of(self, ctl: str, size: int) -> Iterator[None]:
        """One upload of this size, counted while it lasts and, if it is kept, for the day.

        Raises:
            Problem: 503 more at once, or more in a day, than one room sends.
        """
        now_ms = self._now_ms()
        share = self._shares.setdefault(ctl, _Share(now_ms))
        if now_ms - share.since_ms >= DAY_MS:
            share.since_ms, share.bytes = now_ms, 0
        if share.uploads >= UPLOADS_AT_ONCE or share.bytes + size > DAY_BYTES_MAX:
            raise _beyond(ctl)
        share.uploads += 1
        share.bytes += size
        self.coming += size
        kept = False
        try:
            yield
            kept = True
        finally:
            share.uploads -= 1
            share.bytes -= 0 if kept else size
            self.coming -= size


def _beyond(ctl: str) -> Problem:
    return Problem(
        503,
        "media_share",
        title="该评标室上传过多，请稍后再传",
        title_en="This room sends more than its share",
        where=f"controller {ctl}",
        expected=f"{UPLOADS_AT_ONCE} uploads at once, {DAY_BYTES_MAX} bytes a day",
        got="more",
        do="send it again later; look whether this controller is what it says",
    )
