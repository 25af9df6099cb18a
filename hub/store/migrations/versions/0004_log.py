"""The log over all recorders' rows, its checkpoints and who co-signs them."""

from alembic import op

from hub.store.tables_log import (
    log_checkpoint,
    log_cosignature,
    log_run,
    log_state,
    log_tile,
    log_witness,
)

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (log_state, log_tile, log_run, log_checkpoint, log_cosignature, log_witness)


def upgrade() -> None:
    """Makes the tables where the first version did not know them yet."""
    for table in TABLES:
        table.create(op.get_bind(), checkfirst=True)
