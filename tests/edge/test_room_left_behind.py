"""Phones that nearly stayed behind a door: what the room did not see, and who dropped out."""

from __future__ import annotations

import pytest

from protocols.policy.room_model import Member
from protocols.policy.room_next import next_of_member
from tests.edge.room_bench import COORDINATOR, SESSION, STAFF, STAFF2, Bench


def refused(room: Bench, reason: str) -> None:
    answer = room.answer()
    assert (answer["ok"], answer["reason"]) == (False, reason), answer


@pytest.mark.parametrize("item_sensor", [True, False])
def test_what_was_put_in_while_the_room_did_not_look_can_be_fetched(item_sensor: bool) -> None:
    room = Bench(item_sensor=item_sensor).begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    # The power goes as the door springs open; he shuts it on his phone, and the day is over.
    room.feed("started")
    room.door(1, "closed", "present")
    assert "locker.open_failed" in room.types()
    room.order("terminate")
    assert room.only("phase.changed")["to"] == "terminated"
    assert next_of_member(room.state, room.state.sessions[SESSION], _third(room), room.pack) == {
        "key": "collect",
        "args": {"no": 3, "locker": 1},
    }
    room.card(3)
    assert room.pulses() == [1]
    room.door(1, "open", "present")
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert room.step_of(3) == "released"
    room.card(3)
    assert room.pulses() == []


def _third(room: Bench) -> Member:
    return room.state.sessions[SESSION].members[3]


def test_who_drops_out_fetches_what_the_room_did_not_see() -> None:
    room = Bench().begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.feed("started")
    room.door(1, "closed", "present")
    room.staff("decline", no=3, reason="r")
    room.card(3)
    assert room.unmet() == {"order_end", "document_personal_sheet"} | {
        "document_summary",
        "document_report",
    }
    room.order("member_release", members=[3])
    room.staff("release.confirm", no=3)
    room.card(3)
    assert room.pulses() == [1]


def test_nobody_confirms_a_deposit_of_somebody_who_was_released() -> None:
    room = Bench(item_sensor=False).begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "unknown")
    room.door(1, "closed", "unknown")
    room.order("terminate")
    room.collect(3)
    assert room.step_of(3) == "released"
    room.staff("deposit.confirm", no=3)
    refused(room, "nothing_to_confirm")


def test_nobody_is_let_go_as_having_nothing_while_his_door_is_in_use() -> None:
    room = Bench(item_sensor=False).begin()
    room.order("open")
    room.card(3)
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "unknown")
    room.door(1, "closed", "unknown")
    room.staff("deposit.declare", no=3, items=["phone"])
    room.door(1, "open", "unknown")
    room.staff("deposit.confirm", no=3)
    room.staff("locker.confirm_empty", STAFF, STAFF2, locker=1)
    room.order("terminate")
    room.card(3)
    assert room.unmet() == {"door_free", "door_closed"}
    assert room.step_of(3) == "deposited"


def test_who_drops_out_with_his_phone_under_escort_is_released_by_name() -> None:
    room = Bench().evaluating()
    room.staff("locker.escorted", STAFF, COORDINATOR, no=3, reason="urgent call")
    for item, door in (("present", "open"), ("absent", "open"), ("absent", "closed")):
        room.door(1, door, item)
    room.staff("withdraw", no=3, reason="r")
    room.card(3)
    assert room.pulses() == []
    room.order("member_release", members=[3])
    room.staff("release.confirm", no=3)
    room.card(3)
    assert room.pulses() == [1]
    room.door(1, "open", "absent")
    room.door(1, "closed", "absent")
    assert room.step_of(3) == "released"
    assert room.state.lockers[1].deposit is None
