"""A confirmed booking for calendar programs: zone, folding, escapes, and nobody's name."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hub.booking.ical import FOLD_OCTETS
from hub.problems import Problem
from tests.hub.booking.town import Town, booked, members_of, request_body


def lines_of(text: str) -> dict[str, str]:
    """Unfolded properties of a file."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= FOLD_OCTETS for line in text.split("\r\n"))
    whole = text.replace("\r\n ", "").split("\r\n")[:-1]
    return dict(line.split(":", 1) for line in whole)


def test_a_confirmed_booking_is_an_event_in_chinas_time(town: Town) -> None:
    number = booked(town)["number"]
    operator = town.who("hubei.operator")
    found = lines_of(town.booking.calendar(operator, number))
    assert found["DTSTART;TZID=Asia/Shanghai"] == "20261124T090000"
    assert found["DTEND;TZID=Asia/Shanghai"] == "20261124T170000"
    at = datetime(2026, 11, 24, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert found["TZOFFSETTO"] == f"{at:%z}"
    assert (found["STATUS"], found["UID"]) == ("CONFIRMED", f"{number}@{town.facts.hub}")
    assert number in found["SUMMARY"]
    guest = lines_of(town.booking.calendar(town.who("changsha.witness"), number))
    assert guest["LOCATION"] != found["LOCATION"]
    assert guest["UID"] == found["UID"]


def test_nobody_stands_in_it(town: Town) -> None:
    number = booked(town)["number"]
    manager = town.who("hubei.home_manager")
    town.booking.set_members(manager, number, "hubei", members_of("hubei"))
    text = town.booking.calendar(manager, number).replace("\r\n ", "")
    for member in members_of("hubei"):
        assert member["name"] not in text
        assert member["id_number"][:4] not in text
    shown = town.booking.get(manager, number)
    assert shown["project_code"] not in text
    assert json.dumps(shown["requested_by"]) not in text


def test_what_was_given_up_is_cancelled_and_what_was_only_asked_for_is_refused(town: Town) -> None:
    operator = town.who("hubei.operator")
    number = town.booking.request(operator, request_body())["number"]
    with pytest.raises(Problem) as caught:
        town.booking.calendar(operator, number)
    assert caught.value.code == "booking_state"
    town.booking.withdraw(operator, number, "项目暂停")
    found = lines_of(town.booking.calendar(operator, number))
    assert (found["STATUS"], found["SEQUENCE"]) == ("CANCELLED", "1")
