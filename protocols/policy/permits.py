"""The gate's questions answered from a room's state: what each permit looks at, and the answer."""

from __future__ import annotations

from protocols.policy import gate
from protocols.policy.members import ADMITTED, GONE, OUT, MemberStep
from protocols.policy.pack import Pack
from protocols.policy.room_model import (
    SEALING,
    Deposit,
    Locker,
    Member,
    RoomState,
    Session,
    Signer,
)
from protocols.policy.session import (
    OPEN_PHASES,
    Condition,
    Phase,
    StartFacts,
    close_conditions,
    start_conditions,
)
from protocols.terms import OrderKind

SEATED_PHASES = (
    Phase.CHECK_IN,
    Phase.EVALUATING,
    Phase.ON_BREAK,
    Phase.SUSPENDED,
    Phase.ADJOURNED,
    Phase.SIGNING,
)
"""Phases in which sitting down and getting up is a fact about a member."""


def people(signers: tuple[Signer, ...]) -> tuple[tuple[str, str], ...]:
    """Return (person, role) of those who acted."""
    return tuple((one.person, one.role) for one in signers)


def members_here(session: Session) -> tuple[Member, ...]:
    """Return the members who check in at this venue, by number."""
    return tuple(one for _, one in sorted(session.members.items()) if one.here)


def locker_of(state: RoomState, member: Member) -> Locker | None:
    """Return the locker assigned to a member, None without one."""
    return None if member.locker is None else state.lockers.get(member.locker)


def deposit_of(state: RoomState, session: Session, member: Member) -> Deposit | None:
    """Return what the record says lies in the member's locker and is his."""
    locker = locker_of(state, member)
    held = None if locker is None else locker.deposit
    mine = held is not None and (held.session, held.no) == (session.id, member.no)
    return held if mine else None


def left_unseen(state: RoomState, member: Member) -> bool:
    """Whether something of his may lie in his locker although no deposit is on record.

    The room did not see what became of his door: it had stopped, or its lock board was silent.
    """
    locker = locker_of(state, member)
    began = bool(member.declared) and not member.items
    return began and locker is not None and locker.deposit is None and locker.item != "absent"


def may_deposit(state: RoomState, session: Session, member: Member) -> gate.Answer:
    """Return the answer to `deposit(m)`."""
    locker = locker_of(state, member)
    held = deposit_of(state, session, member)
    return gate.deposit(
        gate.DepositFacts(
            assigned=locker is not None,
            empty=locker is not None and locker.deposit is None,
            identified=member.step is MemberStep.IDENTIFIED or member.step in ADMITTED,
            phase=session.phase,
            redeposit=held is not None and held.out,
        )
    )


def may_release(session: Session, member: Member, pack: Pack) -> gate.Answer:
    """Return the answer to `release(m)`."""
    required = pack.gate.documents
    waiting = tuple(
        one.no
        for one in members_here(session)
        if one.no != member.no
        and one.step not in OUT
        and any(document not in one.documents for document in required)
    )
    facts = gate.ReleaseFacts(
        member=member.no,
        order=session.order_out,
        release_people=people(member.release_by),
        documents={document: document in member.documents for document in required},
        committee_waiting=waiting,
        committee_complete=session.committee_complete,
        elsewhere=any(not one.here and one.step not in OUT for one in session.members.values()),
        sealing={
            key: session.sealing.get(key) in ("done", "skipped")
            for key in sealing_steps(session, pack)
        },
        sealing_waived=sealing_waived(session),
    )
    return gate.release(facts, pack.gate.documents_quantifier)


def sealing_waived(session: Session) -> str:
    """Return who waived sealing, before or after the order that needs it; '' if nobody."""
    waivers = [one for one in session.exceptions if one.need == SEALING]
    return ",".join(person.person for one in waivers for person in one.by)


def sealing_steps(session: Session, pack: Pack) -> tuple[str, ...]:
    """Return the steps of sealing that stand before a release on postpone or terminate.

    They are the pack's steps of kind `seal` in the checklists of the session's faults. Without a
    fault, a session that has started is sealed by every such step, one that has not by none.

    Only what is ticked in this room counts here: no message of WIRE carries a step that was ticked
    at the hub. Who sealed elsewhere says so on this room's screen, as a step or as a waiver.
    """
    if session.order_out not in (OrderKind.POSTPONE, OrderKind.TERMINATE):
        return ()
    rules = pack.contingency
    stage = "during" if session.started else "before_start"
    kinds = session.fault_kinds or (tuple(rules.checklists) if session.started else ())
    listed = [key for kind in kinds for key in rules.checklists[kind][stage]]
    return tuple(dict.fromkeys(key for key in listed if rules.steps[key].kind == "seal"))


def may_go_escorted(
    state: RoomState, session: Session, member: Member, by: tuple[Signer, ...], reason: str
) -> gate.Answer:
    """Return the answer to `escorted(m)`."""
    held = deposit_of(state, session, member)
    return gate.escorted(
        gate.EscortFacts(
            people=people(by),
            reason=reason,
            held=held is not None and not held.out,
            phase=session.phase,
        )
    )


def doors(state: RoomState) -> tuple[gate.DoorInUse, ...]:
    """Return the doors in progress in this room."""
    return tuple(
        gate.DoorInUse(
            locker=one.number,
            since_ms=one.opening.since_ms
            if one.opening.opened_ms is None
            else one.opening.opened_ms,
            noticed=one.opening.noticed,
        )
        for one in state.lockers.values()
        if one.opening is not None
    )


def door_conditions(state: RoomState, locker: Locker) -> tuple[Condition, ...]:
    """Return what stands between a permit and a pulse: one door at a time, and a door read shut."""
    free = gate.next_door(doors(state))
    shut = locker.door == "closed"
    waiting = "" if shut else f"locker:{locker.number}"
    return (free, Condition("door_closed", shut, waiting))


def clock_within(state: RoomState, pack: Pack) -> bool | None:
    """Return whether the room's clock is near enough to the hub's for a start; None = not known.

    What the measurement cannot tell counts for the room: only certainly too far is too far.
    """
    if state.clock_off_ms is None:
        return None
    return abs(state.clock_off_ms) - state.clock_bound_ms <= pack.clock.refuse_start_ms


def to_start(
    state: RoomState, session: Session, pack: Pack, extra: frozenset[str] = frozenset()
) -> tuple[Condition, ...]:
    """Return what `start` needs at this venue; `extra` are exceptions named in the order."""
    reachable = {"ok": True, "down": False}.get(state.system.state)
    facts = StartFacts(
        waiting_members=tuple(
            one.no
            for one in members_here(session)
            if one.step is not MemberStep.SEATED and one.step not in GONE
        ),
        streams_down=tuple(
            name for name, stream in sorted(state.streams.items()) if stream.state != "on"
        ),
        system_reachable=reachable,
        exceptions=extra | {one.need for one in session.exceptions},
        clock=clock_within(state, pack),
    )
    return start_conditions(facts, pack.start.needs)


def to_close(state: RoomState, session: Session) -> tuple[Condition, ...]:
    """Return what `close` needs at this venue."""
    lockers: dict[int, str] = {}
    for member in members_here(session):
        locker = locker_of(state, member)
        if locker is not None:
            # A door in use may still be shut on something.
            in_use = locker.deposit is not None or locker.opening is not None
            lockers[locker.number] = "held" if in_use else locker.item
    return close_conditions(lockers, frozenset(session.confirmed_empty))


def open_sessions(state: RoomState) -> tuple[Session, ...]:
    """Return the sessions in which people or devices may be in the room."""
    return tuple(one for one in state.sessions.values() if one.phase in OPEN_PHASES)
