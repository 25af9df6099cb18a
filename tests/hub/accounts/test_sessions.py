"""A person sees the own open sessions and ends them; a new password ends the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub.accounts.hashing import hash_password
from hub.problems import Problem
from hub.web.app import create_app
from tests.hub.booking.town import PASSWORD, Town

NEW = "quite another password"
LOGIN = "hubei.home_manager"


class Browser:
    """One browser with cookies of its own."""

    def __init__(self, client: TestClient, name: str) -> None:
        self.client, self.name = client, name
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies)
        return self.client.request(
            method, f"/api/v1/{path}", json=body, headers={"user-agent": self.name, **headers}
        )

    def sign_in(self, login: str = LOGIN, password: str = PASSWORD) -> int:
        answer = self.ask("POST", "sign-in", {"login": login, "password": password})
        self.cookies.update(dict(answer.cookies))
        return int(answer.status_code)

    def post(self, path: str, body: Any = None) -> Any:
        csrf = self.ask("GET", "me").json()["csrf"]
        return self.ask("POST", path, body or {}, **{"x-csrf": csrf})

    @property
    def inside(self) -> bool:
        return bool(self.ask("GET", "me").status_code == 200)


@pytest.fixture
def client(town: Town) -> Iterator[TestClient]:
    with town.store.write() as conn:
        for login in (LOGIN, "hubei.operator"):
            person = town.who(login).person
            town.accounts.set_password(conn, person, hash_password(PASSWORD))
        town.accounts.register.create(
            conn,
            login="hubei.administrator",
            password_hash=hash_password(PASSWORD),
            post="AD-01",
            org="hubei",
            roles=["administrator"],
        )
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


def test_a_person_sees_where_he_is_signed_in_and_ends_one(client: TestClient) -> None:
    desk, wall, other = (Browser(client, name) for name in ("desk", "wall", "other"))
    assert [desk.sign_in(), wall.sign_in(), other.sign_in("hubei.operator")] == [200] * 3
    listed = desk.ask("GET", "account").json()["sessions"]
    assert {one["agent"]: one["own"] for one in listed} == {"desk": True, "wall": False}
    ident = next(one["session"] for one in listed if not one["own"])
    assert other.post(f"account/sessions/{ident}/end").status_code == 404, "not his"
    assert other.post("account/sessions/%/end").status_code == 404, "no pattern"
    assert wall.inside
    assert desk.post(f"account/sessions/{ident}/end").json() == {"ended": 1}
    assert (desk.inside, wall.inside, other.inside) == (True, False, True)


def test_all_others_end_at_once(client: TestClient) -> None:
    desk, wall = Browser(client, "desk"), Browser(client, "wall")
    assert [desk.sign_in(), wall.sign_in()] == [200, 200]
    assert desk.post("account/sessions/end").json() == {"ended": 1}
    assert (desk.inside, wall.inside) == (True, False)


def test_an_administrator_ends_a_colleagues_and_sees_them_on_the_page(
    client: TestClient,
) -> None:
    desk, admin = Browser(client, "desk"), Browser(client, "admin")
    assert [desk.sign_in(), admin.sign_in("hubei.administrator")] == [200, 200]
    client.cookies.clear()
    client.cookies.update(admin.cookies)
    page = client.get("/account", headers={"accept": "text/html"}).text
    assert f'action="/api/v1/people/{LOGIN}/sessions/end"' in page
    assert admin.post(f"people/{LOGIN}/sessions/end").json() == {"ended": 1}
    assert (desk.inside, admin.inside) == (False, True)
    assert admin.post("people/changsha.home_manager/sessions/end").status_code == 404


def test_a_new_password_ends_the_others_and_opens_the_venues_key(
    town: Town, client: TestClient
) -> None:
    desk, wall = Browser(client, "desk"), Browser(client, "wall")
    assert [desk.sign_in(), wall.sign_in()] == [200, 200]
    person = town.who(LOGIN).person
    seed = town.keys.open_venue_key("hubei", PASSWORD, person)
    for body, code in (
        ({"old": PASSWORD, "new": NEW, "again": NEW + "x"}, "password_again"),
        ({"old": "wrong", "new": NEW, "again": NEW}, "sign_in_wrong"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "password_length"),
    ):
        assert desk.post("account/password", body).json()["code"] == code
    assert wall.inside
    body = {"old": PASSWORD, "new": NEW, "again": NEW}
    assert desk.post("account/password", body).json() == {"changed": True}
    assert (desk.inside, wall.inside) == (True, False)
    assert [wall.sign_in(), wall.sign_in(password=NEW)] == [401, 200]
    assert town.keys.open_venue_key("hubei", NEW, person) == seed
    with pytest.raises(Problem, match="secret_wrong"):
        town.keys.open_venue_key("hubei", PASSWORD, person)


def test_guessing_the_password_at_an_open_session_is_slowed_down(client: TestClient) -> None:
    desk = Browser(client, "desk")
    assert desk.sign_in() == 200
    body = {"old": "wrong", "new": NEW, "again": NEW}
    told = [desk.post("account/password", body).status_code for _ in range(6)]
    assert told == [403] * 5 + [429]
    assert Browser(client, "elsewhere").sign_in() == 200, "signing in is another count"
