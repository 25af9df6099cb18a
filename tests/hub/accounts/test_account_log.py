"""What became of an account stands on record with the change itself, and the record stays small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select

from hub.__main__ import main
from hub.accounts import Accounts, account_log
from hub.accounts.browsers import browser_of
from hub.accounts.hashing import hash_password
from hub.accounts.service import SESSION_IDLE
from hub.app import Hub
from hub.problems import Problem
from hub.store.tables_accounts import account_log as table
from hub.store.tables_core import web_sessions
from hub.web.app import create_app
from tests.hub.booking.town import PASSWORD, Town

LOGIN = "hubei.home_manager"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def town(town: Town) -> Town:
    """With a clock that the test turns for the accounts too, and a password that is known."""
    town.accounts = Accounts(store=town.store, facts=town.facts, clock=town.clock, secure=False)  # type: ignore[arg-type]
    with town.store.write() as conn:
        for login in (LOGIN, "hubei.operator"):
            person = town.who(login).person
            town.accounts.set_password(conn, person, hash_password(PASSWORD))
    return town


@pytest.fixture
def client(town: Town) -> Iterator[TestClient]:
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", headers={"user-agent": FIREFOX}) as made:
        yield made


def sign_in(town: Town, login: str = LOGIN, password: str = PASSWORD, **more: str) -> str:
    return town.accounts.sign_in(login, password, "2001:db8:1:2:3:4:5:6", **more)[0]


def fail(town: Town, login: str, times: int) -> None:
    for _ in range(times):
        town.clock.mono += 3_600_000  # the limiter's waits are over
        with pytest.raises(Problem, match="sign_in_wrong"):
            sign_in(town, login, "wrong")


def rows(town: Town, login: str | None = None) -> list[tuple[str, str, int]]:
    return [(one.login, one.what, one.count) for one in reversed(town.accounts.log.of(login))]


def test_signing_in_and_out_is_on_record_without_the_browsers_whole_line(
    town: Town, client: TestClient
) -> None:
    answer = client.post("/api/v1/sign-in", json={"login": LOGIN, "password": PASSWORD})
    csrf = {"x-csrf": answer.json()["csrf"]}
    told = client.get("/api/v1/account").json()["log"]
    assert [(one["what"], one["browser"]) for one in told] == [("signed_in", "Firefox/Linux")]
    page = client.get("/account?lang=en", headers={"accept": "text/html"}).text
    assert "Signed in" in page
    assert "Firefox on Linux" in page
    assert "Mozilla" not in page
    assert client.post("/api/v1/sign-out", headers=csrf).status_code == 204
    assert rows(town) == [(LOGIN, "signed_in", 1), (LOGIN, "signed_out", 1)]
    with town.store.read() as conn:
        text = repr(conn.execute(select(table)).all())
    assert PASSWORD not in text
    assert "Gecko" not in text


def test_of_an_address_no_more_is_kept_than_tells_machines_apart(town: Town) -> None:
    sign_in(town)
    (entry,) = town.accounts.log.of(LOGIN)
    assert entry.origin == "2001:db8:1:2::/64"


def test_a_flood_is_one_row_a_minute_with_a_count_and_unknown_logins_are_no_words(
    town: Town,
) -> None:
    fail(town, LOGIN, 3)
    fail(town, "my secret password", 4)
    fail(town, "another.made.up", 2)
    town.accounts.log.flush()
    fail(town, LOGIN, 2)
    town.accounts.log.flush()
    assert sorted(rows(town)) == [("", "sign_in_failed", 6), (LOGIN, "sign_in_failed", 5)]
    town.clock.pass_s(60)
    fail(town, LOGIN, 1)
    assert [count for _, _, count in rows(town, LOGIN)] == [5, 1]


def test_a_failure_writes_nothing_on_its_way_so_no_answer_tells_who_is_there(town: Town) -> None:
    with town.store.read() as conn:
        before = conn.execute(select(func.count()).select_from(table)).scalar_one()
    fail(town, LOGIN, 1)
    fail(town, "nobody.at.all", 1)
    with town.store.read() as conn:
        assert conn.execute(select(func.count()).select_from(table)).scalar_one() == before
    town.accounts.log.tick()
    written = [login for login, _, _ in rows(town)]
    assert sorted(written) == ["", LOGIN]


def test_a_session_and_its_row_stand_together_or_not_at_all(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(town.accounts.log, "write", broken)
        with pytest.raises(OSError, match="disk full"):
            sign_in(town)
    with town.store.read() as conn:
        assert conn.execute(select(web_sessions)).all() == []
    token = sign_in(town)
    with monkeypatch.context() as patch:
        patch.setattr(town.accounts.log, "write", broken)
        with pytest.raises(OSError, match="disk full"):
            town.accounts.sign_out(token)
    assert town.accounts.signed_in(token) is not None


def test_what_ends_by_itself_and_what_a_password_does_is_told_apart(
    town: Town, client: TestClient
) -> None:
    sign_in(town)
    token = sign_in(town)
    town.clock.pass_s(SESSION_IDLE.total_seconds() + 1)
    assert town.accounts.signed_in(token) is None
    answer = client.post("/api/v1/sign-in", json={"login": LOGIN, "password": PASSWORD})
    csrf = {"x-csrf": answer.json()["csrf"]}
    body = {"old": PASSWORD, "new": PASSWORD + " anew", "again": PASSWORD + " anew"}
    assert client.post("/api/v1/account/sessions/end", json={}, headers=csrf).status_code == 200
    assert client.post("/api/v1/account/password", json=body, headers=csrf).status_code == 200
    assert [what for _, what, _ in rows(town)] == [
        "signed_in",
        "signed_in",
        "sign_in_expired",
        "signed_in",
        "sessions_ended",
        "password_changed",
    ]


def test_rows_go_after_their_time_and_a_week_of_guessing_thins_its_own_kind_alone(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(town)
    monkeypatch.setattr(account_log, "ROWS_MAX", 3)
    row = {"login": LOGIN, "what": "sign_in_failed", "count": 1, "origin": "", "browser": ""}
    with town.store.write(mirrored=False) as conn:
        for minute in range(1, 6):
            at = town.clock.now + timedelta(minutes=minute)
            conn.execute(insert(table).values(**row, by="", at=at))
    town.clock.pass_s(600)
    town.accounts.log.tick()
    kept = [one.at.minute for one in town.accounts.log.of(LOGIN) if one.what == "sign_in_failed"]
    assert kept == [5, 4, 3]
    assert rows(town)[0] == (LOGIN, "signed_in", 1)
    town.clock.pass_s(account_log.KEPT.total_seconds())
    town.accounts.log.tick()
    assert rows(town) == []


def test_the_mirror_does_not_grow_by_it(hub: Hub, accounts: dict[str, dict[str, Any]]) -> None:
    who = accounts["hubei.witness"]
    before = hub.config.mirror_file.read_bytes()
    token, _ = hub.accounts.sign_in(who["login"], who["password"], "127.0.0.1")
    hub.accounts.sign_out(token)
    hub.accounts.log.failed(who["login"], "127.0.0.1")
    hub.accounts.log.tick()
    with hub.store.write() as conn:
        hub.accounts.log.write(conn, account_log.PASSWORD_RESET, who["login"])
    assert len(hub.accounts.log.of(who["login"])) == 4
    assert hub.config.mirror_file.read_bytes() == before


def test_what_was_only_counted_is_written_when_the_hub_ends(
    open_hub: Callable[..., Hub], capsys: pytest.CaptureFixture[str]
) -> None:
    hub = open_hub()
    hub.accounts.log.failed("hubei.witness", "127.0.0.1")
    hub.close()
    data = str(hub.config.data)
    assert main(["hub", "user", "log", data, "--login", "hubei.witness"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split("\t") == ["at", "login", "what", "count", "from", "browser", "by"]
    assert line.split("\t")[1:] == ["hubei.witness", "sign_in_failed", "1", "127.0.0.1", "-", "-"]
    assert main(["hub", "user", "log", data, "--login", "nobody"]) == 64
    assert main(["hub", "user", "log", data, "--days", "201"]) == 64


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (FIREFOX, "Firefox/Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge/Windows",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36",
            "Chromium/Linux",
        ),
        (
            "Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chromium/Android",
        ),
        (
            "Mozilla/5.0 (Phone; OpenHarmony 5.0; HarmonyOS 5.0) AppleWebKit/537.36 (KHTML, like "
            "Gecko) Chrome/132.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile",
            "Chromium/HarmonyOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, "
            "like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari/iOS",
        ),
        ("curl/8.5.0", ""),
        ("Firefox/140 on nothing known", ""),
        ("", ""),
        ("<script>Chrome/1 张三 13800138000</script>", ""),
    ],
)
def test_a_browser_is_its_family_and_its_system(agent: str, browser: str) -> None:
    assert browser_of(agent) == browser
