"""Makes the booking views of what the booking service answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from hub.booking.body import PROJECT_KINDS
from hub.booking.ical import GIVEN
from hub.web.i18n import Both, Text, say
from hub.web.templating import hm, local, ymd
from hub.web.views_booking import (
    BookingRow,
    BookingsView,
    BookingView,
    DutyLine,
    FindingLine,
    GridCell,
    GridRoom,
    GridRow,
    MemberLine,
    MemberSlot,
    NextStep,
    Person,
    RequestForm,
    RoomChoice,
    StationChoice,
    VenueLine,
)
from hub.web.views_common import (
    DRILL,
    Shape,
    State,
    Viewer,
    in_a_week,
    number_text,
    org_text,
    role_text,
    room_text,
    venue_short,
)
from hub.web.views_events import joined

FIRST_HOUR: Final = 7
LAST_HOUR: Final = 20
"""The grid's hours; a booking that reaches beyond is drawn to the edge."""
SLOT: Final = timedelta(minutes=30)
KINDS: Final = ("evaluation", "re_evaluation", "review", "drill")
STEPS: Final = ("requested", "accepted", "confirmed", "in_use", "ended", "closed")
ASKING: Final = ("home_manager", "deputy", "operator")
ANSWERING: Final = ("guest_coordinator", "home_manager", "deputy")
ENTERING: Final = ("guest_coordinator", "home_manager", "deputy", "operator")
SHAPES: Final = {
    "requested": Shape.NOW,
    "accepted": Shape.NOW,
    "confirmed": Shape.OK,
    "in_use": Shape.NOW,
    "ended": Shape.OK,
    "closed": Shape.OK,
}


def instant(text: str | None) -> datetime | None:
    """RFC 3339 as an aware instant; None stays None."""
    return None if text is None else datetime.fromisoformat(text)


def when(text: str) -> datetime:
    """RFC 3339 that must be there."""
    return datetime.fromisoformat(text)


def booking_state(state: str) -> State:
    """A booking's or a venue's state in shape and word."""
    return State(SHAPES.get(state, Shape.NONE), say(f"term.booking.{state}"))


def _names(booking: Mapping[str, Any], role: str) -> Text:
    found = [v for v in booking["venues"] if v["role"] == role]
    return joined([venue_short(v) for v in found])


def _room(venue: Mapping[str, Any]) -> Text:
    return room_text(str(venue["room"] or venue["place"]))


# ---- the list and the grid ----


def row(booking: Mapping[str, Any]) -> BookingRow:
    """One line of the list."""
    number = str(booking["number"])
    return BookingRow(
        number=number_text(number, booking["kind"]),
        href=f"/bookings/{number}",
        at=when(booking["start_at"]),
        kind=say(f"term.session_kind.{booking['kind']}"),
        home=_names(booking, "home"),
        guests=_names(booking, "guest"),
        state=booking_state(booking["state"]),
        waiting=waiting_text(booking),
    )


def waiting_text(booking: Mapping[str, Any]) -> Text:
    """Who has to do something next."""
    state = booking["state"]
    if state == "requested":
        asked = [v for v in booking["venues"] if v["role"] == "guest" and v["state"] == "requested"]
        return say("booking.wait.answer", who=joined([venue_short(v) for v in asked]))
    if state == "accepted":
        return say("booking.wait.confirm")
    if state == "confirmed":
        return say("booking.wait.session" if booking["published_n"] else "booking.wait.publish")
    if state == "in_use":
        return say("booking.wait.running")
    return say("booking.wait.none")


def _cells(held: Sequence[Mapping[str, Any]], begins: datetime) -> tuple[GridCell, ...]:
    """The day of one station as runs of half hours between the grid's edges."""
    at, edge = begins + timedelta(hours=FIRST_HOUR), begins + timedelta(hours=LAST_HOUR)
    cells: list[GridCell] = []
    for one in held:
        opens, closes = max(at, when(one["occupied_from"])), min(edge, when(one["occupied_to"]))
        gap, run = _slots(opens - at), _slots(closes - opens)
        if run <= 0:
            continue
        if gap > 0:
            cells.extend(_free(gap))
        cells.append(_held(one, run))
        at += (max(0, gap) + run) * SLOT
    cells.extend(_free(_slots(edge - at)))
    return tuple(cells)


def _slots(span: timedelta) -> int:
    return round(span / SLOT)


def _free(run: int) -> list[GridCell]:
    return [GridCell(run, "free", "", "", say("booking.grid.free"))] if run > 0 else []


def _held(one: Mapping[str, Any], run: int) -> GridCell:
    number = one["booking"]
    looks = {"requested": "req", "accepted": "req", "ended": "ended", "closed": "ended"}
    title = say(
        "booking.grid.title",
        number=number_text(number, one["kind"]) if number else "",
        state=say(f"term.booking.{one['state']}") if number else say("booking.grid.taken"),
        begins=hm(when(one["occupied_from"])),
        ends=hm(when(one["occupied_to"])),
    )
    text = str(number)[-2:] if number else say("booking.grid.taken")
    return GridCell(
        run, looks.get(one["state"], "held"), f"/bookings/{number}" if number else "", text, title
    )


def grid(day: Mapping[str, Any], orgs: Mapping[str, Text]) -> tuple[GridRoom, ...]:
    """The day's grid, stations by room."""
    begins = when(day["from"])
    rooms: dict[str, list[GridRow]] = {}
    names: dict[str, Text] = {}
    owners: dict[str, str] = {}
    for unit in day["stations"]:
        names[unit["room"]] = say(
            "booking.grid.room",
            org=orgs.get(unit["org"], unit["org"]),
            room=room_text(unit["room_name"]),
        )
        owners[unit["room"]] = unit["org"]
        station = say("booking.station", n=unit["n"])
        rooms.setdefault(unit["room"], []).append(GridRow(station, _cells(unit["held"], begins)))
    return tuple(
        GridRoom(
            names[room],
            owners[room],
            any(cell.look != "free" for row in found for cell in row.cells),
            tuple(found),
        )
        for room, found in rooms.items()
    )


def _choices(org: Mapping[str, Any], *, with_org: bool) -> list[RoomChoice]:
    made = []
    for room in org["rooms"]:
        stations = tuple(
            StationChoice(s["id"], say("booking.station", n=s["n"]))
            for s in room["stations"]
            if s["active"]
        )
        name = say(
            "booking.grid.room",
            org=venue_short(org),
            room=room_text(room["name"]),
        )
        made.append(RoomChoice(room["id"], name if with_org else room["name"], stations))
    return made


def request_form(
    viewer: Viewer, directory: Sequence[Mapping[str, Any]], now: datetime
) -> RequestForm | None:
    """What this reader may ask for, or None when somebody else asks."""
    own = next((org for org in directory if org["org"] == viewer.org), None)
    if own is None or not viewer.may(*ASKING) or own["kind"] == "assisting":
        return None
    partners = [org for org in directory if org["org"] in own["partners"] and org["rooms"]]
    return RequestForm(
        home_org=viewer.org,
        home_name=org_text(own["name"], own["name_en"]),
        home_rooms=tuple(_choices(own, with_org=False)),
        guest_rooms=tuple(choice for org in partners for choice in _choices(org, with_org=True)),
        kinds=tuple((kind, say(f"term.session_kind.{kind}")) for kind in KINDS),
        project_kinds=tuple((kind, say(f"booking.project.{kind}")) for kind in PROJECT_KINDS),
        sample=f"{ymd(in_a_week(now))} 09:00",
    )


def bookings_view(
    viewer: Viewer,
    *,
    now: datetime,
    day: Mapping[str, Any],
    found: Sequence[Mapping[str, Any]],
    directory: Sequence[Mapping[str, Any]],
) -> BookingsView:
    """The page of one day."""
    begins = when(day["from"])
    orgs = {str(org["org"]): org_text(org["name"], org["name_en"]) for org in directory}
    rooms = grid(day, orgs)
    shown = [room for room in rooms if room.used or room.org == viewer.org]
    return BookingsView(
        now=now,
        day=day["day"],
        before=ymd(begins - timedelta(days=1)),
        after=ymd(begins + timedelta(days=1)),
        begins=begins,
        hours=tuple(f"{hour:02d}" for hour in range(FIRST_HOUR, LAST_HOUR)),
        rooms=tuple(sorted(shown, key=lambda room: room.org != viewer.org)),
        free=tuple(room.name for room in rooms if room not in shown),
        rows=tuple(row(one) for one in found),
        form=request_form(viewer, directory, now),
    )


# ---- one booking ----


def _venue(venue: Mapping[str, Any]) -> VenueLine:
    asked = venue["experts"] + venue["tenderer_reps"]
    numbers = joined([say("booking.station", n=s.rsplit("-", 1)[-1]) for s in venue["stations"]])
    meal = venue["meal_fen"]
    return VenueLine(
        org=venue["org"],
        name=org_text(venue["name"], venue["name_en"]),
        role=say(venue["role"]),
        room=_room(venue),
        stations=numbers,
        members=say("booking.members", experts=venue["experts"], reps=venue["tenderer_reps"]),
        meal="" if meal is None else say("booking.meal", yuan=f"{meal / 100:.2f}"),
        state=State(Shape.OK, say("term.booking.accepted"))
        if venue["state"] == "accepted"
        else booking_state(venue["state"]),
        entered=say("booking.entered", n=venue["members_entered"], all=asked),
        duty=say(
            "booking.duty_done" if venue["certified"] else "booking.duty_confirmed",
            n=venue["duty_confirmed"],
        ),
        reason=venue["reason"] or "",
    )


def _members(booking: Mapping[str, Any]) -> tuple[MemberLine, ...]:
    names = {v["org"]: venue_short(v) for v in booking["venues"]}
    return tuple(
        MemberLine(
            no=m["no"],
            kind=say(f"term.member_kind.{m['kind']}"),
            venue=names.get(m["org"], m["org"]),
            station="" if m["station"] is None else str(m["station"]),
            locker="" if m["locker"] is None else f"{m['locker']:02d}",
            masked=masked_text(m.get("masked")),
        )
        for m in booking["members"]
    )


def masked_text(masked: Any) -> str:
    """`张** 1101**********1234` of what the service left of a name and a number."""
    if isinstance(masked, Mapping):
        return " ".join(str(value) for value in masked.values())
    return str(masked or "")


def _duty(booking: Mapping[str, Any]) -> tuple[DutyLine, ...]:
    names = {v["org"]: venue_short(v) for v in booking["venues"]}
    made = []
    for one in booking["duty"]:
        if one["certified"]:
            state = State(Shape.OK, say("booking.duty.certified"))
        elif one["state"] == "assigned":
            state = State(Shape.OPEN, say("booking.duty.assigned"))
        else:
            state = State(Shape.NOW, say("booking.duty.confirmed"))
        role = role_text(one["role"])
        made.append(DutyLine(one["post"], role, names.get(one["org"], one["org"]), state))
    return tuple(made)


def _finding(one: Mapping[str, Any]) -> FindingLine:
    shape = Shape.NONE if one["level"] == "warn" else Shape.NOW
    state = State(shape, say(f"booking.finding.{one['level']}"))
    return FindingLine(state, Both(one["zh"], one["en"]))


def _facts(booking: Mapping[str, Any]) -> tuple[tuple[Text, Text], ...]:
    start = when(booking["start_at"])
    begins, ends = when(booking["occupied_from"]), when(booking["occupied_to"])
    facts: list[tuple[Text, Text]] = [
        (say("booking.start"), f"{local(start):%Y-%m-%d %H:%M}"),
        (say("booking.duration"), say("span.min", n=booking["duration_min"])),
        (say("booking.occupied"), f"{hm(begins)}–{hm(ends)}"),
        (say("booking.project_code"), booking["project_code"]),
        (say("booking.project_kind"), project_kind(booking["project_kind"])),
    ]
    facts.append((say("booking.draw"), draw_text(booking["draw"])))
    return tuple(facts)


def project_kind(kind: str) -> Text:
    """A project kind in words; an unknown one as it stands."""
    return say(f"booking.project.{kind}") if kind in PROJECT_KINDS else kind


def draw_text(draw: Any) -> Text:
    """The conditions for drawing experts; said where none were given."""
    if isinstance(draw, Mapping):
        draw = "；".join(f"{value}" for value in draw.values() if value)
    return str(draw) if draw else say("booking.draw_none")


def _steps(state: str) -> tuple[tuple[Text, str], ...]:
    if state not in STEPS:
        return ((booking_state(state).text, "cur"),)
    at = STEPS.index(state)
    return tuple(
        (say(f"term.booking.{name}"), "dn" if i < at else "cur" if i == at else "")
        for i, name in enumerate(STEPS)
    )


def _slots_of(
    venue: Mapping[str, Any] | None, booking: Mapping[str, Any]
) -> tuple[MemberSlot, ...]:
    """Lines of the members' form: numbers go on from the venues before."""
    if venue is None:
        return ()
    own = [m for m in booking["members"] if m["org"] == venue["org"]]
    if own:
        return tuple(
            MemberSlot(m["no"], m["kind"], say(f"term.member_kind.{m['kind']}")) for m in own
        )
    first = 1
    for other in booking["venues"]:
        if other["org"] == venue["org"]:
            break
        first += other["experts"] + other["tenderer_reps"]
    kinds = ["expert"] * venue["experts"] + ["tenderer_rep"] * venue["tenderer_reps"]
    return tuple(
        MemberSlot(first + i, kind, say(f"term.member_kind.{kind}")) for i, kind in enumerate(kinds)
    )


def _people(people: Sequence[Mapping[str, Any]], booking: Mapping[str, Any]) -> tuple[Person, ...]:
    chosen = {one["person"]: one["role"] for one in booking["duty"]}
    return tuple(
        Person(
            one["person"],
            say("booking.person", post=one["post"], role=role_text(one["roles"][0]))
            if one["roles"]
            else one["post"],
            tuple((r, role_text(r)) for r in one["roles"]),
            chosen.get(one["person"], ""),
        )
        for one in people
    )


def _next(booking: Mapping[str, Any], rights: Mapping[str, bool]) -> NextStep:
    for name in ("answer", "confirm", "duty_own", "publish", "members", "duty"):
        if rights[name]:
            opens = name if name in {"members", "duty"} else ""
            return NextStep(say(f"booking.next.{name}"), mine=True, opens=opens)
    return NextStep(waiting_text(booking), mine=False)


def _rights(
    viewer: Viewer, booking: Mapping[str, Any], venue: Mapping[str, Any] | None
) -> dict[str, bool]:
    state = booking["state"]
    ours = venue is not None
    home = ours and venue is not None and venue["role"] == "home"
    editable = ours and state in {"accepted", "confirmed"}
    entered = venue is not None and venue["members_entered"] > 0
    listed = [one for one in booking["duty"] if one["org"] == viewer.org]
    mine = [one for one in listed if one["person"] == viewer.person and one["state"] == "assigned"]
    all_confirmed = bool(listed) and all(one["state"] != "assigned" for one in listed)
    return {
        "answer": ours and not home and state == "requested" and viewer.may(*ANSWERING),
        "confirm": home and state == "accepted" and viewer.may(*ASKING),
        "withdraw": home
        and state in {"requested", "accepted", "confirmed"}
        and viewer.may(*ASKING),
        "members": editable and viewer.may(*ENTERING) and not entered,
        "duty": editable and viewer.may(*ANSWERING) and not listed,
        "duty_own": editable and bool(mine),
        "publish": ours
        and state == "confirmed"
        and entered
        and all_confirmed
        and viewer.may(*ANSWERING)
        and not bool(venue and venue["certified"]),
        "edit": editable and viewer.may(*ENTERING),
        "roster": editable and viewer.may(*ANSWERING),
    }


def booking_view(
    viewer: Viewer,
    booking: Mapping[str, Any],
    *,
    now: datetime,
    people: Sequence[Mapping[str, Any]],
) -> BookingView:
    """One booking as its reader may see and change it."""
    venue = next((v for v in booking["venues"] if v["org"] == viewer.org), None)
    rights = _rights(viewer, booking, venue)
    exception = booking["exception"]
    published = instant(booking["published_at"])
    return BookingView(
        now=now,
        number=booking["number"],
        session=booking["session"] if booking["published_n"] else "",
        drill=booking["kind"] == DRILL,
        shown=number_text(booking["number"], booking["kind"]),
        kind=say(f"term.session_kind.{booking['kind']}"),
        state=booking_state(booking["state"]),
        next=_next(booking, rights),
        facts=_facts(booking),
        steps=_steps(booking["state"]),
        venues=tuple(_venue(v) for v in booking["venues"]),
        members=_members(booking),
        duty=_duty(booking),
        findings=tuple(_finding(one) for one in booking["findings"] or ()),
        exception=exception_text(exception),
        losers=tuple(
            say(
                "booking.lose",
                org=org_text(v["name"], v["name_en"]),
                room=_room(v),
                n=len(v["stations"]),
            )
            for v in booking["venues"]
        ),
        may_answer=rights["answer"],
        may_confirm=rights["confirm"],
        may_withdraw=rights["withdraw"],
        may_members=rights["edit"],
        may_duty=rights["roster"],
        may_confirm_duty=rights["duty_own"],
        may_publish=rights["publish"],
        calendar=f"/api/v1/bookings/{booking['number']}/calendar.ics"
        if booking["state"] in GIVEN
        else "",
        slots=_slots_of(venue, booking),
        own_org=viewer.org,
        people=_people(people, booking),
        published=""
        if published is None
        else say("booking.published", at=f"{local(published):%m-%d %H:%M}"),
    )


def exception_text(exception: Any) -> Text | None:
    """The exception that was granted, with its reason and post; None when there is none."""
    if not isinstance(exception, Mapping):
        return None
    return say(
        "booking.exception_text",
        reason=exception.get("reason", ""),
        post=exception.get("approver", ""),
    )
