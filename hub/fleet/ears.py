"""When silence is a room's, and when it is the hub's own: pure, times are arguments.

A hub whose line or broker is gone hears nobody. That is one trouble, not as many as there are
rooms, so a room is called silent only while the hub hears at all: nobody of at least two living
rooms heard for `DEAF_MS` means that the hub is deaf, and it says so before any room's fifteen
seconds are over. A room whose last pong was lost just before has a start of some seconds: while
nobody is heard it is not judged, until somebody is heard (then the silence is its own) or the hub
is deaf. After it hears again, rooms get the time they need to come back. A hub that was itself
stopped for a while has not listened: what it did not hear then says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

UNREACHABLE_MS: Final = 15_000
"""WIRE §3: no pong for 15 s; the cause is unknown until something else says more."""
MISSED_MS: Final = 6_500
"""A pong this old has been missed: one ping interval, and what a slow line may take."""
DEAF_MS: Final = 10_000
"""Nobody heard for two ping intervals, missed pings repeated each second: not chance any more, and
before any room is called silent."""
DEAF_ROOMS_MIN: Final = 2
"""One room alone cannot tell its own silence from the hub's: then it is the room's."""
RETURN_MS: Final = 75_000
"""Rooms try again after at most a minute (`edge.pipe`), connect and answer the next ping."""
STALLED_MS: Final = 5_000
"""Looked at each second; a longer pause means that this program was stopped."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A room's last pong, else since when it is waited for. `living`: there as far as known."""

    pong_ms: int | None
    since_ms: int
    living: bool

    @property
    def last_ms(self) -> int:
        """From when its silence counts."""
        return self.since_ms if self.pong_ms is None else self.pong_ms


@dataclass(frozen=True, slots=True)
class Heard:
    """What a look found.

    `silent`: rooms whose silence is long enough, each with whether it is the hub's own; `turned`:
    the hub has just become deaf (True) or hears again (False); `stopped_ms`: how long this
    program had not looked, 0 when it had.
    """

    silent: tuple[tuple[str, bool], ...] = ()
    turned: bool | None = None
    stopped_ms: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    """The hub's own hearing has changed.

    `deaf`: no room is heard; `since_ms`: how long ago that began, or how long it took; `rooms`:
    how many were there before; `stopped`: the hub did not run meanwhile.
    """

    deaf: bool
    since_ms: int
    rooms: int
    stopped: bool = False


@dataclass(slots=True)
class Ears:
    """What the hub knows of its own hearing. `deaf_since_ms`: last sign of life before it."""

    deaf_since_ms: int | None = None
    _looked_ms: int | None = None
    _floor_ms: int | None = None
    _returned_ms: int | None = None

    def look(self, signs: Mapping[str, Sign], now_ms: int) -> Heard:
        """Judges the silence of every room; to be called each second."""
        stopped_ms = self._stopped(now_ms)
        quiet_ms = self._quiet(signs, now_ms)
        turned = self._turn(signs, now_ms, quiet_ms)
        unsure = quiet_ms > MISSED_MS and self.deaf_since_ms is None
        silent = tuple(
            (ctl, self._excused(one, now_ms))
            for ctl, one in signs.items()
            if now_ms - self._from(one) >= UNREACHABLE_MS and not (one.living and unsure)
        )
        return Heard(silent, turned, stopped_ms)

    @property
    def deaf_ms(self) -> int:
        """The last sign of life before the hub heard nothing any more; only while it is deaf."""
        if self.deaf_since_ms is None:
            raise ValueError("ears: the hub hears")
        return self.deaf_since_ms

    def _excused(self, sign: Sign, now_ms: int) -> bool:
        """Whether a room may still be on its way back after the hub heard nothing."""
        if self.deaf_since_ms is not None:
            return True
        if self._returned_ms is None or now_ms - self._returned_ms >= RETURN_MS:
            return False
        return sign.pong_ms is None or sign.pong_ms < self._returned_ms

    def _stopped(self, now_ms: int) -> int:
        before, self._looked_ms = self._looked_ms, now_ms
        paused_ms = 0 if before is None else now_ms - before
        if paused_ms < STALLED_MS:
            return 0
        self._floor_ms = now_ms
        return paused_ms

    def _from(self, sign: Sign) -> int:
        return sign.last_ms if self._floor_ms is None else max(sign.last_ms, self._floor_ms)

    def _quiet(self, signs: Mapping[str, Sign], now_ms: int) -> int:
        """How long nobody was heard of enough living rooms to tell by."""
        living = [self._from(one) for one in signs.values() if one.living]
        return now_ms - max(living) if len(living) >= DEAF_ROOMS_MIN else 0

    def _turn(self, signs: Mapping[str, Sign], now_ms: int, quiet_ms: int) -> bool | None:
        if self.deaf_since_ms is not None:
            pongs = [one.pong_ms for one in signs.values() if one.pong_ms is not None]
            if max(pongs, default=0) <= self.deaf_since_ms:
                return None
            self.deaf_since_ms, self._returned_ms = None, now_ms
            return False
        if quiet_ms < DEAF_MS:
            return None
        self.deaf_since_ms = now_ms - quiet_ms
        return True
