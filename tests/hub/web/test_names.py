"""Names on screens: rooms by number in English, signatures once, the post that signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest

from hub.web.i18n import Both, catalogue, in_full, say
from hub.web.views_alarm_make import short
from hub.web.views_common import (
    in_a_week,
    number_text,
    org_short,
    room_names,
    room_text,
    short_names,
)
from hub.web.views_events import CaseWords, timeline_row
from hub.web.views_lanes_make import av
from hub.web.views_orders_make import orders
from hub.web.views_session import AvView
from hub.web.views_session_make import timeline
from protocols.policy.faults import NETWORK_RUNGS


@pytest.mark.parametrize(
    ("name", "en"),
    [
        ("301", "301"),
        ("301室", "Room 301"),
        ("二室", "Room 2"),
        ("十二室", "Room 12"),
        ("二十室", "Room 20"),
        ("第三评标室", "Room 3"),
        ("评标一室", "Room 1"),
        ("评标室12", "Room 12"),
        ("5号评标室", "Room 5"),
        ("第十评标厅", "Hall 10"),
        ("A座302", "Building A 302"),
        ("松涛厅", "松涛厅"),
    ],
)
def test_a_room_is_named_by_its_number_in_english(name: str, en: str) -> None:
    assert catalogue().render("en", room_text(name)) == en
    assert catalogue().render("zh", room_text(name)) == name


def entry(kind: str, org: str, **data: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "zh": kind,
        "en": kind,
        "data": data,
        "org": org,
        "room": "",
        "at": "2026-11-24T09:00:00.000Z",
        "recorded_at": "2026-11-24T09:00:00.000Z",
    }


def rows(*entries: dict[str, Any], whole: bool) -> list[str]:
    data = {"venues": [{"org": "hubei", "room": "301", "place": "hubei-301"}]}
    words = CaseWords({}, {"wait": "原地等候"})
    made = timeline(entries, data, words=words, whole=whole)
    return [catalogue().render("zh", row.text) for row in made]


def test_a_signature_stands_once_in_the_short_list_and_thrice_in_the_whole() -> None:
    signed = {"id": "e99e", "no": 1, "document": "report", "outcome": "signed"}
    told = [
        entry("statement.received", "", **signed),
        entry("statement.accepted", "hubei", **signed),
        entry("statement.accepted", "xinjiang", **signed),
    ]
    assert len(rows(*told, whole=False)) == 1
    assert len(rows(*told, whole=True)) == 3


def test_a_decision_is_named_as_the_pack_names_it() -> None:
    decided = entry("case.decided", "", option="wait", decided_by={"post": "HB-01"})
    assert rows(decided, whole=False) == ["处置决定：原地等候（HB-01）"]


def test_an_order_of_the_room_screen_names_the_post_that_signed() -> None:
    order = {
        "id": "867c",
        "zh": "评审结束指令",
        "en": "end order",
        "by": {"person": "p-1", "post": "", "role": "", "org": ""},
        "via": "screen",
        "issued_at": "2026-11-24T09:01:51.000Z",
        "at_venues": [],
    }
    data = {"venues": [], "orders": [order]}
    issued = entry("order.issued", "hubei", id="867c", by=[{"post": "HB-01"}])
    made = orders(data, [issued])
    assert catalogue().render("zh", made[0].by) == "HB-01 · 主场现场屏"
    assert catalogue().render("zh", orders(data)[0].by) == "主场现场屏"


def units() -> list[dict[str, str]]:
    file = resources.files("protocols.policy.data").joinpath("units.json")
    raw = json.loads(file.read_text("utf-8"))
    return [*raw["implementing_units"], *raw["assisting_units"]]


def test_every_organisation_has_a_short_name_of_its_own() -> None:
    known = short_names()
    assert set(known) == {unit["id"] for unit in units()}
    for at in (0, 1):
        assert len({pair[at] for pair in known.values()}) == len(known)
    for unit in units():
        place = known[unit["id"]][0].removesuffix("兵团")
        assert unit["name"].startswith(place), "the place the name begins with"


def test_a_short_name_keeps_the_full_one_and_a_stranger_keeps_his() -> None:
    full = Both("新疆维吾尔自治区建设工程交易中心", "Xinjiang Construction Project Trading Center")
    text = say("board.place", org=org_short("xinjiang", full), room="二室")
    assert catalogue().render("zh", text) == "新疆 二室"
    assert catalogue().render("zh", in_full(text)) == f"{full.zh} 二室"
    assert org_short("wuhan", full) is full


def test_rooms_called_alike_are_told_apart_by_their_venue() -> None:
    def venue(org: str, room: str) -> dict[str, str]:
        return {"org": org, "name": org, "name_en": org, "room": room, "place": f"{org}-1"}

    names = room_names([venue("hubei", "301"), venue("hunan", "二室"), venue("nanjing", "二室")])
    shown = [catalogue().render("zh", names[org]) for org in ("hubei", "hunan", "nanjing")]
    assert shown == ["301", "湖南 二室", "南京 二室"]


def lanes_of(*starts: tuple[str, str]) -> AvView:
    data = {
        "now": "2026-11-24T12:00:00+08:00",
        "venues": [],
        "av": {
            "from_at": "2026-11-24T09:00:00+08:00",
            "to_at": "2026-11-24T12:00:00+08:00",
            "streams": [
                {
                    "org": "hubei",
                    "room": "301",
                    "stream": "room",
                    "state": "on",
                    "lanes": [
                        {
                            "from_at": "2026-11-24T09:00:00+08:00",
                            "to_at": "2026-11-24T12:00:00+08:00",
                        }
                    ],
                    "gaps": [],
                }
            ],
        },
    }
    cases = [{"kind": kind, "started_at": f"2026-11-24T{at}+08:00"} for kind, at in starts]
    made = av(data, cases)
    assert made is not None
    return made


def test_each_case_has_its_own_mark_and_words_beside_the_lanes() -> None:
    shown = lanes_of(("network", "11:00:00"), ("power", "10:00:00"), ("device", "11:01:00"))
    said = [(one.no, catalogue().render("zh", one.text)) for one in shown.marks]
    assert [no for no, _ in said] == ["1", "2", "3"]
    assert said[0][1].endswith("10:00:00")
    assert said[1][1].endswith("11:00:00")
    assert [no for _, no in shown.labels] == ["1", "2, 3"], "numbers too near stand together"


def test_one_case_needs_no_number() -> None:
    shown = lanes_of(("power", "10:00:00"))
    assert [one.no for one in shown.marks] == [""]
    assert shown.labels == ()


def test_an_exercise_shows_no_real_number() -> None:
    assert number_text("2026-1124-03", "drill") == "D-1124-03"
    assert number_text("2026-1124-03", "evaluation") == "2026-1124-03"
    assert short("2026-1124-03", drill=True) == "D-1124-03"
    assert short("2026-1124-03") == "1124-03"


@pytest.mark.parametrize("rung", [*NETWORK_RUNGS, "ok", "unknown"])
def test_a_state_of_the_network_is_said_in_words(rung: str) -> None:
    line = timeline_row(
        entry("network.state", "hubei", rung=rung, detail=""), {}, CaseWords({}, {})
    )
    assert rung not in catalogue().render("zh", line.text)


def test_the_example_of_a_moment_is_a_workday() -> None:
    for day in range(1, 8):
        shown = in_a_week(datetime(2026, 11, day, 1, tzinfo=UTC))
        assert shown.weekday() < 5
        assert shown.day - day in {7, 8, 9}
