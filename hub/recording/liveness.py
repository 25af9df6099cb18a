"""Which streams were heard of, in which order: tells two living copies of one room apart."""

from __future__ import annotations

import itertools
import threading
from typing import Final

STREAMS_MAX: Final = 20_000
"""Streams of one hub's run: rooms times starts; the oldest are forgotten."""
PINGS_KEPT: Final = 8
"""Questions of one room whose answer still says something; there is a new one every 5 s."""


class Liveness:
    """Order of signs of life, by a counter; no clock."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._heard: dict[tuple[str, str], int] = {}
        self._ponged: dict[tuple[str, str], int] = {}
        self._opened: dict[tuple[str, str], int] = {}
        self._asked: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def opened(self, ctl: str, epoch: str) -> None:
        """An epoch began, as its recorded first row says."""
        self._note(self._opened, ctl, epoch, keep=True)

    def heard(self, ctl: str, epoch: str) -> None:
        """An epoch was appended to."""
        self._note(self._heard, ctl, epoch, keep=False)

    def pinged(self, ctl: str, nonce: str) -> None:
        """A room was asked for a sign of life."""
        with self._lock:
            asked = self._asked.setdefault(ctl, {})
            asked[nonce] = next(self._count)
            while len(asked) > PINGS_KEPT:
                asked.pop(next(iter(asked)))

    def ponged(self, ctl: str, epoch: str, nonce: str) -> bool:
        """A room answered in this epoch, so when it was asked it was written there.

        An answer on its way may be older than what came before it: it counts from its question on.
        False: nobody asked so lately.
        """
        with self._lock:
            asked = self._asked.get(ctl, {}).get(nonce)
        if asked is None:
            return False
        self._note(self._heard, ctl, epoch, keep=False, at=asked)
        self._note(self._ponged, ctl, epoch, keep=False, at=asked)
        return True

    def last(self, ctl: str, epoch: str) -> int:
        """When the epoch was last heard of; 0: not in this run of the hub."""
        with self._lock:
            return self._heard.get((ctl, epoch), 0)

    def began(self, ctl: str, epoch: str) -> int:
        """When the epoch began; 0: before this run of the hub, so before all that was heard."""
        with self._lock:
            return self._opened.get((ctl, epoch), 0)

    def later(self, ctl: str, other: str, epoch: str) -> bool:
        """Whether `other` was heard of after `epoch` began."""
        return self.last(ctl, other) > self.began(ctl, epoch)

    def ponged_later(self, ctl: str, other: str, epoch: str) -> bool:
        """Whether a room answered in `other` after `epoch` began."""
        with self._lock:
            answered = self._ponged.get((ctl, other), 0)
        return answered > self.began(ctl, epoch)

    def _note(
        self,
        where: dict[tuple[str, str], int],
        ctl: str,
        epoch: str,
        *,
        keep: bool,
        at: int | None = None,
    ) -> None:
        with self._lock:
            if keep and (ctl, epoch) in where:
                return
            before = where.pop((ctl, epoch), 0)
            where[(ctl, epoch)] = max(before, next(self._count) if at is None else at)
            while len(where) > STREAMS_MAX:
                where.pop(next(iter(where)))
