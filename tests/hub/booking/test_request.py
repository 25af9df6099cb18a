"""Requests: what the rules refuse, what holds a slot, and that one slot is only ever held once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from hub.problems import Problem
from hub.store.tables_business import booking_station
from tests.hub.booking.town import Town, request_body


def ask(town: Town, **changes: Any) -> dict[str, Any]:
    return town.booking.request(town.who("hubei.operator"), request_body(**changes))


def refused(town: Town, **changes: Any) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        ask(town, **changes)
    return caught.value.document()


def test_a_request_holds_its_stations_and_is_a_fact(town: Town) -> None:
    answer = ask(town)
    assert answer["number"] == "2026-1124-01"
    assert answer["state"] == "requested"
    assert [venue["state"] for venue in answer["venues"]] == ["accepted", "requested"]
    grid = town.booking.day_grid("2026-11-24")
    held = [row["station"] for row in grid["stations"] if row["held"]]
    assert held == [
        "changsha-2-1",
        "changsha-2-2",
        "hubei-301-1",
        "hubei-301-2",
        "hubei-301-3",
    ]
    assert answer["occupied_from"] == "2026-11-24T00:30:00.000Z"
    with town.store.read() as conn:
        types = conn.execute(text("SELECT type FROM events ORDER BY id")).scalars().all()
    assert types[-1] == "booking.requested"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"start_at": "2026-11-10T09:00:00+08:00"}, "past_start"),
        ({"project_kind": "prequalification"}, "excluded_project"),
        ({"project_kind": "pre_qualification"}, "unknown_project"),
        ({"start_at": "2026-11-17T09:00:00+08:00"}, "lead_time"),
        ({"start_at": "2026-11-24T14:00:00+08:00"}, "not_morning"),
        ({"start_at": "2026-11-22T09:00:00+08:00"}, "not_workday"),
    ],
)
def test_a_request_against_a_rule_says_what_where_expected_got_do(
    town: Town, changes: dict[str, Any], code: str
) -> None:
    found = refused(town, **changes)
    assert (found["status"], found["code"]) == (422, code)
    assert all(
        found[key] for key in ("title", "title_en", "what", "where", "expected", "got", "do")
    )


def test_an_unpaired_guest_needs_an_exception(town: Town) -> None:
    body = request_body()
    body["venues"][1] = {
        "org": "suzhou",
        "place": "suzhou-1",
        "stations": ["suzhou-1-1", "suzhou-1-2"],
        "experts": 2,
        "tenderer_reps": 0,
    }
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("hubei.operator"), body)
    codes = {one["code"] for one in caught.value.more["findings"]}
    assert {"unpaired_guest", "unknown_station", "unknown_room"} <= codes


def test_an_unknown_station_is_refused_by_its_name(town: Town) -> None:
    body = request_body()
    body["venues"][1]["stations"] = ["changsha-2-1", "changsha-2-9"]
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("hubei.operator"), body)
    assert caught.value.code == "unknown_station"
    assert caught.value.got == "changsha-2-9"


def test_an_exception_needs_a_reason_and_another_entitled_person(town: Town) -> None:
    late = {"start_at": "2026-11-17T09:00:00+08:00"}
    manager = town.who("hubei.home_manager")
    answer = ask(town, **late, exception={"reason": "抗洪应急", "approver": manager.post})
    assert answer["exception"] == {
        "reason": "抗洪应急",
        "approver": manager.post,
        "approver_org": "hubei",
    }
    own = town.who("hubei.operator").post
    strange = town.who("changsha.home_manager").post
    for post in (own, strange):
        found = refused(town, **late, exception={"reason": "抗洪应急", "approver": post})
        assert found["code"] == "exception_approver"


@pytest.mark.parametrize(
    "start_at",
    [
        "0001-01-01T00:00:00+08:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2126-11-24T09:00:00+08:00",
    ],
)
def test_a_start_at_the_end_of_time_is_a_slip_of_the_pen(town: Town, start_at: str) -> None:
    found = refused(town, start_at=start_at)
    assert (found["code"], found["where"]) == ("body_invalid", "booking.start_at")


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-11-24x", "2026-11-24T09:00", ""])
def test_a_day_that_no_grid_can_show_is_refused(town: Town, day: str) -> None:
    with pytest.raises(Problem) as caught:
        town.booking.day_grid(day)
    assert (caught.value.status, caught.value.where) == (422, "day")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda body: body.update(colour="red"), "booking"),
        (lambda body: body.update(duration_min=5), "booking.duration_min"),
        (lambda body: body.update(start_at="tomorrow"), "booking.start_at"),
        (lambda body: body.update(start_at="2026-11-24T09:00:00"), "booking.start_at"),
        (lambda body: body.update(kind="party"), "booking.kind"),
        (lambda body: body["venues"].pop(0), "booking.venues"),
        (lambda body: body["venues"][0].update(stations=["hubei-301-1"]), "booking.venues"),
        (lambda body: body["venues"][0].update(place="changsha-2"), "booking.venues"),
        (lambda body: body.pop("project_code"), "booking.project_code"),
    ],
)
def test_a_body_that_is_not_as_it_must_be_is_refused_with_the_path(
    town: Town, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    body = request_body()
    change(body)
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("hubei.operator"), body)
    assert caught.value.status == 422
    assert caught.value.where.startswith(where)


def test_who_may_not_ask_is_told_who_may(town: Town) -> None:
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("hubei.witness"), request_body())
    assert (caught.value.status, caught.value.code) == (403, "role_missing")
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("changsha.home_manager"), request_body())
    assert (caught.value.status, caught.value.code) == (403, "other_organisation")


def test_a_slot_that_is_held_is_refused_with_three_other_ways(town: Town) -> None:
    ask(town)
    found = refused(town)
    assert (found["status"], found["code"]) == (409, "booking_no_overlap")
    assert len(found["alternatives"]) >= 3
    first = found["alternatives"][0]
    assert first["why"] == "same_time_other_stations"
    again = request_body(start_at=first["start_at"])
    for venue, free in zip(again["venues"], first["venues"], strict=True):
        venue.update(place=free["place"], stations=free["stations"])
    assert town.booking.request(town.who("hubei.operator"), again)["state"] == "requested"


def test_buffers_are_part_of_the_time_held(town: Town) -> None:
    ask(town, duration_min=60)
    later = request_body(
        start_at="2026-11-24T10:59:00+08:00",
        duration_min=30,
    )
    with pytest.raises(Problem) as caught:
        town.booking.request(town.who("hubei.operator"), later)
    assert caught.value.code == "booking_no_overlap"
    assert ask(town, start_at="2026-11-24T11:00:00+08:00", duration_min=30)["state"] == "requested"


def test_of_fifty_at_once_for_one_slot_exactly_one_gets_it(town: Town) -> None:
    outcomes: list[str] = []
    ready = threading.Barrier(50)

    def run() -> None:
        ready.wait()
        try:
            ask(town)
            outcomes.append("held")
        except Problem as problem:
            outcomes.append(problem.code)

    crowd = [threading.Thread(target=run) for _ in range(50)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert outcomes.count("held") == 1
    assert outcomes.count("booking_no_overlap") == 49


def test_the_database_itself_refuses_an_overlap(town: Town) -> None:
    answer = ask(town)
    with pytest.raises(IntegrityError, match="booking_no_overlap"), town.store.write() as conn:
        conn.execute(
            insert(booking_station).values(
                booking=None,
                kind="block",
                org="hubei",
                station_id="hubei-301-1",
                state="confirmed",
                occupied_from=town.clock.wall().replace(day=24, hour=1),
                occupied_to=town.clock.wall().replace(day=24, hour=2),
            )
        )
    assert town.booking.get(town.who("hubei.operator"), answer["number"])["state"] == "requested"
