"""A person who has left comes in nowhere; who closed the account, and why, is in the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.__main__ import main
from hub.accounts import second_factor
from hub.accounts.actor import Actor
from hub.app import Hub
from hub.cli.closing import close_user, reopen_user
from hub.cli.people import add_user, reset_user
from hub.config import ConfigError
from hub.problems import Problem
from hub.store.tables_core import events, key_wraps, recovery_codes, second_factors
from protocols.messages.event import decode_event

Accounts = dict[str, dict[str, Any]]
LOGIN = "hubei.deputy"
SECRET = "a long password here"  # noqa: S105 - of a hub that exists in tests alone
WHY = "调离"


def actor(hub: Hub, login: str) -> Actor:
    found = hub.accounts.register.actor_by_login(login)
    assert found is not None
    return found


def close(hub: Hub, login: str = LOGIN, *, last: bool = False) -> dict[str, Any]:
    return close_user(hub, actor(hub, "hubei.home_manager"), login=login, reason=WHY, last=last)


def refusal(hub: Hub, who: dict[str, Any], password: str = "") -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        hub.accounts.sign_in(who["login"], password or who["password"], "127.0.0.1")
    return caught.value.document()


def test_a_closed_account_has_no_session_no_factor_and_no_key(hub: Hub, accounts: Accounts) -> None:
    who = accounts[LOGIN]
    token, signed_in = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")
    secret = hub.accounts.factors.begin(signed_in.actor)
    code = second_factor.code_of(
        secret, second_factor.step_of(hub.accounts._clock.wall().timestamp())
    )
    hub.accounts.factors.confirm(signed_in.actor, code)
    (kid,) = {one.kid for one in [hub.keys.person_signer(who["person"], who["pin"], "deputy")]}
    assert hub.keys.keyring().resolve(kid) is not None
    told = close(hub)
    assert (told["closed"], told["post"]) == (LOGIN, who["post"])
    assert hub.accounts.signed_in(token) is None
    assert hub.keys.keyring().resolve(kid) is None
    with pytest.raises(Problem, match="secret_wrong"):
        hub.keys.person_signer(who["person"], who["pin"], "deputy")
    with pytest.raises(Problem, match="secret_wrong"):
        hub.keys.open_venue_key("hubei", who["password"], who["person"])
    with hub.store.read() as conn:
        for table in (second_factors, recovery_codes):
            assert conn.execute(select(table)).all() == []
        wraps = conn.execute(select(key_wraps).where(key_wraps.c.holder == who["person"]))
        assert wraps.all() == []
    trust = json.loads(hub.config.trust.read_text("utf-8"))
    assert kid in json.dumps(trust)


def test_its_login_is_answered_as_a_wrong_password_is(hub: Hub, accounts: Accounts) -> None:
    wrong = refusal(hub, accounts[LOGIN], "not the password")
    close(hub)
    assert refusal(hub, accounts[LOGIN]) == wrong
    assert refusal(hub, accounts[LOGIN], "not the password") == wrong


def test_who_closed_it_and_why_is_in_the_record_and_in_the_log(hub: Hub) -> None:
    close(hub)
    with hub.store.read() as conn:
        query = select(events.c.raw).where(events.c.type == "user.closed")
        fact = decode_event(conn.execute(query).scalar_one())
    assert fact.data["reason"] == WHY
    assert fact.data["by"]["post"] == actor(hub, "hubei.home_manager").post
    (entry,) = [one for one in hub.accounts.log.of(LOGIN) if one.what == "closed"]
    assert entry.by == fact.data["by"]["post"]


def test_nothing_of_it_happens_by_halves(hub: Hub, accounts: Accounts) -> None:
    who = accounts[LOGIN]
    token, _ = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    retire = hub.keys.retire
    hub.keys.retire = broken  # type: ignore[assignment]
    with pytest.raises(OSError, match="disk full"):
        close(hub)
    hub.keys.retire = retire  # type: ignore[method-assign]
    assert hub.accounts.signed_in(token) is not None
    assert hub.keys.person_signer(who["person"], who["pin"], "deputy").kid


@pytest.mark.parametrize("by", ["hubei.operator", "hubei.witness"])
def test_other_roles_close_nobody(hub: Hub, by: str) -> None:
    with pytest.raises(Problem, match="role_missing"):
        close_user(hub, actor(hub, by), login=LOGIN, reason=WHY, last=True)


@pytest.mark.parametrize("login", ["changsha.deputy", "nobody"])
def test_of_another_organisation_nobody_is_closed(hub: Hub, login: str) -> None:
    with pytest.raises(ConfigError, match="no such login"):
        close(hub, login, last=True)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_without_a_reason_nobody_is_closed(hub: Hub, reason: str) -> None:
    with pytest.raises(ConfigError, match="no reason"):
        close_user(hub, actor(hub, "hubei.home_manager"), login=LOGIN, reason=reason, last=False)


def shiyan(hub: Hub) -> Actor:
    """A venue with one manager and one administrator."""
    common = {"org": "shiyan", "password": SECRET, "pin": "12345678", "post": ""}
    add_user(hub, roles=["home_manager"], login="first", by=None, **common)
    add_user(hub, roles=["administrator"], login="root", by=("first", SECRET), **common)
    return actor(hub, "first")


def test_the_last_administrator_and_the_last_key_holder_are_closed_by_an_explicit_word_alone(
    hub: Hub,
) -> None:
    first = shiyan(hub)
    with pytest.raises(ConfigError, match="an administrator besides"):
        close_user(hub, first, login="root", reason=WHY, last=False)
    add_user(
        hub,
        roles=["administrator"],
        login="root2",
        post="",
        org="shiyan",
        password=SECRET,
        pin="12345678",
        by=("first", SECRET),
    )
    close_user(hub, first, login="root", reason=WHY, last=False)
    # A closed colleague counts for nothing: root2 is the last one now.
    with pytest.raises(ConfigError, match="an administrator besides"):
        close_user(hub, first, login="root2", reason=WHY, last=False)
    close_user(hub, first, login="root2", reason=WHY, last=True)
    with pytest.raises(ConfigError, match="holds the venue's key besides"):
        close_user(hub, first, login="first", reason=WHY, last=False)


def test_a_reopened_account_has_neither_the_old_password_nor_the_old_key(
    hub: Hub, accounts: Accounts
) -> None:
    who, manager = accounts[LOGIN], accounts["hubei.home_manager"]
    close(hub)
    with pytest.raises(ConfigError, match="closed already"):
        close(hub)
    reopen_user(hub, actor(hub, manager["login"]), login=LOGIN, reason="返岗")
    with pytest.raises(ConfigError, match="open already"):
        reopen_user(hub, actor(hub, manager["login"]), login=LOGIN, reason="返岗")
    assert refusal(hub, who)["code"] == "sign_in_wrong"
    with pytest.raises(Problem, match="secret_wrong"):
        hub.keys.person_signer(who["person"], who["pin"], "deputy")
    by = (manager["login"], manager["password"])
    reset_user(hub, login=LOGIN, password=SECRET, pin="87654321", by=by)
    assert hub.accounts.sign_in(LOGIN, SECRET, "127.0.0.1")[0]
    signer = hub.keys.person_signer(who["person"], "87654321", "deputy")
    assert hub.keys.keyring().resolve(signer.kid) is not None
    whats = [one.what for one in hub.accounts.log.of(LOGIN)]
    assert whats[:4] == ["signed_in", "password_reset", "sign_in_failed", "reopened"]


def test_by_command_in_ones_own_name(
    open_hub: Callable[..., Hub],
    accounts: Accounts,
    hub_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manager, secret = accounts["hubei.home_manager"], tmp_path / "secret"
    words = [str(hub_data), "--login", LOGIN, "--by", manager["login"], "--reason", WHY]
    words += ["--secret-file", str(secret)]
    secret.write_text("not the password\n", encoding="utf-8")
    assert main(["hub", "user", "close", *words]) == 64
    secret.write_text(f"{manager['password']}\n", encoding="utf-8")
    assert main(["hub", "user", "close", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["closed"], told["by"]) == (LOGIN, manager["post"])
    assert refusal(open_hub(), accounts[LOGIN])["code"] == "sign_in_wrong"
    assert main(["hub", "user", "reopen", *words]) == 0
    assert "user reset" in capsys.readouterr().out
