"""Many rows of one table at once, by the driver's own way: recording is most of what a hub writes.

SQLAlchemy looks at every value of every row; here the values that all rows share are looked at
once, and the others are handed to the driver as they are. PostgreSQL takes them by `COPY`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

Rows = Sequence[tuple[Any, ...]]
_STATEMENTS: Final = 64
"""Shapes of rows whose statement is kept: this program has a handful."""


def insert_rows(
    conn: Connection, table: Table, shared: Mapping[str, Any], names: tuple[str, ...], rows: Rows
) -> None:
    """Inserts rows, in their order.

    Args:
        conn: the open transaction.
        table: where they go.
        shared: columns with the same value in all rows; of any type.
        names: the other columns; texts, whole numbers, truth values and bytes alone.
        rows: their values, in the order of `names`.

    Raises:
        sqlalchemy.exc.DBAPIError: as from any statement.
    """
    columns = (*shared, *names)
    same = tuple(_bound(conn.dialect, table, name, value) for name, value in shared.items())
    if conn.dialect.name == "postgresql":
        _copy(conn, _statement(table, columns, served=True), [same + row for row in rows])
    else:
        statement = _statement(table, columns, served=False)
        conn.exec_driver_sql(statement, [same + row for row in rows])


@lru_cache(_STATEMENTS)
def _statement(table: Table, columns: tuple[str, ...], *, served: bool) -> str:
    for name in columns:
        table.c[name]  # KeyError: not a column of this table
    named = ", ".join(f'"{name}"' for name in columns)
    if served:
        return f"COPY {table.name} ({named}) FROM STDIN"
    return f"INSERT INTO {table.name} ({named}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of our own table


def _bound(dialect: Dialect, table: Table, name: str, value: object) -> object:
    """A value as the driver wants it of this column."""
    process = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return value if process is None else process(value)


def _copy(conn: Connection, statement: str, rows: Rows) -> None:
    raw: Any = conn.connection.cursor()
    # Named by the dialect: a hub without a server never loads the server's driver.
    driver_error = conn.dialect.loaded_dbapi.Error
    try:
        with raw.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver_error as error:
        # Callers know the errors of a statement, not those of a driver.
        raise DBAPIError.instance(
            statement, None, error, driver_error, dialect=conn.dialect
        ) from error
    finally:
        raw.close()
