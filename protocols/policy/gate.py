"""The gate: a locker opens only by a permit, and a refusal says what is missing (DESIGN §6.2).

Three pure functions, one per reason to open a door; no clock of the wall, no state of their own.
A refusal lists the conditions already met too, for the member who stands in front of the locker:
the exit rule of the plan is three documents with an outcome and the home venue's end order
(plan §7). An order only permits: which door opens next is a matter of `next_door`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.policy.session import Condition, Phase, tokens
from protocols.terms import OrderKind

ROLES_TOGETHER = 2
"""Two persons in two different roles answer for an exceptional opening."""

CONDITION_KEYS = (
    "locker_assigned",
    "locker_empty",
    "identified",
    "phase_deposit",
    "declared",
    "deposit_confirmed",
    "order_end",
    "order_postpone",
    "order_terminate",
    "committee_here",
    "committee_elsewhere",
    "member_release",
    "two_roles",
    "reason",
    "item_held",
    "phase_escorted",
    "door_free",
    "door_closed",
)
"""Every condition a refusal at the gate may name; a screen has a text for each."""
CONDITION_PREFIXES = ("document_", "sealing_")
"""And these before a document, and before a sealing step of the pack."""

DEPOSIT_PHASES = (Phase.CHECK_IN, Phase.EVALUATING)
"""Late members deposit while the others already evaluate."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The door may open. `want` deposit, release, escorted; `basis` what permits it."""

    want: str
    basis: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The door stays closed; every condition, met or not."""

    want: str
    conditions: tuple[Condition, ...]


Answer = Permit | Refusal


@dataclass(frozen=True, slots=True)
class DepositFacts:
    """What `deposit` looks at. `redeposit`: his own item is out under escort and due back."""

    assigned: bool
    empty: bool
    identified: bool
    phase: Phase
    redeposit: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What `release` looks at, for one member.

    Attributes:
        member: his number.
        order: end, postpone or terminate if one was accepted, else ''.
        release_people: (person, role) of those who ordered or confirmed his own release.
        documents: the documents required, to whether he has an outcome for each.
        committee_waiting: other members of the committee here who lack an outcome.
        committee_complete: the home manager's word for the members at other venues.
        elsewhere: whether members at other venues exist.
        sealing: required sealing steps to whether each is done.
        sealing_waived: who waived sealing by name of post, '' if nobody.
    """

    member: int
    order: str = ""
    release_people: tuple[tuple[str, str], ...] = ()
    documents: Mapping[str, bool] = field(default_factory=dict)
    committee_waiting: tuple[int, ...] = ()
    committee_complete: bool = False
    elsewhere: bool = False
    sealing: Mapping[str, bool] = field(default_factory=dict)
    sealing_waived: str = ""


@dataclass(frozen=True, slots=True)
class EscortFacts:
    """What `escorted` looks at. `people` (person, role) of those who ask for it."""

    people: tuple[tuple[str, str], ...]
    reason: str
    held: bool
    phase: Phase


def two_roles(people: tuple[tuple[str, str], ...]) -> bool:
    """Whether two different persons in two different roles stand together."""
    return any(
        one_person != other_person and one_role != other_role
        for at, (one_person, one_role) in enumerate(people)
        for other_person, other_role in people[at + 1 :]
        if one_person and other_person and one_role and other_role
    )


def deposit(facts: DepositFacts) -> Answer:
    """Permit a deposit: locker assigned, nothing in it, member identified, phase open for it.

    A re-deposit after an escorted opening is due in any phase: the item belongs into the locker.
    """
    conditions = (
        _condition("locker_assigned", met=facts.assigned, waiting_for="room_staff"),
        _condition("locker_empty", met=facts.empty or facts.redeposit, waiting_for="room_staff"),
        _condition("identified", met=facts.identified, waiting_for="identity_check"),
        _condition(
            "phase_deposit",
            met=facts.phase in DEPOSIT_PHASES or facts.redeposit,
            waiting_for="home_manager",
        ),
    )
    return _answer("deposit", "redeposit" if facts.redeposit else "check_in", conditions)


def release(facts: ReleaseFacts, quantifier: str) -> Answer:
    """Permit a release by the order that covers the member; `quantifier` member or committee."""
    routes = [_by_member_release(facts)] if facts.release_people else []
    if facts.order in (OrderKind.POSTPONE, OrderKind.TERMINATE):
        routes.append((facts.order, _by_dispersal(facts)))
    else:
        routes.append((OrderKind.END.value, _by_end(facts, quantifier)))
    for basis, conditions in routes:
        if all(condition.met for condition in conditions):
            return Permit("release", basis, conditions)
    return Refusal("release", routes[0][1])


def escorted(facts: EscortFacts) -> Answer:
    """Permit an escorted opening: two roles, a reason, and the item due back afterwards."""
    conditions = (
        _condition("two_roles", met=two_roles(facts.people), waiting_for="second_role"),
        _condition("reason", met=facts.reason != "", waiting_for="room_staff"),
        _condition("item_held", met=facts.held, waiting_for="deposit"),
        _condition(
            "phase_escorted",
            met=facts.phase not in (Phase.IDLE, Phase.PREPARED, Phase.CLOSED),
            waiting_for="home_manager",
        ),
    )
    return _answer("escorted", "two_roles", conditions)


@dataclass(frozen=True, slots=True)
class DoorInUse:
    """A door in progress: its locker, since when, and whether somebody was told it stands open."""

    locker: int
    since_ms: int
    noticed: bool


def next_door(doors: tuple[DoorInUse, ...]) -> Condition:
    """One door at a time: the next opens when the last is closed or its notice was given."""
    waiting = [door.locker for door in doors if not door.noticed]
    return _condition(
        "door_free",
        met=not waiting,
        waiting_for=",".join(f"locker:{number}" for number in waiting),
    )


def notice_due(door: DoorInUse, now_ms: int, next_door_s: int) -> bool:
    """Whether the door has been in progress for so long that the next may open with a notice."""
    return not door.noticed and now_ms - door.since_ms >= next_door_s * 1000


def _by_member_release(facts: ReleaseFacts) -> tuple[str, tuple[Condition, ...]]:
    conditions = (
        _condition("member_release", met=True, waiting_for=""),
        _condition("two_roles", met=two_roles(facts.release_people), waiting_for="second_role"),
    )
    return OrderKind.MEMBER_RELEASE.value, conditions


def _by_dispersal(facts: ReleaseFacts) -> tuple[Condition, ...]:
    return (
        _condition(f"order_{facts.order}", met=True, waiting_for=""),
        *(
            _condition(f"sealing_{key}", met=done or facts.sealing_waived != "", waiting_for=key)
            for key, done in facts.sealing.items()
        ),
    )


def _by_end(facts: ReleaseFacts, quantifier: str) -> tuple[Condition, ...]:
    own = tuple(
        _condition(f"document_{document}", met=done, waiting_for=f"x{facts.member}")
        for document, done in facts.documents.items()
    )
    order = _condition("order_end", met=facts.order == OrderKind.END, waiting_for="home_manager")
    if quantifier == "member":
        return (*own, order)
    everybody = (
        _condition(
            "committee_here",
            met=not facts.committee_waiting,
            waiting_for=tokens(facts.committee_waiting),
        ),
        _condition(
            "committee_elsewhere",
            met=facts.committee_complete or not facts.elsewhere,
            waiting_for="home_manager",
        ),
    )
    return (*own, *everybody, order)


def _condition(key: str, *, met: bool, waiting_for: str) -> Condition:
    return Condition(key, met, "" if met else waiting_for)


def _answer(want: str, basis: str, conditions: tuple[Condition, ...]) -> Answer:
    if all(condition.met for condition in conditions):
        return Permit(want, basis, conditions)
    return Refusal(want, conditions)
