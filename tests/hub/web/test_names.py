"""Names on screens: rooms by number in English, signatures once, the post that signed."""

from __future__ import annotations

from typing import Any

import pytest

from hub.web.i18n import catalogue
from hub.web.views_common import room_text
from hub.web.views_events import CaseWords
from hub.web.views_orders_make import orders
from hub.web.views_session_make import timeline


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
