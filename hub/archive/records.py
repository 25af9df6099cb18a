"""The records of a package: session, witness record, appraisal, decisions, audio and video.

Everything here is a fold of stored rows; members stand by number, persons by post.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.booking_link import SessionLink
from hub.clock import iso_ms
from hub.session_record import SessionRecord, plain
from hub.store.tables_business import (
    appraisal,
    booking_duty,
    case_decision,
    case_entry,
    case_seal,
    contingency_case,
    session_order,
)
from protocols.messages.event import Event
from protocols.policy.handover import handover_due
from protocols.policy.pack import Pack
from protocols.policy.workdays import Calendar
from protocols.terms_events import EVENT_LABELS

QUIET: Final = frozenset({"media.segment", "seat.state", "locker.state", "clock.fix"})
"""Rows too many for people to read; they stand in the streams and the audio and video index."""


def as_json(value: object) -> bytes:
    """Readable JSON for people and programs."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=_plain)
    return text.encode("utf-8") + b"\n"


def session_json(
    link: SessionLink, record: SessionRecord, *, org: str, members: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the session was: venues, members by number, times."""
    venue = link.venue(org)
    return {
        "session": link.session,
        "org": org,
        "home_org": link.home_org,
        "role": venue.role if venue else "",
        "booking": link.number,
        "kind": link.kind,
        "project_code": link.project_code,
        "predecessor": link.predecessor,
        "start_at": iso_ms(link.start_at),
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "venues": [
            {
                "org": one.org,
                "name": one.name,
                "role": one.role,
                "place": one.place,
                "room": one.room,
                "ctl": one.ctl,
                "meal_fen": one.meal_fen,
            }
            for one in link.venues
        ],
        "members": [dict(members[no]) for no in sorted(members)],
        "lead": record.lead,
    }


def witness_json(
    conn: Connection, link: SessionLink, record: SessionRecord, *, org: str, events: list[Event]
) -> dict[str, Any]:
    """The witness record of one venue: who, when, what, from the record itself (RULES §3.4)."""
    members = {no: row for no, row in link.members(conn).items() if row["org"] == org}
    return {
        "session": link.session,
        "org": org,
        "draw": dict(link.draw),
        "on_duty": _duty(conn, link, org),
        "members": [
            {
                "no": no,
                "kind": row["kind"],
                "station": row["station"],
                "locker": row["locker"],
                **{name: _text(mark) for name, mark in record.marks.get(no, {}).items()},
                "documents": record.documents.get(no, {}),
            }
            for no, row in sorted(members.items())
        ],
        "orders": _orders(conn, link.session),
        "phases": record.phase_log,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "timeline": [_line(event) for event in events if event.type not in QUIET],
    }


def appraisal_json(conn: Connection, link: SessionLink, *, org: str) -> dict[str, Any]:
    """The appraisal record of one venue's experts, every entry, newest counts."""
    rows = conn.execute(
        select(appraisal)
        .where(appraisal.c.session == link.session, appraisal.c.org == org)
        .order_by(appraisal.c.id)
    )
    entries = [
        {
            "member": row.member,
            "items": row.items,
            "points": row.points,
            "remark": row.remark,
            "post": row.post,
            "at": iso_ms(row.at),
        }
        for row in rows
    ]
    return {"session": link.session, "org": org, "entries": entries}


def decisions_json(conn: Connection, session: str) -> dict[str, Any]:
    """Contingency cases of the session with history, seals and signed decisions."""
    rows = conn.execute(
        select(contingency_case)
        .where(contingency_case.c.session == session)
        .order_by(contingency_case.c.number)
    ).mappings()
    cases = [
        {
            **{key: _plain(value) for key, value in row.items()},
            "decisions": _all(conn, case_decision, row["id"]),
            "seals": _all(conn, case_seal, row["id"]),
            "entries": _all(conn, case_entry, row["id"]),
        }
        for row in rows.all()
    ]
    return {"session": session, "cases": cases}


def av_index(
    org: str, media: Iterable[Mapping[str, Any]], kept: Mapping[str, str]
) -> dict[str, Any]:
    """Streams with their segments and gaps; `kept` is hash -> file name in the package."""
    streams: dict[str, dict[str, Any]] = {}
    for one in media:
        name = str(one.get("stream", ""))
        stream = streams.setdefault(name, {"stream": name, "segments": [], "gaps": []})
        if one["type"] == "media.segment":
            digest = str(one.get("sha256", ""))
            stream["segments"].append({**one, "file": kept.get(digest)})
        else:
            stream["gaps"].append(dict(one))
    return {"org": org, "streams": [streams[name] for name in sorted(streams)]}


def deadline_json(
    record: SessionRecord, pack: Pack, calendar: Calendar, china: Any
) -> dict[str, Any] | None:
    """By when the hand-over is due, or None before the end."""
    if not record.ended_at:
        return None
    ended = datetime.fromisoformat(record.ended_at).astimezone(china).date()
    due = handover_due(ended, pack, calendar)
    return {
        "ended_on": ended.isoformat(),
        "due_on": due.date.isoformat(),
        "provisional": due.provisional,
        "earliest": due.earliest.isoformat(),
        "latest": due.latest.isoformat(),
        "working_days": pack.handover.working_days,
    }


def _line(event: Event) -> dict[str, Any]:
    zh, en = EVENT_LABELS.get(event.type, (event.type, event.type))
    return {
        "at": event.at,
        "at_trust": event.at_trust,
        "ctl": event.ctl,
        "seq": event.seq,
        "type": event.type,
        "zh": zh,
        "en": en,
        "data": plain(event.data),
    }


def _orders(conn: Connection, session: str) -> list[dict[str, Any]]:
    rows = conn.execute(
        select(session_order).where(session_order.c.session == session).order_by(session_order.c.n)
    ).mappings()
    keys = ("id", "n", "order", "members", "venues", "committee", "by", "via")
    return [{**{k: row[k] for k in keys}, "issued_at": iso_ms(row["issued_at"])} for row in rows]


def _duty(conn: Connection, link: SessionLink, org: str) -> list[dict[str, Any]]:
    rows = conn.execute(
        select(booking_duty).where(booking_duty.c.booking == link.number, booking_duty.c.org == org)
    )
    return [{"post": row.post, "role": row.role, "state": row.state} for row in rows]


def _all(conn: Connection, table: Any, case: str) -> list[dict[str, Any]]:
    rows = conn.execute(select(table).where(table.c.case == case)).mappings()
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_ms(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _text(mark: Mapping[str, Any]) -> dict[str, Any]:
    return dict(mark)
