"""Many rows at once: as a statement would have written them, and refused as by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from hub.store.bulk import insert_rows
from hub.store.engine import Store
from hub.store.tables_core import events, organisations

AT = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
HERE = AT.astimezone(timezone(timedelta(hours=8)))
EACH = ("seq", "hash", "session", "type", "raw", "late")


def _row(n: int) -> tuple[object, ...]:
    return n, f"{n:064x}", "", "seat.state", b"\\x00\t\n\\." + bytes([n, 0, 255]), n == 2


def _bulk(store: Store, *numbers: int) -> None:
    shared = {"ctl": "c-1", "epoch": "e", "recorded_at": HERE}
    with store.write() as conn:
        insert_rows(conn, events, shared, EACH, [_row(n) for n in numbers])


def test_rows_are_those_a_statement_would_have_written(store: Store) -> None:
    _bulk(store, 2, 1)
    kind = "typeof" if store.dialect == "sqlite" else "pg_typeof"
    columns = ", ".join(f"{kind}({name})" for name in events.c.keys())  # noqa: SIM118 - of columns
    with store.write() as conn:
        for n in (2, 1):
            row = dict(zip(EACH, _row(n), strict=True))
            conn.execute(events.insert().values(ctl="c-1", epoch="f", recorded_at=HERE, **row))
        found = conn.execute(select(events).order_by(events.c.id)).all()
        kinds = {tuple(row) for row in conn.execute(text(f"SELECT {columns} FROM events"))}  # noqa: S608 - names of our own table
    assert [row.seq for row in found] == [2, 1, 2, 1]  # ids in the order they were given
    assert [row[3:] for row in found[:2]] == [row[3:] for row in found[2:]]
    assert found[0].recorded_at == AT
    assert len(kinds) == 1


def test_a_row_that_is_there_is_refused_and_nothing_is_written(store: Store) -> None:
    _bulk(store, 1)
    with pytest.raises(IntegrityError):
        _bulk(store, 2, 1)
    with store.read() as conn:
        assert conn.execute(select(events.c.seq)).scalars().all() == [1]


@pytest.mark.slow
def test_a_server_that_goes_away_is_an_error_of_the_database(served: Store) -> None:
    ended = pytest.raises(OperationalError)
    with ended, served.write() as conn:
        own = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with served.engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({int(own)}, 10000)"))
        shared = {"ctl": "c-1", "epoch": "e", "recorded_at": AT}
        insert_rows(conn, events, shared, EACH, [_row(1)])
    _bulk(served, 1)


def test_a_column_there_is_not_is_refused(store: Store) -> None:
    with store.write() as conn, pytest.raises(KeyError, match="nothing"):
        insert_rows(conn, events, {}, ("nothing",), [(1,)])


def test_a_table_of_the_mirror_is_refused(store: Store) -> None:
    with store.write() as conn, pytest.raises(ValueError, match="mirror"):
        insert_rows(conn, organisations, {}, ("id",), [("changsha",)])
