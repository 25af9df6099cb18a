"""When the hub heard nobody, as its own facts say: what rooms noticed of it then is its trouble.

A hub whose line is gone is missed by every room, and each of them rightly records that its network
ladder ends at the hub. Those faults are one trouble; one that still stands when rooms have had the
time to come back is a room's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, or_, select

from hub.alarms.kinds import SILENT
from hub.fleet.ears import RETURN_MS
from hub.store.tables_core import alarm, events
from protocols.messages.event import decode_event
from protocols.policy.room_model import RoomState
from protocols.terms import FaultKind

DEAF: Final = "hub.deaf"
HEARING: Final = "hub.hearing"
STOPPED: Final = "hub.stopped"
TYPES: Final = (DEAF, HEARING, STOPPED)
ROWS_MAX: Final = 64
"""Newest facts that are looked at: what is older concerns no fault that is raised now."""
RETURN: Final = timedelta(milliseconds=RETURN_MS)
SOONER: Final = timedelta(seconds=20)
"""A room may notice the same broken line so much before the hub calls it silent."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which no room was heard. `to_at` None: it lasts."""

    from_at: datetime
    to_at: datetime | None

    def explains(self, at: datetime) -> bool:
        """Whether a room that lost the hub at this moment lost it because of that."""
        return self.from_at <= at and (self.to_at is None or at <= self.to_at + RETURN)

    def excuses(self, now: datetime) -> bool:
        """Whether rooms may still be on their way back."""
        return self.to_at is None or now <= self.to_at + RETURN


def windows(conn: Connection) -> tuple[Window, ...]:
    """The newest times in which the hub heard nobody, newest first."""
    rows = conn.execute(
        select(events.c.raw)
        .where(events.c.type.in_(TYPES), events.c.ctl.like("h-%"))
        .order_by(events.c.id.desc())
        .limit(ROWS_MAX)
    ).scalars()
    found: list[Window] = []
    for raw in rows:
        event = decode_event(bytes(raw))
        from_at = datetime.fromisoformat(str(event.data["from_at"]))
        if event.type != DEAF:
            found.append(Window(from_at, datetime.fromisoformat(str(event.data["to_at"]))))
        elif all(one.from_at != from_at for one in found):
            found.append(Window(from_at, None))
    return tuple(found)


def silences(conn: Connection, *, since: datetime) -> dict[str, list[Window]]:
    """Controller -> its silences that last or ended after `since`, as their alarms say."""
    rows = conn.execute(
        select(alarm.c.ctl, alarm.c.last_at, alarm.c.returned_at).where(
            alarm.c.kind == SILENT,
            or_(alarm.c.returned_at.is_(None), alarm.c.returned_at >= since),
        )
    )
    found: dict[str, list[Window]] = {}
    for row in rows:
        found.setdefault(row.ctl, []).append(Window(row.last_at - SOONER, row.returned_at))
    return found


def excused(state: RoomState, unheard: tuple[Window, ...]) -> frozenset[str]:
    """Open network faults of a room that a time in which it was not heard explains."""
    return frozenset(
        one.id
        for one in state.faults.values()
        if one.is_open
        and one.kind == FaultKind.NETWORK
        and any(window.explains(datetime.fromisoformat(one.raised_at)) for window in unheard)
    )
