"""Phases: every pair of phase and input follows the table written here, or is refused."""

from __future__ import annotations

import itertools

import pytest

from protocols.policy.session import (
    PHASE_TABLE,
    Condition,
    Order,
    Phase,
    Rule,
    StartFacts,
    close_conditions,
    legal_orders,
    next_phase,
    start_conditions,
    tokens,
    unmet,
)

# The table again, written as a clerk would read it: phase, then input -> phase.
SAID = {
    "idle": {"prepare": "prepared", "postpone": "postponed", "terminate": "terminated"},
    "prepared": {
        "prepare": "prepared",
        "withdraw": "idle",
        "open": "check_in",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "check_in": {
        "start": "evaluating",
        "member_release": "check_in",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "evaluating": {
        "break": "on_break",
        "suspend": "suspended",
        "adjourn": "adjourned",
        "sign": "signing",
        "member_release": "evaluating",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "on_break": {
        "resume": "evaluating",
        "suspend": "suspended",
        "adjourn": "adjourned",
        "member_release": "on_break",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "suspended": {
        "resume": "evaluating",
        "sign": "signing",
        "adjourn": "adjourned",
        "member_release": "suspended",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "adjourned": {
        "resume": "evaluating",
        "suspend": "suspended",
        "member_release": "adjourned",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "signing": {
        "suspend": "suspended",
        "resume": "evaluating",
        "end": "ended",
        "member_release": "signing",
        "postpone": "postponed",
        "terminate": "terminated",
    },
    "ended": {"close": "closed", "member_release": "ended"},
    "postponed": {"close": "closed", "terminate": "terminated", "member_release": "postponed"},
    "terminated": {"close": "closed", "member_release": "terminated"},
    "closed": {},
}
NEEDS = ("members_seated", "av_recording", "system_reachable")


@pytest.mark.parametrize(("phase", "what"), list(itertools.product(Phase, [*Order, *Rule])))
def test_every_pair_follows_the_table_or_is_refused(phase: Phase, what: Order | Rule) -> None:
    said = SAID[phase.value].get(what.value)
    found = next_phase(phase, what)
    assert (None if found is None else found.value) == said


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PHASE_TABLE[(Phase.CLOSED, Order.OPEN)] = Phase.CHECK_IN  # type: ignore[index]


def test_postpone_and_terminate_are_legal_until_the_end() -> None:
    for phase in Phase:
        may = Order.POSTPONE in legal_orders(phase)
        assert may == (phase.value not in ("ended", "closed", "postponed", "terminated"))


def test_legal_orders_stand_in_the_order_of_a_day() -> None:
    assert [order.value for order in legal_orders(Phase.ENDED)] == ["member_release", "close"]


def test_start_names_each_missing_need_and_who_it_waits_for() -> None:
    facts = StartFacts((4, 5), ("desk",), system_reachable=None)
    found = start_conditions(facts, NEEDS)
    assert [(one.key, one.waiting_for) for one in unmet(found)] == [
        ("members_seated", "x4,x5"),
        ("av_recording", "desk"),
        ("system_reachable", "evaluation_system"),
    ]


def test_start_with_everything_there() -> None:
    facts = StartFacts((), (), system_reachable=True)
    assert unmet(start_conditions(facts, NEEDS)) == ()


def test_a_named_exception_answers_for_a_need() -> None:
    facts = StartFacts((), (), system_reachable=False, exceptions=frozenset({"system_reachable"}))
    assert unmet(start_conditions(facts, NEEDS)) == ()


def test_a_policy_may_ask_for_less() -> None:
    facts = StartFacts((3,), (), system_reachable=False)
    assert unmet(start_conditions(facts, ("av_recording",))) == ()


@pytest.mark.parametrize("item", ["present", "unknown", "held"])
def test_close_waits_for_a_locker_that_is_not_known_to_be_empty(item: str) -> None:
    found = close_conditions({1: "absent", 2: item}, frozenset())
    assert unmet(found) == (Condition("locker_empty", met=False, waiting_for="locker:2"),)
    assert unmet(close_conditions({1: "absent", 2: item}, frozenset({2}))) == ()


def test_a_condition_as_events_carry_it() -> None:
    assert Condition("order_end", met=False, waiting_for="home_manager").to_json() == {
        "key": "order_end",
        "met": False,
        "text_key": "gate.order_end",
        "waiting_for": "home_manager",
    }
    assert tokens((3, 4)) == "x3,x4"
