"""Cards and staff acts: people in the room, by number and post, never by name."""

from __future__ import annotations

from collections.abc import Mapping

from edge.room_rules import doors
from edge.room_rules.acts import ACTS, Act
from edge.room_rules.kinds import Sound
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy import gate
from protocols.policy.gate import DEPOSIT_PHASES
from protocols.policy.members import ADMITTED, OUT, MemberStep
from protocols.policy.permits import deposit_of, may_deposit, may_release, open_sessions
from protocols.policy.room_fields import signers_of
from protocols.policy.room_model import Member, Session
from protocols.policy.session import Condition

REASON_CHARS_MAX = 80


def card(work: Work) -> None:
    """A card was read: whose it is was found out elsewhere, its number never comes here."""
    found = _match(work)
    if found is None:
        _unknown(work, "no_match")
        return
    session, member = found
    if member.away is not None:
        work.emit("away.ended", session.id, no=member.no, by=[])
        work.do(Sound("ok"))
    elif member.step in (MemberStep.EXPECTED, MemberStep.ABSENT):
        _identify(work, session, member)
    elif member.step is MemberStep.IDENTIFIED:
        _deposit(work, session, member)
    elif member.step in ADMITTED | OUT:
        _collect(work, session, member)
    else:
        work.do(Sound("ok"))


def _match(work: Work) -> tuple[Session, Member] | None:
    """The match in a session that is open comes first; then the first that is known at all."""
    found: list[tuple[Session, Member]] = []
    rows = work.data.get("matches")
    for row in rows if isinstance(rows, (list, tuple)) else ():
        session = work.session(row.get("session")) if isinstance(row, Mapping) else None
        member = session.members.get(row.get("no")) if session is not None else None
        if session is not None and member is not None and member.here:
            found.append((session, member))
    names = {session.id for session in open_sessions(work.state)}
    return next((one for one in found if one[0].id in names), found[0] if found else None)


def _unknown(work: Work, reason: str) -> None:
    sessions = open_sessions(work.state)
    work.emit(
        "card.unknown",
        sessions[0].id if sessions else "",
        layout=str(work.data.get("layout") or "")[:REASON_CHARS_MAX],
        reason=reason[:REASON_CHARS_MAX],
    )
    work.do(Sound("refused"))


def card_error(work: Work) -> None:
    """A card could not be read."""
    _unknown(work, str(work.data.get("reason") or "unreadable"))


def _identify(work: Work, session: Session, member: Member) -> None:
    if session.phase not in DEPOSIT_PHASES:
        answer = may_deposit(work.state, session, member)
        doors.refuse(work, session, member, "deposit", answer.conditions)
        return
    work.emit(
        "member.identified",
        session.id,
        no=member.no,
        method="card",
        document="id_card",
        by=[],
    )
    work.do(Sound("ok"))


def _deposit(work: Work, session: Session, member: Member) -> None:
    answer = may_deposit(work.state, session, member)
    due = (
        Condition("declared", member.declared is not None, _staff(member.declared is not None)),
        Condition("deposit_confirmed", not member.confirm_due, _staff(not member.confirm_due)),
    )
    if all(one.met for one in due):
        doors.try_open(work, session, member, answer)
    else:
        doors.refuse(work, session, member, "deposit", answer.conditions + due)


def _staff(met: bool) -> str:  # noqa: FBT001 a condition is met or waits for staff
    return "" if met else "room_staff"


def _collect(work: Work, session: Session, member: Member) -> None:
    held = deposit_of(work.state, session, member)
    if held is not None and held.out:
        doors.try_open(work, session, member, may_deposit(work.state, session, member))
        return
    if held is None and member.step in OUT:
        work.do(Sound("refused"))
        return
    answer = may_release(session, member, work.pack)
    if held is None and isinstance(answer, gate.Permit):
        # Nothing was deposited, so nothing opens: the permit itself lets the member go.
        work.emit("member.released", session.id, no=member.no, locker=None)
        work.do(Sound("ok"))
        return
    doors.try_open(work, session, member, answer)


def _act(work: Work, *, signed: bool) -> Act:
    act = ACTS.get(str(work.data.get("act", "")))
    if act is None:
        raise RefusedError("unknown_act", got=str(work.data.get("act", ""))[:40])
    if not signed and act.signed:
        raise RefusedError("unsigned", missing=["by"])
    return act


def staff(work: Work) -> None:
    """A staff act whose PINs are right: recorded, or refused with the reason."""
    args = work.data.get("args")
    by = signers_of(work.data.get("by"))
    try:
        act = _act(work, signed=bool(by))
        act.run(work, Args(args if isinstance(args, Mapping) else {}), by)
    except RefusedError as error:
        work.refuse(error.reason, **error.result)
        return
    work.accept()
