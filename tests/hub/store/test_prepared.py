"""Statements handed to the driver: the same answers, changes and errors as by SQLAlchemy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from hub.store.engine import Store
from hub.store.prepared import Prepared
from hub.store.tables_core import epochs, events, organisations, seals

AT = datetime(2026, 11, 24, 0, 30, 0, 120, tzinfo=UTC)
HERE = AT.astimezone(timezone(timedelta(hours=8)))
EPOCH = {
    "ctl": "c-1",
    "epoch": "e",
    "head": 3,
    "head_hash": "ab",
    "after_gap": True,
    "pending": [{"first": 5, "cause": "缺"}],
    "pred_epoch": "",
    "pred_seq": 0,
    "pred_hash": "0",
    "cause": "first",
    "standing": "open",
    "opened_at": HERE,
    "order": 1,
}
MADE = Prepared(epochs.insert().values({name: bindparam(name) for name in EPOCH}))
OF = epochs.c.epoch == bindparam("of_epoch")
FOUND = Prepared(select(epochs).where(OF, epochs.c.standing == "open").limit(7))
COUNTED = Prepared(select(func.count()).where(OF))
MOVED = Prepared(
    epochs.update()
    .where(OF)
    .values(opened_at=bindparam("at"), pending=bindparam("gaps"), cause="x")
)


def test_rows_are_read_and_written_as_by_a_statement(store: Store) -> None:
    with store.write() as conn:
        assert MADE.changed(conn, **EPOCH) == 1
        conn.execute(epochs.insert().values(EPOCH | {"epoch": "f"}))
    with store.read() as conn:
        mine, theirs = (FOUND.first(conn, of_epoch=one) for one in "ef")
        told = conn.execute(select(epochs).order_by(epochs.c.epoch)).all()
        assert COUNTED.value(conn, of_epoch="e") == 1
        assert COUNTED.all(conn, of_epoch="nothing") == [(0,)]
        assert FOUND.first(conn, of_epoch="nothing") is None
        assert FOUND.value(conn, of_epoch="nothing") is None
    assert [tuple(mine), tuple(theirs)] == [tuple(row) for row in told]
    assert mine.pending == EPOCH["pending"]
    assert (mine.opened_at, mine.opened_at.tzinfo) == (AT, UTC)
    assert mine.after_gap is True


def test_a_change_tells_how_many_rows_it_changed(store: Store) -> None:
    with store.write() as conn:
        MADE.changed(conn, **EPOCH)
        assert MOVED.changed(conn, of_epoch="e", at=AT + timedelta(days=1), gaps=[]) == 1
        assert MOVED.changed(conn, of_epoch="f", at=AT, gaps=[]) == 0
        row = conn.execute(select(epochs)).one()
    assert (row.opened_at, row.pending, row.cause) == (AT + timedelta(days=1), [], "x")


def test_what_the_database_refuses_is_a_statements_error(store: Store) -> None:
    with store.write() as conn:
        MADE.changed(conn, **EPOCH)
    with pytest.raises(IntegrityError), store.write() as conn:
        MADE.changed(conn, **EPOCH)
    with store.read() as conn:
        assert COUNTED.value(conn, of_epoch="e") == 1


def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    with store.write() as conn, pytest.raises(ValueError, match="aware"):
        MADE.changed(conn, **EPOCH | {"opened_at": datetime(2026, 11, 24)})  # noqa: DTZ001 - the point


def test_a_value_too_few_or_too_many_is_refused(store: Store) -> None:
    with store.read() as conn:
        with pytest.raises(TypeError, match="of_epoch"):
            FOUND.all(conn)
        with pytest.raises(TypeError, match="ctl"):
            FOUND.all(conn, of_epoch="e", ctl="c-1")


def test_a_table_of_the_mirror_is_refused(store: Store) -> None:
    """The driver tells no listener what was asked, and the mirror is one."""
    statement = Prepared(organisations.delete().where(organisations.c.id == bindparam("of_id")))
    with store.write() as conn, pytest.raises(ValueError, match="mirror"):
        statement.changed(conn, of_id="changsha")


def test_it_begins_a_transaction_where_there_is_none(store: Store) -> None:
    with store.engine.connect() as conn:
        MADE.changed(conn, **EPOCH)
        conn.rollback()
        MADE.changed(conn, **EPOCH | {"epoch": "f"})
        conn.commit()
    with store.read() as conn:
        assert [COUNTED.value(conn, of_epoch=one) for one in "ef"] == [0, 1]


def test_a_savepoint_that_is_undone_undoes_it(store: Store) -> None:
    with store.write() as conn:
        inner = conn.begin_nested()
        MADE.changed(conn, **EPOCH)
        inner.rollback()
        assert COUNTED.value(conn, of_epoch="e") == 0


def test_an_insertion_asks_for_nothing_back(store: Store) -> None:
    """A server would send the new number of each row."""
    fixed = {"ctl": "c-1", "first": 1, "header": b"h", "sigs": b"s", "recorded_at": AT}
    asked = {name: bindparam(name) for name in ("epoch", "last")}
    put = Prepared(seals.insert().inline().values(fixed | asked))
    with store.write() as conn:
        assert put.changed(conn, epoch="e", last=2) == 1
        row = conn.execute(select(seals)).one()
    assert (row.epoch, row.last, row.header, row.recorded_at) == ("e", 2, b"h", AT)


@pytest.mark.slow
def test_a_server_that_goes_away_is_an_error_of_the_database(served: Store) -> None:
    ended = pytest.raises(OperationalError)
    with ended, served.write() as conn:
        own = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with served.engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({int(own)}, 10000)"))
        Prepared(select(events)).all(conn)
    with served.read() as conn:
        assert Prepared(select(events)).all(conn) == []
