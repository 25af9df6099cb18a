"""Tables of booking, session, contingency and archive, and what the database itself refuses.

Two rules live in the database because a check before the write is never enough: two bookings never
hold one station at one time (`booking_no_overlap`), and what a person decided, ordered or stated is
never rewritten. JSON columns hold what is shown and exported, never what is searched.
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

from hub.store.metadata import UtcDateTime, metadata

# States in which a row of booking_station keeps others out. A request already holds the slot.
HOLDING_STATES = ("requested", "accepted", "confirmed", "in_use")
_HOLDING_SQL = ", ".join(f"'{state}'" for state in HOLDING_STATES)

booking = Table(
    "booking",
    metadata,
    Column("number", String(24), primary_key=True),
    Column("session", String(16), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("project_code", String(64), nullable=False),
    Column("project_kind", String(32), nullable=False),
    Column("predecessor", String(24)),
    # The booking this one was moved from; its stations were given back in the same transaction.
    Column("replaces", String(24)),
    Column("home_org", String(32), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("start_at", UtcDateTime, nullable=False, index=True),
    Column("duration_min", Integer, nullable=False),
    Column("occupied_from", UtcDateTime, nullable=False),
    Column("occupied_to", UtcDateTime, nullable=False),
    Column("draw", JSON, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("exception", JSON),
    Column("salt", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("requested_by", String(16), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("published_n", Integer, nullable=False, server_default="0"),
    Column("ended_at", UtcDateTime),
)

booking_venue = Table(
    "booking_venue",
    metadata,
    Column("booking", ForeignKey("booking.number"), primary_key=True),
    Column("org", String(32), primary_key=True),
    Column("role", String(8), nullable=False),
    Column("place", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("experts", Integer, nullable=False),
    Column("tenderer_reps", Integer, nullable=False),
    Column("meal_fen", Integer),
    Column("decided_by", String(16)),
    Column("decided_at", UtcDateTime),
    Column("reason", Text, nullable=False, server_default=""),
)

booking_station = Table(
    "booking_station",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("booking", ForeignKey("booking.number"), nullable=True),
    Column("kind", String(8), nullable=False),
    Column("org", String(32), nullable=False),
    Column("station_id", String(48), nullable=False),
    Column("state", String(16), nullable=False),
    Column("occupied_from", UtcDateTime, nullable=False),
    Column("occupied_to", UtcDateTime, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    UniqueConstraint("booking", "station_id", name="booking_station_once"),
)
Index("booking_station_slot", booking_station.c.station_id, booking_station.c.occupied_from)

booking_member = Table(
    "booking_member",
    metadata,
    Column("booking", ForeignKey("booking.number"), primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("org", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("station", Integer),
    Column("locker", Integer),
    Column("tag", String(64), nullable=False),
    Column("masked", JSON, nullable=False),
    Column("entered_by", String(16), nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
)

# Identities are a record of their own: erasing destroys `key_wrapped`, the rest stays.
booking_identity = Table(
    "booking_identity",
    metadata,
    Column("booking", ForeignKey("booking.number"), primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("key_wrapped", Text),
    Column("erased_at", UtcDateTime),
)

booking_duty = Table(
    "booking_duty",
    metadata,
    Column("booking", ForeignKey("booking.number"), primary_key=True),
    Column("person", String(16), primary_key=True),
    Column("org", String(32), nullable=False),
    Column("post", String(32), nullable=False),
    Column("role", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("kid", String(16)),
    Column("pub", String(64)),
    Column("wrapped", JSON),
    Column("cert", LargeBinary),
    Column("confirmed_at", UtcDateTime),
)

# What each controller's plan carries of a session; the fleet puts the plan together and signs it.
session_plan = Table(
    "session_plan",
    metadata,
    Column("session", String(16), primary_key=True),
    Column("ctl", String(16), primary_key=True),
    Column("booking", ForeignKey("booking.number"), nullable=False),
    Column("org", String(32), nullable=False),
    Column("body", JSON, nullable=False),
    Column("certs", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
)

# A key is claimed before its act begins and answered after it; `body` is empty until then.
idempotent_reply = Table(
    "idempotent_reply",
    metadata,
    Column("person", String(16), primary_key=True),
    Column("key", String(80), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

session_order = Table(
    "session_order",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("session", String(16), nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("order", String(24), nullable=False),
    Column("members", JSON, nullable=False),
    Column("venues", JSON, nullable=False),
    Column("committee", String(16)),
    Column("by", JSON, nullable=False),
    Column("via", String(8), nullable=False),
    Column("origin_ctl", String(16)),
    Column("raw", LargeBinary, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    UniqueConstraint("session", "n", "id", name="session_order_once"),
)
Index("session_order_by_session", session_order.c.session, session_order.c.n)

session_statement = Table(
    "session_statement",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("session", String(16), nullable=False, index=True),
    Column("member", Integer, nullable=False),
    Column("document", String(24), nullable=False),
    Column("outcome", String(24), nullable=False),
    Column("digest", String(128), nullable=False),
    Column("by", JSON, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

# What was recorded of a stream, joined while segments follow each other; gaps stand by themselves.
av_lane = Table(
    "av_lane",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ctl", String(16), nullable=False),
    Column("stream", String(48), nullable=False),
    Column("from_at", UtcDateTime, nullable=False),
    Column("to_at", UtcDateTime, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
Index("av_lane_by_stream", av_lane.c.ctl, av_lane.c.stream, av_lane.c.to_at)

av_gap = Table(
    "av_gap",
    metadata,
    Column("ctl", String(16), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("stream", String(48), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("from_at", UtcDateTime, nullable=False),
    Column("to_at", UtcDateTime, nullable=False),
    Column("ms", Integer, nullable=False),
    Column("cause", Text, nullable=False),
)

contingency_case = Table(
    "contingency_case",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("drill", Boolean, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("org", String(32), nullable=False, index=True),
    Column("place", String(40), nullable=False),
    Column("session", String(16), nullable=False, index=True),
    Column("booking", String(24)),
    Column("phase", String(16), nullable=False),
    Column("priority", String(4), nullable=False),
    Column("article", String(64), nullable=False),
    Column("limit_s", Integer),
    Column("rule", JSON, nullable=False),
    Column("pack_hash", String(64), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("scope_proposed", String(12), nullable=False),
    Column("scope", String(12)),
    Column("scope_by", String(16)),
    Column("found_later", Boolean, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("elapsed_ms", Integer, nullable=False),
    Column("mark_mono_ms", Integer),
    Column("mark_boot", String(40)),
    Column("mark_wall", UtcDateTime, nullable=False),
    Column("mark_trusted", Boolean, nullable=False),
    Column("exact", Boolean, nullable=False),
    Column("cleared_at", UtcDateTime),
    Column("acked_by", String(16)),
    Column("acked_at", UtcDateTime),
    Column("closed_by", String(16)),
    Column("closed_at", UtcDateTime),
    Column("summary", Text, nullable=False, server_default=""),
    UniqueConstraint("drill", "number", name="contingency_case_number"),
)

# Every fault a case stands for: the room's own and what the hub itself noticed. A fault of a room
# belongs to each session running there, so it may stand in several cases.
case_fault = Table(
    "case_fault",
    metadata,
    Column("case", ForeignKey("contingency_case.id"), primary_key=True),
    Column("ctl", String(16), primary_key=True),
    Column("fault", String(48), primary_key=True),
    Column("n", Integer, nullable=False),
    Column("source", String(8), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("cleared_at", UtcDateTime),
)

Index("case_fault_of", case_fault.c.ctl, case_fault.c.fault)

case_step = Table(
    "case_step",
    metadata,
    Column("case", ForeignKey("contingency_case.id"), primary_key=True),
    Column("key", String(48), primary_key=True),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("by", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

case_entry = Table(
    "case_entry",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("case", ForeignKey("contingency_case.id"), nullable=False, index=True),
    Column("what", String(24), nullable=False),
    Column("data", JSON, nullable=False),
    Column("by", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

case_decision = Table(
    "case_decision",
    metadata,
    Column("case", ForeignKey("contingency_case.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("option", String(32), nullable=False),
    Column("scope", String(12), nullable=False),
    Column("decided_by", JSON, nullable=False),
    Column("recorded_by", JSON, nullable=False),
    Column("second", JSON),
    Column("reason", Text, nullable=False),
    Column("basis", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("proof", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

case_seal = Table(
    "case_seal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("case", ForeignKey("contingency_case.id"), nullable=False, index=True),
    Column("action", String(8), nullable=False),
    Column("seal_no", String(64), nullable=False),
    Column("what", Text, nullable=False),
    Column("persons", JSON, nullable=False),
    Column("photo_sha256", String(64)),
    Column("at", UtcDateTime, nullable=False),
)

appraisal = Table(
    "appraisal",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("session", String(16), nullable=False, index=True),
    Column("member", Integer, nullable=False),
    Column("org", String(32), nullable=False),
    Column("items", JSON, nullable=False),
    Column("points", Integer, nullable=False),
    Column("remark", Text, nullable=False),
    Column("by", String(16), nullable=False),
    Column("post", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

package = Table(
    "package",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("session", String(16), nullable=False, index=True),
    Column("booking", String(24), nullable=False),
    Column("org", String(32), nullable=False),
    Column("role", String(8), nullable=False),
    Column("state", String(12), nullable=False),
    Column("path", Text, nullable=False),
    Column("stage", String(24), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("tag_sha256", String(64)),
    Column("files", Integer),
    Column("bytes", BigInteger),
    Column("notes", JSON, nullable=False),
    Column("error", JSON),
    Column("built_by", String(16), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("built_at", UtcDateTime),
    Column("verify_code", Integer),
    Column("verify_report", JSON),
    Column("verified_at", UtcDateTime),
)

package_receipt = Table(
    "package_receipt",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("package", ForeignKey("package.id"), nullable=False, index=True),
    Column("verdict", String(12), nullable=False),
    Column("gaps", JSON, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("by", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

access_record = Table(
    "access_record",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("person", String(16), nullable=False),
    Column("post", String(32), nullable=False),
    Column("act", String(24), nullable=False),
    Column("object", String(80), nullable=False, index=True),
)

# Rows that no program may rewrite: who decided, ordered, stated, appraised, receipted, looked.
IMMUTABLE_TABLES = (
    "case_decision",
    "case_seal",
    "case_entry",
    "session_order",
    "session_statement",
    "appraisal",
    "package_receipt",
    "access_record",
)

_SQLITE_OVERLAP = """
CREATE TRIGGER {name} BEFORE {event} ON booking_station
WHEN NEW.state IN ({holding})
BEGIN
  SELECT RAISE(ABORT, 'booking_no_overlap') WHERE EXISTS (
    SELECT 1 FROM booking_station AS held
    WHERE held.station_id = NEW.station_id AND held.id <> {own}
      AND held.state IN ({holding})
      AND held.occupied_from < NEW.occupied_to AND NEW.occupied_from < held.occupied_to);
END"""

_POSTGRES_OVERLAP = f"""
ALTER TABLE booking_station ADD CONSTRAINT booking_no_overlap EXCLUDE USING gist
 (station_id WITH =, tstzrange(occupied_from, occupied_to, '[)') WITH &&)
 WHERE (state IN ({_HOLDING_SQL}))"""

_SQLITE_KEEP = """
CREATE TRIGGER {name} BEFORE {event} ON {table}
BEGIN SELECT RAISE(ABORT, '{table}_is_final'); END"""

_POSTGRES_KEEP_FUNCTION = """
CREATE OR REPLACE FUNCTION row_is_final() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%_is_final', TG_TABLE_NAME USING ERRCODE = '23514'; END $$"""

_POSTGRES_KEEP = """
CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION row_is_final()"""

# Emptying a whole table passes by the triggers of its rows.
_POSTGRES_KEEP_ALL = """
CREATE TRIGGER {name} BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION row_is_final()"""


def _sqlite_objects() -> list[tuple[str, str, str]]:
    overlap = [
        ("booking_no_overlap_insert", "INSERT", "-1"),
        ("booking_no_overlap_update", "UPDATE", "OLD.id"),
    ]
    found = [
        (
            "sqlite",
            name,
            _SQLITE_OVERLAP.format(name=name, event=event, own=own, holding=_HOLDING_SQL).strip(),
        )
        for name, event, own in overlap
    ]
    for table in IMMUTABLE_TABLES:
        for event in ("UPDATE", "DELETE"):
            name = f"{table}_no_{event.lower()}"
            sql = _SQLITE_KEEP.format(name=name, event=event, table=table).strip()
            found.append(("sqlite", name, sql))
    return found


def _postgres_objects() -> list[tuple[str, str, str]]:
    found = [
        ("postgresql", "btree_gist", "CREATE EXTENSION IF NOT EXISTS btree_gist"),
        ("postgresql", "booking_no_overlap", _POSTGRES_OVERLAP.strip()),
        ("postgresql", "row_is_final", _POSTGRES_KEEP_FUNCTION.strip()),
    ]
    for table in IMMUTABLE_TABLES:
        for name, sql in (
            (f"{table}_is_final", _POSTGRES_KEEP),
            (f"{table}_is_kept", _POSTGRES_KEEP_ALL),
        ):
            found.append(("postgresql", name, sql.format(name=name, table=table).strip()))
    return found


# (dialect, name, DDL), in the order they are created after the tables.
SCHEMA_OBJECTS: tuple[tuple[str, str, str], ...] = (*_sqlite_objects(), *_postgres_objects())
