"""The hub's database on a disk whose power can be cut: apsw behind SQLAlchemy's own dialect.

The room's journal reaches its disk through `ConnectionPort`; for the hub a handful of names of
Python's database interface is enough, because its engine asks SQLAlchemy for a connection and
`do_connect` lets another one be given.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw

from tests.edge.crash_disk import Disk

NEVER = 1 << 60
_names = itertools.count(1)


class Plate(Disk):
    """The disk of one machine between two starts of it."""

    def __init__(self) -> None:
        super().__init__(f"plate-{next(_names)}", NEVER)

    @property
    def dead(self) -> bool:
        """Whether the machine has stopped; every further access fails."""
        return self.left < 0

    def stop(self) -> None:
        """The machine stops now, if the disk did not stop it before."""
        self.left = -1

    def settle(self, path: Path, chance: random.Random, *, power: bool) -> None:
        """What the next start finds: with `power` cut, unsynced writes are lost, kept or torn."""
        if power:
            self.cut(path.parent, chance)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + "-shm").unlink()
        self.unregister()


def _theirs(error: apsw.Error) -> sqlite3.Error:
    kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else None
    return (kind or sqlite3.OperationalError)(str(error))


class Dbapi:
    """What SQLAlchemy needs of a connection. `after` runs behind each commit that stored events."""

    def __init__(self, connection: apsw.Connection, after: Callable[[apsw.Connection], None]):
        self.connection = connection
        self.isolation_level: str | None = None
        self._after = after
        self._stored = False
        self._shapes: dict[str, tuple[Any, ...] | None] = {}

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        cursor = self.cursor()
        cursor.execute(sql, parameters)
        return cursor

    def create_function(self, name: str, count: int, act: Any, **_: Any) -> None:
        self.connection.create_scalar_function(name, act, count)

    def commit(self) -> None:
        if self.connection.in_transaction:
            try:
                self.connection.execute("COMMIT")
            except apsw.Error as error:
                raise _theirs(error) from error
        if self._stored:
            self._stored = False
            self._after(self.connection)

    def rollback(self) -> None:
        self._stored = False
        if self.connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):
            self.connection.close(force=True)

    def run(self, sql: str, parameters: Any) -> tuple[list[Any], tuple[Any, ...] | None]:
        """All rows of one statement, and what its columns are called."""
        if sql.startswith("INSERT INTO events "):
            self._stored = True
        try:
            if sql in self._shapes:
                return list(self.connection.execute(sql, parameters)), self._shapes[sql]
            cursor = self.connection.cursor()
            shape: list[tuple[Any, ...]] = []

            def look(begun: apsw.Cursor, _sql: str, _bound: Any) -> bool:
                shape.append(begun.get_description())
                return True

            cursor.exec_trace = look
            rows = list(cursor.execute(sql, parameters))
        except apsw.Error as error:
            raise _theirs(error) from error
        columns = tuple((name, *[None] * 6) for name, _ in shape[-1]) if shape else ()
        self._shapes[sql] = columns or None
        return rows, columns or None

    def run_many(self, sql: str, rows: Iterable[Any]) -> None:
        if sql.startswith("INSERT INTO events "):
            self._stored = True
        try:
            self.connection.executemany(sql, rows)
        except apsw.Error as error:
            raise _theirs(error) from error


class Cursor:
    """One statement's answer, fetched at once."""

    arraysize = 1

    def __init__(self, owner: Dbapi) -> None:
        self.connection = owner
        self.description: tuple[Any, ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[Any] = []
        self._at = 0

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        self._rows, self.description = self.connection.run(sql, parameters)
        self._at = 0
        if self.description is None:
            self.rowcount = self.connection.connection.changes()
            self.lastrowid = self.connection.connection.last_insert_rowid()
        else:
            self.rowcount = -1
        return self

    def executemany(self, sql: str, rows: Iterable[Any]) -> Cursor:
        self.connection.run_many(sql, rows)
        return self

    def fetchone(self) -> Any:
        if self._at >= len(self._rows):
            return None
        self._at += 1
        return self._rows[self._at - 1]

    def fetchall(self) -> list[Any]:
        found, self._at = self._rows[self._at :], len(self._rows)
        return found

    def fetchmany(self, size: int = 1) -> list[Any]:
        found = self._rows[self._at : self._at + size]
        self._at += len(found)
        return found

    def close(self) -> None:
        self._rows = []
