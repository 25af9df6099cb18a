"""Signing in, sessions, roles, and keys that open for one act."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from hub import crypto
from hub.accounts import Actor, require
from hub.accounts.hashing import check_pin, hash_password
from hub.accounts.service import COOKIE, SESSION_IDLE
from hub.app import Hub
from hub.cli.people import add_user, reset_user
from hub.keys.tries import LOCK_MS, Tries
from hub.problems import Problem
from hub.store.tables_core import secret_tries
from protocols.messages.signed import parse_message


@dataclass
class HandClock:
    """A clock a test turns."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    ms: int = 1_000_000

    def wall(self) -> datetime:
        return self.now

    def mono_ms(self) -> int:
        return self.ms

    def trust(self) -> str:
        return "ntp"


Accounts = dict[str, dict[str, Any]]


def _sign_in(client: TestClient, who: dict[str, Any]) -> str:
    body = {"login": who["login"], "password": who["password"]}
    answer = client.post("/api/v1/sign-in", json=body)
    assert answer.status_code == 200
    return str(answer.json()["csrf"])


def test_a_session_is_a_strict_cookie_and_a_csrf_word(
    client: TestClient, accounts: Accounts
) -> None:
    assert client.get("/api/v1/me").status_code == 401
    who = accounts["hubei.home_manager"]
    answer = client.post(
        "/api/v1/sign-in", json={"login": who["login"], "password": who["password"]}
    )
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.json()["actor"]["post"] == who["post"]
    assert client.post("/api/v1/sign-out").json()["code"] == "csrf_missing"
    assert client.get("/api/v1/me").json()["actor"]["person"] == who["person"]
    headers = {"X-CSRF": answer.json()["csrf"]}
    assert client.post("/api/v1/sign-out", headers=headers).status_code == 204
    assert client.get("/api/v1/me").status_code == 401


def test_a_session_ends_by_idleness_and_by_a_new_password(hub: Hub, accounts: Accounts) -> None:
    clock = HandClock()
    hub.accounts._clock = clock  # type: ignore[assignment]
    who = accounts["hubei.witness"]
    token, _ = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")
    clock.now += SESSION_IDLE - timedelta(minutes=1)
    assert hub.accounts.signed_in(token) is not None
    clock.now += SESSION_IDLE + timedelta(minutes=1)
    assert hub.accounts.signed_in(token) is None
    token, _ = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")
    with hub.store.write() as conn:
        hub.accounts.set_password(conn, who["person"], hash_password("another long password"))
    assert hub.accounts.signed_in(token) is None
    assert hub.accounts.signed_in("made up") is None


def test_the_stored_token_signs_nobody_in(hub: Hub, accounts: Accounts) -> None:
    who = accounts["hubei.witness"]
    token, signed_in = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")
    with hub.store.read() as conn:
        stored = conn.exec_driver_sql("SELECT token_sha256 FROM web_sessions").scalars().all()
    assert stored == [signed_in.token_sha256]
    assert token not in stored
    assert hub.accounts.signed_in(stored[0]) is None


def test_roles_belong_to_an_organisation() -> None:
    actor = Actor("p-1", "x", "HB-01", "hubei", ("operator",))
    require(actor, "operator", "deputy", org="hubei")
    with pytest.raises(Problem, match="role_missing"):
        require(actor, "deputy")
    with pytest.raises(Problem, match="other_organisation"):
        require(actor, "operator", org="changsha")


def test_a_person_signs_with_the_pin_and_a_venue_certified_the_key(
    hub: Hub, accounts: Accounts
) -> None:
    who = accounts["hubei.home_manager"]
    raw = hub.keys.sign_with_person(
        who["person"], who["pin"], role="home_manager", ctx="er1/statement", header={"x": 1}
    )
    ring = hub.keys.keyring()
    assert ring.rejected == ()
    (signer,) = ring.signers(parse_message(raw, limit=4096), crypto.verify)
    assert (signer.principal.subject, signer.principal.venue_org) == (who["person"], "hubei")
    other = hub.keys.sign_with_person(
        who["person"], who["pin"], role="witness", ctx="er1/statement", header={"x": 1}
    )
    assert ring.signers(parse_message(other, limit=4096), crypto.verify) == ()


def test_five_wrong_pins_lock_the_key_for_ten_minutes(hub: Hub, accounts: Accounts) -> None:
    clock = HandClock()
    hub.keys._tries._clock = clock  # type: ignore[assignment]
    person = accounts["hubei.deputy"]["person"]
    for _ in range(5):
        with pytest.raises(Problem, match="secret_wrong"):
            hub.keys.person_signer(person, "00000000", "deputy")
    pin = accounts["hubei.deputy"]["pin"]
    with pytest.raises(Problem, match="secret_locked"):
        hub.keys.person_signer(person, pin, "deputy")
    clock.now += timedelta(days=1)
    clock.ms += LOCK_MS - 1
    with pytest.raises(Problem, match="secret_locked"):
        hub.keys.person_signer(person, pin, "deputy")
    clock.ms += 1
    assert hub.keys.person_signer(person, pin, "deputy").role == "deputy"


def test_guesses_side_by_side_get_no_more_tries(hub: Hub, accounts: Accounts) -> None:
    hub.keys._tries._clock = HandClock()  # type: ignore[assignment]
    person = accounts["hubei.deputy"]["person"]

    def guess(_: int) -> str:
        try:
            hub.keys.person_signer(person, "00000000", "deputy")
        except Problem as problem:
            return problem.code
        return "opened"

    with ThreadPoolExecutor(8) as pool:
        told = sorted(pool.map(guess, range(8)))
    assert told == ["secret_locked"] * 3 + ["secret_wrong"] * 5


def tried(tries: Tries) -> str:
    """One try of a wrong secret."""
    try:
        return str(tries.begin("p-1"))
    except Problem as problem:
        return problem.code


def test_a_restart_gives_no_new_tries_and_a_reboot_only_its_own_time(hub: Hub) -> None:
    clock = HandClock()
    boots = ["one"]

    def again() -> Tries:
        return Tries(hub.store, clock, lambda: boots[-1])  # type: ignore[arg-type]

    assert [tried(again()) for _ in range(6)] == ["4", "3", "2", "1", "0", "secret_locked"]
    clock.ms += LOCK_MS - 1
    assert tried(again()) == "secret_locked"
    boots.append("two")
    clock.ms, clock.now = 1_000, clock.now + timedelta(days=30)
    assert tried(again()) == "secret_locked"
    clock.ms = LOCK_MS
    assert [tried(again()) for _ in range(6)] == ["4", "3", "2", "1", "0", "secret_locked"]


def test_a_right_secret_wipes_the_count_and_a_try_is_written_before_it_is_judged(
    hub: Hub, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = accounts["hubei.deputy"]
    with pytest.raises(Problem, match="secret_wrong"):
        hub.keys.person_signer(who["person"], "00000000", "deputy")

    def killed(*_: Any) -> bytes:
        raise SystemExit("killed")

    def count() -> list[int]:
        with hub.store.read() as conn:
            return list(conn.execute(select(secret_tries.c.tries)).scalars())

    with monkeypatch.context() as patch:
        patch.setattr(crypto, "unwrap_key", killed)
        with pytest.raises(SystemExit):
            hub.keys.person_signer(who["person"], "00000000", "deputy")
    assert count() == [2]
    hub.keys.person_signer(who["person"], who["pin"], "deputy")
    assert count() == []


def test_no_key_stands_unwrapped_in_the_database(hub: Hub, accounts: Accounts) -> None:
    who = accounts["changsha.home_manager"]
    seed = hub.keys.open_venue_key("changsha", who["password"], who["person"])
    raw = (hub.config.database_file.read_bytes(), hub.config.mirror_file.read_bytes())
    for text in raw:
        assert seed not in text
        assert seed.hex().encode() not in text


def test_a_session_key_is_wrapped_under_the_same_pin(hub: Hub, accounts: Accounts) -> None:
    who = accounts["changsha.room_staff"]
    key = hub.keys.session_key(who["person"], "s-0123456789ab", who["pin"])
    seed, _ = crypto.unwrap_key(key.wrapped, who["pin"], hub.keys.stretch)
    assert crypto.public_of(seed).hex() == key.pub


def test_one_entry_of_a_pin_stretches_it_once(
    hub: Hub, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second and 128 MiB are the price of a guess, not of an act."""
    stretched: list[bytes] = []
    real = crypto.derive

    def counted(secret: str, salt: bytes, stretch: crypto.Stretch) -> crypto.Derived:
        stretched.append(salt)
        return real(secret, salt, stretch)

    monkeypatch.setattr(crypto, "derive", counted)
    who = accounts["changsha.room_staff"]
    key = hub.keys.session_key(who["person"], "s-0123456789ab", who["pin"])
    assert len(stretched) == 1
    signer = hub.keys.session_signer(
        who["person"], who["pin"], role="room_staff", wrapped=key.wrapped
    )
    assert len(stretched) == 2
    assert signer is not None
    assert signer.kid == key.kid


def test_a_session_key_of_an_earlier_pin_is_named_and_a_wrong_pin_counted(
    hub: Hub, accounts: Accounts
) -> None:
    who = accounts["changsha.room_staff"]
    earlier = hub.keys.wrap(crypto.new_seed(), "11112222")
    opened = hub.keys.session_signer(who["person"], who["pin"], role="room_staff", wrapped=earlier)
    assert opened is None
    for _ in range(5):
        with pytest.raises(Problem, match="secret_wrong"):
            hub.keys.session_signer(who["person"], "11112222", role="room_staff", wrapped=earlier)
    with pytest.raises(Problem, match="secret_locked"):
        hub.keys.session_signer(who["person"], who["pin"], role="room_staff", wrapped=earlier)


@pytest.mark.parametrize("pin", ["1234567", "abcdefgh", "１２３４５６７８", ""])
def test_a_weak_pin_is_refused(pin: str) -> None:
    with pytest.raises(Problem, match="pin_invalid"):
        check_pin(pin, 8)


def test_a_venue_begins_with_a_manager_and_others_need_one(hub: Hub) -> None:
    common = {"org": "shiyan", "password": "a long password here", "pin": "12345678", "post": ""}
    with pytest.raises(Exception, match="this venue has no key yet"):
        add_user(hub, roles=["witness"], login="w", by=None, **common)
    first = add_user(hub, roles=["home_manager"], login="first", by=None, **common)
    assert first.post == "SY-01"
    with pytest.raises(Exception, match="nobody vouches"):
        add_user(hub, roles=["witness"], login="w", by=None, **common)
    second = add_user(hub, roles=["witness"], login="w", by=("first", common["password"]), **common)
    assert hub.keys.keyring().rejected == ()
    reset_user(
        hub,
        login="w",
        password=common["password"] + " anew",
        pin="87654321",
        by=("first", common["password"]),
    )
    with pytest.raises(Problem, match="secret_wrong"):
        hub.keys.person_signer(second.person, "12345678", "witness")
    assert hub.keys.person_signer(second.person, "87654321", "witness").kid
    trust = hub.keys.trust()
    (retired,) = trust.retired
    assert retired.at.ctl == hub.config.hub
    assert trust.epochs[-1] == retired.at.epoch
    assert hub.keys.keyring().resolve(retired.kid) is None
    assert COOKIE == "er_session"


def test_a_post_given_by_hand_does_not_stand_in_the_next_ones_way(hub: Hub) -> None:
    common = {"org": "shiyan", "password": "a long password here", "pin": "12345678"}
    add_user(hub, roles=["home_manager"], login="first", post="SY-02", by=None, **common)
    by = ("first", common["password"])
    made = add_user(hub, roles=["witness"], login="second", post="", by=by, **common)
    assert made.post == "SY-03"


@pytest.mark.parametrize(
    ("login", "post", "code"),
    [
        ("w ng/../", "SY-01", "login_invalid"),
        ("Wang", "SY-01", "login_invalid"),
        ("", "SY-01", "login_invalid"),
        ("wang", "张三 13800138000", "post_invalid"),
        ("wang", "SY", "post_invalid"),
    ],
)
def test_a_login_or_post_that_could_not_stand_on_a_screen_is_refused(
    hub: Hub, login: str, post: str, code: str
) -> None:
    common = {"org": "shiyan", "password": "a long password here", "pin": "12345678"}
    with pytest.raises(Problem) as caught:
        add_user(hub, roles=["home_manager"], login=login, post=post, by=None, **common)
    assert caught.value.code == code
