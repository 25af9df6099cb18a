"""What the bench says of rounds it has measured."""

from __future__ import annotations

import pytest

from tests.bench.measure import Figure, Result, measure, percentile
from tests.bench.table import row, table


def result(ratios: list[float], floor: float | None, *, at_most: bool = False) -> Result:
    figure = Figure(
        name="a figure",
        limit="a limit",
        unit="1/s",
        floor=floor,
        at_most=at_most,
        ours=lambda: 1.0,
        reference=lambda: 1.0,
        why="because of this",
    )
    return Result(figure, list(ratios), [1.0] * len(ratios))


@pytest.mark.parametrize(
    ("ratios", "floor", "at_most", "verdict"),
    [
        ([0.7, 0.8, 0.9, 0.8, 0.7], 0.6, False, "met"),
        ([0.7, 0.8, 0.9, 0.8, 0.7], 0.6, True, "NOT met"),
        ([0.3, 0.4, 0.5, 0.4, 0.3], 0.6, False, "NOT met"),
        ([0.3, 0.4, 0.5, 0.4, 0.3], 0.6, True, "met"),
        ([0.3, 0.5, 0.7, 0.8, 0.9], 0.6, False, "tie (above)"),
        ([0.3, 0.5, 0.55, 0.8, 0.9], 0.6, False, "tie (below)"),
        # One round out of the ordinary decides nothing.
        ([0.1, 0.8, 0.9, 0.8, 0.7, 0.8, 0.7], 0.6, False, "met"),
        ([1.0, 1.0, 1.0, 1.0, 1.0], 1.0, True, "met"),
        ([0.1, 0.8, 0.9, 0.8, 0.7], None, False, "-"),
    ],
)
def test_a_floor_is_met_missed_or_not_resolved(
    ratios: list[float], floor: float | None, at_most: bool, verdict: str
) -> None:
    assert result(ratios, floor, at_most=at_most).verdict == verdict


def test_every_ratio_is_of_one_round_and_ours_comes_first() -> None:
    said: list[str] = []

    def say(what: str, value: float) -> float:
        said.append(what)
        return value

    figures = [
        Figure(
            name=name,
            limit="",
            unit="",
            floor=None,
            ours=lambda one=name: say(f"{one} ours", 6.0),
            reference=lambda one=name: say(f"{one} limit", 3.0),
        )
        for name in ("a", "b")
    ]

    first, _ = measure(figures, rounds=2)

    assert said == ["a ours", "a limit", "b ours", "b limit"] * 2
    assert first.ratios == [2.0, 2.0]


def test_the_reason_stands_where_the_floor_is_missed_and_nowhere_else() -> None:
    missed, met = row(result([0.3] * 5, 0.6)), row(result([0.3] * 5, 0.6, at_most=True))

    assert (missed["why"], met["why"]) == ("because of this", "")
    shown = table([met, missed])
    assert shown.count("because of this") == 1
    assert shown.splitlines()[2].endswith("NOT met [1]")


def test_a_percentile_is_a_value_that_was() -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], 50) == 3.0
    assert percentile([float(n) for n in range(100)], 99) == 99.0
