"""Which streams were heard of, in which order: tells two living copies of one room apart."""

from __future__ import annotations

import itertools
import threading
from typing import Final

STREAMS_MAX: Final = 20_000
"""Streams of one hub's run: rooms times starts; the oldest are forgotten, which alarms nobody."""


class Liveness:
    """Order of signs of life, by a counter; no clock."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._heard: dict[tuple[str, str], int] = {}
        self._opened: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def opened(self, ctl: str, epoch: str) -> None:
        """An epoch began, as its recorded first row says."""
        self._note(self._opened, ctl, epoch, keep=True)

    def heard(self, ctl: str, epoch: str) -> None:
        """An epoch was appended to, or its room answered a ping."""
        self._note(self._heard, ctl, epoch, keep=False)

    def later(self, ctl: str, other: str, epoch: str) -> bool:
        """Whether `other` was heard of after `epoch` began."""
        with self._lock:
            began = self._opened.get((ctl, epoch))
            heard = self._heard.get((ctl, other))
        return began is not None and heard is not None and heard > began

    def _note(self, where: dict[tuple[str, str], int], ctl: str, epoch: str, *, keep: bool) -> None:
        with self._lock:
            if keep and (ctl, epoch) in where:
                return
            where.pop((ctl, epoch), None)
            where[(ctl, epoch)] = next(self._count)
            while len(where) > STREAMS_MAX:
                where.pop(next(iter(where)))
