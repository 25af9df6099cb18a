"""Decisions: a named person decides, another in another role records and signs; never rewritten.

Both sign the same canonical bytes with their session keys. What is signed is kept beside the
signatures, so that anyone with the venues' certificates can check it. A decision that maps to an
order only offers it: the order is issued by itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection

from hub.clock import iso_ms
from hub.contingency import cases, opening
from hub.contingency.cases import CaseRecord
from hub.contingency.deciders import named_decider
from hub.keys.duty import OnDuty, session_signer
from hub.ports import Actor, Parts, refuse
from protocols.messages.signed import Signer
from protocols.messages.strict import canonical
from protocols.policy.contingency import (
    CaseInput,
    CaseState,
    Decision,
    case_input,
    check_decision,
    next_case_state,
)
from protocols.policy.contingency import Signer as Who
from protocols.policy.errors import PolicyError
from protocols.terms import FaultKind

LABEL: Final = b"er1/decision\x00"
"""What a person signs begins with this; no message of the contract does."""
SCOPES: Final = ("member", "venue", "all")
REASON_CHARS_MAX: Final = 1000
PROOF_CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """What is decided. `decider` a person who decided elsewhere, `proof` says how it came."""

    option: str
    scope: str
    reason: str
    decider: Actor | None = None
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """One person's opened key and place on the roster."""

    signer: Signer
    duty: OnDuty


def decide(
    parts: Parts,
    case: str,
    choice: Choice,
    first: tuple[Actor, str],
    second: tuple[Actor, str] | None,
) -> dict[str, Any]:
    """Records a decision with its signatures.

    Args:
        parts: the hub's parts.
        case: case id.
        choice: option, scope chosen by a person, reason.
        first: who decides, with the PIN; with `choice.decider` who records it.
        second: who signs second, with the PIN; records, unless `choice.decider` is named.

    Raises:
        Problem: 403 PIN or roster, 404, 409 the case has moved on, 422 what is missing.
    """
    with parts.store.read() as conn:
        record = load(conn, case)
    _refuse_plainly(record, choice)
    people = [first] if second is None else [first, second]
    _two_persons(people)
    opened = [opened_key(parts, record, *one) for one in people]
    with parts.store.write() as conn:
        return _record(conn, parts, load(conn, case), choice, opened)


def opened_key(parts: Parts, record: CaseRecord, actor: Actor, pin: str) -> Signed:
    """The session key of a person on duty; outside of a session, the person's own certified key."""
    if record.session:
        return Signed(*session_signer(parts, record.session, actor, pin))
    role = str(next(iter(actor.roles), ""))
    if actor.org != record.row["org"]:
        raise refuse(
            403,
            "other_organisation",
            zh="该处置单属于其他单位",
            en="The case belongs to another organisation",
            where=f"case {record.id}",
            expected=str(record.row["org"]),
            got=actor.org,
            do="由本单位两名不同岗位人员签署",
        )
    signer = parts.keys.person_signer(actor.person, pin, role)
    duty = OnDuty(
        person=actor.person,
        post=actor.post,
        role=role,
        org=actor.org,
        kid=signer.kid,
        wrapped=None,
        certified=True,
    )
    return Signed(signer, duty)


def load(conn: Connection, case: str) -> CaseRecord:
    """The case, or a 404 problem."""
    record = cases.load(conn, case)
    if record is None:
        raise no_case(case)
    return record


def no_case(case: str) -> Exception:
    """404 for a case that is not there, or not for this person to see."""
    return refuse(
        404,
        "no_such_case",
        zh="没有这个应急处置单",
        en="No such contingency case",
        where="case",
        expected="an existing case id, k- and 12 hex digits",
        got=case[:40],
        do="从应急列表进入",
    )


def _record(
    conn: Connection, parts: Parts, record: CaseRecord, choice: Choice, opened: list[Signed]
) -> dict[str, Any]:
    now = parts.clock.wall()
    decider, recorder, second, proof = _roles(conn, record, choice, opened)
    rule = record.template
    decision = Decision(
        option=choice.option,
        decided_by=decider,
        recorded_by=recorder,
        basis=rule.article.zh,
        reason=choice.reason,
        proof=proof,
        at=iso_ms(now),
    )
    state = CaseState(record.row["state"])
    _refuse_incomplete(check_decision(decision, rule, state))
    option = next(one for one in rule.options if one.key == choice.option)
    target = _target(state, option.effect)
    n = len(record.decisions) + 1
    body = _body(record, decision, choice.scope, n)
    signatures = [
        {
            "kid": one.signer.kid,
            "person": one.duty.person,
            "role": one.duty.role,
            "org": one.duty.org,
            "sig": one.signer.sign(LABEL + body).hex(),
        }
        for one in opened
    ]
    cases.add_decision(
        conn,
        {
            "case": record.id,
            "n": n,
            "option": choice.option,
            "scope": choice.scope,
            "decided_by": asdict(decider),
            "recorded_by": asdict(recorder),
            "second": asdict(second),
            "reason": choice.reason,
            "basis": record.row["rule"]["article"],
            "body": body,
            "proof": {"how": proof, "sigs": signatures},
            "at": now,
        },
    )
    cases.change(
        conn,
        record.id,
        {"state": target.value, "scope": choice.scope, "scope_by": decider.post},
    )
    _tell(conn, parts, record, decision, choice=choice, n=n, signatures=signatures)
    if record.row["kind"] == FaultKind.RECORD:
        opening.settle(conn, parts, record)
    return {
        "case": record.id,
        "n": n,
        "state": target.value,
        "offers_order": option.order,
        "needs_seal": option.needs_seal,
    }


def _tell(
    conn: Connection,
    parts: Parts,
    record: CaseRecord,
    decision: Decision,
    *,
    choice: Choice,
    n: int,
    signatures: list[dict[str, Any]],
) -> None:
    data = {
        "case": record.id,
        "n": n,
        "option": decision.option,
        "scope": choice.scope,
        "decided_by": asdict(decision.decided_by),
        "recorded_by": asdict(decision.recorded_by),
        "reason": decision.reason,
        "basis": decision.basis,
        "proof": decision.proof,
        "at": decision.at,
        "sigs": signatures,
    }
    parts.facts.append(conn, type="case.decided", session=record.session, data=data)
    if record.row["scope"] != choice.scope:
        scoped = {"case": record.id, "scope": choice.scope, "by": asdict(decision.decided_by)}
        parts.facts.append(conn, type="case.scoped", session=record.session, data=scoped)
    told = {"n": n, "option": decision.option, "scope": choice.scope, "reason": decision.reason}
    at = parts.clock.wall()
    cases.add_entry(conn, record.id, "decided", told, by=decision.decided_by.post, at=at)
    parts.store.after_commit(lambda: parts.bus.publish(f"case:{record.id}", record.id))


def _body(record: CaseRecord, decision: Decision, scope: str, n: int) -> bytes:
    return canonical(
        {
            "case": record.id,
            "n": n,
            "session": record.session,
            "pack_hash": record.row["pack_hash"],
            "scope": scope,
            **asdict(decision),
        },
        where="decision",
    )


def _roles(
    conn: Connection, record: CaseRecord, choice: Choice, opened: list[Signed]
) -> tuple[Who, Who, Who, str]:
    """Who decided, who recorded, who signed second, and how the decision came."""
    first, second = (_who(one.duty) for one in opened)
    if choice.decider is None:
        return first, second, second, "signature"
    if first.person == second.person or first.role == second.role:
        raise _invalid("second_login", "another person in another role", second.role)
    decider = named_decider(conn, record, choice.decider, scope=choice.scope)
    return decider, first, second, choice.proof


def _who(duty: OnDuty) -> Who:
    return Who(person=duty.person, role=duty.role, post=duty.post)


def _target(state: CaseState, effect: str) -> CaseState:
    what = case_input(effect, state)
    # Closing is an act of its own, with a summary, once the fault is gone.
    if what is None or what is CaseInput.CLOSE:
        return state
    return next_case_state(state, what, decided=True)


def _refuse_plainly(record: CaseRecord, choice: Choice) -> None:
    if record.row["state"] == cases.CLOSED:
        raise refuse(
            409,
            "case_closed",
            zh="处置单已结案",
            en="The case is closed",
            where=f"case {record.id}",
            expected="an open case",
            got="closed",
            do="如需补充，另开处置单",
        )
    limits = (
        ("scope", choice.scope in SCOPES, " or ".join(SCOPES), choice.scope),
        (
            "reason",
            0 < len(choice.reason.strip()) <= REASON_CHARS_MAX,
            f"1 to {REASON_CHARS_MAX} characters",
            f"{len(choice.reason)} characters",
        ),
        (
            "proof",
            choice.decider is None or 0 < len(choice.proof.strip()) <= PROOF_CHARS_MAX,
            "how the decision reached the recorder, in words",
            f"{len(choice.proof)} characters",
        ),
    )
    for name, good, expected, got in limits:
        if not good:
            raise _invalid(name, expected, got)


def _refuse_incomplete(problems: list[PolicyError]) -> None:
    if problems:
        worst = problems[0]
        raise refuse(
            422,
            "decision_invalid",
            zh="处置决定不符合规程",
            en="The decision is not as the procedure wants it",
            where=worst.where,
            expected=worst.expected,
            got=worst.got,
            do=worst.do,
            more={"findings": [str(one) for one in problems]},
        )


def _two_persons(people: list[tuple[Actor, str]]) -> None:
    if len(people) < 2:  # noqa: PLR2004 - the rule's word
        raise _invalid("second_login", "a second signer in another role", "nobody")
    if len({actor.person for actor, _ in people}) < len(people):
        raise _invalid("second_login", "another person", people[0][0].post)


def _invalid(field: str, expected: str, got: str) -> Exception:
    return refuse(
        422,
        "decision_invalid",
        zh="处置决定填写不完整",
        en="The decision is not complete",
        where=f"decision.{field}",
        expected=expected,
        got=got,
        do="按所列字段补充",
    )
