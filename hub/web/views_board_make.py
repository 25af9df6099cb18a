"""Makes the board of what the rooms recorded, what the line to them says, and today's bookings.

Unknown stays unknown, old stays old: a room without a pong is drawn as its last known state with
its age, never as healthy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.rooms import RoomView
from hub.web.i18n import Both, Text, catalogue, say
from hub.web.templating import hm, hms
from hub.web.views_board import (
    AlarmRow,
    BoardView,
    DeviceMark,
    Look,
    Tile,
    TodayRow,
    Venue,
)
from hub.web.views_common import Shape, State, org_text
from protocols.policy.contingency import priority
from protocols.policy.faults import CONSEQUENCE_KEYS
from protocols.policy.pack import Pack
from protocols.policy.room_model import Fault, Member, RoomState, Session

ACTIVE: Final = ("evaluating", "signing", "suspended", "on_break", "adjourned", "check_in")
"""Phases in the order in which a tile prefers them."""
WAITING: Final = ("prepared", "idle")
OVER: Final = ("ended", "closed", "postponed", "terminated")
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
ACK_WITHIN: Final = {"p1": timedelta(minutes=2), "p2": timedelta(minutes=10)}
"""How soon somebody has to have it in hand (HUB study §2.2); P3 within the day."""
SEATED_STEPS: Final = ("seated", "released", "left")
SILENCE: Final = "link"
"""Fault word of a room the hub cannot reach."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One open alarm of a room before it is worded."""

    ident: str
    level: str
    kind: str
    room: RoomView
    since: datetime
    fault: Fault | None
    acked: bool
    case: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class BoardData:
    """What a board is made of; `sessions` are today's bookings, `names` organisations."""

    now: datetime
    rooms: Sequence[RoomView]
    sessions: Sequence[Mapping[str, Any]]
    cases: Sequence[Mapping[str, Any]]
    names: Mapping[str, Both]
    home_orgs: frozenset[str]
    pack: Pack
    may_ack: bool


def short(number: str) -> str:
    """`1124-03` of `2026-1124-03`: the year stands once, in the page's head."""
    return number.split("-", 1)[1] if "-" in number else number


def running(number: str) -> str:
    """`03` of `2026-1124-03`."""
    return number.rsplit("-", 1)[-1]


def case_number(case: Mapping[str, Any]) -> str:
    """`#0417`, or `D-0031` for an exercise."""
    return str(case["number"])


def phase_text(phase: str) -> Text:
    """A phase in words; nothing known is said as unknown."""
    return say(f"phase.{phase}") if phase else say("phase.unknown")


def current(state: RoomState | None) -> Session | None:
    """The session a room's tile is about: running before waiting before over."""
    if state is None:
        return None
    found = list(state.sessions.values())
    for phases in (ACTIVE, WAITING, OVER):
        match = [one for one in found if str(one.phase.value) in phases]
        if match:
            return max(match, key=lambda one: one.start_at)
    return None


def phase_of(session: Session | None) -> str:
    """The phase's word, '' where there is no session."""
    return "" if session is None else str(session.phase.value)


# ---- alarms ----


def level_of(pack: Pack, fault: Fault, phase: str) -> str:
    """p1, p2 or p3 by consequence in the session's phase."""
    try:
        return priority(pack, fault.kind, phase or "idle").lower()
    except ValueError:
        return "p3"


def alarms_of(data: BoardData) -> list[Alarm]:
    """Every open alarm: faults of the rooms that are no consequence of another, and silences."""
    found: list[Alarm] = []
    for room in data.rooms:
        phase = phase_of(current(room.state))
        if room.link.reachable is False:
            found.append(_silence(data, room, phase))
        for fault in room.state.faults.values() if room.state else ():
            if fault.is_open and not fault.cause:
                found.append(_alarm(data, room, fault, phase))
    return sorted(found, key=lambda one: (one.level, one.acked, one.since))


def _alarm(data: BoardData, room: RoomView, fault: Fault, phase: str) -> Alarm:
    case = _case_of(data.cases, room, fault)
    acked = fault.acked or bool(case and case.get("acked_at"))
    return Alarm(
        f"{room.ctl}:{fault.id}",
        level_of(data.pack, fault, phase),
        fault.kind,
        room,
        datetime.fromisoformat(fault.raised_at),
        fault,
        acked,
        case,
    )


def _silence(data: BoardData, room: RoomView, phase: str) -> Alarm:
    since = room.link.pong_at or room.recorded_at or data.now
    level = "p2" if phase in ACTIVE else "p3"
    case = next(
        (
            c
            for c in data.cases
            if c.get("place") == room.place
            and c.get("kind") == "network"
            and c.get("state") != "closed"
        ),
        None,
    )
    acked = bool(case and case.get("acked_at"))
    return Alarm(f"{room.ctl}:{SILENCE}", level, SILENCE, room, since, None, acked, case)


def _case_of(
    cases: Sequence[Mapping[str, Any]], room: RoomView, fault: Fault
) -> Mapping[str, Any] | None:
    for case in cases:
        if case.get("place") == room.place and case.get("kind") == fault.kind:
            if case.get("state") != "closed":
                return case
    return None


def what_text(fault: Fault) -> Text:
    """The fact of a fault in words."""
    key = f"fault.what.{fault.kind}.{fault.what}"
    if catalogue().has(key):
        return say(key, device=fault.device)
    if fault.device:
        return say("fault.what.device", fault=say(f"term.fault.{fault.kind}"), device=fault.device)
    return say(f"term.fault.{fault.kind}")


def consequence_text(kind: str) -> Text:
    """What follows from it, in words."""
    if kind == SILENCE:
        return say("consequence.silent")
    key = next((word for name, word in CONSEQUENCE_KEYS.items() if str(name.value) == kind), "")
    return say(f"consequence.{key}") if key else say("consequence.unknown")


def alarm_row(data: BoardData, alarm: Alarm) -> AlarmRow:
    """One alarm as the rail shows it."""
    org = data.names.get(alarm.room.org, Both(alarm.room.org, alarm.room.org))
    ack, due = _ack_text(data, alarm)
    case = alarm.case
    return AlarmRow(
        alarm=alarm.ident,
        level=alarm.level,
        acked=alarm.acked,
        place=say("board.place", org=org, room=alarm.room.name),
        since=alarm.since,
        what=say("fault.what.silent") if alarm.fault is None else what_text(alarm.fault),
        consequence=consequence_text(alarm.kind),
        ack_text=ack,
        ack_due=due,
        case_href=f"/cases/{case['case']}" if case else "",
        case_text=say("alarm.case", case=case_number(case)) if case else "",
        may_ack=data.may_ack and alarm.fault is not None,
    )


def _ack_text(data: BoardData, alarm: Alarm) -> tuple[Text, bool]:
    if alarm.acked:
        case = alarm.case or {}
        at, post = case.get("acked_at"), case.get("acked_by")
        if at and post:
            return say("alarm.acked_by", post=post, at=hms(datetime.fromisoformat(at))), False
        return say("alarm.acked"), False
    within = ACK_WITHIN.get(alarm.level)
    if within is None:
        return say("alarm.open"), False
    due = alarm.since + within
    if data.now <= due:
        return say("alarm.ack_before", at=hms(due)), True
    late = int((data.now - due).total_seconds())
    return say("alarm.ack_late", n=f"{late // 60:02d}:{late % 60:02d}"), True


# ---- tiles ----


def tile(data: BoardData, room: RoomView, alarms: Sequence[Alarm]) -> Tile:
    """One room's tile."""
    mine = [one for one in alarms if one.room.ctl == room.ctl]
    session = current(room.state)
    if room.state is None or room.link.reachable is not True:
        return _old_tile(data, room, session)
    worst = mine[0] if mine else None
    look = Look(worst.level) if worst is not None else Look.NORMAL
    seats = _seats(room.state, session)
    devices = _marks(room.state, mine)
    p1 = worst is not None and worst.level == "p1" and worst.fault is not None
    title = what_text(worst.fault) if p1 and worst and worst.fault else None
    case = worst.case if p1 and worst is not None else None
    return Tile(
        name=room.name,
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
    )


def _old_tile(data: BoardData, room: RoomView, session: Session | None) -> Tile:
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
        name=room.name,
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
    number = running(session.booking) if session is not None else "–"
    if alarm.case is None:
        return say("board.tile.session", no=number)
    state = say(f"term.case.{alarm.case.get('state', 'fault_open')}")
    return say("board.tile.case", no=number, case=case_number(alarm.case), state=state)


def _right(session: Session | None) -> Text:
    if session is None:
        return ""
    phase = phase_of(session)
    start = datetime.fromisoformat(session.start_at)
    if phase in WAITING:
        return say("board.tile.starts", at=hm(start))
    return say("board.tile.session", no=running(session.booking))


def _foot(state: RoomState, session: Session | None, worst: Alarm | None) -> Text:
    if session is None:
        return _selftest(state)
    number = running(session.booking)
    note = what_text(worst.fault) if worst is not None and worst.fault else _waiting(session)
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
    if not missing:
        return ""
    return say("board.tile.waits", who=say("member.short", no="、".join(map(str, missing[:2]))))


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
    return tuple(DeviceMark(key, _mark(key, state, alarms, unknown[key])) for key in MARKS)


def _mark(key: str, state: RoomState, alarms: Sequence[Alarm], unknown: bool) -> str:
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
        return alarm.kind == "device" and "locker" in device
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
        tiles = tuple(tile(data, room, alarms) for room in rooms)
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
        return say("board.members.seated", n=steps.count("seated"), all=everyone)
    return say("board.members.not_yet", n=0, all=everyone)


def attention(data: BoardData, booking: Mapping[str, Any], alarms: Sequence[Alarm]) -> State:
    """The one thing worth saying of a session."""
    places = {venue["place"] for venue in booking["venues"]}
    mine = [one for one in alarms if one.room.place in places]
    if not mine:
        return State(Shape.OK, say("board.att.none"))
    worst = mine[0]
    if worst.case is not None:
        state = say(f"term.case.{worst.case.get('state', 'fault_open')}")
        text: Text = say("board.att.case", case=case_number(worst.case), state=state)
    else:
        text = say("fault.what.silent") if worst.fault is None else what_text(worst.fault)
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
        short=short(booking["number"]),
        href=f"/sessions/{booking['session']}" if published else f"/bookings/{booking['number']}",
        home=places_text(home),
        guests=places_text(guests),
        phase=phase_text(phase) if phase else say(f"term.booking.{booking['state']}"),
        members=members_text(data, booking, phase),
        attention=attention(data, booking, alarms),
    )


def places_text(venues: Sequence[Mapping[str, Any]]) -> Text:
    """`长沙公共资源交易中心 二室`, several joined."""
    result: Text = ""
    for venue in venues:
        org = org_text(venue["name"], venue["name_en"])
        one = say("board.place", org=org, room=venue["room"] or venue["place"])
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
        unacked=sum(not one.acked for one in alarms),
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
    }
