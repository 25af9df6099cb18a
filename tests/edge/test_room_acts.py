"""Cards and staff acts: what is recorded, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from edge.room import SelfTest, Sound
from edge.room_rules.acts import ACTS
from tests.edge.room_bench import COORDINATOR, SESSION, STAFF, STAFF2, Bench, session_plan


def refused(room: Bench, reason: str) -> dict[str, Any]:
    answer = room.answer()
    assert (answer["ok"], answer["reason"]) == (False, reason), answer
    return answer


@pytest.mark.parametrize("act", sorted(set(ACTS) - {"help"}))
def test_nobody_acts_without_a_signature(act: str) -> None:
    room = Bench().begin()
    room.feed("staff", {"act": act, "session": SESSION, "args": {}, "by": []})
    refused(room, "unsigned")
    assert room.last == ()


def test_anybody_may_call_for_help() -> None:
    room = Bench().begin()
    room.feed("staff", {"act": "help"})
    assert room.types() == ["help.called"]
    assert Sound("help") in room.effects


def test_an_unknown_act_is_named() -> None:
    room = Bench().begin()
    room.staff("sing")
    assert refused(room, "unknown_act")["got"] == "sing"


@pytest.mark.parametrize(
    "act",
    [
        "identify.two_staff",
        "steps.record",
        "deposit.declare",
        "deposit.confirm",
        "decline",
        "absent",
        "withdraw",
        "away.start",
        "away.end",
        "locker.escorted",
        "left.confirm",
        "saved.confirm",
        "release.confirm",
        "seat.confirm",
    ],
)
def test_an_act_about_nobody_here_is_refused(act: str) -> None:
    room = Bench().begin()
    room.staff(act, STAFF, STAFF2, no=99)
    assert room.answer()["reason"] == "unknown_member"
    room.staff(act, STAFF, STAFF2, no=1)
    assert room.answer()["reason"] == "unknown_member"
    room.staff(act, STAFF, STAFF2, no="3")
    assert room.answer()["reason"] == "bad_argument"
    room.feed("staff", {"act": act, "session": "s-x", "args": {"no": 3}, "by": [STAFF]})
    assert room.answer()["reason"] == "other_session"
    assert room.last == (), "nothing of it is in the record"


@pytest.mark.parametrize("act", ["lead.choose", "clarification", "start.exception", "case.step"])
def test_an_act_in_no_session_is_refused(act: str) -> None:
    room = Bench().begin()
    room.feed("staff", {"act": act, "session": 7, "args": None, "by": [STAFF]})
    assert room.answer()["reason"] == "other_session"


def test_nothing_is_done_in_a_closed_session() -> None:
    room = Bench().begin()
    room.order("postpone")
    room.order("close")
    room.staff("lead.choose", no=3)
    assert room.answer()["reason"] == "phase"


def test_a_number_never_comes_in_with_a_document() -> None:
    room = Bench().begin()
    room.order("open")
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document="passport E1234")
    refused(room, "bad_argument")
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document=" ")
    refused(room, "bad_argument")
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document=5)
    refused(room, "bad_argument")
    for number in ("420106199001011234", "420106 19900101 1234", "420106-19900101-123X"):
        room.staff("outside_contact", purpose=f"called {number}")
        assert "4201" not in str(refused(room, "bad_argument"))
    room.staff("outside_contact", purpose="called 021-62345678")
    refused(room, "bad_argument")
    room.staff("outside_contact", purpose="2026-11-24 09:30, the duty office")
    assert room.answer()["ok"]


def test_check_in_before_the_open_order_is_refused() -> None:
    room = Bench().begin()
    room.card(3)
    assert room.unmet() == {"identified", "phase_deposit"}
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document="passport")
    assert refused(room, "gate")["conditions"]


def test_steps_are_recorded_after_the_identity_check() -> None:
    room = Bench().begin()
    room.order("open")
    room.staff("steps.record", no=3, health=True, recusal=True, commitment=True)
    refused(room, "step")
    room.card(3)
    room.staff("steps.record", no=3, health=[1])
    refused(room, "bad_argument")
    room.staff("steps.record", no=3, health="well", recusal=False, commitment=None)
    assert room.only("member.steps")["health"] == "well"
    assert room.state.sessions[SESSION].members[3].steps == {
        "health": True,
        "recusal": True,
        "commitment": False,
    }


def test_a_member_declares_before_the_locker_opens() -> None:
    room = Bench().begin()
    room.order("open")
    room.staff("deposit.declare", no=3, items=["phone"])
    refused(room, "step")
    room.card(3)
    room.card(3)
    assert room.unmet() == {"declared"}
    room.staff("deposit.declare", no=3, items=["radio"])
    refused(room, "bad_argument")
    room.staff("deposit.declare", no=3, items="phone")
    refused(room, "bad_argument")
    room.staff("deposit.declare", no=3, items=["phone", "watch"])
    assert room.pulses() == [1]
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert room.only("release.notice")["what"] == "nothing_deposited"
    room.card(3)
    assert room.pulses() == [1]


def test_who_brings_nothing_deposits_nothing_and_leaves_without_a_door() -> None:
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=[])
    assert room.step_of(3) == "deposited"
    room.card(3)
    assert room.unmet() >= {"order_end"}
    room.order("postpone")
    room.card(3)
    assert room.only("member.released") == {"no": 3, "locker": None}
    room.card(3)
    assert room.types() == []


def test_a_board_without_item_bits_waits_for_a_person() -> None:
    room = Bench(item_sensor=False).begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.confirm", no=3)
    refused(room, "nothing_to_confirm")
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "present")
    room.door(1, "closed", "present")
    assert room.step_of(3) == "identified"
    room.card(3)
    assert room.unmet() == {"deposit_confirmed"}
    room.staff("deposit.confirm", no=3)
    found = room.only("member.deposited")
    assert (found["item"], found["confirmed_by"][0]["post"]) == ("unknown", "CS-01")
    room.check_fold()


def test_a_member_without_a_locker_is_refused_at_the_gate() -> None:
    room = Bench().begin()
    plan = {"no": 6, "kind": "expert", "org": "changsha", "here": True, "station": 4}

    room.plan(session_plan(members=[{**plan, "locker": None}]), n=2)
    room.order("open")
    room.card(6)
    room.staff("deposit.declare", no=6, items=["phone"])
    assert room.unmet() == {"locker_assigned", "locker_empty"}


def test_declining_is_recorded_and_not_admitted() -> None:
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.staff("decline", no=3)
    refused(room, "bad_argument")
    room.staff("decline", no=3, reason="keeps the phone")
    assert room.step_of(3) == "declined"
    room.card(3)
    assert room.last == ()
    room.staff("decline", no=3, reason="again")
    assert refused(room, "step")["missing"] == ["member_declined"]
    room.staff("left.confirm", no=3)
    assert room.step_of(3) == "left"


def test_an_absent_member_who_comes_after_all() -> None:
    room = Bench().begin()
    room.order("open")
    room.staff("absent", no=3)
    assert room.step_of(3) == "absent"
    room.card(3)
    assert room.step_of(3) == "identified"


def test_who_withdraws_collects_by_an_order_and_two_roles() -> None:
    room = Bench().evaluating()
    room.staff("withdraw", no=3, reason="conflict of interest")
    assert room.step_of(3) == "withdrawn"
    room.staff("left.confirm", no=3)
    refused(room, "item_held")
    room.staff("release.confirm", COORDINATOR, no=3)
    refused(room, "no_order")
    room.card(3)
    assert "order_end" in room.unmet()
    room.order("member_release", members=["x3"])
    room.card(3)
    assert room.unmet() == {"two_roles"}
    room.staff("release.confirm", COORDINATOR, no=3)
    room.collect(3)
    assert room.step_of(3) == "released"
    room.check_fold()


def test_leaving_for_a_while() -> None:
    room = Bench().evaluating()
    room.staff("away.end", no=3)
    refused(room, "step")
    room.staff("away.start", no=3, reason="holiday")
    refused(room, "bad_argument")
    room.staff("away.start", no=3, reason="meal", expected_min=1)
    assert room.state.sessions[SESSION].members[3].away is not None
    room.staff("away.start", no=3, reason="meal")
    assert refused(room, "step")["missing"] == ["member_away"]
    room.wait(61)
    assert room.journal("release.notice")[-1] == {"no": 3, "what": "away_overdue"}
    room.staff("away.end", no=3)
    room.staff("away.start", no=3, reason="meal")
    assert room.only("away.started")["expected_min"] == room.pack.away.expected_min
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document="passport")
    assert room.types() == ["away.ended"]


def test_two_staff_open_the_locker_of_a_member_without_a_card() -> None:
    room = Bench().ended()
    room.staff("identify.two_staff", STAFF, STAFF2, no=3, document="passport")
    assert room.pulses() == [1]
    assert [one["post"] for one in room.only("locker.opening")["by"]] == ["CS-01", "CS-02"]


def test_what_else_is_put_on_record() -> None:
    room = Bench().evaluating()
    room.staff("lead.choose", no=3)
    assert room.state.sessions[SESSION].lead == 3
    room.staff("lead.choose", no=99)
    refused(room, "unknown_member")
    room.staff("clarification", state="sent", ref="2")
    assert room.only("clarification")["state"] == "sent"
    room.staff("clarification", state="lost")
    refused(room, "bad_argument")
    room.staff("visitor", state="in", who_post="CS-9", purpose="repair", devices="laptop")
    room.staff("visitor", state="in", who_post="x" * 300)
    refused(room, "bad_argument")
    room.staff("outside_contact", purpose="duty phone, carrier")
    assert room.types() == ["outside_contact"]
    room.staff("saved.confirm", no=3)
    assert room.state.sessions[SESSION].members[3].saved
    room.staff("selftest.run")
    assert SelfTest() in room.effects
    room.staff("start.exception", need="weather", reason="r")
    refused(room, "bad_argument")
    room.staff("start.exception", need="sealing", reason="nothing to seal")
    assert room.types() == ["start.exception"]


def test_a_person_reports_a_fault_and_says_when_it_is_over() -> None:
    room = Bench().evaluating()
    room.staff("fault.report", kind="expert", text="3号评委不适")
    fault = room.only("fault.raised")
    assert (fault["what"], fault["text"]) == ("reported", "3号评委不适")
    room.staff("fault.report", kind="expert")
    refused(room, "already_reported")
    room.staff("fault.report", kind="meteor")
    refused(room, "bad_argument")
    room.wait(30)
    room.staff("fault.ack", fault=fault["fault"])
    assert room.state.faults[fault["fault"]].acked
    room.feed("staff", {"act": "fault.ack", "args": {"fault": fault["fault"]}, "by": STAFF})
    assert room.last[0].session == ""
    room.staff("fault.ack", fault="power-77")
    refused(room, "unknown_fault")
    room.staff("fault.clear", fault=fault["fault"])
    assert room.only("fault.cleared")["by"][0]["person"] == "p-staff"
    room.staff("fault.clear", fault=fault["fault"])
    refused(room, "not_reported")


def test_the_checklist_is_worked_off_by_name() -> None:
    room = Bench().evaluating()
    room.staff("fault.report", kind="power")
    name = room.only("fault.raised")["fault"]
    room.staff("case.step", fault=name, key="people_safe", state="done")
    assert room.state.faults[name].steps["people_safe"].state == "done"
    room.staff("case.step", fault=name, key="dance", state="done")
    refused(room, "bad_argument")
    room.staff("case.step", fault=name, key="call_property", state="skipped")
    refused(room, "bad_argument")
    room.staff("case.step", fault="", key="seal_material", state="done")
    refused(room, "two_staff")
    room.staff("case.step", STAFF, STAFF2, fault="", key="seal_material", state="done")
    assert room.state.sessions[SESSION].sealing["seal_material"] == "done"


def test_two_staff_find_a_locker_empty() -> None:
    room = Bench().evaluating()
    room.staff("locker.confirm_empty", locker=1)
    refused(room, "two_staff")
    room.staff("locker.confirm_empty", STAFF, STAFF2, locker=77)
    refused(room, "unknown_locker")
    room.staff("locker.confirm_empty", STAFF, STAFF2, locker=1)
    assert room.state.lockers[1].deposit is None


def test_staff_may_say_who_sits_where_the_sensor_is_silent() -> None:
    room = Bench().begin()
    room.order("open")
    room.admit(3, seated=False)
    room.staff("seat.confirm", no=3)
    assert refused(room, "seat_vacant")["missing"] == ["station:1"]
    room.feed("device", {"device": "radar-1", "state": "lost", "reason": "silent"})
    room.staff("seat.confirm", no=3)
    assert room.step_of(3) == "seated"
    room.staff("seat.confirm", no=3)
    refused(room, "step")


def test_an_unknown_card_leaves_no_number() -> None:
    room = Bench().begin()
    room.feed("card", {"matches": [], "layout": "resident"})
    assert room.only("card.unknown") == {"layout": "resident", "reason": "no_match"}
    assert room.last[0].session == ""
    room.order("open")
    room.feed("card", {"matches": [7, {"session": "s-x", "no": 3}, {"session": SESSION, "no": 1}]})
    assert room.only("card.unknown")["reason"] == "no_match"
    assert room.last[0].session == SESSION
    room.feed("card", {"matches": None})
    room.feed("card_error", {"reason": "checksum"})
    assert room.only("card.unknown")["reason"] == "checksum"


def test_a_card_of_two_sessions_goes_to_the_open_one() -> None:

    room = Bench().begin()
    other = "s-ffffffffffff"
    room.plan(session_plan(), session_plan(other), n=2)
    room.order("open", session=other)
    room.feed(
        "card",
        {"matches": [{"session": SESSION, "no": 3}, {"session": other, "no": 3}]},
    )
    assert room.last[0].type == "member.identified"
    assert room.last[0].session == other


def test_uncollected_things_are_called_out_once() -> None:
    room = Bench().ended()
    room.wait(room.pack.gate.uncollected_s + 5)
    notices = [row for row in room.journal("release.notice") if row["what"] == "uncollected"]
    assert [row["no"] for row in notices] == [3, 4, 5]


def test_an_item_left_in_the_locker_is_not_a_release() -> None:
    room = Bench().ended()
    room.card(3)
    room.door(1, "open", "present")
    room.door(1, "closed", "present")
    assert room.only("release.notice")["what"] == "item_left"
    assert room.step_of(3) == "seated"


def test_a_refused_redeposit_says_why() -> None:
    room = Bench().signing()
    room.staff("locker.escorted", STAFF, COORDINATOR, no=3, reason="mobile signing")
    room.door(1, "open", "absent")
    room.staff("identify.two_staff", STAFF, STAFF2, no=4, document="passport")
    assert refused(room, "gate")["conditions"]
    room.door(1, "closed", "absent")
    room.door(1, "open", "absent")
    room.card(3)
    assert room.unmet() == {"door_closed"}


def arrived_at_an_unread_door() -> Bench:
    """Identified and declared, while the board says nothing of the member's door."""
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.door(1, "unknown", "unknown")
    room.staff("deposit.declare", no=3, items=["phone"])
    assert room.unmet() == {"door_closed"}
    assert room.pulses() == []
    assert room.step_of(3) == "identified"
    return room


@pytest.mark.parametrize("how", ["card", "two_staff", "declare"])
def test_a_deposit_declared_at_an_unread_door_goes_on_when_the_door_is_read(how: str) -> None:
    room = arrived_at_an_unread_door()
    room.card(3)
    assert room.unmet() == {"door_closed"}
    room.door(1, "closed", "absent")
    assert room.pulses() == [], "nobody need stand there any more"
    if how == "card":
        room.card(3)
    elif how == "two_staff":
        room.staff("identify.two_staff", STAFF, COORDINATOR, no=3, document="passport")
    else:
        room.staff("deposit.declare", no=3, items=["phone"])
    assert room.pulses() == [1]
    room.door(1, "open", "absent")
    room.door(1, "open", "present")
    room.door(1, "closed", "present")
    assert room.step_of(3) == "deposited"
    room.check_fold()
