"""Orders, statements, commands and plans: accepted once, refused by name, answered again."""

from __future__ import annotations

from typing import Any

import pytest

from edge.room import Clip, Pulse, Record, Reset, SelfTest
from edge.room_rules.orders import number_of
from tests.edge.room_bench import (
    COORDINATOR,
    MANAGER,
    SESSION,
    STAFF,
    STAFF2,
    Bench,
    committee_pack,
    session_plan,
)

TWO = [STAFF, COORDINATOR]


def refused(room: Bench, reason: str) -> dict[str, Any]:
    answer = room.answer()
    assert (answer["ok"], answer["reason"]) == (False, reason), answer
    return answer


def command(room: Bench, verb: str, *, cid: str = "", expect: Any = None, **args: Any) -> None:
    by = args.pop("by", TWO)
    session = args.pop("session", SESSION)
    name = cid or f"c-{len(room.rows)}"
    room.feed(
        "command",
        {"id": name, "verb": verb, "args": args, "expect": expect, "by": by, "session": session},
    )


# -- orders ----------------------------------------------------------------------------------


def test_an_order_is_accepted_once_and_answered_again() -> None:
    room = Bench().begin()
    room.order("open", id="same")
    assert room.answer() == {"ok": True}
    room.order("open", id="same")
    assert (room.last, room.answer()) == ((), {"ok": True, "repeated": True})
    room.order("start", id="other")
    refused(room, "needs")
    room.order("start", id="other")
    assert room.last == ()
    assert refused(room, "needs")["repeated"]


def test_an_old_number_is_refused_across_a_restart() -> None:
    room = Bench().begin()
    room.order("open", n=5)
    room.state = room.refold()
    room.feed("started")
    room.order("postpone", n=5, id="late")
    refused(room, "old_n")
    assert room.only("order.refused")["reason"] == "old_n"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"session": "s-x"}, "other_session"),
        ({"venues": ["xiangyang"]}, "other_venue"),
        ({"members": ["x99"]}, "unknown_member"),
        ({"n": "one"}, "bad_argument"),
        ({"order": "dance"}, "bad_argument"),
        ({"exceptions": [{"reason": "r"}]}, "bad_argument"),
        ({"exceptions": [7]}, "bad_argument"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(more: dict[str, Any], reason: str) -> None:
    room = Bench().begin()
    room.order(more.pop("order", "open"), **more)
    refused(room, reason)
    assert room.types() == ["order.refused"]


@pytest.mark.parametrize("venue", ["changsha", "changsha-2", "c-0123456789ab"])
def test_an_order_for_this_venue_only(venue: str) -> None:
    room = Bench().begin()
    room.order("open", id="theirs", venues=["xiangyang"])
    refused(room, "other_venue")
    room.order("open", venues=["xiangyang", venue])
    assert room.phase() == "check_in"


def test_a_release_of_nobody_is_refused() -> None:
    room = Bench().evaluating()
    room.order("member_release", members=[])
    assert room.answer()["reason"] == "no_member"


def test_numbers_of_members_in_any_form() -> None:
    assert [number_of(value) for value in (3, "3", "x3", "xx", None, "x", "x²")] == [
        3,
        3,
        3,
        -1,
        -1,
        -1,
        -1,
    ]


def test_an_order_on_the_home_screen_is_issued_with_its_bytes() -> None:
    room = Bench().begin()
    room.plan(session_plan(role="home"), n=2)
    room.order("open", via="screen", raw="signed bytes")
    assert room.types() == ["order.accepted", "phase.changed"]
    home = Bench()
    home.feed("started")
    home.plan(session_plan(role="home"))
    home.order("open", via="screen", raw="signed bytes")
    assert home.types() == ["order.issued", "order.accepted", "phase.changed"]
    assert home.only("order.issued")["raw"] == "signed bytes"


def test_close_waits_for_every_locker() -> None:
    room = Bench().ended()
    room.collect(3)
    room.order("close")
    assert refused(room, "lockers")["missing"] == ["locker:2", "locker:3"]
    room.collect(4)
    room.staff("locker.confirm_empty", STAFF, STAFF2, locker=3)
    room.order("close")
    assert room.phase() == "closed"


def test_close_waits_for_a_door_in_use() -> None:
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "absent")
    room.order("postpone")
    room.order("close")
    assert refused(room, "lockers")["missing"] == ["locker:1"]
    room.door(1, "closed", "absent")
    room.order("close")
    assert room.phase() == "closed"


@pytest.mark.parametrize("item_sensor", [True, False])
def test_what_two_staff_saw_empty_is_not_so_after_a_deposit(item_sensor: bool) -> None:
    room = Bench(item_sensor=item_sensor).begin()
    room.order("open")
    for number in (1, 2, 3):
        room.staff("locker.confirm_empty", STAFF, STAFF2, locker=number)
    room.admit(3, seated=False)
    if not item_sensor:
        room.staff("locker.confirm_empty", STAFF, STAFF2, locker=1)
        room.staff("deposit.confirm", no=3)
    room.order("postpone")
    room.order("close")
    assert refused(room, "lockers")["missing"] == ["locker:1"]


def test_the_recording_goes_on_while_another_session_is_open() -> None:
    room = Bench().begin()
    other = "s-ffffffffffff"
    room.plan(session_plan(), session_plan(other), n=2)
    room.order("open")
    room.order("open", session=other)
    room.order("postpone", session=other)
    room.order("close", session=other)
    assert not any(isinstance(effect, Record) for effect in room.effects)


def test_a_terminated_session_is_sealed_before_phones_are_given_back() -> None:
    room = Bench().evaluating()
    room.order("terminate")
    room.card(3)
    assert room.unmet() == {"sealing_seal_material"}
    room.staff("case.step", STAFF, STAFF2, fault="", key="seal_material", state="done")
    room.card(3)
    assert room.pulses() == [1]


def test_sealing_may_be_waived_by_name_in_the_order() -> None:
    room = Bench().evaluating()
    room.order("terminate", exceptions=[{"need": "sealing", "reason": "sealed at home"}])
    room.card(3)
    assert room.pulses() == [1]


def test_sealing_may_be_waived_by_name_after_the_order_too() -> None:
    room = Bench().evaluating()
    room.order("postpone")
    room.card(3)
    assert room.unmet() == {"sealing_seal_material"}
    room.now_ms += 5_000
    room.staff("start.exception", COORDINATOR, need="sealing", reason="sealed at home")
    assert room.state.sessions[SESSION].release_ms == room.now_ms, "from here on they wait"
    room.card(3)
    assert room.pulses() == [1]
    room.check_fold()


def test_sealing_follows_the_faults_of_the_session() -> None:
    room = Bench().evaluating()
    room.staff("fault.report", kind="device")
    room.order("postpone")
    room.card(3)
    assert room.pulses() == [1]


def test_the_whole_committee_signs_where_the_policy_says_so() -> None:
    room = Bench(pack=committee_pack()).signing()
    room.sign_all(3, 4)
    room.order("end", committee="incomplete")
    room.card(3)
    assert room.unmet() == {"committee_here", "committee_elsewhere"}
    room.sign_all(5)
    room.card(3)
    assert room.unmet() == {"committee_elsewhere"}


def test_a_broken_signature_is_recorded() -> None:
    room = Bench().begin()
    room.feed(
        "order_refused",
        {
            "id": "b",
            "session": SESSION,
            "order": "open",
            "reason": "unsigned",
            "text": "no valid signature",
        },
    )
    told = room.only("order.refused")
    assert (told["text"], told["id"], told["named"]) == ("no valid signature", "", "b")
    room.feed("order_refused", {"session": "s-x"})
    assert room.last[0].session == ""
    refused(room, "unsigned")


def test_a_forgery_does_not_use_up_the_name_of_the_genuine_order() -> None:
    room = Bench().begin()
    room.feed("order_refused", {"id": "first", "session": SESSION, "reason": "unsigned"})
    assert "first" not in room.state.answers
    room.order("open", id="first")
    assert room.answer() == {"ok": True}
    assert room.state.answers["first"] == "accepted"


# -- statements ------------------------------------------------------------------------------


def test_a_statement_is_recorded_for_any_member_of_the_committee() -> None:
    room = Bench().signing()
    room.state_ment(1, "report", "signed_with_dissent")
    assert room.state.sessions[SESSION].members[1].documents == {"report": "signed_with_dissent"}
    room.state_ment(1, "report", "signed_with_dissent")
    assert (room.last, room.answer()["repeated"]) == ((), True)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"session": "s-x"}, "other_session"),
        ({"member": "x99"}, "unknown_member"),
        ({"document": "poem"}, "bad_argument"),
        ({"outcome": "maybe"}, "bad_argument"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(more: dict[str, Any], reason: str) -> None:
    room = Bench().signing()
    data = {
        "id": "st",
        "session": SESSION,
        "member": "x3",
        "document": "report",
        "outcome": "signed",
        "by": [STAFF],
    }
    room.feed("statement", {**data, **more})
    refused(room, reason)
    assert room.types() == ["statement.refused"]


def test_a_statement_before_the_start_is_refused() -> None:
    room = Bench().begin()
    room.state_ment(3, "report")
    assert room.answer()["reason"] == "phase"


# -- plans -----------------------------------------------------------------------------------


def test_versions_of_plans_only_go_up() -> None:
    room = Bench().begin()
    room.plan(n=1)
    assert room.last == ()
    room.feed("plan", {"generation": 1, "n": 1, "hash": "other", "sessions": []})
    assert room.only("plan.refused")["reason"] == "other_hash"
    room.plan(n=3)
    assert room.types() == ["plan.accepted"]
    room.plan(n=2)
    assert room.only("plan.refused")["reason"] == "older"


def test_a_session_that_leaves_the_plan_is_put_away_and_may_come_back() -> None:
    room = Bench().begin()
    room.feed("plan", {"generation": 1, "n": 2, "hash": "b", "sessions": []})
    assert room.phase() == "idle"
    room.plan(n=3)
    assert room.phase() == "prepared"


def test_a_plan_is_taken_whole_or_not_at_all() -> None:
    room = Bench().begin()
    broken = session_plan("s-ffffffffffff", role="guests")
    room.plan(session_plan(start_at="2026-11-25T01:00:00.000Z"), broken, n=2)
    assert "session.prepared.role" in room.only("plan.refused")["reason"]
    assert room.types() == ["plan.refused"]
    room.feed("plan", {"generation": "x", "n": 9, "hash": "b", "sessions": [7]})
    assert "generation" in room.only("plan.refused")["reason"]


def test_a_plan_changes_a_prepared_session_and_leaves_a_closed_one() -> None:
    room = Bench().begin()
    room.plan(session_plan(start_at="2026-11-25T01:00:00.000Z"), n=2)
    assert room.types() == ["plan.accepted", "session.prepared"]
    room.order("postpone")
    room.order("close")
    room.plan(n=3)
    assert room.types() == ["plan.accepted"]


def test_what_the_runtime_says_is_journalled_as_it_is() -> None:
    room = Bench().begin()
    room.feed("system", {"type": "clock.fix", "session": "", "data": {"step_ms": 40}})
    assert room.state.clock_step_ms == 40
    room.feed("system", {"type": "clock.fix", "session": "", "data": {"step_ms": "x"}})
    assert room.only("clock.fix") == {"step_ms": "x"}
    room.feed("system", {"type": "ack.bad", "data": None})
    assert room.only("ack.bad") == {}


# -- commands --------------------------------------------------------------------------------


def test_a_locker_is_overridden_by_two_persons_in_two_roles() -> None:
    room = Bench().evaluating()
    command(room, "locker.override", locker=1, by=[STAFF, STAFF2])
    refused(room, "two_roles")
    assert room.types() == ["cmd.refused"]
    command(room, "locker.override", cid="c1", locker=1)
    assert room.types() == ["cmd.accepted", "locker.opening"]
    assert [one.intent for one in room.effects if isinstance(one, Pulse)] == ["c1"]
    room.door(1, "open", "absent")
    assert room.only("cmd.done")["result"] == "opened"
    room.door(1, "closed", "absent")
    assert room.step_of(3) == "seated"
    assert room.journal("member.released") == []
    for _ in range(5):
        command(room, "locker.override", cid="c1", locker=1)
        assert (room.last, room.answer()["result"], room.pulses()) == ((), "opened", [])


def test_an_override_that_does_not_open_says_so() -> None:
    room = Bench().evaluating()
    command(room, "locker.override", cid="c1", locker=4)
    assert room.last[-1].session == ""
    command(room, "locker.override", locker=4)
    refused(room, "door_in_use")
    room.feed("pulse", {"lock": 4, "outcome": "no_answer"})
    assert room.only("cmd.done")["result"] == "failed:no_answer"
    command(room, "locker.override", locker=77)
    refused(room, "unknown_locker")
    room.door(4, "open", "absent")
    command(room, "locker.override", locker=4)
    assert room.only("cmd.done")["result"] == "already_open"


def test_an_object_that_changed_meanwhile_is_left_alone() -> None:
    room = Bench().evaluating()
    rev = room.state.revs["locker:1"]
    command(room, "locker.override", locker=1, expect={"obj": "locker:1", "rev": ["e", 1]})
    refused(room, "changed_meanwhile")
    command(room, "device.selftest", expect={"obj": "device:none", "rev": 3})
    refused(room, "changed_meanwhile")
    command(room, "device.selftest", expect={"obj": "device:none", "rev": ["", 0]})
    assert room.answer()["ok"]
    command(room, "locker.override", locker=1, expect={"obj": "locker:1", "rev": list(rev)})
    assert room.pulses() == [1]


def test_an_override_opens_only_the_locker_its_issuers_looked_at() -> None:
    room = Bench().evaluating()
    for obj, rev in (("locker:2", room.state.revs["locker:2"]), ("locker:77", ("", 0))):
        command(room, "locker.override", locker=1, expect={"obj": obj, "rev": list(rev)})
        assert refused(room, "bad_argument")["expected"] == "locker:1"
    assert room.pulses() == []


def test_a_member_moves_to_a_spare_station() -> None:
    room = Bench().evaluating()
    command(room, "station.swap", no=3, station=2, reason="screen")
    refused(room, "station_taken")
    command(room, "station.swap", no=3, station=9)
    refused(room, "unknown_station")
    command(room, "station.swap", no=99, station=4)
    refused(room, "unknown_member")
    command(room, "station.swap", no=3, station=4, session="s-x")
    refused(room, "other_session")
    command(room, "station.swap", no="x3", station=4, reason="screen")
    assert room.only("station.swapped")["from"] == 1
    assert room.step_of(3) == "deposited"
    room.sit(4)
    assert room.step_of(3) == "seated"


def test_nobody_moves_after_the_end() -> None:
    room = Bench().ended()
    command(room, "station.swap", no=3, station=4)
    assert room.answer()["reason"] == "phase"


def test_a_member_is_replaced_by_a_substitute() -> None:
    room = Bench().evaluating()
    command(room, "member.replace", no=3, substitute={"no": 4})
    refused(room, "number_taken")
    command(room, "member.replace", no=3, substitute=[])
    refused(room, "bad_argument")
    command(room, "member.replace", no=3, substitute={"no": 9, "locker": 4})
    assert room.only("member.replaced")["substitute"]["station"] == 1
    new = room.state.sessions[SESSION].members[9]
    assert (new.step.value, new.station, new.locker) == ("expected", 1, 4)
    command(room, "member.replace", no=3)
    assert refused(room, "step")["missing"] == ["member_replaced"]
    command(room, "member.replace", no=4, why="removed", reason="phone found")
    assert room.step_of(4) == "removed"
    command(room, "member.replace", no=5, why="bored")
    refused(room, "bad_argument")
    command(room, "member.replace", no=5, substitute={"no": 8, "station": 4})
    assert room.state.sessions[SESSION].members[8].station == 4


def test_devices_are_tested_and_reset() -> None:
    room = Bench().begin()
    command(room, "device.selftest")
    assert SelfTest() in room.effects
    command(room, "device.reset", device="ups")
    assert Reset("ups") in room.effects
    command(room, "device.reset", device="toaster")
    refused(room, "unknown_device")


def test_a_clip_is_marked() -> None:
    room = Bench().evaluating()
    command(room, "clip.mark", reason="quarrel", from_s=90)
    assert Clip("quarrel", SESSION, 90, 20) in room.effects
    command(room, "clip.mark", reason="quarrel", to_s=99_999)
    refused(room, "bad_argument")


def test_a_verb_that_is_not_the_rooms_is_refused() -> None:
    room = Bench().begin()
    room.feed("command", {"id": "c", "verb": "dance", "args": None, "by": MANAGER})
    assert refused(room, "unknown_verb")["got"] == "dance"


def test_a_member_without_a_locker_does_not_hold_up_the_close() -> None:
    room = Bench().begin()
    row = {"no": 6, "kind": "expert", "org": "changsha", "here": True, "station": 4}
    room.plan(session_plan(members=[{**row, "locker": None}]), n=2)
    room.order("open")
    room.order("postpone")
    room.order("close")
    assert room.phase() == "closed"


def test_a_member_is_taken_off_without_a_substitute() -> None:
    room = Bench().evaluating()
    command(room, "member.replace", no=5)
    assert room.only("member.replaced")["substitute"] is None
    assert room.step_of(5) == "replaced"


def test_an_accepted_order_that_comes_again_as_old_stays_accepted() -> None:
    room = Bench().begin()
    room.order("open", id="first")
    room.order("postpone", id="second")
    room.feed("order_refused", {"id": "first", "session": SESSION, "reason": "old_n"})
    assert room.last == ()
    assert room.answer()["ok"]
    assert room.state.answers["first"] == "accepted"
