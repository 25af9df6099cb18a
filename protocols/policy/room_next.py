"""The one sentence a room screen says: who does what next, as a key with arguments."""

from __future__ import annotations

from typing import Any

from protocols.policy import gate
from protocols.policy.members import ADMITTED, GONE, OUT, MemberStep
from protocols.policy.pack import Pack
from protocols.policy.permits import (
    deposit_of,
    left_unseen,
    may_release,
    members_here,
    sealing_steps,
)
from protocols.policy.room_model import Member, RoomState, Session
from protocols.policy.session import OPEN_PHASES, Phase

Sentence = dict[str, Any]
_LEAVING = (Phase.ENDED, Phase.POSTPONED, Phase.TERMINATED)
_WAITING = {
    Phase.IDLE: "no_session",
    Phase.PREPARED: "wait_open",
    Phase.CHECK_IN: "wait_start",
    Phase.EVALUATING: "evaluating",
    Phase.ON_BREAK: "on_break",
    Phase.SUSPENDED: "wait_resume",
    Phase.ADJOURNED: "adjourned",
    Phase.SIGNING: "wait_end",
    Phase.ENDED: "wait_close",
    Phase.POSTPONED: "wait_close",
    Phase.TERMINATED: "wait_close",
    Phase.CLOSED: "closed",
}
"""What everybody waits for when no single person has to do anything."""


def sentence(key: str, **args: object) -> Sentence:
    """Return a sentence: its key and what it speaks of."""
    return {"key": key, "args": args}


def next_of_room(state: RoomState, session: Session | None, pack: Pack) -> Sentence:
    """Return what has to happen next in the room."""
    for locker in state.lockers.values():
        opening = locker.opening
        if opening is not None and opening.opened_ms is not None:
            return sentence("close_door", no=opening.no, locker=locker.number, why=opening.why)
    if session is None:
        return sentence("no_session")
    # First those who have begun: the one at the locker before the one who has not come.
    order = sorted(members_here(session), key=lambda one: (_rank(one), one.no))
    for member in order:
        found = next_of_member(state, session, member, pack)
        if found["key"] not in _QUIET:
            return found
    for key in sealing_steps(session, pack):
        if key not in session.sealing:
            return sentence("seal", step=key)
    return sentence(_WAITING[session.phase], start_at=session.start_at)


_QUIET = frozenset({*_WAITING.values(), "away", "gone", "wait_release"})


def _rank(member: Member) -> int:
    ranks = {MemberStep.IDENTIFIED: 0, MemberStep.DEPOSITED: 1, MemberStep.SEATED: 2}
    return ranks.get(member.step, 3)


def next_of_member(state: RoomState, session: Session, member: Member, pack: Pack) -> Sentence:
    """Return what this member, or somebody for him, does next."""
    if member.away is not None:
        return sentence("away", no=member.no, reason=member.away.reason)
    if session.phase not in OPEN_PHASES:
        return sentence(_WAITING[session.phase], no=member.no, start_at=session.start_at)
    if left_unseen(state, member) and isinstance(may_release(session, member, pack), gate.Permit):
        return sentence("collect", no=member.no, locker=member.locker)
    if member.step in ADMITTED | OUT:
        return _of_holder(state, session, member, pack)
    if member.step in GONE:
        return _of_released(member)
    return _of_newcomer(session, member)


def _of_newcomer(session: Session, member: Member) -> Sentence:
    if session.phase not in gate.DEPOSIT_PHASES:
        return sentence(_WAITING[session.phase], no=member.no, start_at=session.start_at)
    if member.step is MemberStep.EXPECTED:
        return sentence("swipe_card", no=member.no)
    if member.confirm_due:
        return sentence("confirm_deposit", no=member.no, locker=member.locker)
    if member.declared is None:
        return sentence("declare_items", no=member.no)
    return sentence("deposit", no=member.no, locker=member.locker, items=list(member.declared))


def _of_released(member: Member) -> Sentence:
    if member.step is MemberStep.RELEASED:
        return sentence("leave", no=member.no)
    return sentence("gone", no=member.no)


def _of_holder(state: RoomState, session: Session, member: Member, pack: Pack) -> Sentence:
    held = deposit_of(state, session, member)
    if held is None and member.step in OUT:
        return sentence("gone", no=member.no)
    if member.confirm_due:
        return sentence("confirm_deposit", no=member.no, locker=member.locker)
    if held is not None and held.out and member.step in ADMITTED:
        return sentence("deposit", no=member.no, locker=member.locker, items=list(held.items))
    if isinstance(may_release(session, member, pack), gate.Permit):
        return sentence("collect", no=member.no, locker=member.locker)
    if session.phase in _LEAVING or member.step in OUT:
        return _unsigned(member, pack, session) or sentence("wait_release", no=member.no)
    return _of_admitted(session, member, pack)


def _of_admitted(session: Session, member: Member, pack: Pack) -> Sentence:
    if session.phase is Phase.SUSPENDED and not member.saved:
        return sentence("confirm_saved", no=member.no)
    if session.phase is Phase.SIGNING:
        return _unsigned(member, pack, session) or sentence("wait_end", no=member.no)
    sits = member.step is MemberStep.SEATED or member.station is None
    if sits or session.phase not in gate.DEPOSIT_PHASES:
        return sentence(_WAITING[session.phase], no=member.no, start_at=session.start_at)
    return sentence("sit_down", no=member.no, station=member.station)


def _unsigned(member: Member, pack: Pack, session: Session) -> Sentence | None:
    open_documents = [one for one in pack.gate.documents if one not in member.documents]
    if not open_documents or session.phase not in (Phase.SIGNING, Phase.ENDED):
        return None
    return sentence("sign", no=member.no, documents=open_documents)
