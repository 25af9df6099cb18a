"""The live picture: what the rooms recorded, the four truths, why nobody may leave."""

from __future__ import annotations

import pytest

from hub.problems import Problem
from tests.hub.booking.roomscript import evaluated, order, rooms_of
from tests.hub.booking.town import NUMBER, Town, booking_of

pytestmark = pytest.mark.slow  # a whole day is made for them


def test_an_unknown_session_is_a_problem(town: Town) -> None:
    with pytest.raises(Problem) as caught:
        town.sessions.view("s-000000000000")
    assert (caught.value.status, caught.value.code) == (404, "no_such_session")


def test_a_silent_room_is_shown_as_unknown_not_as_good(ready: Town) -> None:
    view = ready.sessions.view(booking_of(ready)["session"])
    assert view["phase"] == "idle"
    assert [v["phase"] for v in view["venues"]] == [None, None]
    assert [v["link"]["reachable"] for v in view["venues"]] == [None, None]
    assert [m["step"] for m in view["members"]] == [None] * 5
    assert not any(one["met"] for one in view["waiting"])


def test_members_stand_with_what_the_record_says_of_them(ready: Town) -> None:
    rooms = rooms_of(ready)
    order(ready, rooms, "open", "check_in")
    rooms["changsha"].check_in(4, 1)
    view = ready.sessions.view(rooms["hubei"].session)
    four = next(m for m in view["members"] if m["no"] == 4)
    assert four["step"] == "seated"
    assert four["identified"]["method"] == "card"
    assert four["deposited"]["items"] == ["phone"]
    assert four["org"] == "changsha"
    assert view["phase"] == "check_in"
    assert view["state"] == "in_use"
    waiting = {one["key"]: one for one in view["waiting"]}
    assert (waiting["documents_signed"]["done"], waiting["documents_signed"]["total"]) == (0, 15)


def test_an_order_shows_four_truths_at_every_venue(ready: Town) -> None:
    rooms = rooms_of(ready)
    session = rooms["hubei"].session
    made = ready.sessions.issue_order(ready.who("hubei.home_manager"), session, "open", "13572468")
    before = ready.sessions.view(session)["orders"][0]
    assert before["n"] == 1
    assert all(one["accepted"] is None for one in before["at_venues"])
    assert all(one["sent"] is not None for one in before["at_venues"])
    rooms["hubei"].mine(
        "order.refused", {"id": made["id"], "order": "open", "reason": "old_n", "missing": []}
    )
    after = ready.sessions.view(session)["orders"][0]
    assert after["at_venues"][0]["refused"] == "old_n"
    assert after["refused"] == "old_n"


def test_a_whole_day_ends_with_every_condition_met(ready: Town) -> None:
    rooms = evaluated(ready)
    view = ready.sessions.view(rooms["hubei"].session)
    assert view["phase"] == "ended"
    assert view["state"] == "ended"
    waiting = {one["key"]: one["met"] for one in view["waiting"]}
    assert waiting["documents_signed"]
    assert waiting["end_order"]
    assert all(m["signed"] and m["left"] for m in view["members"])
    assert {lane["ctl"] for lane in view["lanes"]} == {room.ctl for room in rooms.values()}
    assert all(lane["segments"] == 3 for lane in view["lanes"])
    assert view["media_missing"] == 0
    assert [one["order"] for one in view["orders"]] == ["open", "start", "sign", "end"]
    end = view["orders"][-1]["at_venues"]
    assert all(one["sent"] and one["accepted"] and one["acted"] for one in end)


def test_a_gap_of_a_stream_stands_with_its_cause(ready: Town) -> None:
    rooms = rooms_of(ready)
    room = rooms["changsha"]
    ready.clock.now = ready.clock.now.replace(day=24, hour=1)
    room.segment(b"one")
    gap = {
        "stream": "panorama",
        "from_at": "2026-11-24T01:00:10.000Z",
        "to_at": "2026-11-24T01:01:28.000Z",
        "seconds": 78,
        "cause": "power",
    }
    room.say("media.gap", gap)
    room.say("media.gap", {**gap, "seconds": "78.000"})
    view = ready.sessions.view(room.session)
    lane = next(one for one in view["lanes"] if one["stream"] == "panorama")
    assert [one["ms"] for one in lane["gaps"]] == [78_000, 78_000]
    assert lane["gaps"][0]["cause"] == "power"


def test_an_order_of_the_home_rooms_screen_is_relayed_to_the_others(ready: Town) -> None:
    rooms = rooms_of(ready)
    session = rooms["hubei"].session
    made = ready.sessions.issue_order(ready.who("hubei.home_manager"), session, "open", "13572468")
    with ready.store.write() as conn:
        raw = conn.exec_driver_sql("SELECT raw FROM session_order").scalar_one()
        conn.exec_driver_sql("DROP TRIGGER session_order_no_delete")
        conn.exec_driver_sql("DELETE FROM session_order")
        conn.exec_driver_sql("DELETE FROM outgoing")
    issued = {"id": made["id"], "order": "open", "raw": bytes(raw).decode()}
    rooms["hubei"].mine("order.issued", issued)
    rooms["hubei"].mine("order.issued", issued)
    with ready.store.read() as conn:
        sent = conn.exec_driver_sql("SELECT ctl, kind FROM outgoing").all()
        kept = conn.exec_driver_sql("SELECT via, n FROM session_order").all()
    assert sent == [(rooms["changsha"].ctl, "order")]
    assert kept == [("screen", 1)]


def test_the_timeline_has_every_row_with_its_word_and_goes_on_where_it_stopped(
    ready: Town,
) -> None:
    rooms = rooms_of(ready)
    order(ready, rooms, "open", "check_in")
    rooms["changsha"].say("power.state", {"mains": "off", "ups": "battery", "charge_pct": 98})
    rooms["changsha"].check_in(4, 1)
    session = rooms["hubei"].session
    first = ready.sessions.timeline(session, 0, 5)
    assert len(first["entries"]) == 5
    assert first["more"]
    rest = ready.sessions.timeline(session, first["next"], 500)
    ids = [one["id"] for one in first["entries"] + rest["entries"]]
    assert ids == sorted(set(ids))
    words = {one["type"]: one["zh"] for one in rest["entries"]}
    assert words["power.state"] == "供电状态"
    assert words["member.seated"] == "就座"
    assert all("raw" not in one["data"] for one in rest["entries"])


def test_orders_are_refused_with_what_is_legal_or_missing(ready: Town) -> None:
    rooms = rooms_of(ready)
    session = rooms["hubei"].session
    manager = ready.who("hubei.home_manager")

    def refused(order_word: str, **more: object) -> str:
        with pytest.raises(Problem) as caught:
            ready.sessions.issue_order(manager, session, order_word, "13572468", **more)  # type: ignore[arg-type]
        return caught.value.code

    assert refused("start") == "order_not_legal"
    assert refused("dance") == "order_invalid"
    assert refused("end") == "order_invalid"
    assert refused("member_release") == "order_invalid"
    with pytest.raises(Problem) as caught:
        ready.sessions.issue_order(manager, session, "open", "99999999")
    assert caught.value.status == 403
    with pytest.raises(Problem) as caught:
        ready.sessions.issue_order(ready.who("changsha.home_manager"), session, "open", "13572468")
    assert caught.value.code == "order_role"
    with pytest.raises(Problem) as caught:
        ready.sessions.issue_order(ready.who("hubei.deputy"), session, "open", "13572468")
    assert caught.value.code == "not_on_duty"


def test_the_booking_is_closed_when_every_room_has_closed(ready: Town) -> None:
    rooms = evaluated(ready)
    for room in rooms.values():
        room.mine("session.closed", {})
    assert booking_of(ready)["state"] == "closed"
    assert booking_of(ready)["number"] == NUMBER
