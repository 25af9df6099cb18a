"""What the database refuses by itself: triggers and constraints that a table cannot express.

Alembic's batch mode rebuilds tables and loses triggers, so they stand here, are made anew after
every migration and are compared with the database at every start.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from hub.store import tables_business

# (dialect, name, sql). Bytes once recorded are never rewritten, whatever a program tries.
_CORE: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "sqlite",
        "events_keep_bytes",
        "CREATE TRIGGER events_keep_bytes BEFORE UPDATE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events_keep_bytes'); END",
    ),
    (
        "sqlite",
        "events_keep_rows",
        "CREATE TRIGGER events_keep_rows BEFORE DELETE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events_keep_rows'); END",
    ),
    (
        "postgresql",
        "events_keep",
        "CREATE TRIGGER events_keep BEFORE UPDATE OR DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION row_is_final()",
    ),
    (
        "postgresql",
        "events_keep_all",
        "CREATE TRIGGER events_keep_all BEFORE TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION row_is_final()",
    ),
)


def schema_objects(dialect: str) -> tuple[tuple[str, str], ...]:
    """(name, sql) of every schema object of this engine, in the order they must be made."""
    own = [*tables_business.SCHEMA_OBJECTS, *_CORE]
    return tuple((name, sql) for engine, name, sql in own if engine == dialect)


def create_schema_objects(conn: Connection) -> None:
    """Makes what is missing; what stands already is left alone."""
    standing = _standing(conn)
    for name, sql in schema_objects(conn.dialect.name):
        if name not in standing:
            conn.execute(text(sql.replace(":", "\\:")))  # no parameters: colons are SQL's own


def missing_schema_objects(conn: Connection) -> list[str]:
    """Names of the objects that the database lacks or has with another text."""
    standing = _standing(conn)
    missing = []
    for name, sql in schema_objects(conn.dialect.name):
        found = standing.get(name)
        altered = conn.dialect.name == "sqlite" and found is not None and _flat(found) != _flat(sql)
        if found is None or altered:
            missing.append(name)
    return missing


def _flat(sql: str) -> str:
    return " ".join(sql.split()).rstrip(";")


def _standing(conn: Connection) -> dict[str, str]:
    if conn.dialect.name == "sqlite":
        rows = conn.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        return {str(name): str(sql) for name, sql in rows}
    rows = conn.execute(
        text(
            "SELECT tgname, '' FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
            " UNION ALL SELECT conname, '' FROM pg_constraint"
            " UNION ALL SELECT extname, '' FROM pg_extension"
            " UNION ALL SELECT proname, '' FROM pg_proc"
        )
    )
    return {str(name): str(sql) for name, sql in rows}
