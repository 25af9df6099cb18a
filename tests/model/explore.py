"""Every place that can be reached, breadth first, and whether each has a lawful way out.

A place is kept once per `key`. From each, every act is done; `helps` says of an act whether a
lawful way may go through it: neither force nor an override is one.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.room_walk import Place, Walk, key

Move = tuple[str, bool, Callable[[], Place | None]]
"""What is done, whether it helps, and how it is done; None where nothing could be done."""
WRONG_MAX = 20
_NUMBER = re.compile(r" \d")


@dataclass(slots=True)
class Found:
    """What an exploration saw."""

    places: int
    steps: int
    moves: int
    wrong: list[str] = field(default_factory=list)
    locked_in: list[str] = field(default_factory=list)
    phases: frozenset[str] = frozenset()
    whole: bool = True

    def __str__(self) -> str:
        bad = len(self.wrong) + len(self.locked_in)
        return f"{self.places} states, {self.moves} transitions, {bad} violations"


def explore(
    walk: Walk,
    moves: Callable[[Walk, Place], Iterator[Move]],
    *,
    start: Place | None = None,
    places_max: int = 0,
) -> Found:
    """Explores from `start`, else from the morning; `places_max` 0 is everything."""
    start = walk.first() if start is None else start
    index: dict[Any, int] = {key(start): 0}
    came: list[tuple[int, str]] = [(-1, "")]
    out: list[bool] = [not any(start.inside)]
    phases = {start.session.phase.value}
    back_from, back_to = array("l"), array("l")
    count, at, whole = 0, 0, True
    todo: list[Place | None] = [start]
    while at < len(todo) and len(walk.wrong) < WRONG_MAX:
        place = todo[at]
        assert place is not None
        todo[at] = None
        for name, helps, do in moves(walk, place):
            seen = len(walk.wrong)
            after = do()
            if len(walk.wrong) > seen:
                way = " / ".join([*_way(came, at), name])
                walk.wrong[seen:] = [f"{one}\n  after {way}" for one in walk.wrong[seen:]]
            if after is None:
                continue
            count += 1
            found = index.setdefault(key(after), len(index))
            if found == len(todo):
                if places_max and len(todo) >= places_max:
                    del index[key(after)]
                    whole = False
                    continue
                todo.append(after)
                came.append((at, name))
                out.append(not any(after.inside))
                phases.add(after.session.phase.value)
            if helps:
                back_from.append(at)
                back_to.append(found)
        at += 1
    locked = [] if walk.wrong or not whole else _locked_in(out, back_from, back_to)
    ways = [" / ".join(_way(came, one)) for one in locked]
    return Found(len(todo), walk.steps, count, walk.wrong, ways, frozenset(phases), whole)


def guises(
    walk: Walk, moves: Callable[[Walk, Place], Iterator[Move]], *, start: Place, places_max: int
) -> Iterator[tuple[Place, Place]]:
    """Pairs of unlike places with one key, of which an exploration keeps the first only."""
    first = {key(start): start}
    todo = [start]
    for place in itertools.islice(todo, places_max):  # it grows meanwhile
        for _, _, do in moves(walk, place):
            after = do()
            if after is None:
                continue
            known = first.setdefault(key(after), after)
            if known is after:
                todo.append(after)
            elif known != after:
                yield known, after


def future(
    walk: Walk, moves: Callable[[Walk, Place], Iterator[Move]], place: Place
) -> set[tuple[str, bool, Any]]:
    """What each act leads to from here, members unnamed."""
    ways = set()
    for name, helps, do in moves(walk, place):
        after = do()
        ways.add((_NUMBER.sub("", name), helps, None if after is None else key(after)))
    return ways


def _way(came: list[tuple[int, str]], at: int) -> list[str]:
    words: list[str] = []
    while at > 0:
        at, word = came[at]
        words.append(word)
    return words[::-1]


def _locked_in(out: list[bool], sources: array[int], targets: array[int]) -> list[int]:
    """Places from which no helping way leads to one where every phone is with its member."""
    before: list[list[int]] = [[] for _ in out]
    for source, target in zip(sources, targets, strict=True):
        before[target].append(source)
    good = list(out)
    todo = [place for place, free in enumerate(out) if free]
    while todo:
        for source in before[todo.pop()]:
            if not good[source]:
                good[source] = True
                todo.append(source)
    return [place for place, free in enumerate(good) if not free]
