"""Transactions, the mirror and what the database itself refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from hub.store.engine import Store, get_meta, set_meta
from hub.store.migrate import SchemaError, check, upgrade
from hub.store.mirror import Mirror, MirrorError, is_mirrored
from hub.store.tables_core import births, events, meta, organisations

AT = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/hub.sqlite", Mirror(tmp_path / "mirror.jsonl"))
    upgrade(made)
    yield made
    made.close()


def _organisation(ident: str) -> dict[str, str]:
    return {"id": ident, "name": ident, "name_en": "", "level": "city", "kind": "assisting"}


def _ids(store: Store) -> set[str]:
    with store.read() as conn:
        return set(conn.execute(select(organisations.c.id)).scalars())


def test_a_new_database_is_what_the_program_expects(store: Store) -> None:
    def standing() -> list[str]:
        with store.read() as conn:
            return list(conn.execute(text("SELECT sql FROM sqlite_master ORDER BY name")).scalars())

    check(store)
    before = standing()
    upgrade(store)
    check(store)
    assert standing() == before


def test_a_database_of_the_first_version_is_brought_up(store: Store) -> None:
    with store.write() as conn:
        conn.execute(text("ALTER TABLE seals DROP COLUMN others"))
        conn.execute(text("DROP TABLE account_log"))
        conn.execute(text("DROP TABLE provider_subjects"))
        conn.execute(text("ALTER TABLE web_sessions DROP COLUMN vouched"))
        conn.execute(text("DROP TABLE second_factors"))
        conn.execute(text("DROP TABLE recovery_codes"))
        conn.execute(text("ALTER TABLE web_sessions DROP COLUMN address"))
        conn.execute(text("ALTER TABLE web_sessions DROP COLUMN agent"))
        conn.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(SchemaError, match="others"):
        check(store)
    upgrade(store)
    check(store)


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TRIGGER events_keep_bytes",
        "ALTER TABLE rooms ADD COLUMN x TEXT",
        "DROP TABLE notices",
        "ALTER TABLE rooms RENAME COLUMN name TO title",
        "CREATE TABLE more (x TEXT)",
    ],
)
def test_a_database_that_differs_is_refused(store: Store, damage: str) -> None:
    with store.write() as conn:
        conn.exec_driver_sql(damage)
    with pytest.raises(SchemaError, match="expected: the tables"):
        check(store)


def test_sqlite_runs_with_full_durability(store: Store) -> None:
    with store.read() as conn:
        assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert conn.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_recorded_bytes_are_never_rewritten(store: Store) -> None:
    row = {
        "ctl": "c-000000000000",
        "epoch": "0" * 32,
        "seq": 1,
        "hash": "0" * 64,
        "session": "",
        "type": "x",
        "raw": b"x",
        "recorded_at": AT,
        "late": False,
    }
    with store.write() as conn:
        conn.execute(events.insert().values(row))
    for statement in (events.update().values(raw=b"y"), events.delete()):
        with pytest.raises(IntegrityError, match="events_keep"), store.write() as conn:
            conn.execute(statement)
    with pytest.raises(IntegrityError, match="UNIQUE"), store.write() as conn:
        conn.execute(events.insert().values(row))


def test_moments_come_back_in_utc_and_naive_ones_are_refused(store: Store) -> None:
    beijing = AT.astimezone(timezone(timedelta(hours=8)))
    with store.write() as conn:
        conn.execute(births.insert().values(ctl="c-1", raw=b"", seen_at=beijing))
    with store.read() as conn:
        seen = conn.execute(select(births.c.seen_at)).scalar_one()
    assert (seen, seen.tzinfo) == (AT, UTC)
    with pytest.raises(StatementError, match="aware"), store.write() as conn:
        conn.execute(births.insert().values(ctl="c-2", raw=b"", seen_at=AT.replace(tzinfo=None)))


def test_a_nested_write_is_undone_alone(store: Store) -> None:
    ran: list[str] = []
    with store.write() as conn:
        conn.execute(organisations.insert().values(_organisation("outer")))
        with pytest.raises(IntegrityError), store.write() as inner:
            inner.execute(organisations.insert(), [_organisation("inner"), _organisation("inner")])
        store.after_commit(lambda: ran.append("outer"))
        assert ran == []
    assert ran == ["outer"]
    assert _ids(store) == {"outer"}
    (line,) = Mirror(store.mirror.path).lines(0) if store.mirror else ()
    assert [rows for _, rows in line.statements] == [(("outer", "outer", "", "city", "assisting"),)]


def test_nothing_is_committed_when_the_mirror_cannot_be_written(
    store: Store, tmp_path: Path
) -> None:
    store.mirror = Mirror(tmp_path / "no" / "such" / "folder")
    with pytest.raises(MirrorError, match="nothing was changed"), store.write() as conn:
        conn.execute(organisations.insert().values(_organisation("lost")))
    assert _ids(store) == set()


def test_the_mirror_counts_and_the_last_line_of_a_number_holds(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/hub.sqlite", Mirror(tmp_path / "mirror.jsonl"))
    upgrade(store)
    for ident in ("a", "b"):
        with store.write() as conn:
            conn.execute(organisations.insert().values(_organisation(ident)))
    with store.write() as conn:
        # As after a crash between the mirror's line and the commit.
        conn.execute(meta.update().where(meta.c.key == "mirror_n").values(value="1"))
        conn.exec_driver_sql("DELETE FROM organisations WHERE id = 'b'")
    found = list(Mirror(tmp_path / "mirror.jsonl").lines(0))
    assert [line.n for line in found] == [1, 2]
    assert all("b" not in str(line.statements) or "DELETE" in str(line) for line in found[1:])
    store.close()


@pytest.mark.parametrize(
    ("statement", "mirrored"),
    [
        ("INSERT INTO organisations (id) VALUES (?)", True),
        ('UPDATE "booking" SET state=?', True),
        ("DELETE FROM keys WHERE kid=?", True),
        ("INSERT INTO events (ctl) VALUES (?)", False),
        ("UPDATE cursors SET after_id=?", False),
        ("SELECT 1", False),
    ],
)
def test_the_mirror_holds_what_nobody_could_send_again(statement: str, mirrored: bool) -> None:
    assert is_mirrored(statement) is mirrored


def test_many_writers_wait_for_each_other(store: Store) -> None:
    def count() -> None:
        for _ in range(20):
            with store.write() as conn:
                set_meta(conn, "n", str(int(get_meta(conn, "n", "0")) + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as conn:
        assert get_meta(conn, "n") == "160"


def test_two_processes_writers_wait_for_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite"
    stores = [Store(url, Mirror(tmp_path / "mirror.jsonl")) for _ in range(3)]
    upgrade(stores[0])

    def count(store: Store) -> None:
        for _ in range(20):
            with store.write() as conn:
                set_meta(conn, "n", str(int(get_meta(conn, "n", "0")) + 1))

    threads = [threading.Thread(target=count, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with stores[0].read() as conn:
        assert get_meta(conn, "n") == "60"
        assert get_meta(conn, "mirror_n") == "60"
    assert [line.n for line in Mirror(tmp_path / "mirror.jsonl").lines(0)] == list(range(1, 61))
    for store in stores:
        store.close()
