"""Alarms of the board: which faults are open, what the record says, how grave it is now, in words.

A fault that follows from another is not an alarm of its own; a silent room is, by its own name, and
so is what the record itself tells (`hub.alarms`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.alarms.kinds import CLONE, GAP, KINDS, SILENT
from hub.alarms.kinds import level as level_of_kind
from hub.alarms.rows import FLAP, Act, HubAlarm
from hub.alarms.service import CLOSING
from hub.fleet.rooms import RoomView
from hub.web.i18n import Both, Text, catalogue, say
from hub.web.templating import duration, hms
from hub.web.views_board import AlarmRow
from hub.web.views_common import DRILL, org_short, role_text, room_text
from hub.web.views_events import reason_text
from protocols.policy.contingency import priority
from protocols.policy.faults import CONSEQUENCE_KEYS, UNSTABLE
from protocols.policy.pack import Pack
from protocols.policy.room_facts import fault_key
from protocols.policy.room_model import Fault, RoomState, Session
from protocols.terms import FaultKind

ACTIVE: Final = ("evaluating", "signing", "suspended", "on_break", "adjourned", "check_in")
"""Phases in the order in which a tile prefers them."""
WAITING: Final = ("prepared", "idle")
OVER: Final = ("ended", "closed", "postponed", "terminated")
FLAP_MS: Final = int(FLAP.total_seconds() * 1000)
HOUR_S: Final = 3600
ACK_WITHIN: Final = {"p1": timedelta(minutes=2), "p2": timedelta(minutes=10)}
"""How soon somebody has to have it in hand (HUB study §2.2); P3 within the day."""
SILENCE: Final = SILENT
"""Kind of the alarm of a room the hub cannot reach."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One open alarm of a room before it is worded.

    Of a fault the room raised (`fault`) or of the record and the line (`hub`). `again`: the same
    fault was there within ten minutes, so people have been called. `quiet`: found later, again, or
    only a notice; it pages nobody.
    """

    ident: str
    level: str
    kind: str
    room: RoomView
    since: datetime
    fault: Fault | None
    acked: bool
    case: Mapping[str, Any] | None
    hub: HubAlarm | None = None
    by: Act | None = None
    again: bool = False

    @property
    def notice(self) -> bool:
        """Whether it only informs."""
        known = KINDS.get(self.hub.kind) if self.hub is not None else None
        return known is not None and known.notice

    @property
    def quiet(self) -> bool:
        """Whether nobody is called for it."""
        return self.notice or self.again or (self.hub is not None and self.hub.found_later)


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
    may_close: frozenset[str] = frozenset()
    """Organisations whose alarms the reader may close."""
    hub: tuple[RoomView, ...] = ()
    """The hub itself, as a room without a record, for who handles its alarms."""


def closes_for(org: str, roles: frozenset[str]) -> frozenset[str]:
    """Organisations whose alarms a person of these roles may close: the own one, or none."""
    return frozenset({org}) if roles & set(CLOSING) else frozenset()


def short(number: str, *, drill: bool = False) -> str:
    """`1124-03` of `2026-1124-03`, of an exercise `D-1124-03`: the year stands in the head."""
    day = number.split("-", 1)[1] if "-" in number else number
    return f"D-{day}" if drill else day


def running(session: Session) -> str:
    """`03` of `2026-1124-03`, of an exercise `D-03`."""
    number = session.booking.rsplit("-", 1)[-1]
    return f"D-{number}" if session.kind == DRILL else number


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


def level_of(pack: Pack, fault: Fault, phase: str) -> str:
    """p1, p2 or p3 by consequence in the session's phase."""
    try:
        return priority(pack, fault.kind, phase or "idle").lower()
    except ValueError:
        return "p3"


def alarms_of(data: BoardData) -> list[Alarm]:
    """Every open alarm: faults that are no consequence of another, and the record's own."""
    found: list[Alarm] = []
    for room in (*data.rooms, *data.hub):
        phase = phase_of(current(room.state))
        faults = room.state.faults.values() if room.state else ()
        found.extend(
            _alarm(data, room, fault, phase)
            for fault in faults
            if fault.is_open and not fault.cause and fault.id not in room.excused
        )
        found.extend(_of_record(data, room, one, phase) for one in room.alarms)
    return sorted(found, key=lambda one: (one.level, one.acked, one.since))


def _alarm(data: BoardData, room: RoomView, fault: Fault, phase: str) -> Alarm:
    case = _case_of(data.cases, room, fault.kind)
    since = datetime.fromisoformat(fault.raised_at)
    # A controller with a new journal counts its faults from one again.
    by = room.acks.get(fault.id)
    by = by if by is not None and by.at >= since else None
    acked = fault.acked or by is not None or bool(case and case.get("acked_at"))
    level = level_of(data.pack, fault, phase)
    ident = f"{room.ctl}:{fault.id}"
    again = _again(room, fault)
    return Alarm(ident, level, fault.kind, room, since, fault, acked, case, by=by, again=again)


def _again(room: RoomView, fault: Fault) -> bool:
    """Whether people were called for the same fault within ten minutes before."""
    if room.state is None:
        return False
    raises = room.state.raises.get(fault_key(fault.kind, fault.device), ())
    return called_ms(raises, fault.raised_ms) != fault.raised_ms


def called_ms(raises: Sequence[int], raised_ms: int) -> int:
    """When people were called for a fault raised then: at most once in ten minutes.

    Args:
        raises: when it was raised, oldest first, `raised_ms` among them.
        raised_ms: the raise that is asked about.
    """
    last = None
    for at in (one for one in raises if one <= raised_ms):
        last = at if last is None or at - last >= FLAP_MS else last
    return raised_ms if last is None else last


def _of_record(data: BoardData, room: RoomView, one: HubAlarm, phase: str) -> Alarm:
    of = {GAP: FaultKind.RECORD.value, SILENT: FaultKind.NETWORK.value}.get(one.kind)
    case = None if of is None else _case_of(data.cases, room, of)
    kind = KINDS.get(one.kind)
    level = "p3" if kind is None else level_of_kind(kind, running=phase in ACTIVE)
    if case:  # one trouble has one level on every screen
        level = str(case["priority"]).lower()
    acked = one.acked is not None or bool(case and case.get("acked_at"))
    ident = f"{room.ctl}:{one.alarm}"
    return Alarm(ident, level, one.kind, room, one.at, None, acked, case, hub=one, by=one.acked)


def _case_of(
    cases: Sequence[Mapping[str, Any]], room: RoomView, kind: str
) -> Mapping[str, Any] | None:
    for case in cases:
        same = case.get("place") == room.place and case.get("kind") == kind
        if same and case.get("state") != "closed":
            return case
    return None


def what_text(fault: Fault) -> Text:
    """The fact of a fault in words."""
    key = f"fault.what.{fault.kind}.{fault.what}"
    if catalogue().has(key):
        return say(key, device=fault.device)
    kind = say(f"term.fault.{fault.kind}")
    named = say("fault.what.device", fault=kind, device=fault.device) if fault.device else kind
    return say("fault.what.unstable", fault=named) if fault.what == UNSTABLE else named


def fact_text(alarm: Alarm) -> Text:
    """What is the matter, in words."""
    if alarm.hub is not None:
        key = f"alarm.k.{alarm.hub.kind}"
        if not catalogue().has(key):
            return alarm.hub.kind
        shown = {name: _value(name, value) for name, value in alarm.hub.detail.items()}
        return say(key, **shown)
    return what_text(alarm.fault) if alarm.fault is not None else say("unknown")


def _value(name: str, value: object) -> object:
    """A reason or cause by its word where it has one, anything else as it stands."""
    if name == "cause":
        key = f"gap.cause.{value}"
        return say(key) if catalogue().has(key) else value
    if name != "reason":
        return value
    code = str(value).split(":", 1)[0]
    word = reason_text(code)
    return value if word == code else word


def must_text(alarm: Alarm) -> Text:
    """Who must do what."""
    if alarm.hub is None or (alarm.case and alarm.acked):
        acked = ".acked" if alarm.acked else ""
        return say(f"alarm.must.case{acked}" if alarm.case else f"alarm.must.fault{acked}")
    kind = KINDS.get(alarm.hub.kind)
    if kind is None:
        return say("alarm.must.fault")
    do = say(f"alarm.d.{kind.word}")
    return say("alarm.must", who=role_text(kind.who), do=do)


def notes_of(alarm: Alarm) -> tuple[Text, ...]:
    """What else is to be known: found later, gone by itself, how often, on which row it rests."""
    one = alarm.hub
    if one is None:
        return (say("alarm.again"),) if alarm.again else ()
    notes: list[Text] = []
    if alarm.notice:
        notes.append(say("alarm.notice"))
    if one.found_later:
        notes.append(say("alarm.found_later"))
    if one.returned_at is not None:
        notes.append(say("alarm.returned", at=hms(one.returned_at)))
    if one.times > 1:
        notes.append(say("alarm.times", n=one.times))
    notes.append(say("alarm.row", source=one.source, epoch=one.epoch[:8], seq=one.seq))
    return tuple(notes)


def consequence_text(kind: str) -> Text:
    """What follows from it, in words."""
    if kind in KINDS:
        return say(f"alarm.c.{kind}")
    key = next((word for name, word in CONSEQUENCE_KEYS.items() if str(name.value) == kind), "")
    return say(f"consequence.{key}") if key else say("consequence.unknown")


def alarm_row(data: BoardData, alarm: Alarm) -> AlarmRow:
    """One alarm as the rail shows it."""
    name = data.names.get(alarm.room.org, Both(alarm.room.org, alarm.room.org))
    org = org_short(alarm.room.org, name)
    ack, due = _ack_text(data, alarm)
    case = alarm.case
    return AlarmRow(
        alarm=alarm.ident,
        level=alarm.level,
        acked=alarm.acked,
        place=say("board.place", org=org, room=room_text(alarm.room.name))
        if alarm.room.place
        else say("board.hub"),
        since=alarm.since,
        what=fact_text(alarm),
        consequence=consequence_text(alarm.kind),
        ack_text=ack,
        ack_due=due,
        case_href=f"/cases/{case['case']}" if case else "",
        case_text=say("alarm.case", case=case_number(case)) if case else "",
        may_ack=data.may_ack,
        must=must_text(alarm),
        notes=notes_of(alarm),
        quiet=alarm.quiet,
        may_close=_may_close(data, alarm),
    )


def _may_close(data: BoardData, alarm: Alarm) -> bool:
    """What ends otherwise (a notice by reading it, a clone by its release) has no button."""
    if alarm.hub is None or alarm.notice or alarm.room.org not in data.may_close:
        return False
    return alarm.kind != CLONE or alarm.hub.returned_at is not None


def _ack_text(data: BoardData, alarm: Alarm) -> tuple[Text, bool]:
    if alarm.acked:
        return _acked_text(alarm), False
    within = ACK_WITHIN.get(alarm.level)
    if alarm.quiet or within is None:
        return say("alarm.quiet" if alarm.quiet else "alarm.open"), False
    due = alarm.since + within
    if data.now <= due:
        return say("alarm.ack_before", at=hms(due)), True
    late = int((data.now - due).total_seconds())
    long = late >= HOUR_S
    span = duration(late) if long else f"{late // 60:02d}:{late % 60:02d}"
    return say("alarm.ack_late", n=span), True


def _acked_text(alarm: Alarm) -> Text:
    if alarm.by is not None:
        return say("alarm.acked_by", post=alarm.by.post, at=hms(alarm.by.at))
    case = alarm.case or {}
    at, post = case.get("acked_at"), case.get("acked_by")
    if at and post:
        return say("alarm.acked_by", post=post, at=hms(datetime.fromisoformat(at)))
    return say("alarm.acked")
