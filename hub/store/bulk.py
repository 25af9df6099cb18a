"""Many rows of one table at once, by the driver's own way: recording is most of what a hub writes.

SQLAlchemy looks at every value of every row; here the values that all rows share are looked at
once, and the others are handed to the driver as they are. PostgreSQL takes them by `COPY`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Table

from hub.store.prepared import driver_cursor, joined, value_of
from hub.store.tables_core import NOT_MIRRORED

Rows = Sequence[tuple[Any, ...]]
_STATEMENTS: Final = 64
"""Shapes of rows whose statement is kept: this program has a handful."""


def insert_rows(
    conn: Connection, table: Table, shared: Mapping[str, Any], names: tuple[str, ...], rows: Rows
) -> None:
    """Inserts rows, in their order.

    Args:
        conn: the open transaction.
        table: where they go; one that the mirror does not keep, which is not told of them.
        shared: columns with the same value in all rows; of any type.
        names: the other columns; texts, whole numbers, truth values and bytes alone.
        rows: their values, in the order of `names`.

    Raises:
        sqlalchemy.exc.DBAPIError: as from any statement.
        ValueError: a table of the mirror.
    """
    if table.name not in NOT_MIRRORED:
        raise ValueError(f"{table.name}: expected a table the mirror does not keep")
    joined(conn)
    columns = (*shared, *names)
    bound = {name: value_of(conn.dialect, table.c[name].type) for name in shared}
    same = tuple(
        value if (process := bound[name]) is None else process(value)
        for name, value in shared.items()
    )
    if conn.dialect.name == "postgresql":
        _copy(conn, _statement(table, columns, served=True), [same + row for row in rows])
    else:
        statement = _statement(table, columns, served=False)
        _executed(conn, statement, [same + row for row in rows])


@lru_cache(_STATEMENTS)
def _statement(table: Table, columns: tuple[str, ...], *, served: bool) -> str:
    for name in columns:
        table.c[name]  # KeyError: not a column of this table
    named = ", ".join(f'"{name}"' for name in columns)
    if served:
        return f"COPY {table.name} ({named}) FROM STDIN"
    return f"INSERT INTO {table.name} ({named}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of our own table


def _executed(conn: Connection, statement: str, rows: Rows) -> None:
    with driver_cursor(conn, statement) as cursor:
        cursor.executemany(statement, rows)


def _copy(conn: Connection, statement: str, rows: Rows) -> None:
    with driver_cursor(conn, statement) as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
