"""How recorded events of a session move the state; joined with the shared ones in `FOLDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from protocols.policy.members import MemberInput, next_step
from protocols.policy.room_facts import SHARED, answered
from protocols.policy.room_fields import (
    Fact,
    edit_member,
    is_by_code,
    moved,
    with_member,
    with_session,
)
from protocols.policy.room_locker_folds import LOCKER_FOLDS
from protocols.policy.room_model import (
    SEALING,
    SESSIONS_KEPT,
    STEPS_KEPT,
    Away,
    CaseStep,
    Member,
    OrderSeen,
    PlanRef,
    RoomState,
    Session,
    StartException,
    Venue,
)
from protocols.policy.session import Phase
from protocols.terms import OrderKind

Fold = Callable[[RoomState, Fact], RoomState]
OFF_ORDERS = (OrderKind.END, OrderKind.POSTPONE, OrderKind.TERMINATE)
"""Orders that let members go."""


def _session(fold: Callable[[Session, Fact], Session]) -> Fold:
    def run(state: RoomState, fact: Fact) -> RoomState:
        session = state.sessions.get(fact.session)
        return state if session is None else with_session(state, fold(session, fact))

    return run


def _member(fold: Callable[[Member, Fact], Member]) -> Fold:
    def run(state: RoomState, fact: Fact) -> RoomState:
        return edit_member(state, fact, lambda member: fold(member, fact))

    return run


def _prepared(state: RoomState, fact: Fact) -> RoomState:
    plan = fact.inner("plan")
    known = state.sessions.get(fact.session)
    members = {row.number("no"): _planned(row, known) for row in fact.objects("members")}
    kept = known.members if known is not None else {}
    session = Session(
        id=fact.session,
        booking=fact.text("booking"),
        kind=fact.text("kind"),
        start_at=fact.text("start_at"),
        org=fact.text("org"),
        role=fact.one_of("role", ("home", "guest")),
        home_org=fact.words("home_org"),
        venues=tuple(_venue(row) for row in fact.objects("venues")),
        pack_hash=fact.words("pack_hash"),
        plan=PlanRef(plan.number("generation"), plan.number("n"), plan.text("hash")),
    )
    if known is None:
        return _pruned(with_session(state, replace(session, members=members)))
    # A member who has begun his day is not changed by a later plan; replacing him is a command.
    stays = {number: one for number, one in kept.items() if number not in members and _begun(one)}
    return with_session(
        state,
        replace(
            known,
            booking=session.booking,
            kind=session.kind,
            start_at=session.start_at,
            venues=session.venues,
            pack_hash=session.pack_hash,
            plan=session.plan,
            members=members | stays,
        ),
    )


def _planned(row: Fact, known: Session | None) -> Member:
    number = row.number("no")
    before = known.members.get(number) if known is not None else None
    if before is not None and _begun(before):
        return before
    return Member(
        no=number,
        kind=row.text("kind"),
        org=row.text("org"),
        here=row.data.get("here") is True,
        station=row.number_or_none("station"),
        locker=row.number_or_none("locker"),
        late=before is not None and before.late,
    )


def _begun(member: Member) -> bool:
    return member.step.value != "expected"


def _venue(row: Fact) -> Venue:
    return Venue(
        org=row.text("org"),
        role=row.text("role"),
        ctl=row.words("ctl"),
        place=row.words("place"),
        name=row.words("name"),
    )


def _pruned(state: RoomState) -> RoomState:
    done = [name for name, one in state.sessions.items() if one.phase is Phase.CLOSED]
    drop = set(done[: max(0, len(done) - SESSIONS_KEPT)])
    if not drop:
        return state
    revs = {
        key: rev
        for key, rev in state.revs.items()
        if key.removeprefix("member:").rpartition(":")[0] not in drop
    }
    sessions = {name: one for name, one in state.sessions.items() if name not in drop}
    return state.evolve(sessions=sessions, revs=revs)


def _phase_changed(session: Session, fact: Fact) -> Session:
    target = Phase(fact.one_of("to", tuple(phase.value for phase in Phase)))
    members = session.members
    if target is Phase.SUSPENDED:
        # What was confirmed before this interruption does not count for going on after it.
        members = {number: replace(one, saved=False) for number, one in members.items()}
    recording = target is Phase.CHECK_IN or (session.recording and target is not Phase.CLOSED)
    return replace(
        session,
        phase=target,
        phase_ms=fact.now_ms,
        members=members,
        started=session.started or target is Phase.EVALUATING,
        recording=recording,
    )


def _ended(state: RoomState, fact: Fact) -> RoomState:
    """With the session that ends its doors are told of no more; record and hub keep them."""
    state = _session(_phase_changed)(state, fact)
    if fact.text("to") != Phase.CLOSED:
        return state
    lockers = {number: replace(one, forced_ms=None) for number, one in state.lockers.items()}
    return state.evolve(lockers=lockers)


def _order_accepted(state: RoomState, fact: Fact) -> RoomState:
    seen = OrderSeen(
        id=fact.text("id"),
        n=fact.number("n"),
        order=fact.one_of("order", tuple(kind.value for kind in OrderKind)),
        result="accepted",
        members=fact.numbers("members"),
        by=fact.signers(),
        at_ms=fact.now_ms,
    )
    state = answered(state, seen.id, "accepted")
    session = state.sessions.get(fact.session)
    if session is None:
        return state
    session = replace(
        session,
        orders=(*session.orders, seen),
        last_n=max(session.last_n, seen.n),
        release_ms=fact.now_ms,
        exceptions=session.exceptions + _exceptions(fact, seen),
    )
    if seen.order in OFF_ORDERS:
        session = replace(
            session,
            order_out=seen.order,
            committee_complete=fact.words("committee") == "complete",
        )
    if seen.order == OrderKind.MEMBER_RELEASE:
        covered = {
            number: replace(one, release_by=one.release_by + seen.by)
            for number, one in session.members.items()
            if number in seen.members
        }
        session = replace(session, members={**session.members, **covered})
    return with_session(state, session)


def _order_confirmed(state: RoomState, fact: Fact) -> RoomState:
    """The signed order behind a code has come: it takes the code's place and moves nothing."""
    name, n, by = fact.text("id"), fact.number("n"), fact.signers()
    state = answered(state, name, "accepted")
    session = state.sessions.get(fact.session)
    if session is None:
        return state
    orders = tuple(
        replace(one, id=name, by=by) if one.n == n and is_by_code(one) else one
        for one in session.orders
    )
    return with_session(state, replace(session, orders=orders))


def _exceptions(fact: Fact, seen: OrderSeen) -> tuple[StartException, ...]:
    return tuple(
        StartException(row.text("need"), row.words("reason"), seen.by)
        for row in fact.objects("exceptions")
    )


def _refused(state: RoomState, fact: Fact) -> RoomState:
    return answered(state, fact.words("id"), fact.words("reason") or "refused")


def _statement(state: RoomState, fact: Fact) -> RoomState:
    state = answered(state, fact.text("id"), "accepted")
    document, outcome = fact.text("document"), fact.text("outcome")

    def sign(session: Session, fact: Fact) -> Session:
        member = session.members.get(fact.number("no"))
        if member is None:
            return session
        documents = {**member.documents, document: outcome}
        return replace(
            with_member(session, replace(member, documents=documents)), release_ms=fact.now_ms
        )

    return _session(sign)(state, fact)


def _late(member: Member, fact: Fact) -> Member:
    return replace(moved(member, MemberInput.LATE, fact.now_ms), late=True)


def _identified(member: Member, fact: Fact) -> Member:
    return replace(
        moved(member, MemberInput.IDENTIFY, fact.now_ms), method=fact.text("method"), out=""
    )


def _steps(member: Member, fact: Fact) -> Member:
    found = {
        key: fact.data.get(key) not in (None, "") for key in ("health", "recusal", "commitment")
    }
    return replace(member, steps={**member.steps, **found})


def _drop(what: MemberInput, out: str) -> Callable[[Member, Fact], Member]:
    def run(member: Member, fact: Fact) -> Member:
        if next_step(member.step, what, away=member.away is not None) is None:
            return member
        return replace(moved(member, what, fact.now_ms), out=out, away=None)

    return run


def _declared(member: Member, fact: Fact) -> Member:
    return replace(member, declared=fact.texts("items"))


def _seated(member: Member, fact: Fact) -> Member:
    return moved(member, MemberInput.SEAT, fact.now_ms)


def _unseated(member: Member, fact: Fact) -> Member:
    return moved(member, MemberInput.UNSEAT, fact.now_ms)


def _away_started(member: Member, fact: Fact) -> Member:
    away = Away(
        since_ms=fact.now_ms,
        reason=fact.text("reason"),
        consent_by=fact.words("consent_by"),
        escort=fact.words("escort"),
        expected_min=fact.number_or_none("expected_min") or 0,
    )
    return replace(moved(member, MemberInput.AWAY_START, fact.now_ms), away=away, told=())


def _away_ended(member: Member, fact: Fact) -> Member:
    return replace(moved(member, MemberInput.AWAY_END, fact.now_ms), away=None)


def _left(member: Member, fact: Fact) -> Member:
    return moved(member, MemberInput.LEAVE, fact.now_ms)


def _saved(member: Member, fact: Fact) -> Member:  # noqa: ARG001 one signature
    return replace(member, saved=True)


def _release_confirmed(member: Member, fact: Fact) -> Member:
    return replace(member, release_by=member.release_by + fact.signers())


def _swapped(member: Member, fact: Fact) -> Member:
    after = moved(member, MemberInput.UNSEAT, fact.now_ms)
    return replace(after, station=fact.number("station"))


def _substitute(session: Session, fact: Fact) -> Session:
    number = fact.number("no")
    member = session.members.get(number)
    if member is None:
        return session
    session = with_member(session, _drop(MemberInput.REPLACE, "replaced")(member, fact))
    if fact.data.get("substitute") is None:
        return session
    row = fact.inner("substitute")
    if row.number("no") in session.members:
        return session
    return with_member(session, _planned(row, None))


def _lead(session: Session, fact: Fact) -> Session:
    return replace(session, lead=fact.number("no"))


def _clarification(session: Session, fact: Fact) -> Session:
    return replace(session, clarification=fact.text("state"))


def _exception(session: Session, fact: Fact) -> Session:
    found = StartException(fact.text("need"), fact.words("reason"), fact.signers())
    after = replace(session, exceptions=(*session.exceptions, found))
    # Who waits for his locker waits from here on, as after a step of sealing.
    return replace(after, release_ms=fact.now_ms) if found.need == SEALING else after


def _case_step(state: RoomState, fact: Fact) -> RoomState:
    step = CaseStep(
        key=fact.text("key"),
        state=fact.one_of("state", ("done", "skipped")),
        reason=fact.words("reason"),
        by=fact.signers(),
        at=fact.at,
    )
    fault = state.faults.get(fact.words("fault"))
    if fault is not None and len(fault.steps) < STEPS_KEPT:
        fault = replace(fault, steps={**fault.steps, step.key: step})
        state = state.evolve(faults={**state.faults, fault.id: fault})

    def seal(session: Session, fact: Fact) -> Session:
        if len(session.sealing) >= STEPS_KEPT:
            return session
        sealing = {**session.sealing, step.key: step.state}
        return replace(session, sealing=sealing, release_ms=fact.now_ms)

    return _session(seal)(state, fact)


def _wiped(session: Session, fact: Fact) -> Session:  # noqa: ARG001 one signature
    return replace(session, wiped=True)


_SESSION_FOLDS: Mapping[str, Fold] = {
    "session.prepared": _prepared,
    "phase.changed": _ended,
    "order.accepted": _order_accepted,
    "order.confirmed": _order_confirmed,
    "order.refused": _refused,
    "statement.accepted": _statement,
    "statement.refused": _refused,
    "member.late": _member(_late),
    "member.identified": _member(_identified),
    "member.steps": _member(_steps),
    "member.declined": _member(_drop(MemberInput.DECLINE, "declined")),
    "member.absent": _member(_drop(MemberInput.ABSENT, "absent")),
    "member.withdrawn": _member(_drop(MemberInput.WITHDRAW, "withdrawn")),
    "member.removed": _member(_drop(MemberInput.REMOVE, "removed")),
    "member.replaced": _session(_substitute),
    "deposit.declared": _member(_declared),
    "member.seated": _member(_seated),
    "member.unseated": _member(_unseated),
    "away.started": _member(_away_started),
    "away.ended": _member(_away_ended),
    "member.left": _member(_left),
    "release.confirmed": _member(_release_confirmed),
    "saved.confirmed": _member(_saved),
    "station.swapped": _member(_swapped),
    "lead.chosen": _session(_lead),
    "clarification": _session(_clarification),
    "start.exception": _session(_exception),
    "case.step": _case_step,
    "secrets.wiped": _session(_wiped),
}

FOLDS: Mapping[str, Fold] = MappingProxyType({**SHARED, **LOCKER_FOLDS, **_SESSION_FOLDS})
"""Every event type that moves the state."""
