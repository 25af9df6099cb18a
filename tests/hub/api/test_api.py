"""The JSON API over HTTP: a request to a receipt's edge, and that every error is a problem."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.app import Hub, build
from hub.config import load
from hub.problems import MEDIA_TYPE
from hub.web.api_body import BODY_BYTES_MAX
from hub.web.app import create_app
from tests.hub.booking.town import CHEAP

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient

BODY: dict[str, Any] = {
    "kind": "evaluation",
    "project_code": "HBSJ-2026-117",
    "project_kind": "construction",
    "home_org": "hubei",
    "start_at": "2026-12-22T09:00:00+08:00",
    "duration_min": 480,
    "venues": [
        {
            "org": "hubei",
            "place": "hubei-301",
            "stations": ["hubei-301-1", "hubei-301-2"],
            "experts": 1,
            "tenderer_reps": 1,
        },
        {
            "org": "changsha",
            "place": "changsha-2",
            "stations": ["changsha-2-1", "changsha-2-2"],
            "experts": 2,
            "tenderer_reps": 0,
        },
    ],
}


class Person:
    """A signed-in person over HTTP."""

    def __init__(self, client: TestClient, account: dict[str, Any]) -> None:
        self.client, self.account = client, account
        answer = client.post(
            "/api/v1/sign-in",
            json={"login": account["login"], "password": account["password"]},
        )
        assert answer.status_code == 200, answer.text
        self.csrf = answer.json()["csrf"]
        self.cookies = dict(answer.cookies)

    def call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"X-CSRF": self.csrf, **options.pop("headers", {})}
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies)
        return self.client.request(method, f"/api/v1/{path}", headers=headers, **options)


@pytest.fixture
def api(open_hub: Callable[..., Hub]) -> Iterator[TestClient]:
    """The whole JSON API of a demonstration hub."""
    hub = open_hub(services=True)
    hub.rooms.rebuild()
    with TestClient(create_app(hub), base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture(scope="module")
def refusing(
    demo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Person, Person]]:
    """Home manager and operator of one hub for all that is refused: it changes nothing."""
    data = tmp_path_factory.mktemp("refusing") / "data"
    shutil.copytree(demo_folder, data)
    rows = json.loads((data / "demo-accounts.json").read_text(encoding="utf-8"))
    known = {row["login"]: row for row in rows}
    hub = build(load(data), stretch=CHEAP)
    hub.rooms.rebuild()
    with TestClient(create_app(hub), base_url="http://127.0.0.1") as made:
        yield Person(made, known["hubei.home_manager"]), Person(made, known["hubei.operator"])
    hub.close()


def test_a_booking_from_request_to_confirmation(
    api: TestClient, accounts: dict[str, dict[str, Any]]
) -> None:
    operator = Person(api, accounts["hubei.operator"])
    key = {"Idempotency-Key": "one-request"}
    first = operator.call("POST", "bookings", json=BODY, headers=key)
    assert first.status_code == 201, first.text
    number = first.json()["number"]
    again = operator.call("POST", "bookings", json=BODY, headers=key)
    assert again.json() == first.json()
    other = operator.call("POST", "bookings", json={**BODY, "duration_min": 60}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_reused")
    taken = operator.call("POST", "bookings", json=BODY)
    assert (taken.status_code, taken.json()["code"]) == (409, "booking_no_overlap")
    assert len(taken.json()["alternatives"]) >= 3
    guest = Person(api, accounts["changsha.guest_coordinator"])
    accepted = guest.call("POST", f"bookings/{number}/accept", json={"meal_fen": 3000})
    assert accepted.json()["state"] == "accepted"
    confirmed = operator.call("POST", f"bookings/{number}/confirm")
    assert confirmed.json()["state"] == "confirmed"
    listed = operator.call("GET", "bookings?state=confirmed&org=changsha").json()["bookings"]
    assert [one["number"] for one in listed] == [number]
    grid = operator.call("GET", "day-grid?day=2026-12-22").json()
    assert sum(bool(row["held"]) for row in grid["stations"]) == 4
    session = confirmed.json()["session"]
    view = operator.call("GET", f"sessions/{session}").json()
    assert (view["phase"], view["booking"]) == ("idle", number)
    assert operator.call("GET", f"sessions/{session}/timeline").json()["entries"]
    assert operator.call("GET", "cases").json() == {"cases": []}
    assert operator.call("GET", "packages").json() == {"packages": []}
    assert operator.call("GET", f"sessions/{session}/deadline").json()["due"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "bookings/2026-0101-99", None, 404),
        ("GET", "bookings?day=yesterday", None, 422),
        ("GET", "bookings?state=foo", None, 422),
        ("GET", "bookings?day=9999-12-31", None, 422),
        ("GET", "day-grid", None, 422),
        ("GET", "day-grid?day=0001-01-01", None, 422),
        ("POST", "bookings/2026-0101-99/confirm", {}, 404),
        ("POST", "bookings/2026-0101-99/confirm", {"colour": "red"}, 422),
        ("POST", "bookings/2026-0101-99/accept", {"meal_fee": 3000}, 422),
        ("POST", "bookings/2026-0101-99/decline", {}, 422),
        ("POST", "sign-in", {"login": "hubei.operator"}, 422),
        ("POST", "sign-in", {"login": "x" * 65, "password": "y"}, 422),
        ("POST", "sign-in", {"login": ["x"], "password": "y"}, 422),
        ("POST", "bookings/2026-0101-99/decline", {"reason": "x", "more": 1}, 422),
        ("POST", "bookings/2026-0101-99/members", {"members": [{"no": "one"}]}, 422),
        ("POST", "bookings/2026-0101-99/members", {"members": [], "others": []}, 422),
        ("POST", "bookings/2026-0101-99/duty/confirm", {}, 422),
        ("GET", "sessions/s-000000000000", None, 404),
        ("POST", "sessions/s-000000000000/orders", {"order": "start", "pin": "12345678"}, 404),
        ("POST", "sessions/s-000000000000/orders", {"order": "start"}, 422),
        (
            "POST",
            "sessions/s-0/orders",
            {"order": "start", "pin": "1", "members": ["x3"]},
            422,
        ),
        ("GET", "cases/k-000000000000", None, 404),
        ("POST", "cases/k-000000000000/ack", {}, 404),
        ("POST", "cases/k-000000000000/decisions", {}, 422),
        ("POST", "alarms/power-1/ack", {}, 422),
        ("GET", "packages/pk-000000000000", None, 404),
        ("POST", "sessions/s-0/packages", {"password": "x"}, 404),
        ("POST", "sessions/s-0/appraisals", {"member": 0, "items": []}, 422),
        ("POST", "sessions/s-0/appraisals", {"member": 1, "items": [7]}, 422),
        ("POST", "commands", {"session": "s-0", "ctl": "c-0", "verb": "dance", "pin": "1"}, 404),
    ],
)
def test_every_error_is_a_problem_that_says_what_to_do(
    refusing: tuple[Person, Person],
    method: str,
    path: str,
    body: dict[str, Any] | None,
    status: int,
) -> None:
    person, _ = refusing
    answer = person.call(method, path, **({} if body is None else {"json": body}))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(MEDIA_TYPE)
    found = answer.json()
    assert all(found[key] for key in ("type", "title", "title_en", "what"))
    for words in (found, found["zh"], found["en"]):
        assert all(words[key] for key in ("where", "expected", "got", "do")), words


@pytest.mark.parametrize(
    "raw", [b"[1]", b"{", b'{"kind":1,"kind":2}', b'{"kind": NaN}', b"\xff", b'{"a":1e999}']
)
def test_what_is_not_strict_json_is_a_problem(refusing: tuple[Person, Person], raw: bytes) -> None:
    _, person = refusing
    answer = person.call("POST", "bookings", content=raw)
    assert (answer.status_code, answer.json()["code"]) == (422, "body_invalid")


def test_a_body_above_the_bound_is_refused(
    api: TestClient, accounts: dict[str, dict[str, Any]]
) -> None:
    person = Person(api, accounts["hubei.operator"])
    answer = person.call("POST", "bookings", content=b" " * (BODY_BYTES_MAX + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    answer = api.post("/api/v1/statements", content=b"x" * (BODY_BYTES_MAX + 1))
    assert answer.status_code == 413


def test_nobody_reads_or_writes_without_signing_in(api: TestClient) -> None:
    for path in ("bookings", "directory", "sessions/s-0", "cases", "packages"):
        assert api.get(f"/api/v1/{path}").status_code == 401
    assert api.post("/api/v1/bookings", json=BODY).status_code == 401
    assert api.post("/api/v1/statements", content=b"{}").status_code == 422


def test_a_change_without_the_csrf_word_is_refused(
    api: TestClient, accounts: dict[str, dict[str, Any]]
) -> None:
    person = Person(api, accounts["hubei.operator"])
    answer = person.call("POST", "bookings", json=BODY, headers={"X-CSRF": "other"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_missing")
