"""The journal's schema and its steps; imported only when a file is not yet at the newest one.

The tools behind it cost 6 MiB of memory, which a room that has once started need not pay again.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

MIGRATIONS = Migrations("journal")


@MIGRATIONS()
def m001_journal(db: Database) -> None:
    """Epochs, events, small durable state, results of commands."""
    db.table("epoch").create(
        {
            "n": int,
            "epoch": str,
            "last": int,
            "last_hash": str,
            "pred_epoch": str,
            "pred_seq": int,
            "pred_hash": str,
            "cause": str,
            "acked": int,
        },
        pk="n",
        not_null={"epoch", "last", "last_hash", "pred_epoch", "pred_seq", "pred_hash", "cause"},
        defaults={"acked": 0},
        strict=True,
    )
    db.table("epoch").create_index(["epoch"], unique=True)
    db.table("event").create(
        {
            "id": int,
            "n": int,
            "seq": int,
            "line": bytes,
            "hash": str,
            "session": str,
            "type": str,
            "at": str,
            "trusted": int,
        },
        pk="id",
        not_null={"n", "seq", "line", "hash", "session", "type", "at", "trusted"},
        strict=True,
    )
    db.table("event").create_index(["n", "seq"], unique=True)
    db.table("kv").create({"key": str, "value": bytes}, pk="key", not_null={"value"}, strict=True)
    db.table("result").create(
        {"id": str, "value": bytes, "at": str}, pk="id", not_null={"value", "at"}, strict=True
    )


def bring_up(connection: sqlite3.Connection) -> None:
    """Applies what is missing."""
    MIGRATIONS.apply(Database(connection))
