"""Rows leave the journal by the rules of keeping only, and it says so."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.journal import Journal
from protocols.messages.event import decode_event
from tests.edge.test_journal import BOOT, CTL, START, BenchClock, notes

Open = Callable[[], Journal]


@pytest.fixture
def clock() -> BenchClock:
    return BenchClock()


@pytest.fixture
def open_journal(tmp_path: Path, clock: BenchClock) -> Iterator[Open]:
    opened: list[Journal] = []
    numbers = itertools.count(1)

    def open_() -> Journal:
        journal = Journal.open(
            tmp_path / "journal.db",
            ctl=CTL,
            boot=BOOT,
            clock=clock,
            entropy=lambda n: next(numbers).to_bytes(n, "big"),
        )
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        journal.close()


def test_prune_takes_only_what_is_acked_closed_and_old(
    open_journal: Open, clock: BenchClock
) -> None:
    journal = open_journal()
    journal.append([*notes(2), *notes(2, "s-aaaaaaaaaaaa"), *notes(2, "s-bbbbbbbbbbbb")])
    clock.at += timedelta(days=36)
    journal.append(notes(1))
    keep = clock.at - timedelta(days=35)
    old = journal.epoch

    def prunable() -> list[int]:
        return journal.prunable(done={"s-aaaaaaaaaaaa"}, idle=(), older_than=keep)

    assert prunable() == [], "nothing is acked yet"
    journal.set_cursor(old, 5)
    (said,) = journal.prune(prunable(), keep, kv={"fold": b"{}"})

    left = [event.seq for event in journal.replay()]
    assert left == [1, 6, 7, 8, 9], "the opening, the open session and the young row stay"
    data = decode_event(said.line).data
    assert data == {"rows": 4, "answers": 0, "before": "2026-11-25T00:30:00.000Z"}
    assert journal.kv_get("fold") == b"{}"
    info = journal.epochs()[0]
    assert (info.first, info.last) == (1, 9)
    assert journal.gap_end(old, 2) == 5
    assert journal.row_hash(old, 9) == info.last_hash
    assert journal.pruned(old) == [(2, 5)]
    assert journal.prune([], keep, kv={"fold": b""}) == [], "nothing went, nothing is said"


def test_rows_the_hub_asked_for_again_in_between_are_not_deleted(
    open_journal: Open, clock: BenchClock
) -> None:
    journal = open_journal()
    journal.append(notes(3))
    clock.at += timedelta(days=36)
    journal.set_cursor(journal.epoch, 4)
    ids = journal.prunable(done=(), idle=(), older_than=clock.at)
    journal.set_cursor(journal.epoch, 2)

    journal.prune(ids, clock.at, kv={})

    assert [event.seq for event in journal.replay()] == [1, 3, 4, 5]


def test_shared_rows_stay_as_long_as_a_session_before_them_does(
    open_journal: Open, clock: BenchClock
) -> None:
    journal = open_journal()
    journal.append([*notes(1), *notes(1, "s-aaaaaaaaaaaa"), *notes(1), *notes(1, "s-bbbbbbbbbbbb")])
    clock.at += timedelta(days=36)
    journal.set_cursor(journal.epoch, 5)

    def found(done: str, idle: str = "") -> list[int]:
        return journal.prunable(done={done}, idle={idle}, older_than=clock.at)

    assert found("s-bbbbbbbbbbbb") == [2, 5]
    assert found("s-bbbbbbbbbbbb", idle="s-aaaaaaaaaaaa") == [2, 4, 5]


def test_rows_of_an_untrusted_clock_wait_for_a_trusted_one(
    open_journal: Open, clock: BenchClock
) -> None:
    clock.how, clock.at = "none", datetime(1970, 1, 1, tzinfo=UTC)
    journal = open_journal()
    journal.append(notes(3))
    journal.set_cursor(journal.epoch, 4)
    assert journal.prunable(done=(), idle=(), older_than=START) == []

    clock.how, clock.at = "ntp", START
    journal.append(notes(1))
    journal.set_cursor(journal.epoch, 5)

    later = START + timedelta(days=1)
    assert journal.prunable(done=(), idle=(), older_than=later) == [2, 3, 4, 5]


def test_a_hole_has_the_cause_it_has(open_journal: Open, clock: BenchClock) -> None:
    journal = open_journal()
    journal.append(notes(8))
    epoch = journal.epoch
    clock.at += timedelta(days=36)
    journal.set_cursor(epoch, 9)
    ids = journal.prunable(done=(), idle=(), older_than=clock.at)
    journal.prune(ids[3:4], clock.at, kv={})
    journal.prune(ids[1:3], clock.at, kv={})
    journal.port.execute("UPDATE event SET line = x'00' WHERE seq IN (6, 7)")
    journal.port.execute("DELETE FROM event WHERE seq = 8")

    assert journal.hole(epoch, 2) is None
    assert journal.hole(epoch, 3) == (5, "pruned")
    assert journal.hole(epoch, 6) == (7, "rotten")
    assert journal.hole(epoch, 8) == (8, "lost")
    journal.close()
    assert open_journal().hole(epoch, 4) == (5, "pruned"), "also after a restart"
