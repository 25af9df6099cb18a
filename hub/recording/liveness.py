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

    def was_heard(self, ctl: str, epoch: str) -> bool:
        """Whether there was a sign of life in this run of the hub."""
        with self._lock:
            return (ctl, epoch) in self._heard

    def later(self, ctl: str, other: str, epoch: str) -> bool:
        """Whether `other` was heard of after `epoch` began."""
        return self._after(self._heard, ctl, other, epoch)

    def ponged_later(self, ctl: str, other: str, epoch: str) -> bool:
        """Whether a room answered in `other` after `epoch` began."""
        return self._after(self._ponged, ctl, other, epoch)

    def _after(self, signs: dict[tuple[str, str], int], ctl: str, other: str, epoch: str) -> bool:
        with self._lock:
            # What began before this run of the hub began before everything heard in it.
            return signs.get((ctl, other), 0) > self._opened.get((ctl, epoch), 0)

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
