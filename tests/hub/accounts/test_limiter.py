"""Guessing becomes slow; no stranger keeps a person out; an open session notices nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from hub.accounts.devices import Devices
from hub.accounts.limiter import (
    ADDRESS_FAILURES_FREE,
    FAILURES_FREE,
    FORGOTTEN_MS,
    STRANGERS_MAX,
    TRACKED_MAX,
    TURNS_MAX,
    WAIT_FIRST_MS,
    WAIT_LONGEST_MS,
    Limiter,
    Turns,
)
from hub.app import Hub
from hub.problems import Problem
from tests.hub.accounts.test_accounts import Accounts, HandClock

LOGINS = ("hubei.home_manager", "hubei.deputy", "made-up")
ADDRESSES = ("10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2")
DAY_MS = 24 * 3600 * 1000
WORD = "0" * 24 + "." + "1" * 64
TRIES = st.lists(
    st.tuples(st.sampled_from(LOGINS), st.sampled_from(ADDRESSES), st.integers(0, FORGOTTEN_MS)),
    max_size=120,
)


@given(TRIES)
def test_strangers_never_keep_out_a_known_browser_or_an_address_they_are_not_at(
    tries: list[tuple[str, str, int]],
) -> None:
    limiter, now = Limiter(), 0
    for login, address, later in tries:
        now += later
        if not limiter.wait_ms(login, address, now):
            limiter.failed(login, address, now)
        for one in LOGINS:
            for where in ADDRESSES:
                assert limiter.wait_ms(one, where, now, device=WORD) == 0
                assert limiter.wait_ms(one, where, now) <= WAIT_LONGEST_MS
            assert limiter.wait_ms(one, "192.0.2.7", now) == 0
            assert limiter.wait_ms(one, "2001:db8:1::7", now) == 0


@given(TRIES)
def test_every_wait_ends_when_nobody_guesses(tries: list[tuple[str, str, int]]) -> None:
    limiter, now = Limiter(), 0
    for login, address, later in tries:
        now += later
        limiter.failed(login, address, now)
    for login in LOGINS:
        for address in ADDRESSES:
            assert limiter.wait_ms(login, address, now + WAIT_LONGEST_MS) == 0


@pytest.mark.parametrize("device", ["", WORD])
def test_a_day_of_guessing_one_login_at_one_address_gets_few_tries(device: str) -> None:
    limiter, now, tried = Limiter(), 0, 0
    while now < DAY_MS:
        wait = limiter.wait_ms("hubei.deputy", "10.0.0.1", now, device=device)
        if wait:
            now += wait
            continue
        limiter.failed("hubei.deputy", "10.0.0.1", now, device=device)
        tried += 1
    assert FAILURES_FREE < tried <= 300


def test_made_up_logins_of_one_address_make_each_second_guess_wait() -> None:
    limiter = Limiter()
    for n in range(ADDRESS_FAILURES_FREE):
        assert limiter.wait_ms(f"login{n}", "10.0.0.1", 0) == 0
        limiter.failed(f"login{n}", "10.0.0.1", 0)
    assert limiter.wait_ms("login0", "10.0.0.1", 0) == WAIT_FIRST_MS
    assert limiter.wait_ms("fresh", "10.0.0.1", 0) == 0, "a colleague's first try"
    assert limiter.wait_ms("login0", "10.0.0.2", 0) == 0


def test_a_machine_is_its_64_bits_of_network_not_an_address_of_it() -> None:
    limiter = Limiter()
    for n in range(FAILURES_FREE):
        limiter.failed("hubei.deputy", f"2001:db8::{n}", 0)
    assert limiter.wait_ms("hubei.deputy", "2001:db8::99", 0) == WAIT_FIRST_MS
    assert limiter.wait_ms("hubei.deputy", "2001:db8:0:1::1", 0) == 0


def test_counters_are_forgotten_and_stay_few() -> None:
    limiter = Limiter()
    for _ in range(FAILURES_FREE):
        limiter.failed("login", "10.0.0.1", 0)
    assert limiter.wait_ms("login", "10.0.0.1", 1) == WAIT_FIRST_MS - 1
    limiter.failed("login", "10.0.0.1", FORGOTTEN_MS)
    assert limiter.wait_ms("login", "10.0.0.1", FORGOTTEN_MS) == 0, "one failure, long after"
    for n in range(TRACKED_MAX):
        limiter.failed(f"many{n}", f"address{n}", FORGOTTEN_MS)
    assert len(limiter._counts) == TRACKED_MAX


def test_more_than_a_few_at_once_are_turned_away_and_the_known_later() -> None:
    turns, leave, got = Turns(), threading.Event(), list[bool]()

    def wait(known: bool) -> None:
        with turns.turn(known=known) as mine:
            got.append(mine)
            if mine:
                leave.wait(30)

    def started(count: int, *, known: bool, waiting: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=wait, args=(known,)) for _ in range(count)]
        for one in threads:
            one.start()
        pause = threading.Event()
        for _ in range(3000):
            if turns._waiting + got.count(False) == waiting:
                break
            pause.wait(0.01)
        return threads

    strangers = started(STRANGERS_MAX + 3, known=False, waiting=STRANGERS_MAX + 3)
    assert got.count(False) == 3
    known = started(TURNS_MAX, known=True, waiting=STRANGERS_MAX + 3 + TURNS_MAX)
    assert turns._waiting == TURNS_MAX
    assert got.count(False) == 3 + STRANGERS_MAX
    leave.set()
    for one in (*strangers, *known):
        one.join(30)
    assert turns._waiting == 0
    assert got.count(True) == TURNS_MAX


def test_a_device_word_is_of_one_login_and_one_hub() -> None:
    devices = Devices(b"secret")
    word = devices.word("hubei.deputy")
    assert devices.knows(word, "hubei.deputy")
    assert Devices(b"secret").knows(word, "hubei.deputy"), "after a restart"
    assert not devices.knows(word, "hubei.operator")
    assert not Devices(b"another").knows(word, "hubei.deputy")
    for bad in ("", word[:-1], word[:-1] + ("0" if word[-1] != "0" else "1"), "x.y", word + "0"):
        assert not devices.knows(bad, "hubei.deputy")


def test_a_storm_on_a_login_leaves_its_browser_and_its_sessions_alone(
    hub: Hub, client: TestClient, accounts: Accounts
) -> None:
    clock = HandClock()
    hub.accounts._clock = clock  # type: ignore[assignment]
    who = accounts["hubei.deputy"]
    right: dict[str, Any] = {"login": who["login"], "password": who["password"]}
    wrong = {**right, "password": "wrong password"}

    def code(body: dict[str, Any]) -> int:
        return int(client.post("/api/v1/sign-in", json=body).status_code)

    assert code(right) == 200
    mine = dict(client.cookies)
    client.cookies.clear()
    assert [code(wrong) for _ in range(FAILURES_FREE + 1)] == [401] * FAILURES_FREE + [429]
    assert code(right) == 429, "a stranger with the right password waits too"
    client.cookies.update(mine)
    assert client.get("/api/v1/me").status_code == 200, "the open session"
    client.cookies.delete("er_session")
    assert code(right) == 200, "the browser that was here before"
    client.cookies.clear()
    clock.ms += WAIT_FIRST_MS
    assert code(right) == 200, "and the stranger, after a wait"


def test_a_known_browser_that_guesses_waits_as_well(hub: Hub, accounts: Accounts) -> None:
    who = accounts["hubei.deputy"]
    hub.accounts._clock = HandClock()  # type: ignore[assignment]
    word = hub.accounts.devices.word(who["login"])
    for _ in range(FAILURES_FREE):
        with pytest.raises(Problem, match="sign_in_wrong"):
            hub.accounts.sign_in(who["login"], "wrong password", "10.0.0.1", word)
    with pytest.raises(Problem, match="sign_in_locked"):
        hub.accounts.sign_in(who["login"], who["password"], "10.0.0.1", word)
    assert hub.accounts.sign_in(who["login"], who["password"], "10.0.0.1")
