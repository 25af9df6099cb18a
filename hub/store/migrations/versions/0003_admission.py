"""Certificates for the broker, and enrolments over the wire."""

from alembic import op

from hub.store.tables_core import enrolments, tls_certificates

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes both tables where the first migration has not, which makes every table it knows."""
    for table in (tls_certificates, enrolments):
        table.create(op.get_bind(), checkfirst=True)
