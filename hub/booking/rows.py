"""Rows of a booking: read whole, written in small acts. Every change of state goes through here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, insert, select, update

from hub.booking.body import RequestBody
from hub.store.tables_business import (
    booking,
    booking_duty,
    booking_identity,
    booking_member,
    booking_station,
    booking_venue,
    session_plan,
)

LIST_ROWS_MAX: Final = 500
"""One page of the ledger; a platform of 24 organisations books some 30 sessions a day."""


@dataclass(frozen=True, slots=True)
class Record:
    """A booking with its venues, stations, members and roster, as stored."""

    row: Mapping[str, Any]
    venues: tuple[Mapping[str, Any], ...]
    stations: tuple[Mapping[str, Any], ...]
    members: tuple[Mapping[str, Any], ...]
    duty: tuple[Mapping[str, Any], ...]

    @property
    def number(self) -> str:
        """`2026-1124-01`."""
        return str(self.row["number"])

    @property
    def session(self) -> str:
        """`s-` + 12 hex."""
        return str(self.row["session"])

    @property
    def home_org(self) -> str:
        """The home venue's organisation."""
        return str(self.row["home_org"])

    @property
    def state(self) -> str:
        """State of the whole booking."""
        return str(self.row["state"])

    @property
    def orgs(self) -> tuple[str, ...]:
        """Organisations that take part, home first."""
        return tuple(str(venue["org"]) for venue in self.venues)

    def venue(self, org: str) -> Mapping[str, Any] | None:
        """The part of one organisation, or None if it takes no part."""
        return next((venue for venue in self.venues if venue["org"] == org), None)

    def stations_of(self, org: str) -> tuple[str, ...]:
        """Station ids one organisation holds for this booking."""
        return tuple(str(row["station_id"]) for row in self.stations if row["org"] == org)


def next_number(conn: Connection, day: datetime) -> str:
    """The next booking number of the day the session starts (China time): `2026-1124-03`."""
    prefix = f"{day:%Y-%m%d}-"
    taken = conn.execute(select(booking.c.number).where(booking.c.number.startswith(prefix)))
    running = max((int(number.rsplit("-", 1)[1]) for number in taken.scalars()), default=0) + 1
    return f"{prefix}{running:02d}"


def load(conn: Connection, number: str) -> Record | None:
    """The booking of this number."""
    row = conn.execute(select(booking).where(booking.c.number == number)).mappings().first()
    return None if row is None else _whole(conn, dict(row))


def load_by_session(conn: Connection, session: str) -> Record | None:
    """The booking a session belongs to."""
    row = conn.execute(select(booking).where(booking.c.session == session)).mappings().first()
    return None if row is None else _whole(conn, dict(row))


def listed(
    conn: Connection, *, part: str, state: str, org: str, day: datetime | None
) -> list[Record]:
    """Bookings in which `part` takes part, newest start first; '' and None do not filter."""
    query = select(booking).order_by(booking.c.start_at.desc(), booking.c.number)
    if state:
        query = query.where(booking.c.state == state)
    for one in filter(None, (part, org)):
        taking_part = select(booking_venue.c.booking).where(booking_venue.c.org == one)
        query = query.where(booking.c.number.in_(taking_part))
    if day is not None:
        query = query.where(booking.c.number.startswith(f"{day:%Y-%m%d}-"))
    rows = conn.execute(query.limit(LIST_ROWS_MAX)).mappings().all()
    return [_whole(conn, dict(row)) for row in rows]


def insert_request(
    conn: Connection,
    body: RequestBody,
    *,
    head: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> None:
    """Writes a request and holds its stations.

    `head` has number, session, salt, occupied_from, occupied_to, findings, exception, replaces.

    Raises:
        sqlalchemy.exc.IntegrityError: with `booking_no_overlap` where a station is held already.
    """
    conn.execute(
        insert(booking).values(
            **head,
            kind=body.kind,
            project_code=body.project_code,
            project_kind=body.project_kind,
            predecessor=body.predecessor,
            home_org=body.home_org,
            state="requested",
            start_at=body.start_at,
            duration_min=body.duration_min,
            draw={"conditions": body.draw_conditions},
            requested_by=actor,
            requested_at=now,
            changed_at=now,
        )
    )
    for wish in body.venues:
        home = wish.org == body.home_org
        conn.execute(
            insert(booking_venue).values(
                booking=head["number"],
                org=wish.org,
                role="home" if home else "guest",
                place=wish.place,
                state="accepted" if home else "requested",
                experts=wish.experts,
                tenderer_reps=wish.tenderer_reps,
                meal_fen=wish.meal_fen,
                decided_by=actor if home else None,
                decided_at=now if home else None,
            )
        )
    # Sorted, so that two requests for the same stations never wait for each other in a circle.
    for org, station in sorted((w.org, station) for w in body.venues for station in w.stations):
        conn.execute(
            insert(booking_station).values(
                booking=head["number"],
                kind="booking",
                org=org,
                station_id=station,
                state="requested",
                occupied_from=head["occupied_from"],
                occupied_to=head["occupied_to"],
            )
        )


def set_state(
    conn: Connection, number: str, state: str, *, now: datetime, reason: str = ""
) -> None:
    """Moves a booking and its stations; stations stop holding when the state no longer does."""
    values: dict[str, Any] = {"state": state, "changed_at": now}
    if reason:
        values["reason"] = reason
    if state == "ended":
        values["ended_at"] = now
    conn.execute(update(booking).where(booking.c.number == number).values(**values))
    conn.execute(
        update(booking_station).where(booking_station.c.booking == number).values(state=state)
    )


def decide_venue(conn: Connection, number: str, org: str, *, values: Mapping[str, Any]) -> None:
    """Writes one venue's answer."""
    conn.execute(
        update(booking_venue)
        .where(booking_venue.c.booking == number, booking_venue.c.org == org)
        .values(**values)
    )


def replace_members(
    conn: Connection,
    number: str,
    org: str,
    *,
    members: list[dict[str, Any]],
    identities: list[dict[str, Any]],
) -> None:
    """Puts one venue's members in place of those it had; identities go with them."""
    mine = and_(booking_member.c.booking == number, booking_member.c.org == org)
    numbers = list(conn.execute(select(booking_member.c.no).where(mine)).scalars())
    conn.execute(
        delete(booking_identity).where(
            booking_identity.c.booking == number, booking_identity.c.no.in_(numbers)
        )
    )
    conn.execute(delete(booking_member).where(mine))
    if members:
        conn.execute(insert(booking_member), members)
        conn.execute(insert(booking_identity), identities)


def replace_duty(conn: Connection, number: str, org: str, persons: list[dict[str, Any]]) -> None:
    """Puts one venue's roster in place of the one it had; persons that stay keep their key."""
    mine = and_(booking_duty.c.booking == number, booking_duty.c.org == org)
    kept = set(conn.execute(select(booking_duty.c.person).where(mine)).scalars())
    wanted = {person["person"]: person for person in persons}
    conn.execute(delete(booking_duty).where(mine, booking_duty.c.person.not_in(sorted(wanted))))
    for key, person in wanted.items():
        if key not in kept:
            conn.execute(insert(booking_duty).values(**person))
            continue
        where = and_(mine, booking_duty.c.person == key)
        changed = booking_duty.c.role != person["role"]
        conn.execute(update(booking_duty).where(where, changed).values(**person, cert=None))


def set_duty(conn: Connection, number: str, person: str, values: Mapping[str, Any]) -> None:
    """Writes one person's confirmation or certificate."""
    conn.execute(
        update(booking_duty)
        .where(booking_duty.c.booking == number, booking_duty.c.person == person)
        .values(**values)
    )


def put_plan(conn: Connection, values: Mapping[str, Any]) -> None:
    """Writes what one controller's plan carries of a session, in place of what it carried."""
    key = and_(session_plan.c.session == values["session"], session_plan.c.ctl == values["ctl"])
    changed = conn.execute(update(session_plan).where(key).values(**values))
    if changed.rowcount == 0:
        conn.execute(insert(session_plan).values(**values))


def drop_plans(conn: Connection, session: str) -> list[str]:
    """Takes a session out of every plan; returns the controllers whose plan changed."""
    mine = and_(session_plan.c.session == session, session_plan.c.active)
    ctls = list(conn.execute(select(session_plan.c.ctl).where(mine)).scalars())
    conn.execute(update(session_plan).where(mine).values(active=False))
    return ctls


def planned(conn: Connection, session: str) -> list[str]:
    """Controllers that carry this session in their plan."""
    mine = and_(session_plan.c.session == session, session_plan.c.active)
    return list(conn.execute(select(session_plan.c.ctl).where(mine)).scalars())


def mark_published(conn: Connection, number: str, now: datetime) -> None:
    """Counts one more publication of the booking."""
    conn.execute(
        update(booking)
        .where(booking.c.number == number)
        .values(published_at=now, published_n=booking.c.published_n + 1, changed_at=now)
    )


def overdue_requests(conn: Connection, *, asked_before: datetime, now: datetime) -> list[str]:
    """Requests nobody answered in time, or whose start has come."""
    late = (booking.c.requested_at < asked_before) | (booking.c.start_at <= now)
    rows = conn.execute(select(booking.c.number).where(booking.c.state == "requested", late))
    return list(rows.scalars())


def unused(conn: Connection, *, over_before: datetime) -> list[str]:
    """Confirmed bookings whose time was over before a moment and that nobody began."""
    late = (booking.c.state == "confirmed") & (booking.c.occupied_to < over_before)
    return list(conn.execute(select(booking.c.number).where(late)).scalars())


def _whole(conn: Connection, row: dict[str, Any]) -> Record:
    def of(table: Any, *order: Any) -> tuple[Mapping[str, Any], ...]:
        query = select(table).where(table.c.booking == row["number"]).order_by(*order)
        return tuple(dict(found) for found in conn.execute(query).mappings())

    return Record(
        row=row,
        venues=of(booking_venue, booking_venue.c.role.desc(), booking_venue.c.org),
        stations=of(booking_station, booking_station.c.station_id),
        members=of(booking_member, booking_member.c.no),
        duty=of(booking_duty, booking_duty.c.org, booking_duty.c.post),
    )
