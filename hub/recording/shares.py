"""How much one room may have recorded in a day: one that sends more waits, and fills no disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DAY: Final = timedelta(days=1)
DAY_BYTES_MAX: Final = 1 << 30
"""A room writes 5 000 events a day. 150 000, a month behind the line, are 150 MB counted so."""
ROW_BYTES: Final = 512
"""What a row takes beside its line, indexes included; a batch's seal takes as much."""


@dataclass(slots=True)
class _Share:
    since: datetime
    bytes: int = 0


class Shares:
    """Bytes recorded of each controller in its running day; a new run of the hub begins anew."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}

    def take(self, ctl: str, rows: int, size: int, now: datetime) -> bool:
        """Whether a message of `size` bytes that becomes so many rows has its place in the day."""
        share = self._shares.setdefault(ctl, _Share(now))
        if not share.since <= now < share.since + DAY:  # a clock set back begins a day too
            share.since, share.bytes = now, 0
        cost = size + ROW_BYTES * (rows + 1)
        if share.bytes + cost > DAY_BYTES_MAX:
            return False
        share.bytes += cost
        return True
