"""Cases about rows of the record that nobody has any more (`record.gap`, WIRE §5).

The hub's fact `stream.gap` says which rows of a room are lost; each session whose time in that
room's record the hole touches gets a case, and where it touches none the room's organisation does.
A hole cannot be mended: it stands until a named person has decided what to make of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.alarms.kinds import GAP
from hub.alarms.rows import ident
from hub.contingency import cases, opening
from hub.ports import Parts
from hub.projection import StoredEvent, stored_event
from hub.store.tables_core import epochs, events
from protocols.terms import FaultKind

FACT: Final = "stream.gap"
NO_SESSION: Final = ("", "closed")
"""A hole outside of every session: nothing is running, so no limit runs and no start waits."""
OVER: Final = frozenset({"closed", "postponed", "terminated"})
"""Phases after which nothing of a session is written in the room any more."""
Place = tuple[int, int]
"""Where a row stands in a controller's record: (order of its epoch, seq)."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows `first`..`last` of one epoch of a controller."""

    ctl: str
    epoch: str
    first: int
    last: int


def on_fact(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """Opens the cases of one hole; the same fact twice opens nothing more."""
    data = stored.event.data
    hole = Hole(str(data["ctl"]), str(data["epoch"]), int(data["from"]), int(data["to"]))
    told = data["told"]
    name = ident(GAP, str(told["epoch"]), int(told["seq"]))
    teller = _teller(conn, hole.ctl, told) or stored
    fault = {"ctl": hole.ctl, "fault": name, "kind": FaultKind.RECORD.value, "source": "room"}
    for session, phase in touched(conn, hole) or [NO_SESSION]:
        if cases.in_session(conn, hole.ctl, name, session) is not None:
            continue
        at = opening.happened_at(conn, teller, session)
        opening.enter(
            conn,
            parts,
            {**fault, "at": at or teller.recorded_at},
            session=session,
            phase=phase,
            found_later=teller.late,
            since_known=at is not None,
        )


def touched(conn: Connection, hole: Hole) -> list[tuple[str, str]]:
    """(session, phase) of the sessions in whose time at this room the hole lies."""
    order = conn.execute(
        select(epochs.c.order).where(epochs.c.ctl == hole.ctl, epochs.c.epoch == hole.epoch)
    ).scalar_one_or_none()
    if order is None:
        return []
    first, last = (int(order), hole.first), (int(order), hole.last)
    spans, begun = _spans(conn, hole.ctl), _begun(conn, hole.ctl)
    found = []
    for session, phase in opening.phases(conn, hole.ctl).items():
        began, ended = spans[session]
        # Without its first row a session may have begun anywhere before what is known of it.
        before = session in begun and began > last
        over = phase in OVER and ended < first
        if not before and not over:
            found.append((session, phase))
    return found


def _spans(conn: Connection, ctl: str) -> dict[str, tuple[Place, Place]]:
    """Session -> places of its first and last known row."""
    rows = conn.execute(
        select(
            events.c.session,
            epochs.c.order,
            func.min(events.c.seq).label("low"),
            func.max(events.c.seq).label("high"),
        )
        .join(epochs, (epochs.c.ctl == events.c.ctl) & (epochs.c.epoch == events.c.epoch))
        .where(events.c.ctl == ctl, events.c.session != "")
        .group_by(events.c.session, epochs.c.order)
    )
    spans: dict[str, tuple[Place, Place]] = {}
    for row in rows:
        low, high = (int(row.order), int(row.low)), (int(row.order), int(row.high))
        first, last = spans.get(row.session, (low, high))
        spans[row.session] = min(first, low), max(last, high)
    return spans


def _begun(conn: Connection, ctl: str) -> set[str]:
    """Sessions whose first row is recorded."""
    query = select(events.c.session).where(events.c.ctl == ctl, events.c.type == "session.prepared")
    return set(conn.execute(query).scalars())


def _teller(conn: Connection, ctl: str, told: Mapping[str, Any]) -> StoredEvent | None:
    """The room's row that says so; None where it is not recorded."""
    row = conn.execute(
        select(events).where(
            events.c.ctl == ctl,
            events.c.epoch == str(told["epoch"]),
            events.c.seq == int(told["seq"]),
        )
    ).first()
    return None if row is None else stored_event(row)
