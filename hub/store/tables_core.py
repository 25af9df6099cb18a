"""Tables of the record itself: streams, events, what could not be recorded, plans, people, keys.

Rows of `events` are the bytes a recorder wrote, once, in order, for ever. Everything that means
something is derived from them and can be derived again.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from hub.store.metadata import RowId, UtcDateTime, metadata
from hub.store.tables_accounts import account_log
from hub.store.tables_log import log_run, log_state, log_tile

meta = Table(
    "meta",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("level", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
)

pairings = Table(
    "pairings",
    metadata,
    Column("home", ForeignKey("organisations.id"), primary_key=True),
    Column("guest", ForeignKey("organisations.id"), primary_key=True),
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("org", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("room", String(24), nullable=False),
    Column("name", Text, nullable=False),
    Column("ctl", String(16), unique=True),
)

stations = Table(
    "stations",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("room", ForeignKey("rooms.id"), nullable=False, index=True),
    Column("org", String(32), nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("locker", Integer),
    Column("kind", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
)

controllers = Table(
    "controllers",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("place", ForeignKey("rooms.id"), nullable=False),
    Column("org", String(32), nullable=False, index=True),
    Column("sign_kid", String(16), nullable=False),
    Column("sign_pub", String(64), nullable=False),
    Column("seal_pub", String(64), nullable=False),
    Column("mqtt_user", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("enrolled_at", UtcDateTime, nullable=False),
    Column("held", Boolean, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("newest_epoch", String(32), nullable=False),
    Column("head_id", RowId, nullable=False),
    Column("seen_at", UtcDateTime),
)

epochs = Table(
    "epochs",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("head_hash", String(64), nullable=False),
    Column("after_gap", Boolean, nullable=False),
    Column("pending", JSON, nullable=False),
    Column("pred_epoch", String(32), nullable=False),
    Column("pred_seq", BigInteger, nullable=False),
    Column("pred_hash", String(64), nullable=False),
    Column("cause", String(32), nullable=False),
    Column("standing", String(16), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("order", Integer, nullable=False),
)
Index("epochs_by_order", epochs.c.ctl, epochs.c.order)
Index("epochs_by_pred", epochs.c.ctl, epochs.c.pred_epoch, epochs.c.pred_seq)
Index("epochs_by_standing", epochs.c.ctl, epochs.c.standing)

events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("ctl", String(16), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("session", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("late", Boolean, nullable=False),
    UniqueConstraint("ctl", "epoch", "seq", name="events_once"),
    sqlite_autoincrement=True,
)
Index("events_by_session", events.c.session, events.c.id)
Index("events_by_type", events.c.ctl, events.c.type, events.c.id)

seals = Table(
    "seals",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("ctl", String(16), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("sigs", LargeBinary, nullable=False),
    # [seq, hash] of lines it covers that were not recorded as sent; none usually.
    Column("others", JSON),
    Column("recorded_at", UtcDateTime, nullable=False),
)
Index("seals_by_range", seals.c.ctl, seals.c.epoch, seals.c.first)

forks = Table(
    "forks",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("ctl", String(16), nullable=False, index=True),
    Column("epoch", String(32), nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("cause", String(32), nullable=False),
    Column("told_in_epoch", String(32), nullable=False),
    Column("told_in_seq", BigInteger, nullable=False),
    UniqueConstraint("ctl", "told_in_epoch", "told_in_seq", name="gaps_once"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("ctl", String(16), nullable=False, index=True),
    Column("leaf", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("times", Integer, nullable=False),
    Column("raw", LargeBinary),
    Column("hour", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
Index("quarantine_by_hash", quarantine.c.ctl, quarantine.c.sha256)

notices = Table(
    "notices",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

births = Table(
    "births",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# What a controller last told of itself beside the record; the newest alone.
telemetry = Table(
    "telemetry",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# What the record says somebody must look at, derived from rows and facts; see `hub.alarms`.
alarm = Table(
    "alarm",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("alarm", String(48), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(48), nullable=False),
    Column("session", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    # The row it rests on: of the room's stream or of the hub's own.
    Column("source", String(16), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("found_later", Boolean, nullable=False),
    # Rows that say the same while it stands, and the last of them.
    Column("times", Integer, nullable=False),
    Column("last_id", RowId, nullable=False),
    Column("last_epoch", String(32), nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("returned_at", UtcDateTime),
    Column("over", Boolean, nullable=False),
)
Index("alarm_standing", alarm.c.over, alarm.c.ctl)

# Who acknowledged or closed an alarm, or acknowledged a room's own fault; derived from facts.
alarm_act = Table(
    "alarm_act",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("alarm", String(48), primary_key=True),
    Column("what", String(8), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(48), nullable=False),
    Column("post", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    # How far a closing reaches: rows of this stream that are sent again later stay closed.
    Column("upto_epoch", String(32), nullable=False),
    Column("upto_seq", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("handler", String(64), primary_key=True),
    Column("after_id", RowId, nullable=False),
)

unreadable = Table(
    "unreadable",
    metadata,
    Column("handler", String(64), primary_key=True),
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    # The body of a plan too large for a message, fetched by its hash; NULL when `raw` holds it.
    Column("body", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

outgoing = Table(
    "outgoing",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("held", Boolean, nullable=False),
)
Index("outgoing_open", outgoing.c.ctl, outgoing.c.state)

users = Table(
    "users",
    metadata,
    Column("person", String(16), primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("post", String(32), nullable=False, unique=True),
    Column("org", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("roles", JSON, nullable=False),
    Column("lang", String(8), nullable=False),
    Column("password", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("person", ForeignKey("users.person"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    # Where from and with what, for the person who looks whether a session is the own.
    Column("address", String(64)),
    Column("agent", String(120)),
    # An outside provider has seen a second factor (hub/accounts/vouching.py).
    Column("vouched", Boolean),
)

# Second factors: the secret sealed by a key of the hub; `step` is the last code's that counted.
second_factors = Table(
    "second_factors",
    metadata,
    Column("person", ForeignKey("users.person"), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

# What is written on paper for the day the telephone is lost; each opens once.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("person", ForeignKey("users.person"), nullable=False, index=True),
)

keys = Table(
    "keys",
    metadata,
    Column("kid", String(16), primary_key=True),
    Column("owner_kind", String(16), nullable=False),
    Column("owner", String(48), nullable=False, index=True),
    Column("pub", String(64), nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("retired_epoch", String(32)),
    Column("retired_seq", Integer),
    Column("created_at", UtcDateTime, nullable=False),
)

# Wrong PINs and passwords of keys, by who holds them; a right one removes the row.
secret_tries = Table(
    "secret_tries",
    metadata,
    Column("holder", String(48), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("boot", String(40), nullable=False),
    Column("mono_ms", BigInteger, nullable=False),
)

# A key may be wrapped by several holders' secrets: one row each, the key itself stands nowhere.
key_wraps = Table(
    "key_wraps",
    metadata,
    Column("kid", ForeignKey("keys.kid"), primary_key=True),
    Column("holder", String(48), primary_key=True),
    Column("wrapped", JSON, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("kid", String(16), primary_key=True),
    Column("org", String(32), primary_key=True),
    Column("subject", String(64), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("stored_at", UtcDateTime),
)

blob_refs = Table(
    "blob_refs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("stream", String(48), nullable=False),
    Column("session", String(64), nullable=False, index=True),
)
Index("blob_refs_by_stream", blob_refs.c.ctl, blob_refs.c.stream)

# Who is let in at the broker (hub/keys/admission.py) and who asks to be (hub/fleet/enrolments.py).
tls_certificates = Table(
    "tls_certificates",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("ctl", String(16), nullable=False, index=True),
    Column("from_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("reason", String(80), nullable=False),
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("org", ForeignKey("organisations.id"), nullable=False, index=True),
    Column("room", String(24), nullable=False),
    Column("name", Text, nullable=False),
    Column("stations", Integer),
    Column("state", String(16), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False),
    Column("request", JSON),
    Column("fingerprint", String(64), nullable=False),
    Column("ctl", String(16), nullable=False),
    Column("decided_by", String(64), nullable=False),
)

# What the mirror never carries: rooms send these again, or they are derived from what they send.
NOT_MIRRORED = frozenset(
    table.name
    for table in (
        streams,
        epochs,
        events,
        seals,
        forks,
        gaps,
        quarantine,
        notices,
        births,
        telemetry,
        alarm,
        alarm_act,
        cursors,
        unreadable,
        blobs,
        blob_refs,
        web_sessions,
        account_log,
        secret_tries,
        log_state,
        log_tile,
        log_run,
    )
)
