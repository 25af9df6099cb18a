"""The witness timeline: every stored row of a session, with its label in both languages.

Shared events of the session's rooms (power, network, devices, faults, gaps of recording) belong to
it while it runs. Raw signed bytes are left out; the record has them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, and_, or_, select

from hub.booking_link import SessionLink
from hub.clock import iso_ms
from hub.session_record import SessionRecord, plain
from hub.store.tables_core import events
from protocols.messages.errors import RemoteError
from protocols.messages.event import decode_event
from protocols.terms_events import EVENT_LABELS

LIMIT_MAX: Final = 500
SHARED_TYPES: Final = (
    "fault.raised",
    "fault.cleared",
    "fault.acked",
    "power.state",
    "network.state",
    "device.lost",
    "device.back",
    "media.gap",
    "media.lost",
    "media.damaged",
    "recording.state",
    "locker.unexplained",
    "locker.acked",
    "locker.fault",
    "visitor",
    "outside_contact",
    "help.called",
    "selftest.done",
    "record.gap",
    "epoch.opened",
    "room.started",
)


def timeline(
    conn: Connection, link: SessionLink, record: SessionRecord, *, after: int, limit: int
) -> dict[str, Any]:
    """Rows behind the row id `after`, oldest first; `next` is the id to go on from.

    Args:
        conn: a connection.
        link: the session as booked.
        record: its fold, for the range of shared events.
        after: row id; 0 from the beginning.
        limit: at most `LIMIT_MAX` rows.
    """
    size = max(1, min(limit, LIMIT_MAX))
    mine = events.c.session == link.session
    shared = and_(
        events.c.session == "",
        events.c.ctl.in_(link.ctls),
        events.c.type.in_(SHARED_TYPES),
        events.c.id >= record.first_id,
        events.c.id <= record.last_id,
    )
    rows = conn.execute(
        select(events)
        .where(events.c.id > after, or_(mine, shared))
        .order_by(events.c.id)
        .limit(size + 1)
    ).all()
    entries = [_entry(row, link) for row in rows[:size]]
    more = len(rows) > size
    return {
        "session": link.session,
        "entries": entries,
        "next": rows[size - 1].id if more else (rows[-1].id if rows else after),
        "more": more,
    }


def _entry(row: Any, link: SessionLink) -> dict[str, Any]:
    venue = link.venue_of(row.ctl)
    shown: dict[str, Any] = {
        "id": row.id,
        "ctl": row.ctl,
        "epoch": row.epoch,
        "seq": row.seq,
        "org": venue.org if venue else "",
        "room": venue.room if venue else "",
        "type": row.type,
        "recorded_at": iso_ms(row.recorded_at),
        "late": row.late,
    }
    zh, en = EVENT_LABELS.get(row.type, (row.type, row.type))
    try:
        event = decode_event(bytes(row.raw))
    except RemoteError as error:
        return {**shown, "zh": zh, "en": en, "unreadable": error.what, "at": None, "data": {}}
    return {
        **shown,
        "zh": zh,
        "en": en,
        "at": event.at,
        "at_trust": event.at_trust,
        "data": plain(event.data),
    }
