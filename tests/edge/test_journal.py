"""The journal: nothing written is lost, nothing rotten is served, every start is a new epoch."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.journal import (
    VALUE_BYTES_MAX,
    DiskFullError,
    Journal,
    LocalError,
    StorageError,
)
from edge.journal_file import SqlitePort, connect_sqlite
from protocols.evidence.tally import digest_of
from protocols.messages.event import GENESIS, decode_event, event_hash

CTL = "c-0123456789ab"
BOOT = "f651a081-60d9-4093-8922-d5d988498321"
START = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)


@dataclass
class Draft:
    type: str
    session: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class BenchClock:
    at: datetime = START
    ms: int = 1_000
    how: str = "ntp"

    def mono_ms(self) -> int:
        return self.ms

    def wall(self) -> datetime:
        return self.at

    def trust(self) -> str:
        return self.how


@pytest.fixture
def clock() -> BenchClock:
    return BenchClock()


Open = Callable[..., Journal]


@pytest.fixture
def open_journal(tmp_path: Path, clock: BenchClock) -> Iterator[Open]:
    opened: list[Journal] = []
    numbers = itertools.count(1)

    def open_(**changes: Any) -> Journal:
        settings: dict[str, Any] = {
            "ctl": CTL,
            "boot": BOOT,
            "clock": clock,
            "entropy": lambda n: next(numbers).to_bytes(n, "big"),
        }
        journal = Journal.open(tmp_path / "journal.db", **(settings | changes))
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        journal.close()


def notes(count: int, session: str = "") -> list[Draft]:
    return [Draft("fault.acked", session, {"fault": f"power-{i}", "by": "i"}) for i in range(count)]


def test_the_first_epoch_begins_with_nothing_before_it(open_journal: Open) -> None:
    journal = open_journal()

    first = decode_event(journal.rows(journal.epoch, 1)[0].line)

    assert (first.seq, first.type, first.prev) == (1, "epoch.opened", GENESIS)
    assert first.data == {"pred_epoch": "", "pred_seq": 0, "pred_hash": GENESIS, "cause": "start"}


def test_rows_are_chained_stamped_and_the_same_bytes_after_a_restart(open_journal: Open) -> None:
    journal = open_journal()
    written = journal.append(notes(3, "s-0123456789ab"))
    journal.close()

    again = open_journal()
    kept = again.rows(written[0].epoch, 1)

    assert [row.line for row in kept[1:]] == [row.line for row in written]
    for before, after in itertools.pairwise(kept):
        assert decode_event(after.line).prev == before.hash == event_hash(before.line)
    event = decode_event(written[-1].line)
    assert (event.ctl, event.boot, event.mono_ms) == (CTL, BOOT, 1_000)
    assert (event.at, event.at_trust) == ("2026-11-24T00:30:00.000Z", "ntp")


def test_each_start_is_a_new_epoch_that_names_the_tip_before_it(open_journal: Open) -> None:
    journal = open_journal()
    tip = journal.append(notes(2))[-1]
    journal.close()

    opened = open_journal()
    first = decode_event(opened.rows(opened.epoch, 1)[0].line)

    assert first.data["pred_epoch"] == tip.epoch
    assert (first.data["pred_seq"], first.data["pred_hash"]) == (3, tip.hash)
    assert first.prev == tip.hash
    assert [info.last for info in opened.epochs()] == [3, 1]


def test_a_record_over_16_kib_is_refused_and_nothing_of_its_step_is_written(
    open_journal: Open,
) -> None:
    journal = open_journal()

    with pytest.raises(LocalError, match="16384"):
        journal.append([*notes(1), Draft("help.called", "", {"text": "x" * 20_000})])

    assert journal.seq == 1
    assert journal.append(notes(1))[0].seq == 2


def test_a_batch_is_bounded_by_rows_and_by_bytes_but_never_empty(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(100))
    size = len(journal.rows(journal.epoch, 2, limit_events=1)[0].line)

    assert len(journal.rows(journal.epoch, 2, limit_events=64)) == 64
    assert len(journal.rows(journal.epoch, 2, limit_bytes=3 * size + 10)) == 3
    assert len(journal.rows(journal.epoch, 2, limit_bytes=1)) == 1
    assert journal.rows(journal.epoch, 102) == []


def test_an_ack_moves_the_cursor_back_and_forth_and_deletes_nothing(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(9))
    old = journal.epoch
    journal.open_epoch("reopen")

    journal.set_cursor(old, 10)
    assert (journal.cursor(), journal.outbox()) == ((journal.epoch, 0), 1)
    journal.set_cursor(journal.epoch, 1)
    assert (journal.cursor(), journal.outbox()) == ((journal.epoch, 1), 0)
    journal.set_cursor(old, 4)

    assert (journal.cursor(), journal.outbox()) == ((old, 4), 6)
    assert len(journal.rows(old, 1)) == 10
    for epoch, upto in ((old, 11), (old, -1), ("f" * 32, 1)):
        with pytest.raises(LocalError, match="cursor"):
            journal.set_cursor(epoch, upto)


def test_a_cursor_and_the_state_beside_it_move_together_or_not_at_all(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(3))

    journal.set_cursor(journal.epoch, 2, kv={"cursor": b"2"})
    with pytest.raises(LocalError, match="too large"):
        journal.set_cursor(journal.epoch, 3, kv={"cursor": b"x" * (VALUE_BYTES_MAX + 1)})

    assert (journal.acked(journal.epoch), journal.kv_get("cursor")) == (2, b"2")


def test_replay_gives_all_epochs_in_order_or_what_follows_a_place(open_journal: Open) -> None:
    journal = open_journal()
    for _ in range(7):
        journal.append(notes(100))
    old = journal.epoch
    journal.open_epoch("reopen")
    journal.append(notes(2))

    events = list(journal.replay())
    places = [(event.epoch, event.seq) for event in events]

    assert places == [(old, i) for i in range(1, 702)] + [(journal.epoch, i) for i in (1, 2, 3)]
    assert list(journal.replay((old, 700))) == events[700:]
    assert list(journal.replay((journal.epoch, 3))) == []


def test_replay_does_not_follow_the_clock(open_journal: Open, clock: BenchClock) -> None:
    journal = open_journal()
    journal.append(notes(2))
    clock.at -= timedelta(days=365)
    journal.append(notes(2))

    assert [event.seq for event in journal.replay()] == [1, 2, 3, 4, 5]


def rot(journal: Journal, seq: int) -> None:
    with sqlite3.connect(journal.path) as disk:
        disk.execute(
            "UPDATE event SET line = CAST(replace(CAST(line AS TEXT), 'power', 'pawer') AS BLOB)"
            " WHERE seq = ?",
            (seq,),
        )
    disk.close()


def test_a_rotten_row_is_never_served_and_becomes_a_named_gap(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(9))
    old = journal.epoch
    for seq in (4, 5):
        rot(journal, seq)

    assert [row.seq for row in journal.rows(old, 1)] == [1, 2, 3]
    assert journal.read_back(old, 4) is None
    assert journal.gap_end(old, 4) == 5
    assert journal.gap_end(old, 6) is None
    assert [event.seq for event in journal.replay()] == [1, 2, 3, 6, 7, 8, 9, 10]
    assert journal.rotten == [(old, 4), (old, 5)]

    opened, gap = journal.write_gap(old, 4, 5, "rot")

    assert decode_event(opened.line).data["pred_epoch"] == old
    assert decode_event(gap.line).data == {"epoch": old, "from": 4, "to": 5, "cause": "rot"}
    assert [row.seq for row in journal.rows(old, 6)] == [6, 7, 8, 9, 10]


def test_small_state_and_results_become_true_with_their_records(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(1), kv={"plan": b"1"}, results={"ab" * 16: b"done"})
    journal.kv_put("plan", b"2")

    with pytest.raises(LocalError):
        journal.append([Draft("Not A Type")], kv={"plan": b"3"})
    journal.close()
    journal = open_journal()

    assert journal.kv_get("plan") == b"2"
    assert journal.result_get("ab" * 16) == b"done"
    assert journal.kv_get("nothing") is None
    assert journal.result_get("cd" * 16) is None


def test_a_closed_session_is_counted_over_all_starts_without_other_sessions(
    open_journal: Open,
) -> None:
    journal = open_journal()
    journal.append([Draft("power.state"), Draft("session.prepared", "s-1")])
    journal.append([Draft("locker.opening", "s-1"), Draft("member.late", "s-2"), Draft("seat")])
    first = journal.epoch
    journal.close()
    again = open_journal()
    again.append([Draft("media.segment")])
    rows = again.append(
        [Draft("session.closed", "s-1"), Draft("note", "s-2"), Draft("session.sealed", "s-1")]
    )
    data = decode_event(rows[-1].line).data
    assert data == {
        "epochs": [
            {"epoch": first, "first": 3, "last": 6, "rows": 3, "digest": digest_of([3, 4, 6])},
            {
                "epoch": again.epoch,
                "first": 1,
                "last": 3,
                "rows": 3,
                "digest": digest_of([1, 2, 3]),
            },
        ],
        "untold": 0,
    }
    assert again.rows(again.epoch, 1)[-1].hash == rows[-1].hash


def test_a_session_nobody_prepared_has_nothing_to_count(open_journal: Open) -> None:
    journal = open_journal()
    (row,) = journal.append([Draft("session.sealed", "s-1")])
    assert decode_event(row.line).data == {"epochs": [], "untold": 0}


def test_a_full_disk_refuses_a_step_whole_and_takes_it_again_when_there_is_room(
    open_journal: Open,
) -> None:
    journal = open_journal()
    pages = journal.port.execute("PRAGMA page_count")[0][0]
    journal.port.execute(f"PRAGMA max_page_count = {pages + 2}")
    written = journal.seq

    def fill() -> None:
        nonlocal written
        for _ in range(100):
            written = journal.append(notes(20))[-1].seq

    with pytest.raises(DiskFullError):
        fill()
    journal.port.execute("PRAGMA max_page_count = 1000000")

    assert journal.seq == written == journal.epochs()[0].last
    assert journal.append(notes(20))[0].seq == written + 1


def test_a_second_writer_is_refused(open_journal: Open) -> None:
    open_journal()

    with pytest.raises(StorageError, match="only writer"):
        open_journal()


def test_a_store_that_is_not_durable_is_refused(open_journal: Open) -> None:
    class Careless(SqlitePort):
        def execute(self, sql: str, parameters: Any = ()) -> Any:
            return super().execute(sql.replace("= FULL", "= NORMAL"), parameters)

    def connect(path: Path) -> Careless:
        careless = connect_sqlite(path)
        return Careless(careless.path, careless.connection)

    with pytest.raises(StorageError, match="synchronous 2"):
        open_journal(connect=connect)
    assert open_journal().seq == 1, "the lock is free again"


def test_another_thread_reads_by_a_connection_that_cannot_write(open_journal: Open) -> None:
    journal = open_journal()
    journal.append(notes(5))
    seen: list[object] = []

    def uplink() -> None:
        reader = journal.reader()
        seen.append(len(reader.rows(journal.epoch, 1)))
        try:
            reader.port.execute("DELETE FROM event")
        except StorageError as error:
            seen.append("readonly" in str(error))
        reader.close()

    thread = threading.Thread(target=uplink)
    thread.start()
    thread.join(10)

    assert seen == [6, True]


def damage(path: Path, table: str) -> None:
    """Overwrites a page in the middle of a table with noise, as a dying card does."""
    with sqlite3.connect(path) as disk:
        disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = disk.execute("PRAGMA page_size").fetchone()[0]
        pages = [
            row[0]
            for row in disk.execute(
                "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,)
            )
        ]
    disk.close()
    with path.open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * size)
        file.write(b"\xa5" * size)


def dbstat_is_there() -> bool:
    try:
        sqlite3.connect(":memory:").execute("SELECT * FROM dbstat")
    except sqlite3.OperationalError:
        return False
    return True


@pytest.mark.skipif(not dbstat_is_there(), reason="this SQLite has no dbstat to find a page with")
def test_a_corrupt_store_is_kept_aside_and_what_is_sound_goes_on(
    open_journal: Open, tmp_path: Path
) -> None:
    journal = open_journal()
    journal.append(notes(200))
    journal.kv_put("plan", b"p")
    journal.set_cursor(journal.epoch, 60)
    old, tip = journal.epoch, journal.head
    lines = {row.seq: row.line for row in journal.rows(old, 1, 1_000, 10**9)}
    journal.close()
    damage(tmp_path / "journal.db", "event")

    again = open_journal()

    assert again.salvaged_as == tmp_path / "journal.db.bad-1"
    first = decode_event(again.rows(again.epoch, 1)[0].line)
    assert first.data == {
        "pred_epoch": old,
        "pred_seq": 201,
        "pred_hash": tip,
        "cause": "salvage",
    }
    kept = {event.seq for event in again.replay() if event.epoch == old}
    assert 100 < len(kept) < 201, "one page of rows is gone"
    assert {1, 201} <= kept, "both ends of the hole are saved"
    assert all(again.read_back(old, seq).line == lines[seq] for seq in kept)  # type: ignore[union-attr]
    hole = min(set(lines) - kept)
    assert again.gap_end(old, hole) == max(set(lines) - kept)
    assert (again.kv_get("plan"), again.acked(old)) == (b"p", 60)
    again.close()
    assert open_journal().salvaged_as is None, "the new file is sound"


def test_a_file_that_is_no_database_is_kept_aside_too(open_journal: Open, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"\x00garbage" * 4_096)

    journal = open_journal()

    assert (tmp_path / "journal.db.bad-1").read_bytes().startswith(b"\x00garbage")
    assert decode_event(journal.rows(journal.epoch, 1)[0].line).data["cause"] == "salvage"


WRITER = """
import os, sys
from pathlib import Path
from edge.clock import Clock
from edge.journal import Journal, Own
journal = Journal.open(Path(sys.argv[1]), ctl="c-0123456789ab", boot="b", clock=Clock(),
                       entropy=os.urandom)
while True:
    rows = journal.append([Own("help.called", "", {"n": journal.seq + 1})])
    print(rows[0].epoch, rows[0].seq, rows[0].hash, flush=True)
"""


def test_what_was_said_to_be_written_is_there_after_kill_9(
    open_journal: Open, tmp_path: Path
) -> None:
    said: list[list[str]] = []
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "journal.db")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert writer.stdout is not None
        said += [writer.stdout.readline().split() for _ in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        said += [line.split() for line in writer.stdout.read().splitlines() if line.count(" ") == 2]
        writer.stdout.close()
        writer.wait(10)

    journal = open_journal()

    assert len(said) >= 75
    for epoch, seq, digest in said:
        row = journal.read_back(epoch, int(seq))
        assert row is not None
        assert row.hash == digest
    assert len(journal.epochs()) == 4
