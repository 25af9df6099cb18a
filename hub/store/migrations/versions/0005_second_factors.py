"""Second factors, their recovery codes, and where a session was opened from."""

import sqlalchemy as sa
from alembic import op

from hub.store.metadata import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what the first migration did not make: it makes the tables of the day it runs."""
    there = sa.inspect(op.get_bind())
    known = {one["name"] for one in there.get_columns("web_sessions")}
    for column in (sa.Column("address", sa.String(64)), sa.Column("agent", sa.String(120))):
        if column.name not in known:
            op.add_column("web_sessions", column)
    if not there.has_table("second_factors"):
        op.create_table(
            "second_factors",
            sa.Column("person", sa.String(16), sa.ForeignKey("users.person"), primary_key=True),
            sa.Column("sealed", sa.Text, nullable=False),
            sa.Column("confirmed", sa.Boolean, nullable=False),
            sa.Column("step", sa.BigInteger, nullable=False),
            sa.Column("made_at", UtcDateTime, nullable=False),
        )
    if not there.has_table("recovery_codes"):
        op.create_table(
            "recovery_codes",
            sa.Column("sha256", sa.String(64), primary_key=True),
            sa.Column(
                "person", sa.String(16), sa.ForeignKey("users.person"), nullable=False, index=True
            ),
        )
