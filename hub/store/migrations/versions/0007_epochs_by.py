"""What is asked of a room's epochs with each batch, however many it has."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what the first migration did not make: it makes the tables of the day it runs."""
    known = {one["name"] for one in sa.inspect(op.get_bind()).get_indexes("epochs")}
    for name, columns in (
        ("epochs_by_order", ["ctl", "order"]),
        ("epochs_by_pred", ["ctl", "pred_epoch", "pred_seq"]),
        ("epochs_by_standing", ["ctl", "standing"]),
    ):
        if name not in known:
            op.create_index(name, "epochs", columns)
