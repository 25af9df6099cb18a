"""A member whose identity is known stands at the lockers: what happens depends on where he is.

The same holds for a card and for two staff with another document: an order only permits, a door
opens when the member is identified at it (DESIGN §6.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.room_rules import doors
from edge.room_rules.kinds import Sound
from edge.room_rules.work import Work
from protocols.policy import gate
from protocols.policy.gate import DEPOSIT_PHASES
from protocols.policy.members import ADMITTED, OUT, MemberStep
from protocols.policy.permits import (
    deposit_of,
    left_unseen,
    locker_of,
    may_deposit,
    may_release,
)
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import Member, Session, Signer
from protocols.policy.session import Condition


@dataclass(frozen=True, slots=True)
class Proof:
    """How a member was identified: method card or two_staff, kind of document, by whom."""

    method: str
    document: str
    by: tuple[Signer, ...]


def stands_here(work: Work, session: Session, member: Member, proof: Proof) -> None:
    """Do what is due for an identified member, or say why not."""
    if member.away is not None:
        work.emit("away.ended", session.id, no=member.no, by=signer_json(proof.by))
        work.do(Sound("ok"))
    elif member.step in (MemberStep.EXPECTED, MemberStep.ABSENT):
        _identify(work, session, member, proof)
    elif member.step is MemberStep.IDENTIFIED and not _takes_back(work, session, member):
        _deposit(work, session, member, proof)
    elif member.step in ADMITTED | OUT or member.step is MemberStep.IDENTIFIED:
        _collect(work, session, member, proof)
    else:
        work.do(Sound("ok"))


def _takes_back(work: Work, session: Session, member: Member) -> bool:
    """He may go, and what he put in while the room did not look may still be in his locker."""
    permitted = isinstance(may_release(session, member, work.pack), gate.Permit)
    return permitted and left_unseen(work.state, member)


def _identify(work: Work, session: Session, member: Member, proof: Proof) -> None:
    if session.phase not in DEPOSIT_PHASES:
        answer = may_deposit(work.state, session, member)
        doors.refuse(work, session, member, "deposit", answer.conditions)
        return
    work.emit(
        "member.identified",
        session.id,
        no=member.no,
        method=proof.method,
        document=proof.document,
        by=signer_json(proof.by),
    )
    work.do(Sound("ok"))


def _deposit(work: Work, session: Session, member: Member, proof: Proof) -> None:
    answer = may_deposit(work.state, session, member)
    due = (
        Condition("declared", member.declared is not None, _staff(member.declared is not None)),
        Condition("deposit_confirmed", not member.confirm_due, _staff(not member.confirm_due)),
    )
    if all(one.met for one in due):
        doors.try_open(work, session, member, answer, by=proof.by)
    else:
        doors.refuse(work, session, member, "deposit", answer.conditions + due)


def _staff(met: bool) -> str:  # noqa: FBT001 a condition is met or waits for staff
    return "" if met else "room_staff"


def _collect(work: Work, session: Session, member: Member, proof: Proof) -> None:
    held = deposit_of(work.state, session, member)
    if held is not None and held.out and member.step in ADMITTED:
        again = may_deposit(work.state, session, member)
        doors.try_open(work, session, member, again, by=proof.by)
        return
    locker = locker_of(work.state, member)
    in_use = locker is not None and locker.opening is not None
    nothing = held is None and not in_use and not left_unseen(work.state, member)
    if nothing and member.step in OUT:
        work.do(Sound("refused"))
        return
    answer = may_release(session, member, work.pack)
    if nothing and isinstance(answer, gate.Permit):
        # Nothing was deposited, so nothing opens: the permit itself lets the member go.
        work.emit("member.released", session.id, no=member.no, locker=None)
        work.do(Sound("ok"))
        return
    doors.try_open(work, session, member, answer, by=proof.by)
