"""What became of the accounts, and who is who at an outside provider."""

import sqlalchemy as sa
from alembic import op

from hub.store.metadata import RowId, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what the first migration did not make: it makes the tables of the day it runs."""
    there = sa.inspect(op.get_bind())
    if not there.has_table("account_log"):
        op.create_table(
            "account_log",
            sa.Column("id", RowId, primary_key=True, autoincrement=True),
            sa.Column("at", UtcDateTime, nullable=False),
            sa.Column("login", sa.String(64), nullable=False),
            sa.Column("what", sa.String(24), nullable=False),
            sa.Column("count", sa.Integer, nullable=False),
            sa.Column("origin", sa.String(64), nullable=False),
            sa.Column("browser", sa.String(32), nullable=False),
            sa.Column("by", sa.String(32), nullable=False),
        )
        op.create_index("account_log_of_login", "account_log", ["login", "what", "at"])
    if "vouched" not in {one["name"] for one in there.get_columns("web_sessions")}:
        op.add_column("web_sessions", sa.Column("vouched", sa.Boolean))
    if not there.has_table("provider_subjects"):
        op.create_table(
            "provider_subjects",
            sa.Column("person", sa.String(16), sa.ForeignKey("users.person"), primary_key=True),
            sa.Column("issuer", sa.String(200), nullable=False),
            sa.Column("subject", sa.String(255), nullable=False),
        )
        op.create_index(
            "provider_subjects_once", "provider_subjects", ["issuer", "subject"], unique=True
        )
