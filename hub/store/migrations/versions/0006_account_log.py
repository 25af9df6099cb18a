"""What became of the accounts: sign-ins, failures, changes."""

import sqlalchemy as sa
from alembic import op

from hub.store.metadata import RowId, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what the first migration did not make: it makes the tables of the day it runs."""
    if sa.inspect(op.get_bind()).has_table("account_log"):
        return
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
