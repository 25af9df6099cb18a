"""Phases of a session: one table, moved only by an order or by a rule of the policy.

Every pair (phase, input) that is not in `PHASE_TABLE` is refused. Software never aborts or
continues an evaluation (DESIGN G6): the only rules here are the plan's arrival and withdrawal.
Postpone and terminate are legal from every phase before `ended` (DESIGN §6.1). A session suspended
while signing goes on by the order `sign`, one suspended while evaluating by `resume`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from protocols.terms import OrderKind


class Phase(StrEnum):
    """Where a session stands at this venue."""

    IDLE = "idle"
    PREPARED = "prepared"
    CHECK_IN = "check_in"
    EVALUATING = "evaluating"
    ON_BREAK = "on_break"
    SUSPENDED = "suspended"
    ADJOURNED = "adjourned"
    SIGNING = "signing"
    ENDED = "ended"
    CLOSED = "closed"
    POSTPONED = "postponed"
    TERMINATED = "terminated"


class Rule(StrEnum):
    """What moves a phase without an order."""

    PREPARE = "prepare"
    WITHDRAW = "withdraw"


Order = OrderKind
"""The orders of WIRE §7."""

PhaseInput = OrderKind | Rule

BEFORE_ENDED = (
    Phase.IDLE,
    Phase.PREPARED,
    Phase.CHECK_IN,
    Phase.EVALUATING,
    Phase.ON_BREAK,
    Phase.SUSPENDED,
    Phase.ADJOURNED,
    Phase.SIGNING,
)
"""Phases from which a session may be postponed or terminated."""

OPEN_PHASES = (
    Phase.CHECK_IN,
    Phase.EVALUATING,
    Phase.ON_BREAK,
    Phase.SUSPENDED,
    Phase.ADJOURNED,
    Phase.SIGNING,
    Phase.ENDED,
    Phase.POSTPONED,
    Phase.TERMINATED,
)
"""Phases in which members may be in the room or their devices in a locker."""

STARTED_PHASES = (
    Phase.EVALUATING,
    Phase.ON_BREAK,
    Phase.SUSPENDED,
    Phase.ADJOURNED,
    Phase.SIGNING,
    Phase.ENDED,
)
"""Phases that only a started evaluation reaches."""


def _table() -> dict[tuple[Phase, PhaseInput], Phase]:
    table: dict[tuple[Phase, PhaseInput], Phase] = {
        (Phase.IDLE, Rule.PREPARE): Phase.PREPARED,
        (Phase.PREPARED, Rule.PREPARE): Phase.PREPARED,
        (Phase.PREPARED, Rule.WITHDRAW): Phase.IDLE,
        (Phase.PREPARED, Order.OPEN): Phase.CHECK_IN,
        (Phase.CHECK_IN, Order.START): Phase.EVALUATING,
        (Phase.EVALUATING, Order.BREAK): Phase.ON_BREAK,
        (Phase.EVALUATING, Order.SUSPEND): Phase.SUSPENDED,
        (Phase.EVALUATING, Order.ADJOURN): Phase.ADJOURNED,
        (Phase.EVALUATING, Order.SIGN): Phase.SIGNING,
        (Phase.ON_BREAK, Order.RESUME): Phase.EVALUATING,
        (Phase.ON_BREAK, Order.SUSPEND): Phase.SUSPENDED,
        (Phase.ON_BREAK, Order.ADJOURN): Phase.ADJOURNED,
        (Phase.SUSPENDED, Order.RESUME): Phase.EVALUATING,
        (Phase.SUSPENDED, Order.SIGN): Phase.SIGNING,
        (Phase.SUSPENDED, Order.ADJOURN): Phase.ADJOURNED,
        (Phase.ADJOURNED, Order.RESUME): Phase.EVALUATING,
        (Phase.ADJOURNED, Order.SUSPEND): Phase.SUSPENDED,
        (Phase.SIGNING, Order.SUSPEND): Phase.SUSPENDED,
        (Phase.SIGNING, Order.RESUME): Phase.EVALUATING,
        (Phase.SIGNING, Order.END): Phase.ENDED,
        (Phase.POSTPONED, Order.TERMINATE): Phase.TERMINATED,
    }
    for phase in BEFORE_ENDED:
        table[(phase, Order.POSTPONE)] = Phase.POSTPONED
        table[(phase, Order.TERMINATE)] = Phase.TERMINATED
    for phase in OPEN_PHASES:
        table[(phase, Order.MEMBER_RELEASE)] = phase
    for phase in (Phase.ENDED, Phase.POSTPONED, Phase.TERMINATED):
        table[(phase, Order.CLOSE)] = Phase.CLOSED
    return table


PHASE_TABLE: Mapping[tuple[Phase, PhaseInput], Phase] = MappingProxyType(_table())
"""The whole of it; absent = refused."""


def next_phase(phase: Phase, what: PhaseInput) -> Phase | None:
    """Return the phase that `what` leads to, None if it is refused."""
    return PHASE_TABLE.get((phase, what))


def legal_orders(phase: Phase) -> tuple[OrderKind, ...]:
    """Return the orders that the table allows in a phase, in the order of a day."""
    return tuple(order for order in OrderKind if (phase, order) in PHASE_TABLE)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must be so.

    Attributes:
        key: name of the condition; its text on screens is ``gate.<key>``.
        met: whether it is so.
        waiting_for: who or what it waits for: ``x3`` member 3, a role, ``locker:4``; comma between
            several; '' when met.
    """

    key: str
    met: bool
    waiting_for: str = ""

    def to_json(self) -> dict[str, str | bool]:
        """Return the form that `gate.refused` carries."""
        return {
            "key": self.key,
            "met": self.met,
            "text_key": f"gate.{self.key}",
            "waiting_for": self.waiting_for,
        }


def tokens(numbers: tuple[int, ...]) -> str:
    """Return members as tokens: ``x3,x4``."""
    return ",".join(f"x{number}" for number in numbers)


@dataclass(frozen=True, slots=True)
class StartFacts:
    """What `start` looks at in one venue.

    Attributes:
        waiting_members: members expected here who do not sit at their station yet.
        streams_down: streams that are not recording.
        system_reachable: the evaluation system answers; None = not known.
        exceptions: needs that somebody answered for by name of post.
        clock: the room's clock is within the policy's bound of the hub's; None = not known.
    """

    waiting_members: tuple[int, ...]
    streams_down: tuple[str, ...]
    system_reachable: bool | None
    exceptions: frozenset[str] = frozenset()
    clock: bool | None = None


CLOCK = "clock"
"""Condition of `start` beside the policy's needs: a clock known to be too far off."""


def start_conditions(facts: StartFacts, needs: tuple[str, ...]) -> tuple[Condition, ...]:
    """Return what `start` needs here, met ones included (plan §7, DESIGN §6.1).

    A need with a named exception is met; unknown is not met. Of the clock only what is known
    counts: a room without a hub has nobody to compare with and works alone (G4); every record says
    how far its time may be believed.
    """
    found = {
        "members_seated": tokens(facts.waiting_members),
        "av_recording": ",".join(facts.streams_down),
        "system_reachable": "" if facts.system_reachable else "evaluation_system",
        CLOCK: "" if facts.clock else CLOCK,
    }
    if facts.clock is not None:
        needs = (*needs, CLOCK)
    return tuple(
        Condition(need, met=True)
        if need in facts.exceptions or not found[need]
        else Condition(need, met=False, waiting_for=found[need])
        for need in needs
    )


def close_conditions(
    lockers: Mapping[int, str], confirmed_by_two: frozenset[int]
) -> tuple[Condition, ...]:
    """Return what `close` needs: every locker of the session empty by sensor or by two staff.

    `lockers`: number to what its sensor says, ``absent`` being the only word for empty.
    """
    return tuple(
        Condition("locker_empty", met=True)
        if item == "absent" or number in confirmed_by_two
        else Condition("locker_empty", met=False, waiting_for=f"locker:{number}")
        for number, item in sorted(lockers.items())
    )


def unmet(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return those that are not met."""
    return tuple(condition for condition in conditions if not condition.met)
