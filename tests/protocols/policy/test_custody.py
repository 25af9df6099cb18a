"""Doors: what a sequence of readings means, over every stage and reading."""

from __future__ import annotations

import itertools

import pytest

from protocols.policy.custody import (
    DOORS,
    ITEMS,
    OUTCOMES,
    SHUT,
    TRACK_TABLE,
    Outcome,
    Stage,
    outcome,
    track,
    unexplained,
)

WHYS = ("deposit", "release", "escorted", "override")


def run(*readings: tuple[str, str]) -> Stage:
    stage = Stage.WAITING
    for door, item in readings:
        stage = track(stage, door, item)
    return stage


@pytest.mark.parametrize(("stage", "door", "item"), list(itertools.product(Stage, DOORS, ITEMS)))
def test_every_reading_has_its_stage(stage: Stage, door: str, item: str) -> None:
    found = track(stage, door, item)
    if stage in SHUT or door == "unknown":
        assert found is stage
    elif door == "closed":
        assert found is Stage.WAITING if stage is Stage.WAITING else found in SHUT
    else:
        assert found in (Stage.OPEN, Stage.OPEN_EMPTY, Stage.OPEN_FULL)


def test_the_table_is_complete() -> None:
    assert set(TRACK_TABLE) == set(itertools.product(Stage, DOORS, ITEMS))
    assert {why for why, _ in OUTCOMES} == set(WHYS)


def test_a_deposit() -> None:
    """Closed, open, item absent, item present, closed: deposited."""
    stage = run(
        ("closed", "absent"), ("open", "absent"), ("open", "present"), ("closed", "present")
    )
    assert outcome("deposit", stage) is Outcome.DEPOSITED


def test_a_door_opened_and_shut_without_putting_anything_in() -> None:
    stage = run(("open", "absent"), ("closed", "absent"))
    assert outcome("deposit", stage) is Outcome.NOTHING


def test_a_board_without_item_bits_waits_for_a_person() -> None:
    stage = run(("open", "unknown"), ("closed", "unknown"))
    assert outcome("deposit", stage) is Outcome.CONFIRM
    assert outcome("release", stage) is Outcome.RELEASED


def test_a_release_leaves_the_locker_empty() -> None:
    stage = run(("open", "present"), ("open", "absent"), ("closed", "absent"))
    assert outcome("release", stage) is Outcome.RELEASED
    assert outcome("escorted", stage) is Outcome.TAKEN_OUT
    assert outcome("override", stage) is Outcome.SHUT


def test_an_item_left_behind_is_not_released() -> None:
    assert outcome("release", run(("open", "present"), ("closed", "present"))) is Outcome.KEPT


@pytest.mark.parametrize("why", WHYS)
def test_a_door_that_is_not_shut_means_nothing_yet(why: str) -> None:
    for stage in set(Stage) - SHUT:
        assert outcome(why, stage) is None


@pytest.mark.parametrize(
    ("before", "after", "intended", "held", "said"),
    [
        ("closed", "open", False, False, True),
        ("closed", "open", True, True, False),
        ("closed", "closed", False, True, False),
        ("open", "open", False, True, False),
        ("unknown", "open", False, True, True),
        ("unknown", "open", False, False, False),
    ],
)
def test_a_door_nobody_here_has_opened(
    before: str, after: str, *, intended: bool, held: bool, said: bool
) -> None:
    assert unexplained(before, after, intended=intended, held=held) is said
