"""Members: every pair of step and input, here and away, follows the table or is refused."""

from __future__ import annotations

import itertools

import pytest

from protocols.policy.members import (
    ADMITTED,
    GONE,
    MEMBER_TABLE,
    OUT,
    MemberInput,
    MemberStep,
    next_step,
)

DROPS = {"withdraw": "withdrawn", "replace": "replaced", "remove": "removed"}
AWAY = {"away_start": None, "away_end": None}
SAID = {
    "expected": {
        "late": "expected",
        "identify": "identified",
        "absent": "absent",
        "decline": "declined",
        **DROPS,
    },
    "identified": {
        "deposit": "deposited",
        "decline": "declined",
        "release": "released",
        **DROPS,
    },
    "deposited": {
        "seat": "seated",
        "away_start": "deposited",
        "away_end": "deposited",
        "deposit": "deposited",
        "release": "released",
        **DROPS,
    },
    "seated": {
        "unseat": "deposited",
        "away_start": "seated",
        "away_end": "seated",
        "deposit": "seated",
        "release": "released",
        **DROPS,
    },
    "released": {"leave": "left"},
    "left": {},
    "absent": {
        "identify": "identified",
        "replace": "replaced",
        "release": "released",
        "leave": "left",
    },
    "declined": {"replace": "replaced", "release": "released", "leave": "left"},
    "withdrawn": {"replace": "replaced", "release": "released", "leave": "left"},
    "replaced": {"release": "released", "leave": "left"},
    "removed": {"release": "released", "leave": "left"},
}


@pytest.mark.parametrize(("step", "what"), list(itertools.product(MemberStep, MemberInput)))
def test_every_pair_follows_the_table_or_is_refused(step: MemberStep, what: MemberInput) -> None:
    said = SAID[step.value].get(what.value)
    here = next_step(step, what)
    assert (None if here is None else here.value) == (None if what == "away_end" else said)
    away = next_step(step, what, away=True)
    allowed = what.value in {"away_end", "withdraw", "replace", "remove"}
    assert (None if away is None else away.value) == (said if allowed else None)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        MEMBER_TABLE[(MemberStep.LEFT, MemberInput.SEAT)] = MemberStep.SEATED  # type: ignore[index]


def test_whoever_drops_out_has_a_way_out() -> None:
    for step in OUT:
        assert next_step(step, MemberInput.RELEASE) is MemberStep.RELEASED
        assert next_step(step, MemberInput.LEAVE) is MemberStep.LEFT
    assert not ADMITTED & GONE
