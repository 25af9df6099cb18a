"""The small parts of the demonstration: people, waiting, acting until it is done, counting."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from hub.demo.booking_act import booking_day
from hub.demo.clients import RefusedError
from hub.demo.day import at_once, ensure
from hub.demo.judge import Outcome, hub_rows
from hub.demo.people import committee, id_number
from hub.demo.supervise import Supervisor, TooLateError, until
from protocols.wire.idcard_text import check_character


def test_invented_numbers_are_well_formed_and_of_nobody() -> None:
    rng = random.Random(3)  # noqa: S311 - invents people, no secret
    for number in (id_number(rng) for _ in range(500)):
        assert number[17] == check_character(number[:17])
        assert number[6:10] < "1940"


def test_a_seed_always_invents_the_same_committee() -> None:
    once, again = (committee(random.Random(7), "hubei", ["changsha"]) for _ in range(2))  # noqa: S311
    assert once == again
    assert [one.no for one in once] == [1, 2, 3, 4, 5]
    assert sum(one.kind == "tenderer_rep" for one in once) == 1
    assert sum(one.late for one in once) == sum(not one.card for one in once) == 1
    assert sum(one.dissents for one in once) == 1


def test_the_booking_is_made_three_working_days_ahead() -> None:
    assert booking_day() == date(2026, 11, 18)


def test_waiting_ends_with_what_was_seen_last() -> None:
    with pytest.raises(TooLateError, match="the bus: expected within 0 s, last seen ConnectionRef"):
        until("the bus", _refuse_connection, within_s=0.2, every_s=0.01)


def _refuse_connection() -> None:
    raise ConnectionRefusedError("nobody there")


def test_an_act_that_met_a_dying_process_is_done_again() -> None:
    tried: list[int] = []

    def act() -> None:
        tried.append(1)
        if len(tried) < 3:
            raise ConnectionResetError("died")

    ensure("three", lambda: len(tried) >= 3, act, within_s=0.05)
    assert len(tried) == 3


def test_an_act_that_was_done_although_refused_is_done() -> None:
    def act() -> None:
        raise RefusedError("act", 409, {"code": "already"})

    looks = iter([False, False, True])
    ensure("it", lambda: next(looks), act, within_s=0.2)
    assert list(looks) == []


@pytest.mark.slow
def test_a_refusal_that_no_repeat_can_cure_is_raised_at_once() -> None:
    tried: list[int] = []

    def act() -> None:
        tried.append(1)
        raise RefusedError("act", 403, {"code": "wrong_pin"})

    with pytest.raises(RefusedError):
        ensure("it", lambda: False, act, within_s=0.05)
    assert len(tried) == 1


def test_of_several_acts_at_once_all_end_and_the_first_failure_is_raised() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("one")

    with pytest.raises(ValueError, match="one"):
        at_once([lambda: done.append(1), fail, lambda: done.append(2)])
    assert sorted(done) == [1, 2]


def test_the_last_line_is_one_json_object_with_the_agreed_keys() -> None:
    line = Outcome(ok=True, seed=7).line()
    assert list(json.loads(line)) == [
        "ok",
        "seed",
        "recorded",
        "lost",
        "duplicated",
        "refused_releases",
        "cases_opened",
        "cases_closed",
        "segments",
        "gap_s",
        "package",
        "trust",
        "verify",
    ]
    assert "why" in json.loads(Outcome(ok=False, seed=7, why=["x"]).line())


def test_rows_of_the_hub_are_counted_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE events (ctl TEXT, epoch TEXT, seq INT, hash TEXT)")
        base.execute("INSERT INTO events VALUES ('c-1', 'e', 1, 'h'), ('c-2', 'e', 1, 'h')")
    assert hub_rows(path, "c-1") == [("e", 1, "h")]


@pytest.mark.slow
def test_a_dead_process_is_started_again_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor(folder=tmp_path, say=said.append)
    forever = "import threading; threading.Event().wait()"
    try:
        supervisor.start("sleeper", [sys.executable, "-c", forever])
        child = supervisor.children["sleeper"]
        assert child.process is not None
        first = child.process.pid
        child.process.kill()
        until("it is back", lambda: child.pid() not in (None, first), within_s=2)
        until("it is said", lambda: said, within_s=2)
        assert "sleeper ended (signal 9)" in said[0]
        row = f"{child.pid()}\tsleeper"
        until("it is listed", lambda: row in (tmp_path / "pids.txt").read_text("utf-8"), within_s=2)
    finally:
        supervisor.stop()
