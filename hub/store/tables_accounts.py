"""Tables beside the accounts: what became of them, and who is who at an outside provider."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from hub.store.metadata import RowId, UtcDateTime, metadata

# Who is who at an outside provider (hub/accounts/vouching.py).
provider_subjects = Table(
    "provider_subjects",
    metadata,
    Column("person", ForeignKey("users.person"), primary_key=True),
    Column("issuer", String(200), nullable=False),
    Column("subject", String(255), nullable=False),
)
Index(
    "provider_subjects_once",
    provider_subjects.c.issuer,
    provider_subjects.c.subject,
    unique=True,
)

# What became of the accounts (hub/accounts/account_log.py): of failures one row each minute.
account_log = Table(
    "account_log",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("login", String(64), nullable=False),
    Column("what", String(24), nullable=False),
    Column("count", Integer, nullable=False),
    Column("origin", String(64), nullable=False),
    Column("browser", String(32), nullable=False),
    Column("by", String(32), nullable=False),
)
Index("account_log_of_login", account_log.c.login, account_log.c.what, account_log.c.at)
