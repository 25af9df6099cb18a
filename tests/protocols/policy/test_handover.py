"""Hand-over: the day it is due, and what a receipt says."""

from datetime import date

import pytest

from protocols.policy.errors import PolicyError
from protocols.policy.handover import (
    DutyState,
    GapKind,
    HandoverDays,
    HandoverItem,
    completeness,
    fee_due,
    handover_due,
    handover_state,
)
from protocols.policy.pack import Pack
from protocols.terms import Verdict

WITNESS = HandoverItem("witness_record", 1, 1)
APPRAISAL = HandoverItem("appraisal_record", 2, 2)
AV = HandoverItem("av", 12, 12)
PAPER = HandoverItem("paper_originals", 2, 2)
ALL = (WITNESS, APPRAISAL, AV, PAPER)


def test_three_working_days_after_the_end(hubei, calendar):
    """Plan §10; ended Fri 13 Feb 2026, before the Spring Festival."""
    assert handover_due(date(2026, 2, 13), hubei, calendar).date == date(2026, 2, 25)
    assert fee_due(date(2026, 2, 13), hubei, calendar).date == date(2026, 2, 25)


def test_another_place_has_five(raw_hubei, calendar):
    raw_hubei["handover"]["working_days"]["value"] = 5

    assert handover_due(date(2026, 9, 28), Pack.parse(raw_hubei), calendar).date == (
        date(2026, 10, 10)
    )


def test_an_end_on_30_december_is_provisional(hubei, calendar):
    due = handover_due(date(2026, 12, 30), hubei, calendar)

    assert due.provisional
    assert due.date == date(2027, 1, 2)


def test_everything_arrived(hubei):
    got = completeness(ALL, hubei)

    assert (got.verdict, got.gaps, got.outside) == (Verdict.FULL, (), ())
    assert got.may_delete_at_guest


def test_paper_travels_outside_and_is_named_until_it_arrives(hubei):
    absent = completeness((WITNESS, APPRAISAL, AV), hubei)
    short = completeness((WITNESS, APPRAISAL, AV, HandoverItem("paper_originals", 2, 1)), hubei)
    unlisted = completeness((WITNESS, APPRAISAL, AV, HandoverItem("paper_originals", 0, 0)), hubei)

    for got in (absent, short, unlisted):
        assert got.verdict is Verdict.FULL
        assert got.outside == ("paper_originals",)


def test_twelve_streams_listed_eleven_arrive(hubei):
    """Receipt partial, the gap by name, deletion blocked at the guest."""
    av = HandoverItem("av", 12, 11, missing=("changsha-2-4",))

    got = completeness((WITNESS, APPRAISAL, av), hubei)

    assert got.verdict is Verdict.PARTIAL
    assert not got.may_delete_at_guest
    (gap,) = got.gaps
    assert (gap.item, gap.kind, gap.count, gap.names) == (
        "av",
        GapKind.MISSING,
        1,
        ("changsha-2-4",),
    )
    assert "缺 1 项" in gap.zh
    assert "1 missing" in gap.en


@pytest.mark.parametrize("item", [None, HandoverItem("appraisal_record", 0, 0)])
def test_a_record_that_was_not_handed_over_is_a_gap(hubei, item):
    got = completeness((WITNESS, AV, *([item] if item else [])), hubei)

    assert got.verdict is Verdict.PARTIAL
    assert [(gap.item, gap.kind) for gap in got.gaps] == [("appraisal_record", GapKind.ABSENT)]
    assert "专家考核记录" in got.gaps[0].zh


def test_anything_altered_is_refused(hubei):
    av = HandoverItem("av", 12, 10, missing=("s1",), altered=("s2",))

    got = completeness((WITNESS, APPRAISAL, av), hubei)

    assert got.verdict is Verdict.REFUSED
    assert [gap.kind for gap in got.gaps] == [GapKind.MISSING, GapKind.ALTERED]


def test_nothing_at_all_is_refused(hubei):
    assert completeness((), hubei).verdict is Verdict.REFUSED
    assert completeness((PAPER,), hubei).verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    "items",
    [
        (HandoverItem("photos", 1, 1),),
        (AV, AV),
        (HandoverItem("av", 1, 2),),
        (HandoverItem("av", 1, -1),),
        (HandoverItem("av", -1, 0),),
        (HandoverItem("av", 2, 2, altered=("x",)),),
    ],
)
def test_a_list_that_cannot_be_is_refused(hubei, items):
    with pytest.raises(PolicyError, match=r"handover\["):
        completeness(items, hubei)


NOTHING = HandoverDays()


@pytest.mark.parametrize(
    ("today", "days", "state"),
    [
        (24, NOTHING, DutyState.OPEN),
        (25, NOTHING, DutyState.DUE_TODAY),
        (26, NOTHING, DutyState.OVERDUE),
        (28, HandoverDays(received_on=date(2026, 2, 25)), DutyState.MET),
        (28, HandoverDays(received_on=date(2026, 2, 26)), DutyState.MET_LATE),
        (26, HandoverDays(sent_on=date(2026, 2, 24)), DutyState.OVERDUE),
    ],
)
def test_how_the_duty_stands(hubei, calendar, today, days, state):
    due = handover_due(date(2026, 2, 13), hubei, calendar)

    assert handover_state(due, date(2026, 2, today), days, hubei) is state


@pytest.mark.parametrize(
    ("met_by", "state"),
    [("sent", DutyState.MET), ("received", DutyState.MET), ("receipt", DutyState.MET_LATE)],
)
def test_the_pack_says_which_day_fulfils_the_duty(raw_hubei, calendar, met_by, state):
    raw_hubei["handover"]["met_by"]["value"] = met_by
    pack = Pack.parse(raw_hubei)
    due = handover_due(date(2026, 2, 13), pack, calendar)
    days = HandoverDays(date(2026, 2, 24), date(2026, 2, 25), date(2026, 2, 27))

    assert handover_state(due, date(2026, 2, 28), days, pack) is state


@pytest.mark.parametrize(
    ("today", "state"),
    [
        (date(2027, 1, 1), DutyState.OPEN),
        (date(2027, 1, 2), DutyState.DUE_TODAY),
        (date(2027, 1, 4), DutyState.UNSETTLED),
        (date(2027, 3, 1), DutyState.OVERDUE),
    ],
)
def test_a_provisional_day_accuses_nobody(hubei, calendar, today, state):
    due = handover_due(date(2026, 12, 30), hubei, calendar)

    assert handover_state(due, today, NOTHING, hubei) is state


def test_altered_paper_is_not_counted_as_awaited(hubei):
    """Two originals listed, one arrived, one differs: none is still on its way."""
    paper = HandoverItem("paper_originals", 2, 1, altered=("p2",))

    assert completeness((WITNESS, APPRAISAL, AV, paper), hubei).outside == ()


def test_the_last_possible_day_is_still_unsettled(hubei, calendar):
    due = handover_due(date(2026, 12, 30), hubei, calendar)

    assert handover_state(due, due.latest, NOTHING, hubei) is DutyState.UNSETTLED
