"""The policy's word on a request, turned into what a person sees and can do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.booking import places
from hub.booking.body import PROJECT_KINDS, YEARS, RequestBody
from hub.clock import iso_ms
from hub.ports import Actor, Parts, refuse
from hub.problems import Problem
from hub.store.tables_core import organisations, pairings, users
from protocols.messages.errors import RemoteError
from protocols.policy.booking import (
    SHANGHAI,
    BookingRequest,
    ExceptionGrant,
    Finding,
    GuestRequest,
    Level,
    Pairing,
    check_request,
)
from protocols.policy.contingency import may_start_real

CHINA: Final = SHANGHAI
ALTERNATIVES_MIN: Final = 3
ALTERNATIVES_MAX: Final = 6
SEARCH_DAYS_MAX: Final = 60
"""How far ahead other days are looked for; a station taken on every one of them is out of use."""
APPROVING: Final = ("home_manager", "deputy", "supervisor")


def judge(
    conn: Connection, wish: RequestBody, *, parts: Parts, now: datetime
) -> list[dict[str, Any]]:
    """What the rules find, exceptions applied; each finding as a plain object."""
    known = {
        venue.org: {unit.id for unit in places.active_stations(conn, venue.org)}
        for venue in wish.venues
    }
    found = check_request(
        _asked(wish), parts.pack, parts.calendar, pairing(conn), now, known_stations=known
    )
    found += _strange_rooms(conn, wish) + _strange_project(wish, parts)
    return [{**asdict(one), "level": str(one.level.value)} for one in found]


def refuse_unless_allowed(findings: list[dict[str, Any]]) -> None:
    """Refuses with every finding at once; the first one names what, where, expected, got, do.

    Raises:
        Problem: 422 with `findings`, and `exception` where a reason and an approver would do.
    """
    order = {Level.REFUSE.value: 0, Level.NEEDS_EXCEPTION.value: 1}
    bad = sorted((f for f in findings if f["level"] in order), key=lambda f: order[f["level"]])
    if not bad:
        return
    first = bad[0]
    may_except = all(f["level"] == Level.NEEDS_EXCEPTION.value for f in bad)
    more: dict[str, Any] = {"findings": findings}
    if may_except:
        more["exception"] = {"reason": "required", "approver": "post of a manager or supervisor"}
    raise refuse(
        422,
        str(first["code"]),
        zh=str(first["zh"]),
        en=str(first["en"]),
        where=f"booking.{first['where']}",
        expected=str(first["expected"]),
        got=first["got"],
        do=str(first["do"]),
        more=more,
    )


def approver(conn: Connection, wish: RequestBody, *, actor: Actor) -> dict[str, Any] | None:
    """Who answers for the exception: another person of the home venue than who asks, by post.

    Raises:
        Problem: 422 nobody of that post, not entitled, or the same person.
    """
    if wish.exception is None:
        return None
    row = conn.execute(
        select(users.c.person, users.c.post, users.c.org, users.c.roles).where(
            users.c.post == wish.exception.approver, users.c.active
        )
    ).first()
    if (
        row is None
        or row.org != wish.home_org
        or not set(row.roles) & set(APPROVING)
        or row.person == actor.person
    ):
        raise refuse(
            422,
            "exception_approver",
            zh="例外须由另一名有权人员批准",
            en="An exception needs another, entitled person's approval",
            where="booking.exception.approver",
            expected=f"the post of somebody else at the home venue, {' or '.join(APPROVING)}",
            got=wish.exception.approver,
            do="填写批准人岗位编号",
        )
    return {"reason": wish.exception.reason, "approver": row.post, "approver_org": row.org}


def conflict(
    conn: Connection, wish: RequestBody, *, parts: Parts, span: tuple[datetime, datetime]
) -> Problem:
    """409: somebody holds a station then; with at least three other ways to do it."""
    held = places.held(conn, *span)
    taken = sorted(s for venue in wish.venues for s in venue.stations if s in held)
    return refuse(
        409,
        "booking_no_overlap",
        zh="所选机位在该时段已被占用",
        en="A station is held at that time",
        where="booking.venues",
        expected="free stations for the whole time, buffers included",
        got=", ".join(taken) or "held a moment ago",
        do="从备选方案中选择，或更换日期",
        more={"taken": taken, "alternatives": alternatives(conn, wish, parts=parts, span=span)},
    )


def alternatives(
    conn: Connection, wish: RequestBody, *, parts: Parts, span: tuple[datetime, datetime]
) -> list[dict[str, Any]]:
    """Other stations at the same time first, then the same stations on later workdays."""
    found = _other_stations(conn, wish, span)
    day = timedelta(days=1)
    for ahead in range(1, SEARCH_DAYS_MAX + 1):
        if len(found) >= ALTERNATIVES_MAX:
            break
        begins, ends = span[0] + ahead * day, span[1] + ahead * day
        start = wish.start_at + ahead * day
        if parts.calendar.is_workday(start.astimezone(CHINA).date()) is False:
            continue
        held = places.held(conn, begins, ends)
        if any(station in held for venue in wish.venues for station in venue.stations):
            continue
        found.append(
            {
                "start_at": iso_ms(start),
                "venues": [
                    {"org": v.org, "place": v.place, "stations": list(v.stations)}
                    for v in wish.venues
                ],
                "why": "same_stations_later",
            }
        )
    return found


def refuse_unverified(parts: Parts, *, kind: str) -> None:
    """A pack nobody has verified starts drills only, but on a demonstration hub.

    Raises:
        Problem: 422.
    """
    if may_start_real(parts.pack, parts.demo, kind):
        return
    raise refuse(
        422,
        "pack_not_verified",
        zh="规程包未经核实，只能用于演练",
        en="The policy pack is not verified: drills only",
        where=f"pack {parts.pack.id} version {parts.pack.version}",
        expected="verified: true with a named person, or a drill",
        got=f"verified: false, kind {kind}",
        do="由法定责任人核实规程包并署名，或改为演练",
    )


def read_day(text: str) -> datetime:
    """Midnight of a day in China, `2026-11-24`.

    Raises:
        RemoteError: not a date.
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=CHINA)
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise RemoteError("not a day", where="day", expected="a date such as 2026-11-24", got=text)
    return day


def pairing(conn: Connection) -> Pairing:
    """Organisations and which guests assist which home, as the hub has them."""
    names = {row.id: row.name for row in conn.execute(select(organisations))}
    pairs: dict[str, set[str]] = {}
    for row in conn.execute(select(pairings)):
        pairs.setdefault(row.home, set()).add(row.guest)
    return Pairing(names=names, pairs={home: frozenset(guests) for home, guests in pairs.items()})


def _asked(wish: RequestBody) -> BookingRequest:
    home = wish.venue(wish.home_org)
    grants: tuple[ExceptionGrant, ...] = ()
    if wish.exception is not None:
        grants = tuple(
            ExceptionGrant(code, wish.exception.reason, wish.exception.approver)
            for code in (
                "lead_time",
                "lead_time_provisional",
                "not_workday",
                "not_morning",
                "unpaired_guest",
            )
        )
    return BookingRequest(
        home=wish.home_org,
        guests=tuple(
            GuestRequest(unit=v.org, seats=len(v.stations), stations=v.stations)
            for v in wish.venues
            if v.org != wish.home_org
        ),
        kind=wish.kind,
        project_kind=wish.project_kind,
        start_at=wish.start_at,
        duration_min=wish.duration_min,
        home_seats=len(home.stations) if home else 0,
        home_stations=home.stations if home else (),
        exceptions=grants,
    )


def _strange_rooms(conn: Connection, wish: RequestBody) -> list[Finding]:
    known = places.room_rows(conn, frozenset(v.place for v in wish.venues))
    return [
        Finding(
            code="unknown_room",
            level=Level.REFUSE,
            zh="没有这个评标室",
            en="There is no such room",
            what="There is no such room",
            where=f"venues.{venue.org}.place",
            expected="a room of the directory",
            got=venue.place,
            do="choose a room of the directory",
        )
        for venue in wish.venues
        if venue.place not in known
    ]


def _strange_project(wish: RequestBody, parts: Parts) -> list[Finding]:
    """A kind nobody knows could be an excluded one by another spelling."""
    if wish.project_kind in {*PROJECT_KINDS, *parts.pack.booking.excluded_project_kinds}:
        return []
    return [
        Finding(
            code="unknown_project",
            level=Level.REFUSE,
            zh="没有这种项目类型",
            en="There is no such kind of project",
            what="There is no such kind of project",
            where="project_kind",
            expected=" or ".join(PROJECT_KINDS),
            got=wish.project_kind,
            do="choose one of these",
        )
    ]


def _other_stations(
    conn: Connection, wish: RequestBody, span: tuple[datetime, datetime]
) -> list[dict[str, Any]]:
    """The same time with other stations, in one room per venue; one proposal per free room."""
    held = places.held(conn, *span)
    choices: list[list[tuple[str, list[str]]]] = []
    for venue in wish.venues:
        by_room: dict[str, list[str]] = {}
        for unit in places.active_stations(conn, venue.org):
            if unit.id not in held:
                by_room.setdefault(unit.room, []).append(unit.id)
        need = len(venue.stations)
        rooms = sorted(by_room.items(), key=lambda item: (item[0] != venue.place, item[0]))
        choices.append([(room, free[:need]) for room, free in rooms if len(free) >= need])
    if not all(choices):
        return []
    found = []
    for n in range(max(len(options) for options in choices)):
        picked = [options[min(n, len(options) - 1)] for options in choices]
        found.append(
            {
                "start_at": iso_ms(wish.start_at),
                "venues": [
                    {"org": venue.org, "place": room, "stations": stations}
                    for venue, (room, stations) in zip(wish.venues, picked, strict=True)
                ],
                "why": "same_time_other_stations",
            }
        )
    return found[:ALTERNATIVES_MAX]
