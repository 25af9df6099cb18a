"""The code of a telephone beside the password: set up, asked, counted once, given back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from hub.accounts import Accounts, second_factor
from hub.accounts.hashing import hash_password
from hub.app import Hub, build
from hub.cli.people import reset_user
from hub.config import ConfigError, load
from hub.facts import Facts
from hub.problems import Problem
from hub.store.tables_core import events, recovery_codes, second_factors
from hub.web.app import create_app
from tests.hub.accounts.test_accounts import HandClock
from tests.hub.booking.town import PASSWORD, Town

SECRET = b"12345678901234567890"
ADDRESS = "10.0.0.1"


@pytest.mark.parametrize(
    ("at_s", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(at_s: int, code: str) -> None:
    assert second_factor.code_of(SECRET, second_factor.step_of(at_s), digits=8) == code


def test_a_code_counts_for_half_a_minute_either_way_and_once() -> None:
    at_s, step = 1_000_000_000.0, second_factor.step_of(1_000_000_000.0)
    found = [
        second_factor.matching_step(
            SECRET, second_factor.code_of(SECRET, step + n), at_s=at_s, after=0
        )
        for n in range(-3, 4)
    ]
    assert found == [None, None, step - 1, step, step + 1, None, None]
    again = second_factor.code_of(SECRET, step)
    assert second_factor.matching_step(SECRET, again, at_s=at_s, after=step) is None
    assert second_factor.matching_step(SECRET, "１２３４５６", at_s=at_s, after=0) is None


def test_a_sealed_secret_is_of_one_person_and_one_hub() -> None:
    sealed = second_factor.seal(b"k" * 32, "p-1", SECRET)
    assert SECRET.hex() not in sealed
    assert second_factor.unseal(b"k" * 32, "p-1", sealed) == SECRET
    assert second_factor.unseal(b"k" * 32, "p-2", sealed) is None
    assert second_factor.unseal(b"x" * 32, "p-1", sealed) is None
    assert second_factor.unseal(b"k" * 32, "p-1", sealed[:-2]) is None


class Desk:
    """One person's browser at a town's hub whose clock a test turns."""

    def __init__(self, town: Town, client: TestClient, login: str) -> None:
        self.town, self.client, self.login = town, client, login
        self.secret = b""

    def sign_in(self, code: str = "") -> tuple[int, str]:
        self.client.cookies.clear()
        body = {"login": self.login, "password": PASSWORD}
        if code:
            body["code"] = code
        answer = self.client.post("/api/v1/sign-in", json=body)
        return answer.status_code, str(answer.json().get("code", ""))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        csrf = self.client.get("/api/v1/me").json()["csrf"]
        return self.client.post(f"/api/v1/{path}", json=body or {}, headers={"x-csrf": csrf})

    def code(self, later: int = 0) -> str:
        step = second_factor.step_of(self.town.clock.now.timestamp())
        return second_factor.code_of(self.secret, step + later)

    def enrol(self) -> list[str]:
        assert self.sign_in()[0] == 200
        begun = self.post("account/second-factor", {"password": PASSWORD})
        assert begun.status_code == 201, begun.text
        row = self._row()
        key = self.town.accounts.factors._key
        self.secret = second_factor.unseal(key, row.person, row.sealed) or b""
        assert begun.json()["secret"] == second_factor.shown(self.secret)
        assert f"secret={second_factor.shown(self.secret).replace(' ', '')}" in begun.json()["uri"]
        wrong = self.post("account/second-factor/confirm", {"code": "000000"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "second_factor_wrong")
        assert self.sign_in()[0] == 200, "not asked before it is confirmed"
        done = self.post("account/second-factor/confirm", {"code": self.code()})
        assert done.status_code == 200, done.text
        self.town.clock.pass_s(60)
        codes: list[str] = done.json()["recovery_codes"]
        return codes

    def _row(self) -> Any:
        with self.town.store.read() as conn:
            return conn.execute(select(second_factors)).one()

    def facts(self) -> list[str]:
        with self.town.store.read() as conn:
            query = select(events.c.type).where(events.c.type.startswith("user."))
            return list(conn.execute(query.order_by(events.c.id)).scalars())


def _town(town: Town, needed: tuple[str, ...] = ()) -> Town:
    town.accounts = Accounts(
        store=town.store, facts=town.facts, clock=town.clock, secure=False, needed=needed
    )
    hashed = hash_password(PASSWORD)
    with town.store.write() as conn:
        for login in ("hubei.operator", "changsha.operator"):
            town.accounts.set_password(conn, town.who(login).person, hashed)
        for n, org in enumerate(("hubei", "changsha")):
            town.accounts.register.create(
                conn,
                login=f"{org}.administrator",
                password_hash=hashed,
                post=f"AD-{n:02d}",
                org=org,
                roles=["administrator"],
            )
    return town


@pytest.fixture
def desk(town: Town) -> Iterator[Desk]:
    app = create_app(_town(town))  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield Desk(town, client, "hubei.operator")


def test_who_has_one_signs_in_with_it_and_each_code_opens_once(desk: Desk) -> None:
    codes = desk.enrol()
    assert desk.sign_in() == (401, "second_factor_needed")
    assert desk.sign_in("000000") == (401, "second_factor_wrong")
    first = desk.code()
    assert desk.sign_in(first)[0] == 200
    assert desk.sign_in(first) == (401, "second_factor_wrong"), "overheard and typed again"
    desk.town.clock.pass_s(30)
    assert desk.sign_in(desk.code(later=-1))[0] == 401, "older than the last that counted"
    assert desk.sign_in(desk.code())[0] == 200
    assert desk.sign_in(codes[0].upper().replace("-", " "))[0] == 200
    assert desk.sign_in(codes[0]) == (401, "second_factor_wrong")
    assert desk.client.get("/api/v1/me").status_code == 401
    assert desk.sign_in(codes[1])[0] == 200
    told = desk.client.get("/api/v1/account").json()["second_factor"]
    assert told == {"confirmed": True, "needed": False, "recovery_left": 8}
    assert desk.facts()[-3:] == [
        "user.second_factor_set",
        "user.recovery_code_used",
        "user.recovery_code_used",
    ]


def test_wrong_codes_are_slowed_down_like_wrong_passwords(desk: Desk) -> None:
    desk.enrol()
    told = [desk.sign_in("000000")[1] for _ in range(6)]
    assert told == ["second_factor_wrong"] * 5 + ["sign_in_locked"]


def test_another_one_is_not_set_up_over_one_in_use(desk: Desk) -> None:
    desk.enrol()
    assert desk.sign_in(desk.code())[0] == 200
    again = desk.post("account/second-factor", {"password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_there")
    wrong = desk.post("account/second-factor", {"password": "not the password"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "sign_in_wrong")
    assert desk.post("account/second-factor/confirm", {"code": "1"}).status_code == 409


def test_neither_secret_nor_recovery_code_lies_in_the_database(desk: Desk) -> None:
    codes = desk.enrol()
    raw = b"".join(one.read_bytes() for one in desk.town.data.glob("hub.sqlite*"))
    for text in (desk.secret, desk.secret.hex().encode(), *(one.encode() for one in codes)):
        assert text not in raw
    with desk.town.store.read() as conn:
        assert len(conn.execute(select(recovery_codes)).all()) == len(set(codes)) == 10


def test_an_administrator_of_the_organisation_gives_it_back_by_a_fact(desk: Desk) -> None:
    desk.enrol()
    assert desk.sign_in(desk.code())[0] == 200
    token = dict(desk.client.cookies)
    path, body = "people/hubei.operator/second-factor/reset", {"reason": "手机丢失"}
    for login, status in (("changsha.administrator", 404), ("hubei.administrator", 200)):
        other = Desk(desk.town, desk.client, login)
        assert other.sign_in()[0] == 200
        assert other.post(path, body).status_code == status
    own = Desk(desk.town, desk.client, "hubei.administrator")
    mine = own.post("people/hubei.administrator/second-factor/reset", body)
    assert (mine.status_code, mine.json()["code"]) == (409, "own_second_factor")
    assert desk.facts()[-2:] == ["user.second_factor_reset", "user.sessions_ended"]
    desk.client.cookies.clear()
    desk.client.cookies.update(token)
    assert desk.client.get("/api/v1/me").status_code == 401, "open sessions have ended"
    assert desk.sign_in()[0] == 200, "the password alone again"


def test_without_its_fact_nothing_is_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enrol()
    whom, by = desk.town.who("hubei.operator"), desk.town.who("hubei.home_manager")

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Facts, "append", broken)
    with pytest.raises(OSError, match="disk full"), desk.town.store.write() as conn:
        desk.town.accounts.factors.reset(conn, whom, by=by, reason="x")
    assert desk.sign_in() == (401, "second_factor_needed")


def test_a_role_that_must_have_one_may_do_nothing_but_set_it_up(town: Town) -> None:
    app = create_app(_town(town, needed=("operator",)))  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        desk = Desk(town, client, "hubei.operator")
        assert desk.sign_in()[0] == 200
        refused = client.get("/api/v1/board")
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_missing")
        page = client.get("/board", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["location"]) == (303, "/account")
        assert client.get("/account", headers={"accept": "text/html"}).status_code == 200
        assert client.get("/api/v1/stream").status_code == 403
        desk.enrol()
        assert desk.sign_in(desk.code())[0] == 200
        assert client.get("/api/v1/board").status_code == 200
        free = Desk(town, client, "hubei.administrator")
        assert free.sign_in()[0] == 200
        assert client.get("/api/v1/board").status_code == 200


def test_the_command_line_takes_it_away_with_the_password(
    hub: Hub, accounts: dict[str, dict[str, Any]]
) -> None:
    clock = HandClock(datetime(2026, 11, 24, tzinfo=UTC))
    hub.accounts._clock = clock  # type: ignore[assignment]
    who = hub.accounts.register.actor_by_login("hubei.witness")
    assert who is not None
    secret = hub.accounts.factors.begin(who)
    step = second_factor.step_of(clock.now.timestamp())
    hub.accounts.factors.confirm(who, second_factor.code_of(secret, step))
    clock.now += timedelta(minutes=1)
    with pytest.raises(Problem, match="second_factor_needed"):
        hub.accounts.sign_in(who.login, accounts[who.login]["password"], ADDRESS)
    manager = accounts["hubei.home_manager"]
    new = "another long password"
    by = (manager["login"], manager["password"])
    reset_user(hub, login=who.login, password=new, pin="87654321", by=by)
    assert hub.accounts.sign_in(who.login, new, ADDRESS)


def test_a_role_nobody_knows_is_refused_at_the_start(hub_data: Any) -> None:
    config = load(hub_data, {"second_factor_roles": "operator, emperor"})
    with pytest.raises(ConfigError, match="second_factor_roles"):
        build(config, services=False)
