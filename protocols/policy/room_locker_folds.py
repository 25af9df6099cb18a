"""How recorded events of lockers and deposits move the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from protocols.policy.custody import DOORS, ITEMS, Outcome, Stage, outcome, track
from protocols.policy.members import MemberInput
from protocols.policy.room_fields import Fact, edit_member, moved, with_session
from protocols.policy.room_model import Deposit, Locker, Member, Opening, RoomState

TOLD_KEPT = 16
"""Notices remembered per member, so that each is given once."""
OPENING_REASONS = ("deposit", "release", "escorted", "override")
_SHUT_BY_ITEM = {
    "present": Stage.SHUT_FULL,
    "absent": Stage.SHUT_EMPTY,
    "unknown": Stage.SHUT_UNKNOWN,
}


def _with_locker(state: RoomState, locker: Locker) -> RoomState:
    return state.evolve(lockers={**state.lockers, locker.number: locker})


def _locker(fold: Callable[[Locker, Fact], Locker]) -> Callable[[RoomState, Fact], RoomState]:
    def run(state: RoomState, fact: Fact) -> RoomState:
        number = fact.number("locker")
        found = state.lockers.get(number, Locker(number))
        return _with_locker(_touched(state, fact, number), fold(found, fact))

    return run


def _touched(state: RoomState, fact: Fact, number: int) -> RoomState:
    return state.evolve(revs={**state.revs, f"locker:{number}": fact.rev})


def _no_longer_seen_empty(state: RoomState, number: int) -> RoomState:
    """What two staff have seen counts until the door is opened or something is put behind it."""
    sessions = {
        name: replace(one, confirmed_empty=tuple(n for n in one.confirmed_empty if n != number))
        if number in one.confirmed_empty
        else one
        for name, one in state.sessions.items()
    }
    return state.evolve(sessions=sessions)


def _state(state: RoomState, fact: Fact) -> RoomState:
    number = fact.number("locker")
    door, item = fact.one_of("door", DOORS), fact.one_of("item", ITEMS)
    locker = state.lockers.get(number, Locker(number))
    opening = locker.opening
    if opening is not None:
        opening = replace(opening, stage=track(opening.stage, door, item))
    if "open" in (locker.door, door) or item == "present":
        state = _no_longer_seen_empty(state, number)
    read = replace(locker, door=door, item=item, since_ms=fact.now_ms, opening=opening)
    return _with_locker(_touched(state, fact, number), read)


def _opening(state: RoomState, fact: Fact) -> RoomState:
    state = _no_longer_seen_empty(state, fact.number("locker"))
    opening = Opening(
        intent=fact.text("intent"),
        why=fact.one_of("why", OPENING_REASONS),
        session=fact.session,
        no=fact.number_or_none("no") or 0,
        since_ms=fact.now_ms,
    )

    def begin(locker: Locker, fact: Fact) -> Locker:  # noqa: ARG001 one signature
        return replace(locker, opening=opening, failed="")

    return _locker(begin)(state.evolve(openings=state.openings + 1), fact)


def _opened(locker: Locker, fact: Fact) -> Locker:
    if locker.opening is None:
        return locker
    stage = Stage.OPEN if locker.opening.stage is Stage.WAITING else locker.opening.stage
    return replace(locker, opening=replace(locker.opening, stage=stage, opened_ms=fact.now_ms))


def _open_failed(locker: Locker, fact: Fact) -> Locker:
    return replace(locker, opening=None, failed=fact.words("outcome") or "failed")


def _closed(state: RoomState, fact: Fact) -> RoomState:
    number = fact.number("locker")
    found = state.lockers.get(number, Locker(number))
    stage = _SHUT_BY_ITEM[fact.one_of("item", ITEMS)]
    why = found.opening.why if found.opening is not None else ""
    meaning = outcome(why, stage)
    deposit = found.deposit
    if meaning is Outcome.TAKEN_OUT and deposit is not None:
        deposit = replace(deposit, out=True, out_ms=fact.now_ms)
    if meaning is Outcome.CONFIRM:
        state = edit_member(state, fact, lambda member: replace(member, confirm_due=True))
    state = _touched(state, fact, number)
    return _with_locker(state, replace(found, opening=None, deposit=deposit))


def _unexplained(locker: Locker, fact: Fact) -> Locker:
    return replace(locker, unexplained=locker.unexplained + 1, forced_ms=fact.now_ms)


def _acked(locker: Locker, fact: Fact) -> Locker:  # noqa: ARG001 one signature
    return replace(locker, forced_ms=None)


def _fault(locker: Locker, fact: Fact) -> Locker:
    return replace(locker, fault=fact.words("what"))


def _noticed(state: RoomState, fact: Fact) -> RoomState:
    what = fact.text("what")
    state = edit_member(state, fact, lambda one: replace(one, told=(*one.told, what)[-TOLD_KEPT:]))
    if fact.number_or_none("locker") is None:
        return state

    def notice(locker: Locker, fact: Fact) -> Locker:  # noqa: ARG001 one signature
        opening = locker.opening
        if opening is None:
            return locker
        return replace(locker, opening=replace(opening, noticed=True))

    return _locker(notice)(state, fact)


def _emptied(state: RoomState, fact: Fact) -> RoomState:
    def clear(locker: Locker, fact: Fact) -> Locker:  # noqa: ARG001 one signature
        return replace(locker, deposit=None)

    state = _locker(clear)(state, fact)
    session = state.sessions.get(fact.session)
    if session is None:
        return state
    emptied = (*session.confirmed_empty, fact.number("locker"))
    return with_session(state, replace(session, confirmed_empty=emptied))


def _deposited(state: RoomState, fact: Fact) -> RoomState:
    items = fact.texts("items")
    number = fact.number_or_none("locker")

    def edit(member: Member) -> Member:
        after = moved(member, MemberInput.DEPOSIT, fact.now_ms)
        return replace(after, items=items, confirm_due=False, told=())

    state = edit_member(state, fact, edit)
    if number is None:
        return state
    state = _no_longer_seen_empty(state, number)
    deposit = Deposit(fact.session, fact.number("no"), items, fact.words("item") or "unknown")
    return _locker(lambda locker, _: replace(locker, deposit=deposit))(state, fact)


def _released(state: RoomState, fact: Fact) -> RoomState:
    number = fact.number_or_none("locker")

    def edit(member: Member) -> Member:
        after = moved(member, MemberInput.RELEASE, fact.now_ms)
        return replace(after, released_ms=fact.now_ms)

    state = edit_member(state, fact, edit)
    if number is None:
        return state
    return _locker(lambda locker, _: replace(locker, deposit=None))(state, fact)


LOCKER_FOLDS: Mapping[str, Callable[[RoomState, Fact], RoomState]] = {
    "locker.state": _state,
    "locker.opening": _opening,
    "locker.opened": _locker(_opened),
    "locker.open_failed": _locker(_open_failed),
    "locker.closed": _closed,
    "locker.unexplained": _locker(_unexplained),
    "locker.acked": _locker(_acked),
    "locker.fault": _locker(_fault),
    "locker.confirmed_empty": _emptied,
    "member.deposited": _deposited,
    "member.released": _released,
    "release.notice": _noticed,
}
