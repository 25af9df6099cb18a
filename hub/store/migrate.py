"""Bringing a database to the tables of this program, and checking at every start that it is so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from hub.store import tables_business, tables_core
from hub.store.engine import Store
from hub.store.metadata import metadata
from hub.store.schema_objects import create_schema_objects, missing_schema_objects

SCRIPTS: Final = Path(__file__).parent / "migrations"
TABLE_MODULES: Final = (tables_core, tables_business)
"""Importing them fills `metadata`."""
VERSION_TABLE: Final = "alembic_version"
SHOWN: Final = 5


class SchemaError(Exception):
    """The database is not what this program expects; the text says where it differs."""


def upgrade(store: Store) -> None:
    """Runs the migrations that are missing, then makes triggers and constraints that are."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with store.write(mirrored=False) as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        create_schema_objects(conn)


def check(store: Store) -> None:
    """Compares the database with the tables and schema objects of this program.

    Raises:
        SchemaError: something differs; nothing was changed.
    """
    with store.read() as conn:
        found = [*_differences(conn), *missing_schema_objects(conn)]
    if found:
        raise SchemaError(
            "the database differs from this program\n"
            f"  where: {store.engine.url.render_as_string(hide_password=True)}\n"
            "  expected: the tables and triggers of this version\n"
            f"  got: {'; '.join(found[:SHOWN])}\n"
            "  do: run the version that wrote it, or restore a backup"
        )


def _differences(conn: Connection) -> list[str]:
    """Tables and columns only: constraints and triggers are `schema_objects`' own comparison."""
    there = {
        str(name): {str(column["name"]): column["nullable"] for column in columns}
        for (_, name), columns in inspect(conn).get_multi_columns().items()
        if name != VERSION_TABLE
    }
    wanted = {
        table.name: {column.name: bool(column.nullable) for column in table.columns}
        for table in metadata.sorted_tables
    }
    found = [f"no table {name}" for name in sorted(wanted.keys() - there.keys())]
    found += [f"unknown table {name}" for name in sorted(there.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & there.keys()):
        ours, theirs = wanted[name], there[name]
        found += [f"no column {name}.{one}" for one in ours.keys() - theirs.keys()]
        found += [f"unknown column {name}.{one}" for one in theirs.keys() - ours.keys()]
        found += [
            f"column {name}.{one} {'takes' if theirs[one] else 'refuses'} null"
            for one in ours.keys() & theirs.keys()
            if ours[one] is not theirs[one]
        ]
    return found
