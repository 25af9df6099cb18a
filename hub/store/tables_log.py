"""Tables of the log over all recorders' rows, its checkpoints and who co-signs them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table

from hub.store.metadata import RowId, UtcDateTime, metadata

# The log over all recorders' rows (`hub.transparency`): one line per origin, the newest counts.
log_state = Table(
    "log_state",
    metadata,
    Column("origin", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    # The row read last, and the row that was put in front of all others, 0 for none.
    Column("after_id", RowId, nullable=False),
    Column("first_id", RowId, nullable=False),
    # Hashes of its complete subtrees, the largest first.
    Column("peaks", LargeBinary, nullable=False),
)

# 256 hashes of complete subtrees of 256^level leaves; the last one of a level is not full.
log_tile = Table(
    "log_tile",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("tile", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

# Where rows whose ids follow one another stand in the log: most logs are one such run.
log_run = Table(
    "log_run",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("first_index", BigInteger, primary_key=True),
    Column("first_id", RowId, nullable=False),
)

log_checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("root", String(64), nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

log_cosignature = Table(
    "log_cosignature",
    metadata,
    Column("origin", Integer, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("ctl", String(16), primary_key=True),
    Column("line", LargeBinary, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# Controllers that the trust file names as witnesses: those of before stay in it.
log_witness = Table(
    "log_witness",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("org", String(32), nullable=False, index=True),
    Column("pub", String(64), nullable=False),
    Column("chosen_at", UtcDateTime, nullable=False),
)
