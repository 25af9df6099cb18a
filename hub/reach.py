"""What the access rule is asked about: sessions with their organisations and rooms, as stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, exists, or_, select

from hub.access import (
    BROAD_TOPICS,
    KEEPING,
    KEEPING_TOPICS,
    Reader,
    rooms_seen,
    sees_case,
    sees_session,
)
from hub.fleet.rooms import RoomView
from hub.store.engine import Store
from hub.store.tables_business import (
    booking,
    booking_venue,
    contingency_case,
    package,
    package_receipt,
)
from protocols.policy.booking import SHANGHAI
from protocols.policy.workdays import Calendar, add_workdays
from protocols.terms import Verdict

SHARING: Final = ("confirmed", "in_use", "ended", "closed", "aborted")
"""A request alone opens no room to the one who asks."""
OVER: Final = ("ended", "closed", "aborted")
HANDOVER_WORKDAYS_MAX: Final = 10
"""Three working days are the rule; past ten, a hand-over that never came opens no room any more."""
HANDOVER_SPAN: Final = timedelta(days=60)
"""Ten working days are never longer than this, the longest holidays included."""


@dataclass(frozen=True, slots=True)
class Tie:
    """A session with the organisations and rooms it ties together."""

    number: str
    session: str
    home_org: str
    orgs: tuple[str, ...]
    places: tuple[str, ...]


def taking_part(org: str) -> Select[Any]:
    """Numbers of the bookings an organisation takes part in; narrows a query, grants nothing."""
    return select(booking_venue.c.booking).where(booking_venue.c.org == org)


def ties_of_sessions(conn: Connection, sessions: Collection[str]) -> dict[str, Tie]:
    """Session id -> its ties; sessions nobody booked are left out."""
    return {one.session: one for one in _ties(conn, booking.c.session.in_(sorted(sessions)))}


def ties_of_numbers(conn: Connection, numbers: Collection[str]) -> dict[str, Tie]:
    """Booking number -> its ties."""
    return {one.number: one for one in _ties(conn, booking.c.number.in_(sorted(numbers)))}


def ties_from_today(conn: Connection, now: datetime) -> tuple[Tie, ...]:
    """Sessions that run now, today or later, by China's day."""
    day = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    standing = or_(booking.c.occupied_to >= day.astimezone(now.tzinfo), booking.c.state == "in_use")
    return _ties(conn, booking.c.state.in_(SHARING) & standing)


def ties_in_handover(conn: Connection, now: datetime, calendar: Calendar) -> tuple[Tie, ...]:
    """Ended sessions with the guests' rooms that the home venue still waits for.

    A guest's room is shown to the home venue until a receipt is given for its package (a refused
    package has none), and `HANDOVER_WORKDAYS_MAX` after the end at most; to nobody else.
    """
    received = exists().where(
        package.c.session == booking.c.session,
        package.c.org == booking_venue.c.org,
        package_receipt.c.package == package.c.id,
        package_receipt.c.verdict != Verdict.REFUSED.value,
    )
    rows = conn.execute(
        select(
            booking.c.number,
            booking.c.session,
            booking.c.home_org,
            booking.c.ended_at,
            booking_venue.c.place,
        )
        .join(booking_venue, booking_venue.c.booking == booking.c.number)
        .where(
            booking.c.state.in_(OVER),
            booking.c.ended_at >= now - HANDOVER_SPAN,
            booking_venue.c.role == "guest",
            ~received,
        )
        .order_by(booking.c.number, booking_venue.c.org)
    )
    today = now.astimezone(SHANGHAI).date()
    found = []
    for row in rows:
        ended = row.ended_at.astimezone(SHANGHAI).date()
        if today <= add_workdays(ended, HANDOVER_WORKDAYS_MAX, calendar).earliest:
            home = (row.home_org,)
            found.append(Tie(row.number, row.session, row.home_org, home, (row.place,)))
    return tuple(found)


def _ties(conn: Connection, where: Any) -> tuple[Tie, ...]:
    rows = conn.execute(
        select(
            booking.c.number,
            booking.c.session,
            booking.c.home_org,
            booking_venue.c.org,
            booking_venue.c.place,
        )
        .join(booking_venue, booking_venue.c.booking == booking.c.number)
        .where(where)
        .order_by(booking.c.number, booking_venue.c.org)
    ).all()
    parts: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for row in rows:
        head = (row.number, row.session, row.home_org)
        parts.setdefault(head, []).append((row.org, row.place))
    return tuple(
        Tie(*head, orgs=tuple(org for org, _ in found), places=tuple(at for _, at in found))
        for head, found in parts.items()
    )


def visible_rooms(
    store: Store, actor: Reader, rooms: Sequence[RoomView], now: datetime, calendar: Calendar
) -> list[RoomView]:
    """The rooms this person sees now, each with only what he may know of it."""
    named = {
        session
        for room in rooms
        for session in (
            *(room.state.sessions if room.state else ()),
            *(one.session for one in (room.state.faults.values() if room.state else ())),
            *(one.session for one in room.notices),
            *(one.session for one in room.alarms),
        )
        if session
    }
    with store.read() as conn:
        known = ties_of_sessions(conn, named)
        links = (*ties_from_today(conn, now), *ties_in_handover(conn, now, calendar))
    return rooms_seen(actor, rooms, links=links, known=known)


def hears(store: Store, actor: Reader, topic: str) -> bool:
    """Whether a word of the live stream is for this person."""
    kind, _, ident = topic.partition(":")
    if not ident:
        keeping = kind in KEEPING_TOPICS and bool(KEEPING & set(actor.roles))
        return kind in BROAD_TOPICS or keeping
    with store.read() as conn:
        if kind == "case":
            return _hears_case(conn, actor, ident)
        found = {
            "session": lambda: ties_of_sessions(conn, (ident,)),
            "booking": lambda: ties_of_numbers(conn, (ident,)),
            "package": lambda: ties_of_numbers(conn, _numbers_of_package(conn, ident)),
        }.get(kind)
        ties = found() if found is not None else {}
    return any(sees_session(actor, one) for one in ties.values())


def _hears_case(conn: Connection, actor: Reader, ident: str) -> bool:
    row = conn.execute(
        select(contingency_case.c.org, contingency_case.c.session).where(
            contingency_case.c.id == ident
        )
    ).first()
    if row is None:
        return False
    link = ties_of_sessions(conn, (row.session,)).get(row.session)
    return sees_case(actor, org=row.org, link=link)


def _numbers_of_package(conn: Connection, ident: str) -> list[str]:
    return list(conn.execute(select(package.c.booking).where(package.c.id == ident)).scalars())
