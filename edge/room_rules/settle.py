"""What follows by itself: seats, lateness, doors that take too long, notices, faults."""

from __future__ import annotations

from datetime import datetime, timedelta

from edge.room_rules import alarms, doors, sensors
from edge.room_rules.kinds import Sound
from edge.room_rules.work import Work
from protocols.policy import gate
from protocols.policy.custody import Stage
from protocols.policy.members import ADMITTED, OUT, MemberStep
from protocols.policy.permits import (
    SEATED_PHASES,
    deposit_of,
    may_release,
    members_here,
    open_sessions,
)
from protocols.policy.permits import doors as doors_in_use
from protocols.policy.room_model import Member, Session
from protocols.policy.session import Phase

OPEN_WAIT_MS = 8_000
"""A lock still read shut this long after its pulse has not opened; the board answers in 2 s."""
LATE_PHASES = (Phase.CHECK_IN, Phase.EVALUATING)


def nothing(work: Work) -> None:
    """The input brings no fact of its own; what follows from it settles."""


def settle(work: Work) -> None:
    """Draft everything that follows from the state and the time."""
    sensors.seats(work)
    _doors(work)
    for session in open_sessions(work.state):
        for member in members_here(session):
            _seating(work, session.id, member.no)
            _lateness(work, session.id, member.no)
            _reminders(work, session.id, member.no)
    alarms.judge_all(work)


def _doors(work: Work) -> None:
    for locker in tuple(work.state.lockers.values()):
        opening = locker.opening
        if opening is None or opening.stage is not Stage.WAITING:
            continue
        if locker.door == "unknown" or opening.interrupted:
            # Not read shut since the pulse: what became of it the board says once it speaks.
            continue
        if work.now_ms - opening.since_ms >= OPEN_WAIT_MS:
            doors.failed(work, locker.number, opening, "timeout")
    for door in doors_in_use(work.state):
        opening = work.state.lockers[door.locker].opening
        if opening is None or not gate.notice_due(door, work.now_ms, work.pack.gate.next_door_s):
            continue
        work.emit(
            "release.notice",
            opening.session,
            no=opening.no,
            what="door_open",
            locker=door.locker,
        )
        work.do(Sound("notice"))


def _seating(work: Work, session: str, number: int) -> None:
    member = work.member(session, number)
    seat = None if member.station is None else work.state.seats.get(member.station)
    phase = work.state.sessions[session].phase
    if seat is None or member.away is not None or phase not in SEATED_PHASES:
        return
    if member.step is MemberStep.DEPOSITED and seat.state == "occupied":
        work.emit("member.seated", session, no=number, station=seat.station)
    elif member.step is MemberStep.SEATED and seat.state == "vacant":
        work.emit("member.unseated", session, no=number, station=seat.station)


def _lateness(work: Work, session: str, number: int) -> None:
    found = work.state.sessions[session]
    member = found.members[number]
    if member.step is not MemberStep.EXPECTED or member.late or found.phase not in LATE_PHASES:
        return
    if _is_late(found.start_at, work.inp.at, work.pack.late.after_s):
        work.emit("member.late", session, no=number)


def _is_late(start_at: str, at: str, after_s: int) -> bool:
    try:
        due = datetime.fromisoformat(start_at) + timedelta(seconds=after_s)
        return datetime.fromisoformat(at) >= due
    except (ValueError, TypeError):
        # A start without a readable moment makes nobody late.
        return False


def _reminders(work: Work, session: str, number: int) -> None:
    found = work.state.sessions[session]
    member = found.members[number]
    for what, due in (
        ("uncollected", _uncollected(work, found, member)),
        ("redeposit_due", _redeposit_due(work, found, member)),
        ("away_overdue", _away_overdue(work, member)),
    ):
        if due and what not in member.told:
            work.emit("release.notice", session, no=number, what=what)
            work.do(Sound("notice"))


def _uncollected(work: Work, session: Session, member: Member) -> bool:
    held = deposit_of(work.state, session, member)
    if held is None or member.step not in ADMITTED | OUT:
        return False
    if work.now_ms - session.release_ms < work.pack.gate.uncollected_s * 1000:
        return False
    return isinstance(may_release(session, member, work.pack), gate.Permit)


def _redeposit_due(work: Work, session: Session, member: Member) -> bool:
    held = deposit_of(work.state, session, member)
    if held is None or not held.out:
        return False
    return work.now_ms - held.out_ms >= work.pack.custody.escorted_redeposit_s * 1000


def _away_overdue(work: Work, member: Member) -> bool:
    away = member.away
    if away is None or away.expected_min <= 0:
        return False
    return work.now_ms - away.since_ms >= away.expected_min * 60_000
