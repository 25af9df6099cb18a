"""The store on PostgreSQL: what it is made of, what it refuses, how it waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from hub.app import build
from hub.cli.initialise import init, new_hub_id
from hub.config import Config, ConfigError, load
from hub.store import engine
from hub.store.engine import Store, get_meta, set_meta
from hub.store.migrate import SchemaError, check, upgrade
from hub.store.tables_business import session_order
from hub.store.tables_core import events
from tests.hub.booking.town import (
    NOW,
)
from tests.hub.store.cluster import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def store(served: Store) -> Store:
    """The hub's tables in an empty database."""
    return served


def test_an_empty_database_gets_every_table_and_a_second_start_changes_nothing(
    store: Store,
) -> None:
    check(store)
    with store.read() as conn:
        before = conn.execute(text("SELECT count(*) FROM pg_class")).scalar_one()
    upgrade(store)
    check(store)
    with store.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM pg_class")).scalar_one() == before


DAMAGES = (
    ("DROP TRIGGER events_keep ON events", "events_keep"),
    ("ALTER TABLE events DISABLE TRIGGER events_keep", "events_keep"),
    ("DROP TRIGGER case_decision_is_final ON case_decision", "case_decision_is_final"),
    ("ALTER TABLE booking_station DROP CONSTRAINT booking_no_overlap", "booking_no_overlap"),
    ("ALTER TABLE rooms ADD COLUMN x TEXT", "unknown column rooms.x"),
    ("DROP TABLE notices", "no table notices"),
)


def test_a_database_that_differs_is_refused(store: Store) -> None:
    for damage, named in DAMAGES:
        with suppress(_UndoneError), store.write() as conn:
            conn.execute(text(damage))
            with pytest.raises(SchemaError, match=named):
                check(store)
            raise _UndoneError
    check(store)


class _UndoneError(Exception):
    """Rolls a transaction back."""


EVENT = {
    "ctl": "c-000000000000",
    "epoch": "0" * 32,
    "seq": 1,
    "hash": "0" * 64,
    "session": "",
    "type": "x",
    "raw": b"x",
    "recorded_at": NOW,
    "late": False,
}
ORDER = {
    "id": "o",
    "session": "s",
    "n": 1,
    "order": "open",
    "members": [],
    "venues": [],
    "by": {},
    "via": "hub",
    "raw": b"x",
    "issued_at": NOW,
}


@pytest.mark.parametrize(("table", "row"), [(events, EVENT), (session_order, ORDER)])
def test_what_was_recorded_or_ordered_is_never_rewritten(
    store: Store, table: Table, row: dict[str, Any]
) -> None:
    with store.write() as conn:
        conn.execute(table.insert().values(row))
    for act in ("UPDATE {} SET raw = raw", "DELETE FROM {}", "TRUNCATE {}"):
        refused = pytest.raises(IntegrityError, match=f"{table.name}_is_final")
        with refused, store.write() as conn:
            conn.execute(text(act.format(table.name)))
    with store.read() as conn:
        assert bytes(conn.execute(select(table.c.raw)).scalar_one()) == b"x"


def test_what_was_acknowledged_is_on_the_servers_disk(url: str, store: Store) -> None:
    name = url.rsplit("/", 1)[1]
    with store.write() as conn:
        conn.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    with closing(Store(url)) as fresh, fresh.read() as conn:
        assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        assert conn.execute(text("SHOW lock_timeout")).scalar_one() == "30s"


def test_a_reading_sees_one_state_whatever_is_written_meanwhile(store: Store) -> None:
    def generation(conn: Connection) -> str:
        return get_meta(conn, "generation", "1")

    with store.read() as conn:
        assert generation(conn) == "1"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_set_generation, store, "2").result()
        assert generation(conn) == "1"
    with store.read() as conn:
        assert generation(conn) == "2"


def _set_generation(store: Store, value: str) -> None:
    with store.write() as conn:
        set_meta(conn, "generation", value)


def test_lines_a_restarted_server_cut_are_replaced(store: Store) -> None:
    with store.read() as conn:
        assert get_meta(conn, "x") == ""
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> :own"
        " AND datname = current_database()"
    )
    with closing(Store(store.engine.url.render_as_string())) as other, other.write() as conn:
        own = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert True in conn.execute(cut, {"own": own}).scalars().all()
    _set_generation(store, "3")
    with store.read() as conn:
        assert get_meta(conn, "generation") == "3"


def test_a_writer_waits_for_the_other_process_and_not_for_ever(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    with closing(Store(url)) as other, store.write() as conn:
        set_meta(conn, "generation", "1")
        with pytest.raises(OperationalError, match="lock timeout"), other.write():
            raise AssertionError("two writers at once")
    with closing(Store(url)) as other, other.write() as conn:
        set_meta(conn, "generation", "2")


def test_a_hub_is_made_and_opened_on_it(url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    init(Config(data=data, hub=new_hub_id(), database=url))
    hub = build(load(data))
    with closing(hub), hub.store.read() as conn:
        assert hub.store.dialect == "postgresql"
        assert get_meta(conn, "hub") == hub.config.hub
    assert not (data / "hub.sqlite").exists()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    where = f"postgresql+psycopg://hub:secret@127.0.0.1:{free_port()}/evalroom"
    with pytest.raises(ConfigError, match=r"(?s)where.*expected.*got.*do:") as caught:
        build(Config(data=tmp_path, hub=new_hub_id(), database=where))
    assert "secret" not in str(caught.value)
