"""Lockers: what the board reads, and the outcome of a pulse."""

from __future__ import annotations

from edge.room_rules import doors
from edge.room_rules.kinds import Clip, Sound
from edge.room_rules.work import Work
from protocols.policy.custody import DOORS, ITEMS, SHUT, Stage, unexplained
from protocols.policy.permits import members_here, open_sessions
from protocols.policy.room_model import Locker

PULSE_FAILED = ("still_closed", "no_answer")
"""Outcomes of a pulse that say the door did not open; all others wait for the door's sensor."""
CLIP_BEFORE_S = 10
CLIP_AFTER_S = 20
"""What is sent before the rest, around a mark or a fault (WIRE §8)."""


def read(work: Work) -> None:
    """Take the board's confirmed reading of some or all doors."""
    states = work.data.get("states")
    if not isinstance(states, dict):
        return
    for number in sorted(work.state.lockers):
        row = states.get(str(number))
        if isinstance(row, (list, tuple)) and row:
            _read_one(work, work.state.lockers[number], row)


def _read_one(work: Work, before: Locker, row: list[object] | tuple[object, ...]) -> None:
    door = row[0] if row[0] in DOORS else "unknown"
    item = row[1] if len(row) > 1 and row[1] in ITEMS else "unknown"
    if not work.state.config.item_sensor:
        item = "unknown"
    if (door, item) != (before.door, before.item):
        session = before.opening.session if before.opening is not None else ""
        work.emit("locker.state", session, locker=before.number, door=door, item=item)
    after = work.state.lockers[before.number]
    if before.opening is None or after.opening is None:
        _watch(work, before, after)
        return
    opening = after.opening
    if opening.opened_ms is None and opening.stage is not Stage.WAITING:
        doors.opened(work, after.number, opening)
    elif opening.interrupted and door == "closed" and opening.stage is Stage.WAITING:
        # The controller stopped between intent and outcome: the sensor decides, nothing is pulsed.
        doors.failed(work, after.number, opening, "interrupted")
    if opening.stage in SHUT:
        doors.shut(work, after.number, opening)


def _watch(work: Work, before: Locker, after: Locker) -> None:
    held = before.deposit
    if not unexplained(before.door, after.door, intended=False, held=held is not None):
        return
    session, member = (held.session, held.no) if held is not None else _assigned(work, after.number)
    work.emit(
        "locker.unexplained",
        session,
        locker=after.number,
        door=after.door,
        member=member,
        session=session,
    )
    work.do(
        Sound("alarm"),
        Clip(f"locker.unexplained:{after.number}", session, CLIP_BEFORE_S, CLIP_AFTER_S),
    )


def _assigned(work: Work, number: int) -> tuple[str, int | None]:
    for session in open_sessions(work.state):
        for member in members_here(session):
            if member.locker == number:
                return session.id, member.no
    return "", None


def pulse(work: Work) -> None:
    """Take the outcome of a pulse as the lock board told it."""
    lock, how = work.data.get("lock"), work.data.get("outcome")
    locker = work.state.lockers.get(lock) if type(lock) is int else None
    if locker is None or how not in PULSE_FAILED:
        return
    if locker.opening is not None and locker.opening.stage is Stage.WAITING:
        doors.failed(work, locker.number, locker.opening, str(how))
