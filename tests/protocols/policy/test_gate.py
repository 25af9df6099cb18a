"""The gate: enumerated, so that no door opens without every condition of its permit."""

from __future__ import annotations

import itertools

import pytest

from protocols.policy.gate import (
    DepositFacts,
    DoorInUse,
    EscortFacts,
    Permit,
    Refusal,
    ReleaseFacts,
    deposit,
    escorted,
    next_door,
    notice_due,
    release,
    two_roles,
)
from protocols.policy.session import Phase

FLAGS = (False, True)
DOCUMENTS = ("personal_sheet", "summary", "report")
ALL_SIGNED = dict.fromkeys(DOCUMENTS, True)
STAFF = ("p-1", "room_staff")
STAFF2 = ("p-2", "room_staff")
COORDINATOR = ("p-3", "guest_coordinator")
SIGNINGS = [
    dict(zip(DOCUMENTS, signed, strict=True)) for signed in itertools.product(FLAGS, repeat=3)
]


def test_deposit_needs_every_condition_in_every_combination() -> None:
    for assigned, empty, identified, redeposit, phase in itertools.product(
        FLAGS, FLAGS, FLAGS, FLAGS, Phase
    ):
        facts = DepositFacts(assigned, empty, identified, phase, redeposit)
        due = (
            assigned
            and identified
            and (redeposit or (empty and phase in (Phase.CHECK_IN, Phase.EVALUATING)))
        )
        answer = deposit(facts)
        assert isinstance(answer, Permit) == due, facts
        assert all(one.met for one in answer.conditions) == due


@pytest.mark.parametrize("order", ["", "end", "postpone", "terminate"])
@pytest.mark.parametrize("quantifier", ["member", "committee"])
def test_release_over_every_reachable_state(order: str, quantifier: str) -> None:
    people = ((), (STAFF,), (STAFF, STAFF2), (STAFF, COORDINATOR))
    for documents, waiting, complete, elsewhere, sealed, waived, asked in itertools.product(
        SIGNINGS, ((), (4,)), FLAGS, FLAGS, FLAGS, ("", "p-9"), people
    ):
        facts = ReleaseFacts(
            member=3,
            order=order,
            release_people=asked,
            documents=documents,
            committee_waiting=waiting,
            committee_complete=complete,
            elsewhere=elsewhere,
            sealing={"seal_material": sealed},
            sealing_waived=waived,
        )
        own = all(documents.values())
        everybody = not waiting and (complete or not elsewhere)
        by_end = order == "end" and own and (quantifier == "member" or everybody)
        by_dispersal = order in ("postpone", "terminate") and (sealed or waived != "")
        by_release = asked == (STAFF, COORDINATOR)
        answer = release(facts, quantifier)
        assert isinstance(answer, Permit) == (by_end or by_dispersal or by_release), facts
        assert all(one.met for one in answer.conditions) == isinstance(answer, Permit)


def test_two_of_three_documents_and_the_end_order_do_not_release() -> None:
    """Signed two of three documents, end order given: refused (RULES 8.5)."""
    documents = {**ALL_SIGNED, "report": False}
    answer = release(ReleaseFacts(3, order="end", documents=documents), "member")
    assert isinstance(answer, Refusal)
    assert [(one.key, one.met, one.waiting_for) for one in answer.conditions] == [
        ("document_personal_sheet", True, ""),
        ("document_summary", True, ""),
        ("document_report", False, "x3"),
        ("order_end", True, ""),
    ]


def test_all_documents_without_the_end_order_do_not_release() -> None:
    answer = release(ReleaseFacts(3, documents=ALL_SIGNED), "member")
    assert isinstance(answer, Refusal)
    assert answer.conditions[-1].waiting_for == "home_manager"


def test_the_basis_names_the_order() -> None:
    for order, documents, basis in (
        ("end", ALL_SIGNED, "end"),
        ("postpone", {}, "postpone"),
        ("terminate", {}, "terminate"),
    ):
        answer = release(ReleaseFacts(3, order=order, documents=documents), "member")
        assert isinstance(answer, Permit)
        assert answer.basis == basis


def test_an_end_order_covers_also_whom_one_role_wants_to_release() -> None:
    facts = ReleaseFacts(3, order="end", documents=ALL_SIGNED, release_people=(STAFF,))
    answer = release(facts, "member")
    assert isinstance(answer, Permit)
    assert answer.basis == "end"


def test_a_release_of_one_member_waits_for_the_second_role() -> None:
    answer = release(ReleaseFacts(3, release_people=(STAFF,)), "member")
    assert isinstance(answer, Refusal)
    assert [(one.key, one.met) for one in answer.conditions] == [
        ("member_release", True),
        ("two_roles", False),
    ]


def test_escorted_needs_two_roles_a_reason_and_something_to_take_out() -> None:
    people = ((), (STAFF,), (STAFF, STAFF2), (STAFF, COORDINATOR))
    for asked, reason, held, phase in itertools.product(people, ("", "call"), FLAGS, Phase):
        answer = escorted(EscortFacts(asked, reason, held, phase))
        due = (
            asked == (STAFF, COORDINATOR)
            and reason != ""
            and held
            and phase not in (Phase.IDLE, Phase.PREPARED, Phase.CLOSED)
        )
        assert isinstance(answer, Permit) == due


def test_two_roles_are_two_persons_in_two_roles() -> None:
    assert two_roles((STAFF, STAFF2, COORDINATOR))
    assert not two_roles((STAFF, ("p-1", "witness")))
    assert not two_roles((("", "room_staff"), COORDINATOR))
    assert not two_roles((("p-1", ""), COORDINATOR))
    assert not two_roles((("p-1", "room_staff"), ("", "witness")))
    assert not two_roles((("p-1", "room_staff"), ("p-2", "")))


def test_the_next_door_opens_when_the_last_is_closed() -> None:
    assert next_door(()).met
    busy = DoorInUse(4, since_ms=0, noticed=False)
    assert next_door((busy,)).waiting_for == "locker:4"


def test_or_after_a_minute_with_a_notice() -> None:
    busy = DoorInUse(4, since_ms=1_000, noticed=False)
    assert not notice_due(busy, 60_999, 60)
    assert notice_due(busy, 61_000, 60)
    told = DoorInUse(4, since_ms=1_000, noticed=True)
    assert not notice_due(told, 99_000, 60)
    assert next_door((told,)).met
