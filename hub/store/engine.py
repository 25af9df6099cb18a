"""Connections and transactions: `Store.write()` and `Store.read()`, the same on both engines.

A write transaction takes SQLite's write lock at its first statement (`BEGIN IMMEDIATE`), because a
transaction that reads first and locks later fails under load however long it waits. Nested writes
of one thread join the outer one as savepoints. Before a transaction with a change that only the
hub knows is committed, its statements stand in the mirror, flushed to disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, select, update
from sqlalchemy.engine import make_url

from hub.store.mirror import Capture, Mirror
from hub.store.prepared import Prepared, driver_cursor
from hub.store.tables_core import meta

BUSY_TIMEOUT_MS: Final = 30_000
"""Another process (backup, `hub user`) may hold the lock; nobody holds it for half a minute."""
WRITERS_LOCK: Final = 0x65723101
"""Any number that nothing else in this database locks: `er1` and a one."""
WRITE_OPTION: Final = "evalroom_write"

_META: Final = Prepared(select(meta.c.value).where(meta.c.key == bindparam("of_key")))

_Acts = list[Callable[[], None]]


@dataclass(slots=True)
class _Open:
    """The write transaction a thread is in."""

    conn: Connection
    capture: Capture
    after: _Acts = field(default_factory=list)


def make_engine(url: str) -> Engine:
    """An engine with the pragmas and transaction behaviour the hub relies on.

    Args:
        url: SQLAlchemy URL, `sqlite:////data/hub.sqlite` or `postgresql+psycopg://…`.
    """
    served = make_url(url).get_backend_name() == "postgresql"
    # A server that was restarted or took over leaves dead lines in the pool: each is tried first.
    engine = create_engine(
        url, pool_size=16, max_overflow=16, pool_timeout=60, pool_pre_ping=served
    )
    if served:
        event.listen(engine, "connect", _on_connect_served)
    else:
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
    event.listen(engine, "before_cursor_execute", _on_execute)
    event.listen(engine, "savepoint", _on_savepoint)
    event.listen(engine, "release_savepoint", _on_release)
    event.listen(engine, "rollback_savepoint", _on_rewind)
    return engine


def _capture(conn: Connection) -> Capture | None:
    found = conn.get_execution_options().get("evalroom_capture")
    return found if isinstance(found, Capture) else None


def _on_savepoint(conn: Connection, _name: str) -> None:
    capture = _capture(conn)
    if capture is not None:
        capture.mark()


def _on_release(conn: Connection, _name: str, _context: object) -> None:
    capture = _capture(conn)
    if capture is not None:
        capture.release()


def _on_rewind(conn: Connection, _name: str, _context: object) -> None:
    capture = _capture(conn)
    if capture is not None:
        capture.rewind()


def _on_connect(dbapi: Any, _record: object) -> None:
    dbapi.isolation_level = None  # the driver must not begin anything by itself
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        dbapi.execute(f"PRAGMA {pragma}")


def _on_connect_served(dbapi: Any, _record: object) -> None:
    """What is acknowledged is on the server's disk; nobody waits for a lock for ever."""
    with dbapi.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("SET synchronous_commit = on")
    dbapi.commit()


def _on_begin(conn: Connection) -> None:
    writing = conn.get_execution_options().get(WRITE_OPTION, False)
    sql = "BEGIN IMMEDIATE" if writing else "BEGIN"
    with driver_cursor(conn, sql) as cursor:
        cursor.execute(sql)


def _on_execute(
    conn: Connection,
    _cursor: object,
    statement: str,
    parameters: Any,
    _context: object,
    executemany: bool,  # noqa: FBT001 - the signature is SQLAlchemy's
) -> None:
    capture = _capture(conn)
    if capture is not None and conn.dialect.name == "sqlite":
        capture.add(statement, parameters, many=executemany)


class Store:
    """The database of one hub.

    Args:
        url: SQLAlchemy URL.
        mirror: where statements are copied before a commit; None copies nothing.
    """

    def __init__(self, url: str, mirror: Mirror | None = None) -> None:
        self.engine = make_engine(url)
        self.mirror = mirror
        self._local = threading.local()
        # SQLite's own waiting is a lottery; in this process writers queue up here.
        self._writers = threading.RLock()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; inside a write of this thread, that transaction's own view."""
        current = self._current()
        if current is not None:
            yield current.conn
            return
        with self.engine.connect() as raw:
            # By itself PostgreSQL looks anew at every statement; one picture needs one snapshot.
            level = {"isolation_level": "REPEATABLE READ"} if self.dialect == "postgresql" else {}
            conn = raw.execution_options(**level)
            with conn.begin():
                yield conn

    @contextmanager
    def write(self, *, mirrored: bool = True) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Args:
            mirrored: False for what rooms send again (recording), which the mirror need not hold.
        """
        current = self._current()
        if current is not None:
            with current.conn.begin_nested():
                yield current.conn
            return
        with self._writers:
            after = yield from self._outermost(mirrored=mirrored)
        for act in after:
            act()

    def _outermost(self, *, mirrored: bool) -> Generator[Connection, None, _Acts]:
        capture = Capture(active=mirrored and self.mirror is not None)
        with self.engine.connect() as raw:
            conn = raw.execution_options(**{WRITE_OPTION: True, "evalroom_capture": capture})
            with conn.begin():
                if self.dialect == "postgresql":
                    # Row ids must become visible in their order: projections read behind a cursor.
                    conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
                opened = _Open(conn=conn, capture=capture)
                self._local.open = opened
                try:
                    yield conn
                    self._write_mirror(conn, capture)
                finally:
                    self._local.open = None
        return opened.after

    def after_commit(self, act: Callable[[], None]) -> None:
        """Runs `act` once this thread's transaction stands, before its `write()` returns.

        Outside a transaction it runs at once.
        """
        current = self._current()
        if current is None:
            act()
        else:
            current.after.append(act)

    def record_fact(self, raw: bytes) -> None:
        """Adds the bytes of one of the hub's own events to the mirror line of this transaction."""
        current = self._current()
        if current is not None:
            current.capture.add_fact(raw)

    def close(self) -> None:
        """Gives every connection back; the last one folds SQLite's log into the file."""
        self.engine.dispose()

    def _current(self) -> _Open | None:
        found: _Open | None = getattr(self._local, "open", None)
        return found

    def _write_mirror(self, conn: Connection, capture: Capture) -> None:
        if self.mirror is None or capture.empty:
            return
        n = int(get_meta(conn, "mirror_n", "0")) + 1
        capture.stop()
        set_meta(conn, "mirror_n", str(n))
        self.mirror.append(n, capture)


def get_meta(conn: Connection, key: str, default: str = "") -> str:
    """One value of the hub's own settings."""
    found = _META.value(conn, of_key=key)
    return default if found is None else str(found)


def set_meta(conn: Connection, key: str, value: str) -> None:
    """Writes one value of the hub's own settings."""
    changed = conn.execute(update(meta).where(meta.c.key == key).values(value=value))
    if changed.rowcount == 0:
        conn.execute(meta.insert().values(key=key, value=value))
