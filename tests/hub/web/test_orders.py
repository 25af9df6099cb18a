"""The orders panel: what comes next, what is missing, why a venue refused."""

from __future__ import annotations

from typing import Any

import pytest

from hub.archive import wording
from hub.web.i18n import catalogue
from hub.web.views_events import CaseWords, missing_text, reason_text, timeline_row
from hub.web.views_orders_make import choices, orders
from hub.web.views_session import OrderChoice
from tests.hub.web import sample_views
from tests.hub.web.test_names import entry

HOME = sample_views.VIEWER.org
DUTY = "home_manager"


def waiting(open_documents: int) -> dict[str, Any]:
    rows = [{"no": no + 1, "document": "report"} for no in range(open_documents)]
    condition = {"key": "documents_signed", "met": not rows, "waiting_for": rows}
    return {"phase": "signing", "home_org": HOME, "waiting": [condition]}


def by_name(data: dict[str, Any]) -> dict[str, OrderChoice]:
    return {one.order: one for one in choices(data, sample_views.VIEWER, DUTY)}


def test_the_end_comes_first_and_waits_for_the_documents() -> None:
    data = waiting(2)
    assert choices(data, sample_views.VIEWER, DUTY)[0].order == "end"
    end = by_name(data)["end"]
    assert (end.primary, end.enabled, end.partial) == (True, False, True)
    assert catalogue().render("zh", end.reason) == "还有 2 份文件没有签署结果。"
    assert not by_name(data)["resume"].primary


def test_the_end_can_be_given_when_every_document_has_an_outcome() -> None:
    end = by_name(waiting(0))["end"]
    assert (end.primary, end.enabled, end.partial, end.reason) == (True, True, False, None)


@pytest.mark.parametrize("duty", ["", "witness", "room_staff"])
def test_who_is_not_on_duty_as_manager_is_offered_no_order(duty: str) -> None:
    made = choices(waiting(0), sample_views.VIEWER, duty)
    assert made
    assert not any(one.enabled or one.partial for one in made)


@pytest.mark.parametrize("via", ["hub", "screen"])
def test_an_order_that_the_hub_s_key_signed_is_shown_as_such(via: str) -> None:
    order = {
        "id": "o-1",
        "zh": "开始评标",
        "en": "start",
        "via": via,
        "by": {"person": "hub", "post": "", "role": "", "org": ""},
        "issued_at": "2026-11-24T15:00:00.000+08:00",
        "at_venues": [],
    }
    row = orders({"venues": [], "orders": [order]})[0]
    assert catalogue().render("zh", row.by) == "由中心密钥签发，无人签名"
    assert catalogue().render("en", row.by) == "signed with the hub's key, by no person"


@pytest.mark.parametrize(("person", "word"), [("hub", "由中心密钥签发"), ("code", "离线指令码")])
def test_a_room_that_took_an_order_of_no_person_says_so_in_the_timeline(
    person: str, word: str
) -> None:
    by = [{"person": person, "post": "", "role": "", "org": "hubei"}]
    line = timeline_row(
        entry("order.accepted", "changsha", order="start", by=by), {}, CaseWords({}, {})
    )
    assert word in catalogue().render("zh", line.text)
    report = {"hub": "中心密钥，无人签名", "code": "离线指令码"}
    assert wording.posts(by) == report[person]


def refused(reason: str, missing: list[str]) -> str:
    venue = {
        "org": "changsha",
        "sent": "x",
        "accepted": None,
        "acted": None,
        "confirmed": None,
        "refused": reason,
        "missing": missing,
    }
    order = {
        "zh": "关闭场次",
        "en": "close",
        "via": "hub",
        "by": "HB-01",
        "issued_at": "2026-11-24T15:00:00.000+08:00",
        "at_venues": [venue],
    }
    place = {"org": "changsha", "room": "二室", "place": "changsha-2"}
    row = orders({"venues": [place], "orders": [order]})[0]
    return catalogue().render("zh", row.refusals[0])


def test_a_refused_order_says_where_why_and_what_is_missing() -> None:
    assert refused("lockers", ["locker:4"]) == "二室：手机柜未清空（手机柜 4）"
    assert refused("phase", ["phase_signing"]) == "二室：阶段不符（现在阶段：签署）"
    assert refused("needs", ["members_seated", "x3"]) == "二室：开始条件未满足（成员就座、3号评委）"
    assert refused("unsigned", []) == "二室：签名无效"


@pytest.mark.parametrize("word", ["x2", "locker:4", "station:1", "phase_closed", "av_recording"])
def test_what_is_missing_is_never_a_code(word: str) -> None:
    for lang in ("zh", "en"):
        assert word not in catalogue().render(lang, missing_text(word))


REASONS = (
    "needs lockers phase unknown_member no_member other_venue old_n malformed other_session "
    "unsigned not_fresh retained other_room"
)


@pytest.mark.parametrize("code", REASONS.split())
def test_every_reason_a_room_gives_has_words(code: str) -> None:
    assert catalogue().render("zh", reason_text(code)) != code
