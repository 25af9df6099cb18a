"""The pages over the real services: a session being evaluated in two rooms, its mains gone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.requests import Request

from hub.web.app import console
from hub.web.views_common import Viewer
from hub.web.views_service import ServiceViews
from tests.hub.booking.roomscript import order, rooms_of
from tests.hub.booking.town import Town, booking_of, build_town, published
from tests.hub.web.sample_views import GUEST, VIEWER

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient


pytestmark = pytest.mark.slow  # twenty keys are opened on the way, half a second each
HTML = {"accept": "text/html"}
POWER = {
    "fault": "power-1",
    "kind": "power",
    "device": "",
    "what": "lost",
    "p": "unset",
    "consequence": "ups_carries",
    "cause": "",
}


class Readers:
    """Whoever the query names reads the page: the manager on duty, a guest, a manager off duty."""

    def __init__(self, town: Town) -> None:
        self.on_duty = replace(VIEWER, person=town.who("hubei.home_manager").person)

    def viewer(self, request: Request) -> Viewer | None:
        if "guest" in request.query_params:
            return GUEST
        return VIEWER if "off_duty" in request.query_params else self.on_duty


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Both rooms evaluate; the guest's mains are gone and the hub has opened a case."""
    made = build_town(tmp_path_factory.mktemp("pages"))
    published(made)
    rooms = rooms_of(made)
    order(made, rooms, "open", "check_in")
    order(made, rooms, "start", "evaluating")
    rooms["changsha"].say("fault.raised", POWER)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def client(town: Town) -> Iterator[TestClient]:
    app = console(ServiceViews(town), Readers(town), bus=town.bus, now_ms=lambda: 0)
    with TestClient(app) as made:
        yield made


def page(client: TestClient, path: str, **query: str) -> str:
    answer = client.get(path, params=query, headers=HTML)
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("reader", ["", "guest"])
@pytest.mark.parametrize(
    "path", ["/board", "/alarms", "/sessions", "/cases", "/bookings", "/archive", "/devices"]
)
def test_a_page_is_made_of_what_the_services_answer(
    client: TestClient, path: str, lang: str, reader: str
) -> None:
    text = page(client, path, lang=lang, **({"guest": "1"} if reader else {}))
    assert 'id="main"' in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_session_shows_who_is_waited_for(client: TestClient, town: Town, lang: str) -> None:
    booking = booking_of(town)
    text = page(client, f"/sessions/{booking['session']}", lang=lang, timeline="all")
    assert booking["number"] in text
    assert ("3号评委" if lang == "zh" else "Member 3") in text
    assert ("为何不能离场" if lang == "zh" else "Why nobody may leave yet") in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_case_shows_its_clock_article_and_decision(
    client: TestClient, town: Town, lang: str
) -> None:
    case = town.contingency.list()[0]
    text = page(client, f"/cases/{case['case']}", lang=lang)
    assert case["number"] in text
    assert "data-since" in text
    assert ("签署并记录决定" if lang == "zh" else "Sign and record the decision") in text


def test_who_is_not_on_duty_is_offered_nothing_to_sign(client: TestClient, town: Town) -> None:
    case, session = town.contingency.list()[0]["case"], booking_of(town)["session"]
    decision = page(client, f"/cases/{case}", lang="zh", off_duty="1")
    assert "签署并记录决定" not in decision
    assert "本人不在值班名单中" in decision
    assert 'data-open="case-seal"' not in decision
    assert 'data-open="order-sign"' not in page(client, f"/sessions/{session}", off_duty="1")
    assert 'data-open="order-sign"' in page(client, f"/sessions/{session}")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_booking_says_whose_turn_it_is(client: TestClient, town: Town, lang: str) -> None:
    booking = booking_of(town)
    text = page(client, f"/bookings/{booking['number']}", lang=lang, guest="1")
    assert booking["project_code"] in text


def test_the_alarm_leads_to_its_case(client: TestClient, town: Town) -> None:
    case = town.contingency.list()[0]
    text = page(client, "/board", lang="zh")
    assert f"/cases/{case['case']}" in text
    assert "市电中断" in text


def test_the_hour_of_old_rooms_is_shown_not_hidden(client: TestClient) -> None:
    # No pong has ever come in this town: the rooms are known by their record alone.
    text = page(client, "/board", lang="zh")
    assert "待确认" in text
    assert "最后已知" in text
