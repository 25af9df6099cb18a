"""Who shares which stations: organisations, pairing, rooms, stations, and what is free when.

Times are aware; an occupied range is half-open, so that one booking may begin where another ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from hub.store.tables_business import HOLDING_STATES, booking, booking_station, booking_venue
from hub.store.tables_core import controllers, organisations, pairings, rooms, stations


@dataclass(frozen=True, slots=True)
class Station:
    """One bookable unit."""

    id: str
    org: str
    room: str
    n: int
    locker: int | None
    kind: str


def paired_guests(conn: Connection, home: str) -> frozenset[str]:
    """Organisations that assist this home venue; empty if it is not an implementing unit."""
    rows = conn.execute(select(pairings.c.guest).where(pairings.c.home == home))
    return frozenset(rows.scalars())


def org_names(conn: Connection) -> dict[str, tuple[str, str]]:
    """Organisation id -> (Chinese name, English name)."""
    rows = conn.execute(select(organisations.c.id, organisations.c.name, organisations.c.name_en))
    return {row.id: (row.name, row.name_en) for row in rows}


def room_rows(conn: Connection, ids: frozenset[str]) -> dict[str, dict[str, Any]]:
    """The rooms of these ids."""
    rows = conn.execute(select(rooms).where(rooms.c.id.in_(sorted(ids)))).mappings()
    return {row["id"]: dict(row) for row in rows}


def active_stations(conn: Connection, org: str) -> tuple[Station, ...]:
    """Stations of one organisation that may be booked, by room and number."""
    rows = conn.execute(
        select(stations)
        .where(stations.c.org == org, stations.c.active)
        .order_by(stations.c.room, stations.c.n)
    )
    return tuple(
        Station(id=row.id, org=row.org, room=row.room, n=row.n, locker=row.locker, kind=row.kind)
        for row in rows
    )


def controller_of(conn: Connection, place: str) -> str | None:
    """The enrolled controller of a room, or None."""
    return conn.execute(
        select(controllers.c.ctl)
        .where(controllers.c.place == place, controllers.c.state == "enrolled")
        .order_by(controllers.c.enrolled_at.desc())
        .limit(1)
    ).scalar_one_or_none()


def held(conn: Connection, begins: datetime, ends: datetime) -> frozenset[str]:
    """Stations somebody holds at any moment of [begins, ends)."""
    overlap = and_(
        booking_station.c.occupied_from < ends,
        booking_station.c.occupied_to > begins,
        booking_station.c.state.in_(HOLDING_STATES),
    )
    return frozenset(conn.execute(select(booking_station.c.station_id).where(overlap)).scalars())


def directory(conn: Connection) -> list[dict[str, Any]]:
    """Every organisation that shares stations, with its rooms, stations and partners."""
    partners: dict[str, list[str]] = {}
    for row in conn.execute(select(pairings)):
        partners.setdefault(row.home, []).append(row.guest)
        partners.setdefault(row.guest, []).append(row.home)
    listed: dict[str, list[dict[str, Any]]] = {}
    names = {row.id: row for row in conn.execute(select(organisations))}
    for room in conn.execute(select(rooms).order_by(rooms.c.id)):
        units = conn.execute(
            select(stations).where(stations.c.room == room.id).order_by(stations.c.n)
        )
        listed.setdefault(room.org, []).append(
            {
                "id": room.id,
                "room": room.room,
                "name": room.name,
                "ctl": room.ctl,
                "stations": [
                    {"id": u.id, "n": u.n, "locker": u.locker, "kind": u.kind, "active": u.active}
                    for u in units
                ],
            }
        )
    return [
        {
            "org": org,
            "name": row.name,
            "name_en": row.name_en,
            "level": row.level,
            "kind": row.kind,
            "partners": sorted(partners.get(org, [])),
            "rooms": listed.get(org, []),
        }
        for org, row in sorted(names.items())
    ]


def day_grid(conn: Connection, begins: datetime, ends: datetime) -> list[dict[str, Any]]:
    """Rows of the day's grid: each station with what occupies it in [begins, ends)."""
    taken: dict[str, list[dict[str, Any]]] = {}
    rows = conn.execute(
        select(booking_station, booking.c.start_at, booking.c.duration_min, booking.c.kind)
        .join(booking, booking.c.number == booking_station.c.booking, isouter=True)
        .where(
            booking_station.c.occupied_from < ends,
            booking_station.c.occupied_to > begins,
            booking_station.c.state.in_((*HOLDING_STATES, "ended", "closed")),
        )
        .order_by(booking_station.c.occupied_from)
    ).mappings()
    for row in rows:
        taken.setdefault(row["station_id"], []).append(
            {
                "booking": row["booking"],
                "state": row["state"],
                "occupied_from": row["occupied_from"],
                "occupied_to": row["occupied_to"],
                "start_at": row["start_at"],
                "duration_min": row["duration_min"],
                "kind": row["kind"],
            }
        )
    units = conn.execute(
        select(stations, rooms.c.name.label("room_name"))
        .join(rooms, rooms.c.id == stations.c.room)
        .where(stations.c.active)
        .order_by(stations.c.org, stations.c.room, stations.c.n)
    )
    return [
        {
            "station": unit.id,
            "org": unit.org,
            "room": unit.room,
            "room_name": unit.room_name,
            "n": unit.n,
            "held": taken.get(unit.id, []),
        }
        for unit in units
    ]


def venue_places(conn: Connection, number: str) -> dict[str, str]:
    """Organisation -> room of one booking."""
    rows = conn.execute(
        select(booking_venue.c.org, booking_venue.c.place).where(booking_venue.c.booking == number)
    )
    return {row.org: row.place for row in rows}
