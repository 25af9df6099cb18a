"""A figure of the bench: our way and a limit or peer of the same machine, in the same rounds."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 7  # at least five; odd, so that a median is a run that was


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: two ways of doing the same, and what their ratio has to be.

    Args:
        name: what is done.
        limit: what it is held against: the machine's limit, a peer, or a number that was promised.
        unit: of both values.
        floor: bound of ours / limit; None where nothing is promised.
        at_most: the floor is a ceiling (times, memory), not the least (rates).
        ours, reference: one round of each; `ours` runs first.
        why: the physical reason, printed where the floor is not met.
    """

    name: str
    limit: str
    unit: str
    floor: float | None
    ours: Callable[[], float]
    reference: Callable[[], float]
    at_most: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """A figure after its rounds; every ratio is of one round."""

    figure: Figure
    ours: list[float]
    reference: list[float]

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.reference, strict=True)]

    @property
    def verdict(self) -> str:
        """`tie` where the floor lies within the middle half of the rounds: not resolved here."""
        floor = self.figure.floor
        if floor is None:
            return "-"
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        if low <= floor <= high and low < high:
            return f"tie ({'above' if middle >= floor else 'below'})"
        met = middle <= floor if self.figure.at_most else middle >= floor
        return "met" if met else "NOT met"

    @property
    def missed(self) -> bool:
        """Whether the median lies on the wrong side, resolved or not."""
        floor, middle = self.figure.floor, statistics.median(self.ratios)
        if floor is None:
            return False
        return middle > floor if self.figure.at_most else middle < floor


def rate(count: int, work: Callable[[], object]) -> float:
    """How often per second, over `count` times."""
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - begun)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def measure(figures: Sequence[Figure], rounds: int = ROUNDS) -> list[Result]:
    """All figures in every round, so that what else the machine does falls on all of them."""
    found: list[tuple[Figure, list[float], list[float]]] = [(one, [], []) for one in figures]
    for number in range(1, rounds + 1):
        sys.stderr.write(f"round {number} of {rounds} …\n")
        for figure, ours, reference in found:
            ours.append(figure.ours())
            reference.append(figure.reference())
    return [Result(*one) for one in found]
