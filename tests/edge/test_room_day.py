"""A day in one room, as a clerk would tell it."""

from __future__ import annotations

from edge.room import Record, WipeSecrets
from protocols.policy.room_state import from_json, to_json
from protocols.policy.room_view import room_view
from tests.edge.room_bench import COORDINATOR, SESSION, STAFF, STAFF2, Bench


def test_a_day_from_the_plan_to_the_close() -> None:
    """Check-in, deposit, seat, start, signing, end, release one door at a time, close."""
    room = Bench().ended()
    for no in (3, 4, 5):
        room.collect(no)
        assert room.step_of(no) == "released"
        room.staff("left.confirm", no=no)
        assert room.step_of(no) == "left"
    room.order("close")
    assert room.phase() == "closed"
    assert room.types() == [
        "order.accepted",
        "phase.changed",
        "session.closed",
        "secrets.wiped",
        "session.sealed",
    ]
    assert WipeSecrets(SESSION) in room.effects
    assert Record(on=False, session=SESSION) in room.effects
    assert len(room.journal("locker.opening")) == 6
    assert room.journal("locker.unexplained") == []
    room.check_fold()
    assert from_json(to_json(room.state)) == room.state


def test_the_view_tells_the_room_without_a_name() -> None:
    room = Bench().signing()
    view = room_view(room.state, room.pack, room.now_ms)
    assert view["current"] == SESSION
    assert view["next"]["key"] == "sign"
    assert view["strip"] == {"power": "ok", "network": "ok", "recording": "ok", "lockers": "ok"}
    assert [row["state"] for row in view["lockers"]] == ["held", "held", "held", "free"]


def test_the_recording_starts_with_the_open_order() -> None:
    room = Bench().begin()
    room.order("open")
    assert Record(on=True, session=SESSION) in room.effects


def test_an_early_release_is_refused_with_every_condition() -> None:
    """Who wants his phone before the end is told which documents and whose order are missing."""
    room = Bench().evaluating()
    room.card(3)
    refused = room.only("gate.refused")
    assert refused["want"] == "release"
    assert room.unmet() == {
        "document_personal_sheet",
        "document_summary",
        "document_report",
        "order_end",
    }
    assert room.pulses() == []
    assert {row["text_key"] for row in refused["conditions"]} >= {"gate.order_end"}


def test_one_door_at_a_time() -> None:
    room = Bench().ended()
    room.card(3)
    assert room.pulses() == [1]
    room.card(4)
    assert room.pulses() == []
    assert room.unmet() == {"door_free"}
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    room.card(4)
    assert room.pulses() == [2]


def test_the_next_door_opens_after_a_notice_when_the_last_stays_open() -> None:
    room = Bench().ended()
    room.card(3)
    room.door(1, "open", "present")
    room.wait(room.pack.gate.next_door_s)
    assert room.journal("release.notice")[-1] == {"no": 3, "what": "door_open", "locker": 1}
    room.card(4)
    assert room.pulses() == [2]


def test_a_key_opening_is_an_alarm_and_no_release() -> None:
    room = Bench().evaluating()
    room.door(1, "open", "present")
    found = room.only("locker.unexplained")
    assert found == {"locker": 1, "door": "open", "member": 3, "session": SESSION}
    room.door(1, "closed", "absent")
    assert room.step_of(3) == "seated"
    assert room.journal("member.released") == []


def test_a_key_opening_stands_on_the_screen_until_staff_acknowledge_it() -> None:
    room = Bench().evaluating()
    room.door(1, "open", "present")
    room.door(1, "closed", "present")
    shown = room_view(room.state, room.pack, room.now_ms)
    assert shown["lockers"][0]["forced_elapsed_ms"] is not None
    assert shown["strip"]["lockers"] == "bad"
    for strange in (2, 77):
        room.staff("locker.ack", locker=strange)
        assert room.answer()["reason"] == "nothing_to_ack"
    room.staff("locker.ack", locker=1)
    assert room.only("locker.acked")["locker"] == 1
    shown = room_view(room.state, room.pack, room.now_ms)
    assert shown["lockers"][0]["forced_elapsed_ms"] is None
    assert shown["strip"]["lockers"] == "ok"


def test_a_restart_with_an_open_intent_never_pulses_again() -> None:
    room = Bench().ended()
    room.card(3)
    assert room.pulses() == [1]
    room.state = room.refold()
    room.feed("started")
    assert room.pulses() == []
    room.doors["1"] = ["closed", "present"]
    room.feed("lockers", {"states": room.doors})
    assert room.only("locker.open_failed")["outcome"] == "interrupted"
    assert room.pulses() == []
    room.card(3)
    assert room.pulses() == [1]


def test_a_restart_while_the_door_stands_open_goes_by_the_sensor() -> None:
    room = Bench().ended()
    room.card(3)
    room.state = room.refold()
    room.feed("started")
    room.door(1, "open", "absent")
    assert "locker.opened" in room.types()
    room.door(1, "closed", "absent")
    assert room.step_of(3) == "released"


def test_a_toilet_leave_keeps_the_seat_and_ends_with_the_card() -> None:
    room = Bench().evaluating()
    room.staff("away.start", no=3, reason="toilet", consent_by="lead", escort="CS-02")
    room.stand_up(1)
    assert room.step_of(3) == "seated"
    room.sit(1)
    room.card(3)
    assert room.types() == ["away.ended"]
    assert room.step_of(3) == "seated"


def test_late_and_without_card() -> None:
    """A member who is late and has forgotten his card is identified by two staff."""
    room = Bench().begin()
    room.order("open")
    room.wait(20 * 60 + room.pack.late.after_s)
    assert {row["no"] for row in room.journal("member.late")} == {3, 4, 5}
    room.staff("identify.two_staff", STAFF, no=5, document="passport")
    assert room.answer()["reason"] == "two_staff"
    room.staff("identify.two_staff", STAFF, STAFF2, no=5, document="passport")
    assert room.only("member.identified")["method"] == "two_staff"


def test_start_is_refused_with_the_list_of_what_is_missing() -> None:
    room = Bench().begin()
    room.order("open")
    room.admit(3)
    room.feed("recording", {"stream": "desk", "state": "fault"})
    room.order("start")
    assert room.only("order.refused")["missing"] == ["members_seated", "av_recording"]
    room.order(
        "start",
        exceptions=[
            {"need": "members_seated", "reason": "replaced tomorrow"},
            {"need": "av_recording", "reason": "second camera covers it"},
        ],
    )
    assert room.phase() == "evaluating"


def test_mains_cut_raises_one_fault_and_its_clearing() -> None:
    room = Bench().evaluating()
    room.feed("mains", {"present": False})
    room.feed("ups", {"utility_fail": True, "battery_low": False, "charge_pct": 96})
    room.wait(2)
    (fault,) = room.journal("fault.raised")
    assert (fault["fault"], fault["kind"], fault["what"]) == ("power-1", "power", "mains_lost")
    room.feed("network", {"rung": "wan"})
    room.wait(5)
    assert room.journal("fault.raised")[-1]["cause"] == "power-1"
    room.feed("mains", {"present": True})
    room.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 95})
    room.wait(4)
    assert [row["fault"] for row in room.journal("fault.cleared")] == ["power-1"]
    room.check_fold()


def test_an_escorted_opening_makes_a_redeposit_due() -> None:
    room = Bench().signing()
    room.staff("locker.escorted", STAFF, no=3, reason="mobile signing")
    assert room.answer()["reason"] == "gate"
    room.staff("locker.escorted", STAFF, COORDINATOR, no=3, reason="mobile signing")
    assert room.pulses() == [1]
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    room.wait(room.pack.custody.escorted_redeposit_s + 1)
    assert room.journal("release.notice")[-1] == {"no": 3, "what": "redeposit_due"}
    room.card(3)
    room.door(1, "open", "absent")
    room.door(1, "closed", "present")
    assert "member.deposited" in room.types()
    assert room.step_of(3) == "seated"
    room.check_fold()
