"""What every answer carries, and the cookies of a hub that is reached over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.accounts.hashing import hash_password
from hub.accounts.service import COOKIE, HOST_COOKIE, Accounts
from hub.bus import Bus
from hub.config import Config
from hub.web.app import HSTS, SECURITY_HEADERS, console, create_app
from hub.web.views_archive import ArchiveView
from hub.web.views_common import Viewer
from tests.hub.booking.town import PASSWORD, Town
from tests.hub.web.sample_source import SampleAccess, SampleSource
from tests.hub.web.sample_views import NOW
from tests.hub.web.test_pages import TestClient


class Broken(SampleSource):
    """A source whose archive breaks."""

    def archive(self, viewer: Viewer) -> ArchiveView:  # noqa: ARG002 - a source as any
        raise RuntimeError("a bug")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    app = console(Broken(), SampleAccess(), bus=Bus(), now_ms=lambda: int(NOW.timestamp() * 1000))
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as one:
        yield one


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/board", 200),
        ("GET", "/", 303),
        ("GET", "/nowhere", 404),
        ("DELETE", "/board", 405),
        ("GET", "/archive", 500),
        ("GET", "/static/app.css", 200),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/openapi.json", 200),
    ],
)
def test_every_kind_of_answer_carries_the_headers_once(
    client: Any, method: str, path: str, status: int, accept: str
) -> None:
    answer = client.request(method, path, headers={"accept": accept})
    assert answer.status_code == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert HSTS[0] not in answer.headers
    kept = answer.headers["cache-control"]
    assert ("immutable" in kept) is (path == "/static/app.css")
    assert kept == "no-store" or "immutable" in kept


def test_the_policy_allows_this_origin_and_makes_no_exception() -> None:
    policy = SECURITY_HEADERS["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert all(one.endswith(("'self'", "'none'")) for one in policy)
    assert "frame-ancestors 'none'" in policy


def test_over_tls_browsers_are_told_to_come_over_tls_only(client: Any) -> None:
    for path in ("/board", "/archive"):
        answer = client.get(f"https://testserver{path}", headers={"accept": "text/html"})
        assert answer.headers[HSTS[0]] == HSTS[1]


@pytest.mark.parametrize(
    ("secure", "scheme", "name"), [(True, "https", HOST_COOKIE), (False, "http", COOKIE)]
)
def test_the_sessions_cookie_is_the_strictest_its_scheme_allows(
    town: Town, secure: bool, scheme: str, name: str
) -> None:
    town.accounts = Accounts(store=town.store, facts=town.facts, clock=town.clock, secure=secure)
    with town.store.write() as conn:
        person = town.who("hubei.operator").person
        town.accounts.set_password(conn, person, hash_password(PASSWORD))
    body = {"login": "hubei.operator", "password": PASSWORD}
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url=f"{scheme}://127.0.0.1") as client:
        answer = client.post("/api/v1/sign-in", json=body)
        _, _, rest = answer.headers["set-cookie"].partition(f"{name}=")
        parts = {one.strip().lower() for one in rest.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= parts
        assert ("secure" in parts) is secure
        assert not any(one.startswith("domain") for one in parts)
        assert client.get("/api/v1/me").status_code == 200
        other = HOST_COOKIE if name == COOKIE else COOKIE
        token = client.cookies[name]
        client.cookies.clear()
        client.cookies.set(other, token)
        assert client.get("/api/v1/me").status_code == 401, "the other name is nobody's"
        client.cookies.clear()
        client.cookies.set(name, token)
        csrf = client.get("/api/v1/me").json()["csrf"]
        ended = client.post("/api/v1/sign-out", headers={"x-csrf": csrf})
        assert f"{name}=" in ended.headers["set-cookie"]
        assert client.get("/api/v1/me").status_code == 401


def test_the_language_is_a_cookie_of_the_same_kind(client: Any) -> None:
    for scheme, name in (("http", "er_lang"), ("https", "__Host-er_lang")):
        answer = client.get(f"{scheme}://testserver/board?lang=en", headers={"accept": "text/html"})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{name}=en;")
        assert ("Secure" in cookie) is (scheme == "https")
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()


@pytest.mark.parametrize(
    ("changes", "secure"),
    [
        ({}, False),
        ({"tls_cert": "c.pem", "tls_key": "k.pem"}, True),
        ({"url": "https://hub.example"}, True),
    ],
)
def test_a_hub_behind_a_tls_proxy_is_reached_over_https_too(
    changes: dict[str, str], secure: bool
) -> None:
    config = Config(data=Path("data"), hub="h-0123456789ab", **changes)  # type: ignore[arg-type]
    assert config.checked().secure is secure
