"""From a permit to a pulse, and from the sensors back to what the door meant.

The intent is drafted before the pulse, the outcome after the sensor. No pulse is ever repeated by
itself: a door that did not open waits for the member to come again (DESIGN §6.2, §6.5).
"""

from __future__ import annotations

from edge.room_rules.kinds import Pulse, Sound
from edge.room_rules.work import Work
from protocols.policy import gate
from protocols.policy.custody import Outcome, Stage, outcome
from protocols.policy.permits import door_conditions, locker_of
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import Locker, Member, Opening, Session, Signer
from protocols.policy.session import Condition, unmet


def try_open(
    work: Work,
    session: Session,
    member: Member,
    answer: gate.Answer,
    *,
    by: tuple[Signer, ...] = (),
    reason: str = "",
) -> bool:
    """Open the member's door if the gate permits and no other door is in use; else say why not."""
    locker = locker_of(work.state, member)
    conditions = answer.conditions
    if isinstance(answer, gate.Permit) and locker is not None:
        conditions += door_conditions(work.state, locker)
        if not unmet(conditions):
            begin(
                work,
                locker,
                session=session.id,
                no=member.no,
                why=answer.want,
                by=by,
                intent=intent(work),
                reason=reason,
            )
            return True
    refuse(work, session, member, answer.want, conditions)
    return False


def refuse(
    work: Work, session: Session, member: Member, want: str, conditions: tuple[Condition, ...]
) -> None:
    """Record and say why a door stays closed."""
    work.emit(
        "gate.refused",
        session.id,
        no=member.no,
        want=want,
        conditions=[condition.to_json() for condition in conditions],
    )
    work.do(Sound("refused"))


def intent(work: Work) -> str:
    """Return the id of the next intent: the running number of this room's openings."""
    return f"i-{work.state.openings + 1}"


def begin(
    work: Work,
    locker: Locker,
    *,
    session: str,
    no: int,
    why: str,
    by: tuple[Signer, ...],
    intent: str,
    reason: str = "",
) -> None:
    """Draft the intent, then pulse."""
    work.emit(
        "locker.opening",
        session,
        locker=locker.number,
        no=no,
        why=why,
        intent=intent,
        by=signer_json(by),
        reason=reason,
    )
    work.do(Pulse(locker.number, intent), Sound("door"))


def opened(work: Work, number: int, opening: Opening) -> None:
    """The sensor shows the door open that was meant to open."""
    work.emit("locker.opened", opening.session, locker=number, intent=opening.intent)
    if opening.why == "override":
        work.emit("cmd.done", "", id=opening.intent, verb="locker.override", result="opened")


def failed(work: Work, number: int, opening: Opening, how: str) -> None:
    """The door did not open."""
    work.emit(
        "locker.open_failed",
        opening.session,
        locker=number,
        intent=opening.intent,
        outcome=how,
    )
    if opening.why == "override":
        work.emit("cmd.done", "", id=opening.intent, verb="locker.override", result=f"failed:{how}")
    work.do(Sound("refused"))


def shut(work: Work, number: int, opening: Opening) -> None:
    """The door that was opened on purpose is closed again: draft what that means."""
    meaning = outcome(opening.why, opening.stage)
    work.emit(
        "locker.closed",
        opening.session,
        locker=number,
        no=opening.no,
        item=_ITEM_OF[opening.stage],
    )
    if meaning is Outcome.DEPOSITED:
        deposited(work, opening.session, opening.no, item="present", by=())
    elif meaning is Outcome.RELEASED:
        work.emit("member.released", opening.session, no=opening.no, locker=number)
        work.do(Sound("ok"))
    elif meaning is Outcome.KEPT:
        work.emit("release.notice", opening.session, no=opening.no, what="item_left")
        work.do(Sound("notice"))
    elif meaning is Outcome.NOTHING:
        work.emit("release.notice", opening.session, no=opening.no, what="nothing_deposited")
        work.do(Sound("notice"))


_ITEM_OF = {
    Stage.SHUT_EMPTY: "absent",
    Stage.SHUT_FULL: "present",
    Stage.SHUT_UNKNOWN: "unknown",
}


def deposited(work: Work, session: str, no: int, *, item: str, by: tuple[Signer, ...]) -> None:
    """Draft a deposit: by the sensor, or `unknown` confirmed by a person."""
    member = work.member(session, no)
    work.emit(
        "member.deposited",
        session,
        no=no,
        locker=member.locker,
        items=list(member.declared or member.items),
        item=item,
        confirmed_by=signer_json(by),
    )
    work.do(Sound("ok"))
