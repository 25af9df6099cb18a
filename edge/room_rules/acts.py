"""Staff acts, one function each: check, then draft. Two staff means two different persons."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.room_rules import alarms, arrival, doors
from edge.room_rules.kinds import SelfTest, Sound
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy.members import MemberInput, MemberStep, next_step
from protocols.policy.permits import (
    SEATED_PHASES,
    deposit_of,
    may_deposit,
    may_go_escorted,
)
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import SEALING, Member, Session, Signer
from protocols.policy.session import CLOCK, Phase
from protocols.terms import FaultKind

STAFF_TOGETHER = 2
FAULT_KINDS = tuple(kind.value for kind in FaultKind)
CLARIFICATION_STATES = ("asked", "sent", "answered", "expired")

Run = Callable[[Work, Args, tuple[Signer, ...]], None]


@dataclass(frozen=True, slots=True)
class Act:
    """One act; `signed` False: nobody needs to sign, as a call for help."""

    run: Run
    signed: bool = True


def _session(work: Work) -> Session:
    session = work.session(work.data.get("session"))
    if session is None:
        raise RefusedError("other_session")
    if session.phase is Phase.CLOSED:
        raise RefusedError("phase", missing=["phase_closed"])
    return session


def _member(work: Work, args: Args) -> tuple[Session, Member]:
    session = _session(work)
    member = session.members.get(args.number("no"))
    if member is None or not member.here:
        raise RefusedError("unknown_member")
    return session, member


def _two(by: tuple[Signer, ...]) -> None:
    if len({one.person for one in by}) < STAFF_TOGETHER:
        raise RefusedError("two_staff", missing=["second_person"])


def _legal(member: Member, what: MemberInput) -> None:
    if next_step(member.step, what, away=member.away is not None) is None:
        word = "away" if member.away is not None else member.step.value
        raise RefusedError("step", missing=[f"member_{word}"])


def _identify(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    _two(by)
    document = args.words("document", needed=True)
    if any(char.isdecimal() for char in document):
        raise RefusedError(
            "bad_argument", where="document", expected="the kind of document, no number", got="…"
        )
    arrival.stands_here(work, session, member, arrival.Proof("two_staff", document, by))
    refused = next((one for one in work.drafts if one.type == "gate.refused"), None)
    if refused is not None:
        raise RefusedError("gate", conditions=refused.data["conditions"])


def _steps(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    if member.step in (MemberStep.EXPECTED, MemberStep.LEFT):
        raise RefusedError("step", missing=["identified"])
    given = {key: args.data.get(key) for key in ("health", "recusal", "commitment")}
    if any(not isinstance(value, (bool, str, type(None))) for value in given.values()):
        raise RefusedError("bad_argument", where="health, recusal, commitment", expected="a word")
    words = {key: args.words(key) for key, value in given.items() if isinstance(value, str)}
    work.emit("member.steps", session.id, no=member.no, **{**given, **words}, by=signer_json(by))


def _declare(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    if member.step is not MemberStep.IDENTIFIED:
        raise RefusedError("step", missing=["identified"])
    items = args.choices("items", work.pack.custody.items)
    work.emit("deposit.declared", session.id, no=member.no, items=list(items), by=signer_json(by))
    if items:
        fresh = work.member(session.id, member.no)
        doors.try_open(work, session, fresh, may_deposit(work.state, session, fresh))
        return
    work.emit(
        "member.deposited",
        session.id,
        no=member.no,
        locker=None,
        items=[],
        item="none",
        confirmed_by=signer_json(by),
    )


def _confirm(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    if not member.confirm_due or member.step in (MemberStep.RELEASED, MemberStep.LEFT):
        raise RefusedError("nothing_to_confirm")
    doors.deposited(work, session.id, member.no, item="unknown", by=by)


def _drop(what: MemberInput, event: str) -> Run:
    def run(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
        session, member = _member(work, args)
        _legal(member, what)
        reason = args.words("reason", needed=what is not MemberInput.ABSENT)
        work.emit(event, session.id, no=member.no, reason=reason, by=signer_json(by))

    return run


def _away_start(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    _legal(member, MemberInput.AWAY_START)
    asked = args.data.get("expected_min") is not None
    expected_min = args.number("expected_min") if asked else work.pack.away.expected_min
    work.emit(
        "away.started",
        session.id,
        no=member.no,
        reason=args.one_of("reason", work.pack.away.reasons),
        consent_by=args.words("consent_by"),
        escort=args.words("escort"),
        expected_min=expected_min,
        by=signer_json(by),
    )


def _away_end(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    _legal(member, MemberInput.AWAY_END)
    work.emit("away.ended", session.id, no=member.no, by=signer_json(by))


def _lead(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work)
    number = args.number("no")
    if number not in session.members:
        raise RefusedError("unknown_member")
    work.emit("lead.chosen", session.id, no=number, by=signer_json(by))


def _clarification(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work)
    work.emit(
        "clarification",
        session.id,
        state=args.one_of("state", CLARIFICATION_STATES),
        ref=args.words("ref"),
        by=signer_json(by),
    )


def _visitor(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    work.emit(
        "visitor",
        "",
        state=args.one_of("state", ("in", "out")),
        who_post=args.words("who_post", needed=True),
        purpose=args.words("purpose"),
        devices=args.words("devices"),
        by=signer_json(by),
    )


def _outside(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    work.emit("outside_contact", "", purpose=args.words("purpose", needed=True), by=signer_json(by))


def _report(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    kind = FaultKind(args.one_of("kind", FAULT_KINDS))
    text = args.words("text")
    if alarms.open_fault(work.state, kind, alarms.REPORTED) is not None:
        raise RefusedError("already_reported")
    alarms.raise_fault(work, kind, alarms.REPORTED, "reported", text=text, by=by)


def _known_fault(work: Work, args: Args) -> str:
    name = args.words("fault", needed=True)
    if name not in work.state.faults:
        raise RefusedError("unknown_fault")
    return name


def _ack(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    name = _known_fault(work, args)
    session = work.session(work.data.get("session"))
    work.emit("fault.acked", "" if session is None else session.id, fault=name, by=signer_json(by))


def _locker_ack(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    number = args.number("locker")
    locker = work.state.lockers.get(number)
    if locker is None or locker.forced_ms is None:
        raise RefusedError("nothing_to_ack")
    session = work.session(work.data.get("session"))
    about = "" if session is None else session.id
    work.emit("locker.acked", about, locker=number, by=signer_json(by))


def _clear(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    fault = work.state.faults[_known_fault(work, args)]
    if fault.device != alarms.REPORTED or not fault.is_open:
        raise RefusedError("not_reported")
    alarms.clear_fault(work, fault, by=by)


def _case_step(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work)
    rules = work.pack.contingency.steps
    key = args.one_of("key", tuple(rules))
    fault = _known_fault(work, args) if args.data.get("fault") else ""
    state = args.one_of("state", ("done", "skipped"))
    reason = args.words("reason", needed=state == "skipped")
    if rules[key].needs_two:
        _two(by)
    work.emit(
        "case.step",
        session.id,
        fault=fault,
        key=key,
        state=state,
        reason=reason,
        by=signer_json(by),
    )


def _confirm_empty(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work)
    number = args.number("locker")
    _two(by)
    if number not in work.state.lockers:
        raise RefusedError("unknown_locker")
    work.emit("locker.confirmed_empty", session.id, locker=number, by=signer_json(by))


def _escorted(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    reason = args.words("reason")
    answer = may_go_escorted(work.state, session, member, by, reason)
    if not doors.try_open(work, session, member, answer, by=by, reason=reason):
        raise RefusedError("gate", conditions=[one.to_json() for one in answer.conditions])


def _left(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    _legal(member, MemberInput.LEAVE)
    if deposit_of(work.state, session, member) is not None:
        raise RefusedError("item_held", missing=[f"locker:{member.locker}"])
    work.emit("member.left", session.id, no=member.no, by=signer_json(by))


def _saved(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    work.emit("saved.confirmed", session.id, no=member.no, by=signer_json(by))


def _selftest(work: Work, args: Args, by: tuple[Signer, ...]) -> None:  # noqa: ARG001 one signature
    work.do(SelfTest())


def _exception(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work)
    work.emit(
        "start.exception",
        session.id,
        need=args.one_of("need", (*work.pack.start.needs, CLOCK, SEALING)),
        reason=args.words("reason", needed=True),
        by=signer_json(by),
    )


def _release_confirm(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    if not member.release_by:
        raise RefusedError("no_order", missing=["order_member_release"])
    work.emit("release.confirmed", session.id, no=member.no, by=signer_json(by))


def _seat_confirm(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session, member = _member(work, args)
    _legal(member, MemberInput.SEAT)
    seat = None if member.station is None else work.state.seats.get(member.station)
    if session.phase not in SEATED_PHASES or (seat is not None and seat.state == "vacant"):
        raise RefusedError("seat_vacant", missing=[f"station:{member.station}"])
    work.emit("member.seated", session.id, no=member.no, station=member.station, by=signer_json(by))


def _help(work: Work, args: Args, by: tuple[Signer, ...]) -> None:  # noqa: ARG001 one signature
    work.emit("help.called", "", by=signer_json(by))
    work.do(Sound("help"))


ACTS: Mapping[str, Act] = {
    "identify.two_staff": Act(_identify),
    "steps.record": Act(_steps),
    "deposit.declare": Act(_declare),
    "deposit.confirm": Act(_confirm),
    "decline": Act(_drop(MemberInput.DECLINE, "member.declined")),
    "absent": Act(_drop(MemberInput.ABSENT, "member.absent")),
    "withdraw": Act(_drop(MemberInput.WITHDRAW, "member.withdrawn")),
    "away.start": Act(_away_start),
    "away.end": Act(_away_end),
    "lead.choose": Act(_lead),
    "clarification": Act(_clarification),
    "visitor": Act(_visitor),
    "outside_contact": Act(_outside),
    "fault.report": Act(_report),
    "fault.ack": Act(_ack),
    "fault.clear": Act(_clear),
    "locker.ack": Act(_locker_ack),
    "case.step": Act(_case_step),
    "locker.confirm_empty": Act(_confirm_empty),
    "locker.escorted": Act(_escorted),
    "left.confirm": Act(_left),
    "saved.confirm": Act(_saved),
    "selftest.run": Act(_selftest),
    "start.exception": Act(_exception),
    "release.confirm": Act(_release_confirm),
    "seat.confirm": Act(_seat_confirm),
    "help": Act(_help, signed=False),
}
"""Every act of the room screen by its name."""
