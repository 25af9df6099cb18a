"""The fourth truth of what was sent: confirmed by sensor (WIRE §7), and recent commands.

A room says what it did; a sensor, or a round trip over what was changed, says that it is so. Where
no sensor can tell, an order or command stays at "acted": unknown is never shown as confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.projection import StoredEvent
from hub.store.tables_core import outgoing
from protocols.messages.errors import RemoteError
from protocols.messages.signed import parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX
from protocols.policy.room_model import RoomState

BY_ID: Final[Mapping[str, str]] = {
    "locker.opened": "intent",
    "network.switched": "id",
    "config.applied": "id",
}
"""Events that name the command they confirm: the door's sensor, an answer over the new line."""
BY_VERB: Final[Mapping[str, str]] = {
    "selftest.done": "device.selftest",
    "device.back": "device.reset",
    "member.seated": "station.swap",
}
"""Events that confirm the open command of a verb: devices answered, the seat is taken."""
EMPTYING: Final = (
    "member.released",
    "locker.confirmed_empty",
    "locker.closed",
    "phase.changed",
    "order.accepted",
)
"""Events after which the lockers of a session may be empty: what a releasing order is about."""
RELEASE_SOME: Final = "member_release"
RELEASING: Final = frozenset({"end", "postpone", "terminate", RELEASE_SOME})
TYPES: Final = (*BY_ID, *BY_VERB, *EMPTYING)
WAITING: Final = ("sent", "accepted", "acted")
KEPT: Final = "kept"
"""`state` of a switched line that answered; on trial it proves nothing."""
COMMANDS_SHOWN: Final = 5
ROWS_MAX: Final = 200
"""Unconfirmed rows of one controller that are looked at; a session has a few dozen."""


@dataclass(frozen=True, slots=True)
class SentCommand:
    """One command to a controller and how far it is: queued, sent, accepted, acted, confirmed."""

    id: str
    verb: str
    state: str
    reason: str
    queued_at: datetime


def confirm(
    conn: Connection, stored: StoredEvent, state_of: Callable[[str], RoomState | None]
) -> None:
    """Marks what this event proves; the same event twice changes nothing."""
    event = stored.event
    if event.type in BY_ID:
        if event.type != "network.switched" or event.data.get("state") == KEPT:
            _mark(conn, stored.ctl, str(event.data.get(BY_ID[event.type], "")))
    elif event.type in BY_VERB:
        verb = BY_VERB[event.type]
        for row in _waiting(conn, stored.ctl, "command"):
            if row.header.get("verb") == verb and _fits(verb, row.header, event.data):
                _mark(conn, stored.ctl, row.id)
    elif event.session:
        for row in _waiting(conn, stored.ctl, "order"):
            mine = row.header.get("session") == event.session
            if mine and _released(row, state_of(stored.ctl), event.session):
                _mark(conn, stored.ctl, row.id)


def emptied(state: RoomState | None, session: str, members: frozenset[str] = frozenset()) -> bool:
    """Whether sensors or people say that nothing of this session lies in a locker any more.

    Args:
        state: the room's fold, None where nobody knows.
        session: the session.
        members: only these members' things (`x4`); all if empty.
    """
    if state is None:
        return False
    held = (one.deposit for one in state.lockers.values() if one.deposit is not None)
    return not any(
        one.session == session and (not members or f"x{one.no}" in members) for one in held
    )


def _released(row: _Row, state: RoomState | None, session: str) -> bool:
    order = row.header.get("order")
    if order not in RELEASING:
        return False
    if order == RELEASE_SOME:
        # It moves no phase: that it was accepted is all the room says of it.
        return emptied(state, session, frozenset(map(str, row.header.get("members", ()))))
    return row.state == "acted" and emptied(state, session)


def recent(conn: Connection, ctls: Sequence[str]) -> dict[str, tuple[SentCommand, ...]]:
    """Controller -> its newest commands, newest first."""
    found: dict[str, tuple[SentCommand, ...]] = {}
    for ctl in ctls:
        rows = conn.execute(
            select(outgoing)
            .where(outgoing.c.ctl == ctl, outgoing.c.kind == "command")
            .order_by(outgoing.c.queued_at.desc())
            .limit(COMMANDS_SHOWN)
        )
        found[ctl] = tuple(
            SentCommand(
                row.id, str(_header(row.raw).get("verb", "")), row.state, row.reason, row.queued_at
            )
            for row in rows
        )
    return found


def _mark(conn: Connection, ctl: str, ident: str) -> None:
    conn.execute(
        outgoing.update()
        .where(outgoing.c.ctl == ctl, outgoing.c.id == ident, outgoing.c.state.in_(WAITING))
        .values(state="confirmed")
    )


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    state: str
    header: Mapping[str, Any]


def _waiting(conn: Connection, ctl: str, kind: str) -> list[_Row]:
    """What this controller took and no sensor has confirmed yet, newest first."""
    rows = conn.execute(
        select(outgoing.c.id, outgoing.c.state, outgoing.c.raw)
        .where(
            outgoing.c.ctl == ctl,
            outgoing.c.kind == kind,
            outgoing.c.state.in_(("accepted", "acted")),
        )
        .order_by(outgoing.c.queued_at.desc())
        .limit(ROWS_MAX)
    )
    return [_Row(row.id, row.state, _header(row.raw)) for row in rows]


def _header(raw: bytes) -> Mapping[str, Any]:
    try:
        return parse_message(bytes(raw), limit=MESSAGE_BYTES_MAX).header
    except RemoteError:
        return {}


def _fits(verb: str, header: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether the event is about what the command asked for."""
    args = header.get("args")
    wanted = args if isinstance(args, Mapping) else {}
    if verb == "device.reset":
        return wanted.get("device") == data.get("device")
    if verb == "station.swap":
        no = wanted.get("no", wanted.get("member"))
        return (no, wanted.get("station")) == (data.get("no"), data.get("station"))
    return True
