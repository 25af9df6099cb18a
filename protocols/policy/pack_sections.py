"""The sections of a policy pack as frozen dataclasses, each field with its rule for reading.

Units: ``_s`` seconds, ``_ms`` milliseconds, ``_pct`` per cent, ``_min`` minutes (of the day in
Asia/Shanghai where the name says morning).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from protocols.policy.pack_spec import (
    Catalogue,
    Choice,
    Flag,
    Key,
    Label,
    Many,
    Maybe,
    Rows,
    Section,
    Sourced,
    Text,
    Whole,
)
from protocols.terms import (
    AwayReason,
    DepositItem,
    DocumentKind,
    FaultKind,
    OrderKind,
    Role,
    SessionKind,
    Term,
)

Words = tuple[str, ...]
StageTable = Mapping[str, Mapping[str, Words]]
"""Fault kind, stage, words."""
DAY_S = 24 * 3600
DAY_MIN = 24 * 60
PLACEHOLDER = "placeholder"
"""Status of a reference that stands in for a text nobody has read yet."""

STAGES = ("before_start", "during", "after")
"""The three stages that the articles distinguish: before the start order, until the end order,
and after it."""
KINDS = tuple(kind.value for kind in FaultKind)
_DURATION = Whole(0, 30 * DAY_S)
_ROLES = tuple(role.value for role in Role)
_WORKDAYS = Whole(1, 60)
_SESSION_KINDS = Sourced(Many(Choice(tuple(k.value for k in SessionKind))))
_START_NEEDS = Sourced(Many(Choice(("members_seated", "av_recording", "system_reachable"))))
_CHECK_IN_STEPS = Sourced(
    Many(Choice(("health_declaration", "recusal_question", "commitment_letter")))
)
_ITEMS = Sourced(Many(Choice(tuple(i.value for i in DepositItem)), at_least=1))
_REASONS = Sourced(Many(Choice(tuple(r.value for r in AwayReason)), at_least=1))
_DOCUMENTS = Sourced(Many(Choice(tuple(d.value for d in DocumentKind)), at_least=1))
_SIGNING_MEANS = Sourced(
    Many(Choice(("ukey", "venue_device", "paper", "mobile_ca_escorted")), at_least=1)
)
_PRIORITIES = Sourced(Rows(KINDS, Rows(STAGES, Choice(("P1", "P2", "P3")))))
_CHECKLISTS = Sourced(Rows(KINDS, Rows(STAGES, Many(Key(), at_least=1))))
_OPENS = Sourced(Rows(KINDS, Choice(("always", "reported", "never"))))
_OPTION_SETS = Sourced(Rows(KINDS, Rows(STAGES, Many(Key()))))
_HANDOVER_ITEMS = Sourced(
    Many(Choice(("witness_record", "appraisal_record", "av", "paper_originals")), at_least=1)
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A source of rules. Status: read, placeholder (another place's text), design (our choice)."""

    title: Annotated[str, Text()]
    status: Annotated[str, Choice(("read", PLACEHOLDER, "design"))]


@dataclass(frozen=True, slots=True)
class VerifiedBy:
    """Who answers for the pack, by name and post."""

    name: Annotated[str, Text()]
    post: Annotated[str, Text()]
    on: Annotated[str, Text()]


@dataclass(frozen=True, slots=True)
class BookingRules:
    """Station requests."""

    working_days: Annotated[int, Sourced(_WORKDAYS)]
    count_mode: Annotated[str, Sourced(Choice(("clear_days", "nth_before")))]
    lead_exempt_kinds: Annotated[Words, _SESSION_KINDS]
    workday_required: Annotated[bool, Sourced(Flag())]
    morning_from_min: Annotated[int, Sourced(Whole(0, DAY_MIN))]
    morning_until_min: Annotated[int, Sourced(Whole(0, DAY_MIN))]
    paired_guests_only: Annotated[bool, Sourced(Flag())]
    excluded_project_kinds: Annotated[Words, Sourced(Many(Key()))]
    hold_s: Annotated[int, Sourced(Whole(1, 30 * DAY_S))]


@dataclass(frozen=True, slots=True)
class StartRules:
    """What `start` needs at every venue."""

    needs: Annotated[
        Words,
        _START_NEEDS,
    ]


@dataclass(frozen=True, slots=True)
class LateRules:
    """When an expected member counts as late, after the planned start."""

    after_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class CheckInRules:
    """Steps a member passes at check-in."""

    steps: Annotated[
        Words,
        _CHECK_IN_STEPS,
    ]


@dataclass(frozen=True, slots=True)
class CustodyRules:
    """Deposit of devices."""

    items: Annotated[Words, _ITEMS]
    escorted_redeposit_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class SeatRules:
    """Occupancy: vacant after the mat has been off this long."""

    clear_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class AwayRules:
    """Leaving for a while."""

    reasons: Annotated[Words, _REASONS]
    expected_min: Annotated[int, Sourced(Whole(1, 24 * 60))]


@dataclass(frozen=True, slots=True)
class GateRules:
    """Release of deposited devices (DESIGN §6.2)."""

    documents: Annotated[Words, _DOCUMENTS]
    documents_quantifier: Annotated[str, Sourced(Choice(("member", "committee")))]
    next_door_s: Annotated[int, Sourced(_DURATION)]
    uncollected_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class SigningRules:
    """Order and meaning of signing."""

    lead_last: Annotated[bool, Sourced(Flag())]
    silent_refusal: Annotated[str, Sourced(Choice(("deemed_consent", "needs_decision")))]
    means: Annotated[
        Words,
        _SIGNING_MEANS,
    ]


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """How long a fact must hold before a fault is raised or cleared."""

    raise_s: Annotated[int, Sourced(_DURATION)]
    clear_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class Flapping:
    """`count` raises of one fault within `window_s` become one "unstable"."""

    count: Annotated[int, Sourced(Whole(2, 100))]
    window_s: Annotated[int, Sourced(Whole(1, DAY_S))]


@dataclass(frozen=True, slots=True)
class FaultRules:
    """Hysteresis per class of fault."""

    power: Annotated[Hysteresis, Section(Hysteresis)]
    network: Annotated[Hysteresis, Section(Hysteresis)]
    device: Annotated[Hysteresis, Section(Hysteresis)]
    station: Annotated[Hysteresis, Section(Hysteresis)]
    system: Annotated[Hysteresis, Section(Hysteresis)]
    av: Annotated[Hysteresis, Section(Hysteresis)]
    unstable: Annotated[Flapping, Section(Flapping)]


@dataclass(frozen=True, slots=True)
class AvRules:
    """Gaps of a stream: notice, and proposal to pause if nothing covers the stream."""

    gap_warn_s: Annotated[int, Sourced(_DURATION)]
    gap_pause_s: Annotated[int, Sourced(_DURATION)]


@dataclass(frozen=True, slots=True)
class UpsRules:
    """Reserve at which a pause is proposed."""

    pause_pct: Annotated[int, Sourced(Whole(0, 100))]


@dataclass(frozen=True, slots=True)
class ClockRules:
    """Offset of the room's clock against the hub's: alarm, and refusal to start."""

    alarm_ms: Annotated[int, Sourced(Whole(1, 3_600_000))]
    refuse_start_ms: Annotated[int, Sourced(Whole(1, 3_600_000))]


@dataclass(frozen=True, slots=True)
class Window:
    """One stage of the contingency procedure.

    `limit_s` None: no limit runs in this stage. `at_limit` inclusive: exactly at the limit is
    still within it.
    """

    article: Annotated[Term, Label()]
    limit_s: Annotated[int | None, Sourced(Maybe(Whole(1, 30 * DAY_S)))]
    at_limit: Annotated[str, Sourced(Choice(("inclusive", "exclusive")))]
    deciders: Annotated[Words, Sourced(Many(Choice(_ROLES), at_least=1))]
    consequence: Annotated[Term, Label()]
    source: Annotated[str, Key()]


@dataclass(frozen=True, slots=True)
class StepRule:
    """One row of the checklist catalogue."""

    zh: Annotated[str, Text()]
    en: Annotated[str, Text()]
    kind: Annotated[str, Choice(("do", "measure", "photograph", "call", "decide", "seal"))]
    owner_role: Annotated[str, Choice(_ROLES)]
    needs_two: Annotated[bool, Flag()]
    source: Annotated[str, Key()]


@dataclass(frozen=True, slots=True)
class OptionRule:
    """One thing that may be decided. `order`: the order that carries it out, if one does.

    `effect`: what it does to the case (`contingency.case_input`).
    """

    zh: Annotated[str, Text()]
    en: Annotated[str, Text()]
    order: Annotated[str | None, Maybe(Choice(tuple(order.value for order in OrderKind)))]
    effect: Annotated[str, Choice(("contain", "pause", "resume", "postpone", "terminate", "close"))]
    needs_seal: Annotated[bool, Flag()]
    source: Annotated[str, Key()]


@dataclass(frozen=True, slots=True)
class OwnBasis:
    """What a case rests on that no article names: words for the basis and for the limit."""

    basis: Annotated[Term, Label()]
    consequence: Annotated[Term, Label()]
    source: Annotated[str, Key()]


@dataclass(frozen=True, slots=True)
class ContingencyRules:
    """Contingency procedure by fault kind and stage.

    `opens`: which kinds open a case by themselves: always, only where a person reported the fault
    (an empty seat that a mat notices is an alarm, a broken station is a case), or never.
    `record`: the basis of a case about lost rows of the record.
    """

    before_start: Annotated[Window, Section(Window)]
    during: Annotated[Window, Section(Window)]
    after: Annotated[Window, Section(Window)]
    stack: Annotated[str, Sourced(Choice(("worst_of", "sum")))]
    restart_on_new_fault: Annotated[bool | None, Sourced(Maybe(Flag()))]
    opens: Annotated[Mapping[str, str], _OPENS]
    record: Annotated[OwnBasis, Section(OwnBasis)]
    scope: Annotated[Mapping[str, str], Sourced(Rows(KINDS, Choice(("member", "venue", "all"))))]
    priority: Annotated[
        Mapping[str, Mapping[str, str]],
        _PRIORITIES,
    ]
    steps: Annotated[Mapping[str, StepRule], Catalogue(Section(StepRule))]
    checklists: Annotated[
        StageTable,
        _CHECKLISTS,
    ]
    options: Annotated[Mapping[str, OptionRule], Catalogue(Section(OptionRule))]
    option_sets: Annotated[StageTable, _OPTION_SETS]

    def window(self, stage: str) -> Window:
        """Return the window of a stage of STAGES."""
        return {"before_start": self.before_start, "during": self.during, "after": self.after}[
            stage
        ]


@dataclass(frozen=True, slots=True)
class HandoverRules:
    """What the guest hands over, by when, and what counts as done."""

    working_days: Annotated[int, Sourced(_WORKDAYS)]
    items: Annotated[
        Words,
        _HANDOVER_ITEMS,
    ]
    carried_outside: Annotated[Words, Sourced(Many(Choice(("paper_originals",))))]
    met_by: Annotated[str, Sourced(Choice(("sent", "received", "receipt")))]


@dataclass(frozen=True, slots=True)
class FeeRules:
    """Whose fee standard holds, and by when the tenderer pays. The tables are not here."""

    pay_working_days: Annotated[int, Sourced(_WORKDAYS)]
    guest_standard: Annotated[str, Sourced(Choice(("own", "home", "higher", "agreed")))]


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How long rows stay at the room after session end and receipt; AV working copy."""

    keep_days: Annotated[int, Sourced(Whole(1, 3650))]
    av_days: Annotated[int, Sourced(Whole(30, 36500))]


@dataclass(frozen=True, slots=True)
class AppraisalRule:
    """One item a staff member may enter. Points are deducted, 0 is a remark."""

    zh: Annotated[str, Text()]
    en: Annotated[str, Text()]
    points: Annotated[int, Whole(-100, 0)]
    source: Annotated[str, Key()]
