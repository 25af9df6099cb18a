"""Bringing a database to the tables of this program, and checking at every start that it is so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from hub.store import tables_business, tables_core
from hub.store.engine import Store
from hub.store.metadata import metadata
from hub.store.schema_objects import create_schema_objects, missing_schema_objects

SCRIPTS: Final = Path(__file__).parent / "migrations"
TABLE_MODULES: Final = (tables_core, tables_business)
"""Importing them fills `metadata`."""
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
    context = MigrationContext.configure(conn, opts={"compare_type": False})
    skipped = {"add_constraint", "remove_constraint", "add_index", "remove_index", "add_fk"}
    found = []
    for change in compare_metadata(context, metadata):
        name = change[0] if isinstance(change, tuple) else "modify"
        if name not in skipped:
            found.append(f"{name} {getattr(change[1], 'name', change[1:4])}")
    return found
