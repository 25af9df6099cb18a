"""Makes the board of what the rooms recorded, what the line to them says, and today's bookings.

Unknown stays unknown, old stays old: a room without a pong is drawn as its last known state with
its age, never as healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.clock import iso_ms
from hub.fleet.rooms import RoomView
from hub.web.i18n import Both, Text, say
from hub.web.templating import hm, hms
from hub.web.views_alarm_make import (
    ACTIVE,
    OVER,
    SILENCE,
    WAITING,
    Alarm,
    BoardData,
    alarm_row,
    alarms_of,
    case_number,
    current,
    fact_text,
    phase_of,
    phase_text,
    running,
    short,
)
from hub.web.views_board import (
    BoardView,
    DeviceMark,
    Look,
    Tile,
    TodayRow,
    Venue,
)
from hub.web.views_common import DRILL, Shape, State, room_text, venue_short
from protocols.policy.room_model import Member, RoomState, Session

COUNTED: Final = {
    "evaluating": ("evaluating", "signing"),
    "suspended": ("suspended", "on_break", "adjourned"),
    "check_in": ("check_in",),
    "waiting": ("prepared", "idle", ""),
    "ended": OVER,
}
LEVELS: Final = ("p1", "p2", "p3")
MARKS: Final = {
    "power": ("power",),
    "network": ("network",),
    "recording": ("av",),
    "locker": ("locker",),
}
"""Which kinds of fault stand under which mark of the device strip."""
SEATED_STEPS: Final = ("seated", "released", "left")


# ---- tiles ----


def tile(room: RoomView, alarms: Sequence[Alarm]) -> Tile:
    """One room's tile."""
    mine = [one for one in alarms if one.room.ctl == room.ctl and not one.notice]
    session = current(room.state)
    if room.state is None or room.link.reachable is not True:
        return _old_tile(room, session)
    worst = mine[0] if mine else None
    look = Look(worst.level) if worst is not None else Look.NORMAL
    seats = _seats(room.state, session)
    devices = _marks(room.state, mine)
    p1 = worst is not None and worst.level == "p1" and worst.kind != SILENCE
    title = fact_text(worst) if p1 and worst else None
    case = worst.case if p1 and worst is not None else None
    return Tile(
        name=room_text(room.name),
        href=f"/cases/{case['case']}" if case else _href(session),
        look=look,
        title=title or phase_text(phase_of(session) or "idle"),
        badge=_badge(worst) if worst else None,
        right="" if p1 else _right(session),
        since=worst.since if p1 and worst else None,
        devices=devices,
        seats=seats,
        seats_text=_ups_text(room.state, seats) if p1 else _seats_text(seats),
        foot=_p1_foot(worst, session) if p1 and worst else _foot(room.state, session, worst),
        drill=session is not None and session.kind == DRILL,
    )


def _old_tile(room: RoomView, session: Session | None) -> Tile:
    """A room whose line is silent, or of which nothing was recorded yet."""
    known = room.state is not None
    since = room.link.pong_at or room.recorded_at
    asked = room.link.reachable is None
    title = say("board.tile.unsure") if asked else say("board.tile.silent")
    last = phase_text(phase_of(session) or "idle")
    as_of = room.as_of or (room.recorded_at.isoformat() if room.recorded_at else "")
    foot = (
        say("board.tile.asof", at=hms(datetime.fromisoformat(as_of)))
        if as_of
        else say("board.tile.never")
    )
    return Tile(
        name=room_text(room.name),
        href=_href(session),
        look=Look.OLD,
        title=title,
        badge=State(Shape.UNKNOWN, say("unknown")),
        right="",
        since=since,
        devices=tuple(DeviceMark(key, "un") for key in MARKS),
        seats=(),
        seats_text=say("last_known", text=last) if known else "",
        foot=foot,
    )


def _href(session: Session | None) -> str:
    return f"/sessions/{session.id}" if session is not None else "/devices"


def _badge(alarm: Alarm) -> State:
    level = alarm.level.upper()
    text: Text = say("board.tile.acked", level=level) if alarm.acked and level == "P1" else level
    return State(Shape(alarm.level), text, acked=alarm.acked)


def _seats(state: RoomState, session: Session | None) -> tuple[bool | None, ...]:
    """One mark per station in use; without a session, none is."""
    if session is None:
        return ()
    used = sorted(m.station for m in session.members.values() if m.here and m.station is not None)
    look = {"occupied": True, "vacant": False}
    return tuple(look.get(state.seats[n].state) if n in state.seats else None for n in used)


def _seats_text(seats: Sequence[bool | None]) -> Text:
    if not seats:
        return ""
    return say("board.tile.seats", on=sum(mark is True for mark in seats), all=len(seats))


def _ups_text(state: RoomState, seats: Sequence[bool | None]) -> Text:
    charge = state.power.charge_pct
    if charge is None:
        return _seats_text(seats)
    on, everyone = sum(mark is True for mark in seats), len(seats)
    return say("board.tile.seats_ups", on=on, all=everyone, charge=f"{charge}%")


def _p1_foot(alarm: Alarm, session: Session | None) -> Text:
    if session is None:
        return say("board.tile.none")
    number = running(session)
    if alarm.case is None:
        return say("board.tile.session", no=number)
    return say(
        "board.tile.case",
        no=number,
        phase=phase_text(phase_of(session)),
        case=case_number(alarm.case),
        state=case_text(alarm.case),
    )


def case_text(case: Mapping[str, Any]) -> Text:
    """What a case waits for; beside a session's phase, its own state would say the same twice."""
    due = case.get("waiting_for")
    return say(f"case.due.{due}") if due else say("term.case.closed")


def _right(session: Session | None) -> Text:
    if session is None:
        return ""
    phase = phase_of(session)
    start = datetime.fromisoformat(session.start_at)
    if phase in WAITING:
        return say("board.tile.starts", at=hm(start))
    return say("board.tile.session", no=running(session))


def _foot(state: RoomState, session: Session | None, worst: Alarm | None) -> Text:
    if session is None:
        return _selftest(state)
    number = running(session)
    named = worst is not None and worst.kind != SILENCE
    note = fact_text(worst) if worst is not None and named else _waiting(session)
    if not note:
        note = _streams(state)
    return (
        say("board.tile.session_note", no=number, text=note)
        if note
        else say("board.tile.session", no=number)
    )


def _waiting(session: Session) -> Text:
    """Whom a check-in waits for: the first two numbers."""
    if phase_of(session) != "check_in":
        return ""
    missing = [m.no for m in session.members.values() if m.here and not _is_in(m)]
    return waits_text(missing) if missing else ""


def waits_text(missing: Sequence[int]) -> Text:
    """Member numbers that are waited for, at most two, listed as the page's language does."""
    few = [str(no) for no in missing[:2]]
    numbers = Both("、".join(few), ", ".join(few))
    return say("board.tile.waits", who=say("member.short", no=numbers))


def _is_in(member: Member) -> bool:
    return str(member.step.value) in SEATED_STEPS or bool(member.out)


def _streams(state: RoomState) -> Text:
    on = sum(stream.state == "on" for stream in state.streams.values())
    return say("board.tile.streams", n=on) if on else ""


def _selftest(state: RoomState) -> Text:
    if state.selftest is None:
        return say("board.tile.none")
    return say("board.tile.selftest_ok" if state.selftest.ok else "board.tile.selftest_not")


def _marks(state: RoomState, alarms: Sequence[Alarm]) -> tuple[DeviceMark, ...]:
    """电 网 录 柜, each at its worst open fault, else ok or unknown."""
    unknown = {
        "power": state.power.mains == "unknown",
        "network": state.network.state == "unknown",
        "recording": False,
        "locker": bool(state.lockers)
        and all(one.door == "unknown" for one in state.lockers.values()),
    }
    return tuple(DeviceMark(key, _mark(key, state, alarms, unknown=unknown[key])) for key in MARKS)


def _mark(key: str, state: RoomState, alarms: Sequence[Alarm], *, unknown: bool) -> str:
    hit = [one.level for one in alarms if _concerns(key, one)]
    if hit:
        return min(hit)
    if unknown:
        return "un"
    if key == "recording" and not any(s.state == "on" for s in state.streams.values()):
        return "na"
    return "ok"


def _concerns(key: str, alarm: Alarm) -> bool:
    if alarm.kind in MARKS[key]:
        return True
    device = alarm.fault.device if alarm.fault is not None else ""
    if key == "locker":
        behind = alarm.kind == "device" and "locker" in device
        return behind or alarm.kind.startswith("locker.")
    return key == "recording" and alarm.kind == "device" and "cam" in device


# ---- the page ----


def _venues(data: BoardData, alarms: Sequence[Alarm]) -> tuple[Venue, ...]:
    orgs: dict[str, list[RoomView]] = {}
    for room in data.rooms:
        orgs.setdefault(room.org, []).append(room)
    order = sorted(orgs, key=lambda org: (org not in data.home_orgs, org))
    made = []
    for org in order:
        rooms = orgs[org]
        streams = [s for r in rooms if r.state for s in r.state.streams.values()]
        summary = say(
            "board.venue",
            rooms=len(rooms),
            streams=len(streams),
            rec=sum(s.state == "on" for s in streams),
            controllers=len(rooms),
            online=sum(r.link.reachable is True for r in rooms),
        )
        role = say("home" if org in data.home_orgs else "guest")
        name = data.names.get(org, Both(org, org))
        tiles = tuple(tile(room, alarms) for room in rooms)
        made.append(Venue(name, role, summary, tiles))
    return tuple(made)


def live_session(data: BoardData, booking: Mapping[str, Any]) -> dict[str, Session]:
    """Organisation -> the session as that venue's room holds it."""
    found = {}
    for room in data.rooms:
        session = room.state.sessions.get(booking["session"]) if room.state else None
        if session is not None:
            found[room.org] = session
    return found


def live_phase(data: BoardData, booking: Mapping[str, Any]) -> str:
    """The home room's phase, else any room's, else ''."""
    found = live_session(data, booking)
    home = found.get(booking["home_org"])
    if home is not None:
        return phase_of(home)
    return next((phase_of(one) for one in found.values()), "")


def members_text(data: BoardData, booking: Mapping[str, Any], phase: str) -> Text:
    """How far the members are, by phase."""
    members = [
        m for org, s in live_session(data, booking).items() for m in s.members.values() if m.here
    ]
    everyone = sum(v["experts"] + v["tenderer_reps"] for v in booking["venues"])
    steps = [str(m.step.value) for m in members]
    if phase in OVER:
        return say("board.members.left", n=steps.count("left"), all=everyone)
    if phase == "check_in":
        done = sum(step in {"identified", "deposited", *SEATED_STEPS} for step in steps)
        return say("board.members.in", n=done, all=everyone)
    if phase in ACTIVE:
        seated = say("board.members.seated", n=steps.count("seated"), all=everyone)
        return say("last_known", text=seated) if _unheard(data, booking) else seated
    return say("board.members.not_yet", n=0, all=everyone)


def _unheard(data: BoardData, booking: Mapping[str, Any]) -> bool:
    """Whether a room of the session does not answer, so that its members are as last known."""
    places = {venue["place"] for venue in booking["venues"]}
    mine = (room for room in data.rooms if room.place in places)
    return any(room.link.reachable is not True for room in mine)


def attention(booking: Mapping[str, Any], alarms: Sequence[Alarm]) -> State:
    """The one thing worth saying of a session."""
    places = {venue["place"] for venue in booking["venues"]}
    mine = [one for one in alarms if one.room.place in places]
    if not mine:
        return State(Shape.OK, say("board.att.none"))
    worst = mine[0]
    if worst.case is not None:
        text: Text = say(
            "board.att.case", case=case_number(worst.case), state=case_text(worst.case)
        )
    else:
        text = fact_text(worst)
    return State(Shape(worst.level), text, acked=worst.acked)


def today_row(data: BoardData, booking: Mapping[str, Any], alarms: Sequence[Alarm]) -> TodayRow:
    """One line of the day's list."""
    phase = live_phase(data, booking)
    home = [v for v in booking["venues"] if v["role"] == "home"]
    guests = [v for v in booking["venues"] if v["role"] != "home"]
    published = bool(booking["published_n"])
    return TodayRow(
        at=datetime.fromisoformat(booking["start_at"]),
        number=booking["number"],
        short=short(booking["number"], drill=booking["kind"] == DRILL),
        drill=booking["kind"] == DRILL,
        href=f"/sessions/{booking['session']}" if published else f"/bookings/{booking['number']}",
        home=places_text(home),
        guests=places_text(guests),
        phase=phase_text(phase) if phase else say(f"term.booking.{booking['state']}"),
        members=members_text(data, booking, phase),
        attention=attention(booking, alarms),
    )


def places_text(venues: Sequence[Mapping[str, Any]]) -> Text:
    """`长沙 二室`, several joined."""
    result: Text = ""
    for venue in venues:
        one = say(
            "board.place", org=venue_short(venue), room=room_text(venue["room"] or venue["place"])
        )
        result = say("list.and", a=result, b=one) if result else one
    return result


def board_view(data: BoardData) -> BoardView:
    """The whole board."""
    alarms = alarms_of(data)
    phases = [live_phase(data, booking) for booking in data.sessions]
    counts: list[tuple[Text, int]] = [(say("board.count.sessions"), len(data.sessions))]
    for name, words in COUNTED.items():
        counts.append((say(f"board.count.{name}"), sum(phase in words for phase in phases)))
    levels = [one.level for one in alarms]
    day = sorted(data.sessions, key=lambda one: (one["start_at"], one["number"]))
    return BoardView(
        now=data.now,
        counts=tuple(counts),
        p1=levels.count("p1"),
        p2=levels.count("p2"),
        p3=levels.count("p3"),
        shelved=0,
        venues=_venues(data, alarms),
        today=tuple(today_row(data, one, alarms) for one in day),
        alarms=tuple(alarm_row(data, one) for one in alarms),
        unacked=sum(not one.acked and not one.quiet for one in alarms),
        shelf=(),
    )


def room_json(room: RoomView) -> dict[str, Any]:
    """One room as programs read it: link, phase, faults; unknown is null."""
    session = current(room.state)
    return {
        "ctl": room.ctl,
        "org": room.org,
        "place": room.place,
        "name": room.name,
        "reachable": room.link.reachable,
        "age_s": room.age_s,
        "as_of": room.as_of or None,
        "catching_up": room.catching_up,
        "session": session.id if session else None,
        "phase": phase_of(session) or None,
        "power": None if room.state is None else room.state.power.mains,
        "network": None if room.state is None else room.state.network.state,
        "faults": []
        if room.state is None
        else [
            {
                "fault": f.id,
                "kind": f.kind,
                "device": f.device,
                "what": f.what,
                "raised_at": f.raised_at,
                "acked": f.acked,
            }
            for f in room.state.faults.values()
            if f.is_open
        ],
        "alarms": [
            {
                "alarm": one.alarm,
                "kind": one.kind,
                "at": iso_ms(one.at),
                "times": one.times,
                "row": {"ctl": one.source, "epoch": one.epoch, "seq": one.seq},
                "found_later": one.found_later,
                "returned_at": None if one.returned_at is None else iso_ms(one.returned_at),
                "acked_by": None if one.acked is None else one.acked.post,
            }
            for one in room.alarms
        ],
        "held": room.held,
    }
