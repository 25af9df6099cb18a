"""What everything after the booking knows of it: the session's venues, rooms and member numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from hub.store.tables_business import booking, booking_member, booking_venue
from hub.store.tables_core import organisations, rooms


@dataclass(frozen=True, slots=True)
class VenueLink:
    """One venue of a session; `ctl` None where no controller is enrolled."""

    org: str
    role: str
    place: str
    ctl: str | None
    name: str
    name_en: str
    room: str
    meal_fen: int | None


@dataclass(frozen=True, slots=True)
class SessionLink:
    """A session as booked."""

    session: str
    number: str
    kind: str
    state: str
    project_code: str
    predecessor: str | None
    home_org: str
    start_at: datetime
    duration_min: int
    draw: Mapping[str, Any]
    venues: tuple[VenueLink, ...]

    @property
    def orgs(self) -> tuple[str, ...]:
        """Organisations, home first."""
        return tuple(venue.org for venue in self.venues)

    @property
    def ctls(self) -> tuple[str, ...]:
        """Controllers of the session's rooms."""
        return tuple(venue.ctl for venue in self.venues if venue.ctl)

    @property
    def home_ctl(self) -> str:
        """The home room's controller, '' if none is enrolled."""
        return next((v.ctl or "" for v in self.venues if v.role == "home"), "")

    def venue(self, org: str) -> VenueLink | None:
        """The venue of an organisation."""
        return next((venue for venue in self.venues if venue.org == org), None)

    def venue_of(self, ctl: str) -> VenueLink | None:
        """The venue a controller stands in."""
        return next((venue for venue in self.venues if venue.ctl == ctl), None)

    def members(self, conn: Connection) -> dict[int, Mapping[str, Any]]:
        """Member number -> `{no, kind, org, station, locker}`."""
        mine = booking_member.c.booking == self.number
        columns = ("no", "kind", "org", "station", "locker")
        query = select(*(booking_member.c[name] for name in columns)).where(mine)
        return {row["no"]: dict(row) for row in conn.execute(query).mappings()}


def link_of(conn: Connection, session: str) -> SessionLink | None:
    """The booking behind a session, or None."""
    row = conn.execute(select(booking).where(booking.c.session == session)).first()
    if row is None:
        return None
    found = conn.execute(
        select(booking_venue, rooms.c.ctl, rooms.c.name.label("room"), organisations)
        .join(rooms, rooms.c.id == booking_venue.c.place, isouter=True)
        .join(organisations, organisations.c.id == booking_venue.c.org, isouter=True)
        .where(booking_venue.c.booking == row.number)
        .order_by(booking_venue.c.role.desc(), booking_venue.c.org)
    )
    venues = tuple(
        VenueLink(
            org=one.org,
            role=one.role,
            place=one.place,
            ctl=one.ctl,
            name=one.name or one.org,
            name_en=one.name_en or one.org,
            room=one.room or one.place,
            meal_fen=one.meal_fen,
        )
        for one in found
    )
    return SessionLink(
        session=row.session,
        number=row.number,
        kind=row.kind,
        state=row.state,
        project_code=row.project_code,
        predecessor=row.predecessor,
        home_org=row.home_org,
        start_at=row.start_at,
        duration_min=row.duration_min,
        draw=row.draw,
        venues=venues,
    )


def sessions_at(conn: Connection, place: str) -> list[str]:
    """Sessions booked in a room that may run now or later, earliest start first."""
    rows = conn.execute(
        select(booking.c.session)
        .join(booking_venue, booking_venue.c.booking == booking.c.number)
        .where(
            booking_venue.c.place == place, booking.c.state.in_(("confirmed", "in_use", "ended"))
        )
        .order_by(booking.c.start_at)
    )
    return list(rows.scalars())
