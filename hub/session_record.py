"""What the record says of a session: marks of members, orders as each room answered, phases.

A fold over the session's stored rows (those of all its rooms and the hub's own), in the order they
were stored. Nothing here decides; what cannot be read is skipped, it stays in the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.store.tables_core import events
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event

ROWS_MAX: Final = 20_000
"""Rows of one session that are folded; a long day with seven venues has about 5000."""

_MARKS: Final = {
    "member.identified": "identified",
    "member.late": "late",
    "member.steps": "steps",
    "deposit.declared": "declared",
    "member.deposited": "deposited",
    "member.seated": "seated",
    "member.unseated": "unseated",
    "member.declined": "declined",
    "member.released": "released",
    "member.left": "left",
    "away.started": "away",
    "away.ended": "back",
}


@dataclass(slots=True)
class Seen:
    """An order as one room answered it."""

    accepted_at: str = ""
    acted_at: str = ""
    refused: str = ""
    missing: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class SessionRecord:
    """The fold.

    Attributes:
        marks: member number -> what happened last of each kind, with `at` and the event's data.
        documents: member number -> document -> {outcome, at}.
        orders: order id -> controller -> how it was answered there.
        phases: controller -> (phase, since).
        ended_at: when the home venue's phase became ended, postponed or terminated, or ''.
        started_at: when the home venue first evaluated, or ''.
    """

    marks: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)
    documents: dict[int, dict[str, dict[str, str]]] = field(default_factory=dict)
    orders: dict[str, dict[str, Seen]] = field(default_factory=dict)
    phases: dict[str, tuple[str, str]] = field(default_factory=dict)
    phase_log: list[dict[str, str]] = field(default_factory=list)
    lead: int | None = None
    rows: int = 0
    first_id: int = 0
    last_id: int = 0
    started_at: str = ""
    ended_at: str = ""
    closed: dict[str, str] = field(default_factory=dict)


def fold(conn: Connection, session: str) -> SessionRecord:
    """The record of one session as far as it is stored."""
    record = SessionRecord()
    query = (
        select(events.c.id, events.c.raw)
        .where(events.c.session == session)
        .order_by(events.c.id)
        .limit(ROWS_MAX)
    )
    for row in conn.execute(query):
        record.rows += 1
        record.first_id = record.first_id or row.id
        record.last_id = row.id
        try:
            event = decode_event(bytes(row.raw))
        except RemoteError:
            continue
        _apply(record, event)
    return record


def _apply(record: SessionRecord, event: Event) -> None:
    data = event.data
    if event.type in _MARKS and isinstance(data.get("no"), int):
        mark = {"at": event.at, **{key: data[key] for key in data if key != "no"}}
        record.marks.setdefault(data["no"], {})[_MARKS[event.type]] = mark
    elif event.type == "statement.accepted":
        _document(record, event)
    elif event.type in {"order.accepted", "order.confirmed", "order.refused"}:
        _order(record, event)
    elif event.type == "phase.changed":
        _phase(record, event)
    elif event.type == "lead.chosen" and isinstance(data.get("no"), int):
        record.lead = data["no"]
    elif event.type == "session.closed":
        record.closed[event.ctl] = event.at


def _document(record: SessionRecord, event: Event) -> None:
    no, document = event.data.get("no"), event.data.get("document")
    if not isinstance(no, int) or not isinstance(document, str):
        return
    known = record.documents.setdefault(no, {})
    # Every room of the session records it; the first to do so is when it was told.
    if known.get(document, {}).get("outcome") != event.data.get("outcome"):
        known[document] = {"outcome": str(event.data.get("outcome", "")), "at": event.at}


def _order(record: SessionRecord, event: Event) -> None:
    name = str(event.data.get("id") or event.data.get("named") or "")
    seen = record.orders.setdefault(name, {}).setdefault(event.ctl, Seen())
    if event.type == "order.accepted":
        seen.accepted_at = event.at
        return
    if event.type == "order.confirmed":
        # The room has done it since the code was typed, under the name the code had there.
        by_code = record.orders.get(str(event.data.get("code_order", "")), {}).get(
            event.ctl, Seen()
        )
        seen.accepted_at = by_code.accepted_at or event.at
        seen.acted_at = by_code.acted_at
        return
    if not seen.accepted_at:
        seen.refused = str(event.data.get("reason", ""))
        missing = event.data.get("missing", [])
        seen.missing = list(missing) if isinstance(missing, list) else []


def _phase(record: SessionRecord, event: Event) -> None:
    to = str(event.data.get("to", ""))
    record.phases[event.ctl] = (to, event.at)
    record.phase_log.append({"ctl": event.ctl, "to": to, "at": event.at})
    order = str(event.data.get("order") or "")
    if order:
        record.orders.setdefault(order, {}).setdefault(event.ctl, Seen()).acted_at = event.at
    if to == "evaluating" and not record.started_at:
        record.started_at = event.at
    if to in {"ended", "postponed", "terminated"} and not record.ended_at:
        record.ended_at = event.at


def moment(text: str) -> datetime | None:
    """An instant of the record, or None for ''."""
    return datetime.fromisoformat(text) if text else None


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data without signed raw bytes, which nobody reads on a screen."""
    return {key: value for key, value in data.items() if key != "raw"}
