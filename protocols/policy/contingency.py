"""The contingency procedure: a case's states, its clock, its checklist, its decision.

Hubei trial rules, Art. 15 (before the start), 16 (after it), 17 (after the end), to which plan §8
refers; the pack says which text stands behind each number and whether anyone has verified it.
Software proposes, counts and records. `DECISION_DUE` is reached by the clock alone and left only
by a named person's decision (RULES §1.3).

Elapsed time is the sum of durations between stamps of one boot's monotonic clock. A step of the
wall clock therefore changes nothing, and a restart keeps what was counted before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from protocols.policy.errors import PolicyError
from protocols.terms import TERMS, FaultKind, SessionKind, Term

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.policy.pack import Pack

ELAPSED_MS_MAX = 366 * 24 * 3_600_000
"""A case longer than a year is a broken clock, not a fault."""
_MS = 1000


class CaseState(StrEnum):
    """Where a contingency case stands."""

    FAULT_OPEN = "fault_open"
    CONTAINED = "contained"
    PAUSED = "paused"
    RESUMED = "resumed"
    DECISION_DUE = "decision_due"
    CONTINUE_ORDERED = "continue_ordered"
    POSTPONED = "postponed"
    TERMINATED = "terminated"
    RECONSTITUTED = "reconstituted"
    CLOSED = "closed"


class CaseInput(StrEnum):
    """What moves a case. LIMIT comes from the clock, everything else from a person."""

    CONTAIN = "contain"
    PAUSE = "pause"
    RESUME = "resume"
    LIMIT = "limit"
    CONTINUE = "continue"
    POSTPONE = "postpone"
    TERMINATE = "terminate"
    RECONSTITUTE = "reconstitute"
    CLOSE = "close"


_S, _I = CaseState, CaseInput
CASE_TABLE: dict[tuple[CaseState, CaseInput], CaseState] = {
    (_S.FAULT_OPEN, _I.CONTAIN): _S.CONTAINED,
    (_S.FAULT_OPEN, _I.PAUSE): _S.PAUSED,
    (_S.FAULT_OPEN, _I.LIMIT): _S.DECISION_DUE,
    (_S.FAULT_OPEN, _I.POSTPONE): _S.POSTPONED,
    (_S.FAULT_OPEN, _I.TERMINATE): _S.TERMINATED,
    (_S.FAULT_OPEN, _I.CLOSE): _S.CLOSED,
    (_S.CONTAINED, _I.PAUSE): _S.PAUSED,
    (_S.CONTAINED, _I.RESUME): _S.RESUMED,
    (_S.CONTAINED, _I.LIMIT): _S.DECISION_DUE,
    (_S.CONTAINED, _I.POSTPONE): _S.POSTPONED,
    (_S.CONTAINED, _I.TERMINATE): _S.TERMINATED,
    (_S.PAUSED, _I.CONTAIN): _S.CONTAINED,
    (_S.PAUSED, _I.RESUME): _S.RESUMED,
    (_S.PAUSED, _I.LIMIT): _S.DECISION_DUE,
    (_S.PAUSED, _I.POSTPONE): _S.POSTPONED,
    (_S.PAUSED, _I.TERMINATE): _S.TERMINATED,
    # The same fault may come back before the case is closed.
    (_S.RESUMED, _I.PAUSE): _S.PAUSED,
    (_S.RESUMED, _I.CLOSE): _S.CLOSED,
    (_S.DECISION_DUE, _I.CONTINUE): _S.CONTINUE_ORDERED,
    (_S.DECISION_DUE, _I.POSTPONE): _S.POSTPONED,
    (_S.DECISION_DUE, _I.TERMINATE): _S.TERMINATED,
    # A decision is never changed; a new one replaces it.
    (_S.CONTINUE_ORDERED, _I.RESUME): _S.RESUMED,
    (_S.CONTINUE_ORDERED, _I.POSTPONE): _S.POSTPONED,
    (_S.CONTINUE_ORDERED, _I.TERMINATE): _S.TERMINATED,
    (_S.CONTINUE_ORDERED, _I.CLOSE): _S.CLOSED,
    (_S.POSTPONED, _I.RECONSTITUTE): _S.RECONSTITUTED,
    (_S.POSTPONED, _I.CLOSE): _S.CLOSED,
    (_S.TERMINATED, _I.RECONSTITUTE): _S.RECONSTITUTED,
    (_S.TERMINATED, _I.CLOSE): _S.CLOSED,
    (_S.RECONSTITUTED, _I.CLOSE): _S.CLOSED,
}
"""What is not here is refused."""

DECISIONS = frozenset({_I.CONTINUE, _I.POSTPONE, _I.TERMINATE})
"""Inputs that need a decision record."""


def next_case_state(
    state: CaseState, what: CaseInput, *, decided: bool = False, by_clock: bool = False
) -> CaseState:
    """Return the next state of a case.

    Args:
        state: where the case stands.
        what: what happened.
        decided: true when a checked decision record comes with it.
        by_clock: true when the clock of the case says so.

    Raises:
        PolicyError: not in the table, a decision without its record, or a limit that did not come
            from the clock.
    """
    target = CASE_TABLE.get((state, what))
    if target is None:
        legal = ", ".join(i.value for s, i in CASE_TABLE if s is state) or "nothing"
        raise PolicyError(
            f"case in state {state.value}",
            expected=legal,
            got=what.value,
            do="reload the case; it has moved on",
        )
    if what in DECISIONS and not decided:
        raise PolicyError(
            f"case in state {state.value}",
            expected="a decision record",
            got=what.value,
            do="record who decided, on which article, and why",
        )
    if (what is CaseInput.LIMIT) != by_clock:
        raise PolicyError(
            f"case in state {state.value}",
            expected="limit from the clock, all else from a person",
            got=what.value,
            do="let the clock of the case run",
        )
    return target


def case_input(effect: str, state: CaseState) -> CaseInput | None:
    """Return what a decided option does to a case; None: it is recorded, the case stays.

    After the limit every option but postponing and terminating means that the evaluation is
    continued by decision.
    """
    what = CaseInput(effect)
    if state is CaseState.DECISION_DUE and what not in DECISIONS:
        return CaseInput.CONTINUE
    if state is CaseState.FAULT_OPEN and what is CaseInput.RESUME:
        return CaseInput.CONTAIN
    return what if (state, what) in CASE_TABLE else None


@dataclass(frozen=True, slots=True)
class Signer:
    """A person who decides or confirms: token of the person, role, post shown on screens."""

    person: str
    role: str
    post: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as it was taken. It is never changed; a later one replaces it.

    Attributes:
        option: key of the pack's option.
        decided_by: who decided.
        recorded_by: who wrote it down and signs second, in another role.
        basis: article relied on.
        reason: why, in words.
        proof: how the decision reached the recorder (signature, written order, recorded call).
        at: RFC 3339 UTC time, as shown to the person.
    """

    option: str
    decided_by: Signer
    recorded_by: Signer
    basis: str
    reason: str
    proof: str
    at: str


def check_decision(decision: Decision, case: CaseTemplate, state: CaseState) -> list[PolicyError]:
    """List what is missing or wrong in a decision; empty if it may be recorded."""
    problems = [
        PolicyError(f"decision.{name}", expected="a text", got=value, do="fill it in")
        for name, value in (
            ("basis", decision.basis),
            ("reason", decision.reason),
            ("proof", decision.proof),
            ("at", decision.at),
        )
        if not value.strip()
    ]
    offered = [option.key for option in case.options]
    if decision.option not in offered:
        problems.append(
            PolicyError(
                "decision.option",
                expected="one of " + ", ".join(offered),
                got=decision.option,
                do="choose an option of this case",
            )
        )
    first, second = decision.decided_by, decision.recorded_by
    if first.person == second.person or first.role == second.role:
        problems.append(
            PolicyError(
                "decision.recorded_by",
                expected="another person in another role",
                got=second.role,
                do="ask a second person of a different post to sign",
            )
        )
    if state is CaseState.DECISION_DUE and first.role not in case.deciders:
        problems.append(
            PolicyError(
                "decision.decided_by",
                expected=" or ".join(case.deciders),
                got=first.role,
                do="after the limit the decision is theirs; name them and the proof",
            )
        )
    return problems


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a checklist."""

    key: str
    zh: str
    en: str
    kind: str
    owner_role: str
    needs_two: bool


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that may be decided, and the order that carries it out."""

    key: str
    zh: str
    en: str
    order: str | None
    effect: str
    needs_seal: bool


@dataclass(frozen=True, slots=True)
class CaseTemplate:
    """What a case starts with: article, limit, checklist, options, all from the pack."""

    kind: str
    stage: str
    article: Term
    title: Term
    limit_s: int | None
    at_limit: str
    decider: str
    deciders: tuple[str, ...]
    consequence: Term
    priority: str
    scope: str
    steps: tuple[Step, ...]
    options: tuple[Option, ...]
    source: str
    verified: bool


_STAGE_OF_PHASE = {
    "idle": "before_start",
    "prepared": "before_start",
    "check_in": "before_start",
    "evaluating": "during",
    "on_break": "during",
    "suspended": "during",
    "adjourned": "during",
    "signing": "during",
    "ended": "after",
    "closed": "after",
    "postponed": "after",
    "terminated": "after",
}
PHASES = tuple(_STAGE_OF_PHASE)


def stage_of(phase: str) -> str:
    """Return the stage the articles distinguish: before_start, during or after."""
    stage = _STAGE_OF_PHASE.get(phase)
    if stage is None:
        raise PolicyError(
            "phase",
            expected="one of " + ", ".join(PHASES),
            got=phase,
            do="give the session's phase",
        )
    return stage


def template(pack: Pack, fault_kind: str, phase: str) -> CaseTemplate:
    """Return the case a fault opens in a phase (plan §8; Hubei trial rules, Art. 15–17)."""
    kind, stage = _kind(fault_kind), stage_of(phase)
    rules = pack.contingency
    window = rules.window(stage)
    fault, when = TERMS[f"fault.{kind}"], TERMS[f"stage.{stage}"]
    steps, options = rules.steps, rules.options
    # No article names a hole in the record: the case says so instead of borrowing one.
    own = rules.record if kind == FaultKind.RECORD else None
    return CaseTemplate(
        kind=kind,
        stage=stage,
        article=window.article if own is None else own.basis,
        title=Term(zh=f"{fault.zh}（{when.zh}）", en=f"{fault.en} ({when.en})"),
        limit_s=window.limit_s,
        at_limit=window.at_limit,
        decider=window.deciders[0],
        deciders=window.deciders,
        consequence=window.consequence if own is None else own.consequence,
        priority=rules.priority[kind][stage],
        scope=rules.scope[kind],
        steps=tuple(
            Step(
                key,
                steps[key].zh,
                steps[key].en,
                steps[key].kind,
                steps[key].owner_role,
                steps[key].needs_two,
            )
            for key in rules.checklists[kind][stage]
        ),
        options=tuple(
            Option(
                key,
                options[key].zh,
                options[key].en,
                options[key].order,
                options[key].effect,
                options[key].needs_seal,
            )
            for key in rules.option_sets[kind][stage]
        ),
        source=pack.references[window.source if own is None else own.source].title,
        verified=pack.verified,
    )


def opens_case(pack: Pack, fault_kind: str, *, reported: bool) -> bool:
    """Whether a fault of this kind opens a case by itself; `reported`: a person reported it."""
    word = pack.contingency.opens[_kind(fault_kind)]
    return word == "always" or (word == "reported" and reported)


def _kind(fault_kind: str) -> str:
    if fault_kind not in tuple(FaultKind):
        raise PolicyError(
            "fault kind",
            expected="one of " + ", ".join(FaultKind),
            got=fault_kind,
            do="map the device's fault to one of these kinds",
        )
    return str(FaultKind(fault_kind).value)


def propose_scope(pack: Pack, fault_kind: str) -> str:
    """Propose member, venue or all; a person chooses (only the evaluation system stops all)."""
    return pack.contingency.scope[_kind(fault_kind)]


def priority(pack: Pack, fault_kind: str, phase: str) -> str:
    """Return P1, P2 or P3 by consequence in the session's phase."""
    return pack.contingency.priority[_kind(fault_kind)][stage_of(phase)]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A reading of the clocks: boot id, monotonic ms of that boot, wall ms, wall trusted."""

    boot: str
    mono_ms: int
    wall_ms: int
    trusted: bool


@dataclass(frozen=True, slots=True)
class CaseClock:
    """Time a case has run, as stored with the case and carried over restarts.

    Attributes:
        elapsed_ms: counted so far.
        last: the stamp up to which was counted; None while stopped.
        exact: false once a restart had to be bridged without a trusted wall clock; the elapsed
            time is then a lower bound.
    """

    elapsed_ms: int = 0
    last: Stamp | None = None
    exact: bool = True

    def run(self, now: Stamp) -> CaseClock:
        """Start, or count up to `now` and go on."""
        if self.last is None:
            return replace(self, last=now)
        passed, exact = _passed(self.last, now)
        total = min(self.elapsed_ms + passed, ELAPSED_MS_MAX)
        return CaseClock(elapsed_ms=total, last=now, exact=self.exact and exact)

    def stop(self, now: Stamp) -> CaseClock:
        """Count up to `now` and stop: the evaluation can go on."""
        return self if self.last is None else replace(self.run(now), last=None)


def _passed(before: Stamp, now: Stamp) -> tuple[int, bool]:
    """Milliseconds between two stamps, and whether that is exact."""
    if before.boot == now.boot:
        return max(0, now.mono_ms - before.mono_ms), True
    # Across a restart only the wall clock tells; time since the boot is certain to have passed.
    at_least = max(0, now.mono_ms)
    if before.trusted and now.trusted:
        return max(at_least, now.wall_ms - before.wall_ms), True
    return at_least, False


@dataclass(frozen=True, slots=True)
class ClockView:
    """What a screen shows of a case's clock. Seconds; `remaining_s` rounds up, never below 0."""

    elapsed_s: int
    limit_s: int | None
    remaining_s: int | None
    expired: bool
    at_limit_inclusive: bool
    consequence: Term
    article: Term


def clock(case: CaseTemplate, elapsed_ms: int, *, after_planned_start_ms: int = 0) -> ClockView:
    """Compare the time a case has run with its limit.

    Args:
        case: the template of the case.
        elapsed_ms: time counted by `CaseClock`.
        after_planned_start_ms: before the start the limit runs from the planned start: how long
            after it the case was opened (negative: opened before it).
    """
    counted = elapsed_ms
    if case.stage == "before_start":
        counted = max(0, elapsed_ms + after_planned_start_ms)
    inclusive = case.at_limit == "inclusive"
    limit_ms = None if case.limit_s is None else case.limit_s * _MS
    remaining_s: int | None = None
    expired = False
    if limit_ms is not None:
        remaining_s = max(0, -((counted - limit_ms) // _MS))
        expired = counted > limit_ms if inclusive else counted >= limit_ms
    return ClockView(
        elapsed_s=counted // _MS,
        limit_s=case.limit_s,
        remaining_s=remaining_s,
        expired=expired,
        at_limit_inclusive=inclusive,
        consequence=case.consequence,
        article=case.article,
    )


def stacked_ms(pack: Pack, elapsed_ms: Sequence[int]) -> int:
    """Join the clocks of nested faults as the pack says: the worst of them, or their sum."""
    if pack.contingency.stack == "sum":
        return sum(elapsed_ms)
    return max(elapsed_ms, default=0)


def may_start_real(pack: Pack, hub_is_demo: bool, kind: str) -> bool:  # noqa: FBT001 agreed order
    """True if a session of this kind may start: only a verified pack starts a real one.

    A drill is always allowed, and so is any session on a demonstration hub.
    """
    return pack.verified or hub_is_demo or kind == SessionKind.DRILL
