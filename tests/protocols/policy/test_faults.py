"""Faults: hysteresis, flapping, first causes, and what contact and UPS say together."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.policy.faults import (
    AGREE_S,
    CONSEQUENCE_KEYS,
    NETWORK_RUNGS,
    Limits,
    PowerReading,
    Verdict,
    Watch,
    av_proposal,
    cause_of,
    clock_bad,
    judge,
    mains_of,
    network_bad,
    network_what,
    power_bad,
    power_fault,
    power_what,
)
from protocols.terms import FaultKind

LIMITS = Limits(raise_s=2, clear_s=5, flaps=3, window_s=60)


def test_a_fault_is_raised_when_it_has_held_long_enough() -> None:
    watch = Watch(bad=True, since_ms=1_000)
    assert judge(watch, LIMITS, 2_999) is Verdict.NOTHING
    assert judge(watch, LIMITS, 3_000) is Verdict.RAISE


def test_and_cleared_when_all_has_been_well_long_enough() -> None:
    watch = Watch(bad=False, since_ms=1_000, raised=True)
    assert judge(watch, LIMITS, 5_999) is Verdict.NOTHING
    assert judge(watch, LIMITS, 6_000) is Verdict.CLEAR


@pytest.mark.parametrize("raised", [False, True])
def test_unknown_neither_raises_nor_clears(*, raised: bool) -> None:
    assert judge(Watch(None, 0, raised=raised), LIMITS, 10**9) is Verdict.NOTHING


@pytest.mark.parametrize("state", [False, True])
def test_what_is_as_it_was_told_stays(*, state: bool) -> None:
    assert judge(Watch(bad=state, since_ms=0, raised=state), LIMITS, 10**9) is Verdict.NOTHING


def test_a_fault_that_keeps_coming_back_becomes_unstable() -> None:
    watch = Watch(bad=True, since_ms=50_000, raises=(20_000, 40_000))
    assert judge(watch, LIMITS, 52_000) is Verdict.RAISE_UNSTABLE
    long_ago = Watch(bad=True, since_ms=150_000, raises=(20_000, 40_000))
    assert judge(long_ago, LIMITS, 152_000) is Verdict.RAISE


def test_what_goes_bad_too_often_is_unstable_before_it_has_held() -> None:
    """As many times as of raises within the window, this time included."""
    watch = Watch(bad=True, since_ms=61_000, breaks=(1_000, 30_000, 61_000))
    assert judge(watch, LIMITS, 61_000) is Verdict.RAISE_UNSTABLE
    assert judge(watch, LIMITS, 61_001) is Verdict.NOTHING
    assert judge(watch, LIMITS, 63_000) is Verdict.RAISE
    assert judge(Watch(bad=False, since_ms=0, breaks=watch.breaks), LIMITS, 0) is Verdict.NOTHING


def test_an_unstable_fault_clears_only_after_a_quiet_window() -> None:
    watch = Watch(bad=False, since_ms=0, raised=True, unstable=True)
    assert judge(watch, LIMITS, 59_999) is Verdict.NOTHING
    assert judge(watch, LIMITS, 60_000) is Verdict.CLEAR


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9_000)), max_size=40))
def test_raises_and_clears_alternate(readings: list[tuple[bool, int]]) -> None:
    now, since, bad, raised = 0, 0, False, False
    for word, gap_ms in readings:
        now += gap_ms
        bad, since = word, (since if word == bad else now)
        verdict = judge(Watch(bad=bad, since_ms=since, raised=raised), LIMITS, now)
        if verdict is Verdict.RAISE:
            assert not raised
            assert bad
            raised = True
        elif verdict is Verdict.CLEAR:
            assert raised
            assert not bad
            raised = False


def test_the_first_cause_groups_its_consequences() -> None:
    standing = (("power-1", "power"), ("device-2", "device"))
    assert cause_of("network", standing) == "power-1"
    assert cause_of("av", standing[1:]) == "device-2"
    assert cause_of("power", standing) == ""
    assert cause_of("system", (("network-1", "network"),)) == "network-1"
    assert cause_of("network", (("av-1", "av"),)) == ""


@pytest.mark.parametrize(
    ("contact", "ups", "said"),
    [
        (True, "online", ("on", False)),
        (False, "battery", ("off", False)),
        (False, "low", ("off", False)),
        (False, "online", ("off", True)),
        (True, "battery", ("off", True)),
        (True, None, ("on", False)),
        (None, "battery", ("off", False)),
        (None, None, ("unknown", False)),
    ],
)
def test_contact_and_ups_together(
    contact: bool | None,
    ups: str | None,
    said: tuple[str, bool],
) -> None:
    assert mains_of(PowerReading(contact, ups)) == said


def test_a_contradiction_stands_until_both_are_heard_again() -> None:
    said = {
        (None, "battery"): ("off", True),
        (True, None): ("off", True),
        (None, None): ("unknown", True),
        (True, "online"): ("on", False),
        (False, "low"): ("off", False),
    }
    for (contact, ups), found in said.items():
        assert mains_of(PowerReading(contact, ups), disagreed=True) == found


def test_power_is_bad_when_lost_or_contradicted() -> None:
    words = itertools.product(("on", "off", "unknown"), (False, True))
    found = {(mains, odd): power_bad(mains, disagree=odd) for mains, odd in words}
    assert found == {
        ("on", False): False,
        ("on", True): True,
        ("off", False): True,
        ("off", True): True,
        ("unknown", False): None,
        ("unknown", True): None,
    }
    assert power_fault("off", disagree=True, held_ms=AGREE_S * 1000 - 1) is None
    assert power_fault("off", disagree=True, held_ms=AGREE_S * 1000) is True
    assert power_fault("off", disagree=False, held_ms=0) is True
    assert power_what(disagree=True) == "disagree"
    assert power_what(disagree=False) == "mains_lost"


@pytest.mark.parametrize(
    ("down_s", "covered", "said"),
    [
        ((), False, "none"),
        ((9,), False, "none"),
        ((10, 3), False, "warn"),
        ((120,), False, "pause"),
        ((120,), True, "warn"),
    ],
)
def test_a_gap_is_told_and_a_pause_proposed_only_if_nothing_covers_it(
    *, down_s: tuple[int, ...], covered: bool, said: str
) -> None:
    down_ms = tuple(1000 * one for one in down_s)
    assert av_proposal(down_ms, covered=covered, warn_s=10, pause_s=120) == said


def test_the_lowest_failing_rung_is_the_diagnosis() -> None:
    assert network_what(("mqtt", "wan", "dns")) == "wan"
    assert network_what(()) == "ok"
    assert network_bad("ok") is False
    assert all(network_bad(rung) for rung in NETWORK_RUNGS)
    assert network_bad("unknown") is None


def test_every_kind_says_what_follows() -> None:
    assert set(CONSEQUENCE_KEYS) == set(FaultKind)


def test_a_clock_is_off_only_by_more_than_its_measure_may_be_wrong() -> None:
    assert clock_bad(None, 0, 500) is None
    assert clock_bad(-1_500, 1_000, 500) is False
    assert clock_bad(-1_501, 1_000, 500) is True
