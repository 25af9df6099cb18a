"""Every page in both languages: whole, in its language, closed to strangers, honest about age."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import pytest

from hub.bus import Bus
from hub.web.app import SECURITY_HEADERS, console
from tests.hub.web.sample_source import SampleAccess, SampleSource
from tests.hub.web.sample_views import CASE, NOW, SESSION

PAGES = (
    "/board",
    "/board?theme=wall",
    "/alarms",
    "/sessions",
    f"/sessions/{SESSION}",
    f"/sessions/{SESSION}?timeline=all",
    "/cases",
    f"/cases/{CASE}",
    "/cases/drill",
    "/bookings",
    "/bookings/2026-1124-03",
    "/bookings/2026-1124-07",
    "/bookings/2026-1124-08",
    "/archive",
    "/packages/pk-0123456789ab",
    "/packages/pk-00000000000b",
    "/devices",
    "/sign-in",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = console(
        SampleSource(), SampleAccess(), bus=Bus(), now_ms=lambda: int(NOW.timestamp() * 1000)
    )
    with TestClient(app, raise_server_exceptions=False) as one:
        yield one


@pytest.fixture(autouse=True)
def _as_a_new_browser(client: TestClient) -> None:
    """A language asked for stays asked for: each test begins without it."""
    client.cookies.clear()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("lang", "html"), [("zh", "zh-CN"), ("en", "en")])
def test_a_page_is_whole_in_its_language(
    client: TestClient, path: str, lang: str, html: str
) -> None:
    mark = "&" if "?" in path else "?"
    answer = client.get(f"{path}{mark}lang={lang}", headers=HTML)
    assert answer.status_code == 200
    assert f'<html lang="{html}"' in answer.text
    assert 'id="main"' in answer.text
    assert "Undefined" not in answer.text
    ids = re.findall(r'\sid="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids)), [one for one in ids if ids.count(one) > 1]


def test_a_language_is_remembered(client: TestClient) -> None:
    answer = client.get("/board?lang=en", headers=HTML)
    assert "er_lang=en" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", [*PAGES[:-1], "/static/app.css"])
def test_each_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES[:-1])
def test_a_stranger_is_sent_to_sign_in_and_back(client: TestClient, path: str) -> None:
    mark = "&" if "?" in path else "?"
    answer = client.get(f"{path}{mark}anonymous=1", headers=HTML, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2F")


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_sign_in_leads_nowhere_else(client: TestClient, next_: str) -> None:
    answer = client.get("/sign-in", params={"next": next_}, headers=HTML)
    assert 'data-then="/board"' in answer.text


@pytest.mark.parametrize("path", ["/sessions/s-none", "/cases/k-none", "/nowhere", "/packages/x"])
def test_what_is_not_there_says_what_to_do(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 404
    assert "没有这个页面" in answer.text
    assert "/board" in answer.text


def test_a_program_gets_a_problem_document(client: TestClient) -> None:
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"title", "title_en", "what", "where", "expected", "got", "do", "code"} <= set(
        answer.json()
    )


def test_the_stream_is_for_readers(client: TestClient) -> None:
    assert client.get("/api/v1/stream?anonymous=1").status_code == 401


def test_no_live_page_shows_a_personal_name(client: TestClient) -> None:
    text = client.get(f"/sessions/{SESSION}", headers=HTML).text
    assert "3号评委" in text
    assert not re.search(r"\d{17}[0-9X]", text)


def test_an_exercise_cannot_be_taken_for_the_real_thing(client: TestClient) -> None:
    text = client.get("/cases/drill", headers=HTML).text
    assert 'class="drill"' in text
    assert "D-0031" in text
    assert "1124-03" not in text


def test_a_decision_has_no_option_chosen_beforehand(client: TestClient) -> None:
    text = client.get(f"/cases/{CASE}", headers=HTML).text
    options = re.findall(r'<input type="radio" name="option"[^>]*>', text)
    assert len(options) == 4
    assert not any("checked" in one for one in options)


def test_a_disabled_action_keeps_its_place_and_says_why(client: TestClient) -> None:
    text = client.get(f"/sessions/{SESSION}", headers=HTML).text
    assert 'aria-disabled="true" aria-describedby="order-end-why"' in text
    assert "还有 4 份文件没有签署结果。" in text
