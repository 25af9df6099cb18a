"""The view: what a screen says at each moment of the day, by key and number."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from protocols.policy.room_view import current_session, room_view, stage_of
from tests.edge.room_bench import COORDINATOR, SESSION, STAFF, Bench, session_plan


def view(room: Bench) -> dict[str, Any]:
    found = room_view(room.state, room.pack, room.now_ms)
    json.dumps(found)
    return found


def says(room: Bench) -> tuple[str, Any]:
    found = view(room)["next"]
    return found["key"], found["args"].get("no")


def row(room: Bench, no: int) -> dict[str, Any]:
    (session,) = view(room)["sessions"]
    return next(one for one in session["members"] if one["no"] == no)


def locker(room: Bench, number: int) -> dict[str, Any]:
    return next(one for one in view(room)["lockers"] if one["locker"] == number)


def test_a_room_that_knows_nothing_says_unknown() -> None:
    room = Bench()
    found = view(room)
    assert found["strip"] == {
        "power": "unknown",
        "network": "unknown",
        "recording": "off",
        "lockers": "unknown",
    }
    assert (found["current"], found["next"]["key"], found["plan"]) == ("", "no_session", None)
    bare = replace(room.state, lockers={}, streams={})
    assert room_view(bare, room.pack, 0)["strip"]["lockers"] == "unknown"


def test_what_is_next_from_the_door_to_the_seat() -> None:
    room = Bench().begin()
    assert says(room) == ("wait_open", None)
    assert row(room, 3)["next"]["key"] == "wait_open"
    assert row(room, 3)["conditions"] == []
    room.order("open")
    assert says(room) == ("swipe_card", 3)
    room.card(3)
    assert says(room) == ("declare_items", 3)
    room.staff("deposit.declare", no=3, items=["phone"])
    assert says(room) == ("deposit", 3)
    assert locker(room, 1)["state"] == "opening"
    room.door(1, "open", "absent")
    assert says(room) == ("close_door", 3)
    assert locker(room, 1)["state"] == "open"
    room.door(1, "closed", "present")
    assert says(room) == ("sit_down", 3)
    assert locker(room, 1)["state"] == "held"
    room.sit(1)
    assert says(room) == ("swipe_card", 4)
    (session,) = view(room)["sessions"]
    assert session["counts"] == {"here": 3, "expected": 2, "seated": 1}
    assert session["elsewhere"] == [1]
    missing = [one["key"] for one in session["start_conditions"] if not one["met"]]
    assert missing == ["members_seated"]


def test_late_and_confirm_due() -> None:
    room = Bench(item_sensor=False).begin()
    room.order("open")
    room.wait(20 * 60 + room.pack.late.after_s)
    assert row(room, 3)["state"] == "late"
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert says(room) == ("confirm_deposit", 3)
    assert locker(room, 1)["state"] == "unknown"


def test_what_is_next_while_working() -> None:
    room = Bench().evaluating()
    assert says(room) == ("evaluating", None)
    assert stage_of(current_session(room.state)) == "during"
    room.staff("away.start", no=3, reason="toilet")
    assert row(room, 3)["state"] == "away"
    assert row(room, 3)["next"]["key"] == "away"
    assert says(room) == ("evaluating", None)
    room.card(3)
    room.order("break")
    assert says(room) == ("on_break", None)
    room.order("suspend")
    assert says(room) == ("confirm_saved", 3)
    for no in (3, 4, 5):
        room.staff("saved.confirm", no=no)
    assert says(room) == ("wait_resume", None)


def test_a_latecomer_waits_while_the_others_have_a_break() -> None:
    room = Bench().begin()
    room.order("open")
    room.admit(3)
    room.card(4)
    room.order("start", exceptions=["members_seated"])
    room.order("break")
    assert row(room, 4)["next"]["key"] == "on_break"


def test_what_is_next_when_signing_and_leaving() -> None:
    room = Bench().signing()
    assert says(room) == ("sign", 3)
    room.sign_all(3, 4)
    assert row(room, 3)["next"]["key"] == "wait_end"
    assert says(room) == ("sign", 5)
    room.order("end")
    assert says(room) == ("collect", 3)
    assert row(room, 5)["next"]["key"] == "sign"
    assert not row(room, 5)["may_leave"]
    assert row(room, 3)["may_leave"]
    room.collect(3)
    assert says(room) == ("collect", 4)
    assert row(room, 3)["next"]["key"] == "leave"
    room.staff("left.confirm", no=3)
    assert row(room, 3)["next"]["key"] == "gone"
    room.sign_all(5)
    for no in (4, 5):
        room.collect(no)
        room.staff("left.confirm", no=no)
    assert says(room) == ("wait_close", None)
    (session,) = view(room)["sessions"]
    assert all(one["met"] for one in session["close_conditions"])
    room.order("close")
    assert view(room)["current"] == ""
    assert row(room, 3)["next"]["key"] == "closed"


def test_what_is_next_when_a_session_is_broken_off() -> None:
    room = Bench().evaluating()
    room.staff("withdraw", no=4, reason="conflict")
    assert row(room, 4)["next"]["key"] == "wait_release"
    assert row(room, 4)["out"] == "withdrawn"
    room.order("terminate")
    assert row(room, 3)["next"]["key"] == "wait_release"
    assert says(room) == ("seal", None)
    (session,) = view(room)["sessions"]
    assert session["sealing"] == {"seal_material": "open"}
    room.staff("case.step", STAFF, COORDINATOR, fault="", key="seal_material", state="done")
    assert says(room) == ("collect", 3)
    assert stage_of(current_session(room.state)) == "after"


def test_a_session_broken_off_before_anybody_came() -> None:
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.staff("decline", no=4, reason="keeps the phone")
    room.order("postpone")
    assert row(room, 3)["next"]["key"] == "wait_close"
    assert row(room, 4)["next"]["key"] == "gone"
    assert says(room) == ("wait_close", None)


def test_an_item_out_under_escort_is_due_back() -> None:
    room = Bench().signing()
    room.staff("locker.escorted", STAFF, COORDINATOR, no=3, reason="mobile signing")
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert locker(room, 1)["state"] == "out"
    assert row(room, 3)["redeposit_due"]
    assert says(room) == ("deposit", 3)


def test_a_redeposit_without_item_bits_waits_for_staff() -> None:
    room = Bench(item_sensor=False).begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    room.staff("deposit.confirm", no=3)
    room.staff("locker.escorted", STAFF, COORDINATOR, no=3, reason="urgent call")
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    room.card(3)
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert says(room) == ("confirm_deposit", 3)
    room.staff("deposit.confirm", no=3)
    assert not row(room, 3)["redeposit_due"]


def test_nobody_s_open_door_is_seen() -> None:
    room = Bench().evaluating()
    room.door(4, "open", "absent")
    assert locker(room, 4)["state"] == "open"
    assert (locker(room, 4)["session"], locker(room, 4)["no"]) == ("", None)
    assert view(room)["strip"]["lockers"] == "bad"
    room.door(4, "closed", "present")
    assert locker(room, 4)["state"] == "unknown"
    assert view(room)["strip"]["lockers"] == "bad"
    room.staff("locker.ack", locker=4)
    assert view(room)["strip"]["lockers"] == "ok"


def test_a_locker_is_named_by_who_is_to_use_it() -> None:
    room = Bench().begin()
    room.order("open")
    assert locker(room, 1)["no"] == 3
    room.staff("absent", no=3)
    assert locker(room, 1)["no"] is None
    assert view(room)["seats"][0]["no"] is None


def test_the_strip_tells_the_abnormal() -> None:
    room = Bench().begin()
    room.feed("recording", {"stream": "desk", "state": "fault"})
    assert view(room)["strip"]["recording"] == "bad"
    room.feed("recording", {"stream": "desk", "state": "on"})
    room.order("open")
    assert view(room)["strip"]["recording"] == "ok"
    room.feed("device", {"device": "locker", "state": "lost", "reason": "silent"})
    assert view(room)["strip"]["lockers"] == "unknown"
    room.feed("network", {"rung": "wan"})
    assert view(room)["strip"]["network"] == "bad"
    streams = {name: replace(one, state="unknown") for name, one in room.state.streams.items()}
    room.state = replace(room.state, streams=streams)
    assert view(room)["strip"]["recording"] == "unknown"


@pytest.mark.parametrize(
    ("fail", "low", "charge", "said"),
    [
        (True, False, 20, True),
        (True, False, 60, False),
        (True, True, None, True),
        (True, False, None, False),
        (False, False, 20, False),
    ],
)
def test_a_pause_is_proposed_while_there_is_still_power(
    fail: bool, low: bool, charge: int | None, said: bool
) -> None:
    room = Bench().begin()
    room.feed("ups", {"utility_fail": fail, "battery_low": low, "charge_pct": charge})
    assert view(room)["power"]["pause_proposed"] is said


def test_a_fault_with_its_clock_and_checklist() -> None:
    room = Bench().evaluating()
    room.feed("mains", {"present": False})
    room.feed("ups", {"utility_fail": True, "battery_low": False, "charge_pct": 96})
    room.wait(room.pack.faults.power.raise_s + 7)
    room.staff("case.step", fault="power-1", key="people_safe", state="done")
    (fault,) = view(room)["faults"]
    assert (fault["elapsed_ms"], fault["stage"], fault["open"]) == (7000, "during", True)
    assert fault["limit_s"] == room.pack.contingency.during.limit_s
    assert {one["key"]: one["state"] for one in fault["checklist"]}["people_safe"] == "done"
    room.feed("mains", {"present": True})
    room.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 96})
    room.wait(20)
    (fault,) = view(room)["faults"]
    assert not fault["open"]
    assert fault["elapsed_ms"] < 20_000


def test_what_stands_around() -> None:
    room = Bench().evaluating()
    room.staff("visitor", state="in", who_post="CS-9", purpose="repair")
    room.staff("start.exception", need="av_recording", reason="second camera")
    room.feed("selftest", {"results": [{"device": "ups", "ok": True}]})
    room.feed("staff", {"act": "help"})
    room.wait(2)
    found = view(room)
    assert found["visitors"][0]["who_post"] == "CS-9"
    assert found["selftest"] == {"ok": True, "elapsed_ms": 2000, "failed": []}
    assert found["help_ms"] == 2000
    (session,) = found["sessions"]
    assert session["exceptions"][0]["need"] == "av_recording"
    assert [one["order"] for one in session["orders"]] == ["open", "start"]


def test_the_room_stands_for_the_session_that_works() -> None:
    room = Bench().ended()
    other = "s-ffffffffffff"
    room.plan(session_plan(), session_plan(other), n=2)
    assert view(room)["current"] == SESSION
    room.order("open", session=other)
    assert view(room)["current"] == other
    assert stage_of(None) == "before_start"


def test_a_member_without_a_station_does_not_look_for_one() -> None:
    room = Bench()
    plan = {"no": 3, "kind": "expert", "org": "changsha", "here": True, "station": None}
    room.plan(session_plan(members=[{**plan, "locker": 1}]))
    room.healthy()
    room.order("open")
    room.admit(3, seated=False)
    assert says(room) == ("wait_start", None)
    assert row(room, 3)["next"]["key"] == "wait_start"


def test_what_is_sealed_is_not_asked_for_again() -> None:
    room = Bench().evaluating()
    room.order("terminate")
    room.staff("case.step", STAFF, COORDINATOR, fault="", key="seal_material", state="done")
    for no in (3, 4, 5):
        room.collect(no)
        room.staff("left.confirm", no=no)
    assert says(room) == ("wait_close", None)


def test_a_pause_is_proposed_when_nothing_records_the_room() -> None:
    room = Bench().evaluating()
    assert view(room)["av_proposal"] == "none"
    room.feed("recording", {"stream": "desk", "state": "fault", "reason": "no camera"})
    room.wait(room.pack.av.gap_pause_s)
    assert view(room)["av_proposal"] == "warn"
    room.feed("recording", {"stream": "room", "state": "fault", "reason": "no camera"})
    assert view(room)["av_proposal"] == "pause"
    assert not row(room, 3)["signed"]
