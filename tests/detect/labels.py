"""What is broken when: the labelled faults of a run, from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

S = 1_000
MINUTE = 60 * S
HOUR = 60 * MINUTE
DAY = 24 * HOUR

LONG_ENOUGH_S = 15
"""Faults at least this long have to be found."""
OWN = {
    "mains": ("power", ""),
    "reader": ("device", "idcard"),
    "lock_board": ("device", "locker"),
    "radar": ("device", "radar1"),
    "camera_lost": ("av", "room"),
    "camera_frozen": ("av", "room"),
    "camera_black": ("av", "room"),
    "disk_low": ("av", "disk"),
    "clock_step": ("av", "clock"),
    "system": ("system", ""),
    "wan": ("network", ""),
}
"""A fault of a room -> (kind, device) it has to be raised as."""
SPAN_S = (15, 1_800)
MAINS = 6
"""More of those whose limit is the tightest: 95 of 100 cannot be told from four."""
FLAPPING = ("wan", "reader", "mains")
EVERYWHERE = ("broker", "hub_line", "hub_stopped")
"""Troubles of the hub's side: every room is missed, one incident."""


@dataclass(frozen=True, slots=True)
class Label:
    """One fault. `room` -1: the hub's side. `flap`: one of a source that comes and goes."""

    kind: str
    room: int
    from_ms: int
    to_ms: int
    flap: bool = False

    def near(self, at_ms: int, after_ms: int) -> bool:
        """Whether something at this moment may come from it."""
        return self.from_ms <= at_ms <= self.to_ms + after_ms


def labels(seed: int, *, rooms: int, days: int) -> list[Label]:
    """Every room has each kind of fault about once in three weeks, the hub's side its own."""
    chance = random.Random(seed)  # noqa: S311 - the same faults in every run
    found = [one for room in range(rooms) for one in _of_room(chance, room, days * DAY)]
    for n, kind in enumerate(EVERYWHERE * max(1, days // 15)):
        at = _moment(chance, days * DAY)
        length_s = chance.choice((25, 60, 300, 540)) + n % 7
        found.append(Label(kind, -1, at, at + length_s * S))
    return sorted(_apart(found), key=lambda one: (one.from_ms, one.room))


def _of_room(chance: random.Random, room: int, span_ms: int) -> Iterator[Label]:
    for kind in (*OWN, "controller"):
        for _ in range(max(1, round(span_ms / (21 * DAY))) * (MAINS if kind == "mains" else 1)):
            at = _moment(chance, span_ms)
            low, high = SPAN_S
            length_s = low + (high - low) * chance.random() ** 3
            yield Label(kind, room, at, at + round(length_s * S))
    if room % 5 == 0:
        kind, at = FLAPPING[room // 5 % len(FLAPPING)], _moment(chance, span_ms)
        for n in range(24):
            begun = at + n * 75 * S
            yield Label(kind, room, begun, begun + 35 * S, flap=True)


def _moment(chance: random.Random, span_ms: int) -> int:
    return chance.randrange(10 * MINUTE, span_ms - 2 * HOUR)


def _apart(found: list[Label]) -> Iterator[Label]:
    """Faults of one room do not overlap: each one's finding is its own.

    A flapping source stays whole; what would fall into it or into the hub's trouble is left out.
    """
    kept: dict[int, list[tuple[int, int]]] = {}
    whole = sorted(found, key=lambda one: (one.room >= 0, not one.flap, one.from_ms))
    quiet = 11 * MINUTE
    for one in whole:
        span = (one.from_ms - quiet, one.to_ms + quiet)
        others = [*kept.get(one.room, []), *(kept.get(-1, []) if one.room >= 0 else [])]
        if not one.flap and any(low < span[1] and span[0] < high for low, high in others):
            continue
        kept.setdefault(one.room, []).append((one.from_ms, one.to_ms))
        yield one
