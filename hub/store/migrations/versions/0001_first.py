"""All tables of the first version."""

from alembic import op

from hub.store.metadata import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table; triggers and constraints follow from `schema_objects`."""
    metadata.create_all(op.get_bind())
