"""Alarms of the board: which faults are open, how grave they are now, in words.

A fault that follows from another is not an alarm of its own; a silent room is, by its own name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.rooms import RoomView
from hub.web.i18n import Both, Text, catalogue, say
from hub.web.templating import hms
from hub.web.views_board import AlarmRow
from protocols.policy.contingency import priority
from protocols.policy.faults import CONSEQUENCE_KEYS
from protocols.policy.pack import Pack
from protocols.policy.room_model import Fault, RoomState, Session

ACTIVE: Final = ("evaluating", "signing", "suspended", "on_break", "adjourned", "check_in")
"""Phases in the order in which a tile prefers them."""
WAITING: Final = ("prepared", "idle")
OVER: Final = ("ended", "closed", "postponed", "terminated")
ACK_WITHIN: Final = {"p1": timedelta(minutes=2), "p2": timedelta(minutes=10)}
"""How soon somebody has to have it in hand (HUB study §2.2); P3 within the day."""
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
        faults = room.state.faults.values() if room.state else ()
        found.extend(
            _alarm(data, room, fault, phase)
            for fault in faults
            if fault.is_open and not fault.cause
        )
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
        same = case.get("place") == room.place and case.get("kind") == fault.kind
        if same and case.get("state") != "closed":
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
