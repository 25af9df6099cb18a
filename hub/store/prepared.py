"""Statements that every batch asks: put into SQL once, then handed to the driver as they are.

SQLAlchemy looks at a statement, its parameters and its listeners each time it runs, which takes
several times as long as SQLite takes to answer. Types, transactions and errors stay its own.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, UpdateBase
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from hub.store.mirror import is_mirrored

Value = Callable[[Any], Any]
"""How the driver wants a value, or what it means that the driver gave."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement as one driver takes it. `order`: of its parameters, None where it takes names."""

    sql: str
    fixed: Mapping[str, Any]
    asked: frozenset[str]
    bind: Mapping[str, Value]
    order: tuple[str, ...] | None
    read: tuple[tuple[int, Value], ...]
    row: Callable[[Any], Any]

    def given(self, values: dict[str, Any]) -> Any:
        """What the driver gets for these values, which are changed on the way."""
        if values.keys() != self.asked:
            raise TypeError(f"{self.sql}: expected {sorted(self.asked)}, got {sorted(values)}")
        for name, as_bound in self.bind.items():
            values[name] = as_bound(values[name])
        values.update(self.fixed)
        return values if self.order is None else [values[name] for name in self.order]


class Prepared:
    """One statement, of any values.

    Args:
        statement: with a `bindparam` for each value that differs; of an update, a delete or an
            insertion the table must be one that the mirror does not keep, for the driver tells
            nobody what was asked.
    """

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self._statement = statement
        self._ready: dict[str, _Ready] = {}

    def all(self, conn: Connection, **values: Any) -> list[Any]:
        """Every row, with its columns by name.

        Raises:
            sqlalchemy.exc.DBAPIError: as from any statement.
            TypeError: other values than the statement has places for.
        """
        ready = self._for(conn.dialect)
        joined(conn)
        with driver_cursor(conn, ready.sql) as cursor:
            cursor.execute(ready.sql, ready.given(values))
            found = cursor.fetchall()
        if ready.read:
            return [ready.row(_meant(row, ready.read)) for row in found]
        return [ready.row(row) for row in found]

    def first(self, conn: Connection, **values: Any) -> Any:
        """The first row, or None; raises as `all`."""
        rows = self.all(conn, **values)
        return rows[0] if rows else None

    def value(self, conn: Connection, **values: Any) -> Any:
        """The first column of the first row, or None; raises as `all`."""
        rows = self.all(conn, **values)
        return rows[0][0] if rows else None

    def changed(self, conn: Connection, **values: Any) -> int:
        """Runs it; how many rows it changed. Raises as `all`."""
        ready = self._for(conn.dialect)
        joined(conn)
        with driver_cursor(conn, ready.sql) as cursor:
            cursor.execute(ready.sql, ready.given(values))
            return int(cursor.rowcount)

    def _for(self, dialect: Dialect) -> _Ready:
        found = self._ready.get(dialect.name)
        if found is None:
            found = self._ready[dialect.name] = self._made(dialect)
        return found

    def _made(self, dialect: Dialect) -> _Ready:
        compiled: Any = self._statement.compile(dialect=dialect)
        sql = str(compiled)
        if is_mirrored(sql):
            raise ValueError(
                f"{sql}: expected a table the mirror does not keep; execute it instead"
            )
        asked = {name for name, one in compiled.binds.items() if one.required}
        bind = {
            name: process
            for name, one in compiled.binds.items()
            if (process := value_of(dialect, one.type)) is not None
        }
        fixed = {
            name: bind[name](value) if name in bind else value
            for name, value in compiled.params.items()
            if name not in asked
        }
        one = self._statement
        columns = list(one.selected_columns) if isinstance(one, Select) else []
        means = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]
        row: Any = _row_of([str(c.key) for c in columns])
        return _Ready(
            sql=sql,
            fixed=fixed,
            asked=frozenset(asked),
            bind={name: process for name, process in bind.items() if name in asked},
            order=tuple(compiled.positiontup) if compiled.positional else None,
            read=tuple((at, mean) for at, mean in enumerate(means) if mean is not None),
            row=row._make,
        )


def _row_of(names: Any) -> Any:
    return namedtuple("Row", names, rename=True)


def _meant(row: Any, read: tuple[tuple[int, Value], ...]) -> list[Any]:
    found = list(row)
    for at, one in read:
        found[at] = one(found[at])
    return found


def value_of(dialect: Dialect, kind: TypeEngine[Any]) -> Value | None:
    """How the driver wants a value of this type; None: as it is."""
    return kind.dialect_impl(dialect).bind_processor(dialect)


def joined(conn: Connection) -> None:
    """Begins a transaction where there is none, as any statement does."""
    if not conn.in_transaction():
        conn.begin()


@contextmanager
def driver_cursor(conn: Connection, sql: str) -> Iterator[Any]:
    """The driver's own cursor in this transaction; what it raises comes as a statement's error."""
    # Named by the dialect: a hub without a server never loads the server's driver.
    driver_error = conn.dialect.loaded_dbapi.Error
    cursor: Any = conn.connection.cursor()
    try:
        yield cursor
    except driver_error as error:
        # Callers know the errors of a statement, not those of a driver.
        raise DBAPIError.instance(sql, None, error, driver_error, dialect=conn.dialect) from error
    finally:
        cursor.close()
