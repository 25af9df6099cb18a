"""Hashes of lines that a seal covers and that were not recorded as they were sent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column where the tables were made before there was one."""
    known = {one["name"] for one in sa.inspect(op.get_bind()).get_columns("seals")}
    if "others" not in known:
        op.add_column("seals", sa.Column("others", sa.JSON))
