"""What must be so of every step of a room, written from the contract and not from the code.

The gate (DESIGN §6.2) is said here a second time, in as few words as it has: who may have which
door opened, given the orders, statements and people that the room has on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.room import Draft, Input, Pulse
from protocols.policy.members import MEMBER_TABLE
from protocols.policy.pack import Pack
from protocols.policy.room_model import Member, RoomState, Session
from protocols.policy.session import PHASE_TABLE, Phase
from protocols.terms import OrderKind

AT_THE_DOOR: Final = ("card", "staff", "command")
"""Only who stands there, or two who answer for it, has a door opened; an order never does."""
BEGUN: Final = ("check_in", "evaluating")
NOT_YET: Final = ("idle", "prepared", "closed")
RELEASING: Final = ("postpone", "terminate")


@dataclass(frozen=True, slots=True)
class Step:
    """One input and all that came of it; `before` has its raw readings."""

    pack: Pack
    before: RoomState
    after: RoomState
    inp: Input
    drafts: tuple[Draft, ...]
    pulses: tuple[Pulse, ...]
    answer: Mapping[str, Any]


def broken(step: Step) -> list[str]:
    """Which laws the step breaks."""
    found = [*_pulses(step), *_standing(step)]
    if step.drafts:
        found += [*_phases(step), *_deposits(step), *_members(step)]
    return found


# -- doors --------------------------------------------------------------------------------------
def _pulses(step: Step) -> list[str]:
    openings = [one for one in step.drafts if one.type == "locker.opening"]
    found = []
    if [one.intent for one in step.pulses] != [one.data["intent"] for one in openings]:
        found.append("a pulse without its intent, or an intent without its pulse")
    if not openings:
        return found
    if step.inp.kind not in AT_THE_DOOR or len(openings) > 1:
        return [*found, f"{len(openings)} doors opened by {step.inp.kind}"]
    (opening,), (pulse,) = openings, step.pulses
    if pulse.lock != opening.data["locker"]:
        found.append("another door than the one on record was opened")
    locker = step.before.lockers[pulse.lock]
    if locker.opening is not None or locker.door == "open":
        found.append("a pulse to a door that is open or in use")
    if opening.data["why"] == "override":
        return found + _override(step, opening)
    return found + _permitted(step, opening)


def _override(step: Step, opening: Draft) -> list[str]:
    at = [one.type for one in step.drafts]
    two = two_roles(opening.data["by"])
    first = "cmd.accepted" in at and at.index("cmd.accepted") < at.index("locker.opening")
    lawful = step.inp.kind == "command" and two and first
    return [] if lawful else ["an override without two roles on record"]


def _permitted(step: Step, opening: Draft) -> list[str]:
    data = opening.data
    state = step.before
    session = state.sessions[opening.session]
    # What was written ahead of the intent in this step counts: the declaration, the card.
    member = step.after.sessions[opening.session].members[data["no"]]
    found = []
    if member.locker != data["locker"] or not member.here:
        found.append("a door opened to somebody whose locker it is not")
    if step.inp.kind == "card" and data["no"] not in _cards(step.inp):
        found.append("a door opened to the wrong card")
    if any(
        one.opening is not None and not one.opening.noticed and one.number != data["locker"]
        for one in state.lockers.values()
    ):
        found.append("two doors at once")
    if state.lockers[data["locker"]].door != "closed":
        found.append("a pulse to a door that is not read shut")
    lawful = {"deposit": _may_deposit, "release": _may_release, "escorted": _may_escort}
    if not lawful[data["why"]](step, session, member, opening):
        found.append(f"no permit: {data['why']} in {session.phase.value}")
    return found


def _cards(inp: Input) -> list[int]:
    return [row["no"] for row in inp.data["matches"]]


def _held(step: Step, session: Session, member: Member) -> Any:
    assert member.locker is not None
    held = step.before.lockers[member.locker].deposit
    mine = held is not None and (held.session, held.no) == (session.id, member.no)
    return held if mine else None


def _may_deposit(step: Step, session: Session, member: Member, opening: Draft) -> bool:
    del opening
    assert member.locker is not None
    held = _held(step, session, member)
    if held is not None and held.out:
        return True
    known = member.step.value in ("identified", "deposited", "seated")
    empty = step.before.lockers[member.locker].deposit is None
    return known and empty and session.phase.value in BEGUN


def _may_release(step: Step, session: Session, member: Member, opening: Draft) -> bool:
    del opening
    if two_roles([{"person": one.person, "role": one.role} for one in member.release_by]):
        return any(one.order == "member_release" and member.no in one.members
                   for one in session.orders)  # fmt: skip
    order = last_order(session)
    if order in RELEASING:
        waived = any(one.need == "sealing" and one.by for one in session.exceptions)
        return waived or not session.started or "seal_material" in session.sealing
    if order != "end" or not signed(step.pack, member):
        return False
    if step.pack.gate.documents_quantifier == "member":
        return True
    here = [one for one in session.members.values() if one.here and not gone(one)]
    away = [one for one in session.members.values() if not one.here and not gone(one)]
    return all(signed(step.pack, one) for one in here) and (session.committee_complete or not away)


def _may_escort(step: Step, session: Session, member: Member, opening: Draft) -> bool:
    held = _held(step, session, member)
    asked = two_roles(opening.data["by"]) and opening.data["reason"] != ""
    return asked and held is not None and not held.out and session.phase.value not in NOT_YET


def last_order(session: Session) -> str:
    """The last order that lets everybody go, from the orders themselves."""
    off = [one.order for one in session.orders if one.order in ("end", *RELEASING)]
    return off[-1] if off else ""


def signed(pack: Pack, member: Member) -> bool:
    """Every document of his has an outcome."""
    return all(member.documents.get(one) for one in pack.gate.documents)


def gone(member: Member) -> bool:
    """No longer of the committee."""
    return member.step.value in ("absent", "declined", "withdrawn", "replaced", "removed")


def two_roles(people: list[dict[str, str]]) -> bool:
    """Two persons, and two roles among them that are not one person's."""
    return any(
        one["person"] != two["person"]
        and one["role"] != two["role"]
        and one["role"]
        and two["role"]
        for one in people
        for two in people
    )


# -- the tables ---------------------------------------------------------------------------------
def _phases(step: Step) -> list[str]:
    found = []
    for name, after in step.after.sessions.items():
        was = step.before.sessions.get(name)
        moves = [one for one in step.drafts if one.type == "phase.changed" and one.session == name]
        phase = Phase.IDLE if was is None else was.phase
        for move in moves:
            words = [what for (at, what), to in PHASE_TABLE.items()
                     if at is phase and to.value == move.data["to"]]  # fmt: skip
            if move.data["by"] == "order":
                ordered = [one.data["order"] for one in step.drafts if one.type == "order.accepted"]
                words = [what for what in words if what in ordered and isinstance(what, OrderKind)]
            else:
                words = [what for what in words if not isinstance(what, OrderKind)]
            if not words:
                found.append(f"phase {phase.value} -> {move.data['to']} by no rule")
            phase = Phase(move.data["to"])
        if after.phase is not phase:
            found.append("a phase moved without a row of its own")
    return found


def _members(step: Step) -> list[str]:
    found = []
    for name, after in step.after.sessions.items():
        was = step.before.sessions.get(name)
        for no, member in after.members.items() if was is not None else ():
            before = was.members.get(no) if was is not None else None
            if before is None or before.step is member.step:
                continue
            to = [step_ for (at, _), step_ in MEMBER_TABLE.items() if at is before.step]
            if member.step not in to:
                found.append(f"member {before.step.value} -> {member.step.value} by no rule")
            if member.step.value == "released" and not _way_out(step, no):
                found.append("a member released by no permit")
    return found


def _way_out(step: Step, no: int) -> bool:
    """His door was opened for a release and is closed again, or he has nothing here to fetch."""
    told = next(
        one for one in step.drafts if one.type == "member.released" and one.data["no"] == no
    )
    number = told.data["locker"]
    if number is None:
        return step.inp.kind in ("card", "staff")
    opening = step.before.lockers[number].opening
    return opening is not None and (opening.why, opening.no) == ("release", no)


def _deposits(step: Step) -> list[str]:
    found = []
    types = {one.type for one in step.drafts}
    for number, after in step.after.lockers.items():
        was = step.before.lockers[number].deposit
        if was is None and after.deposit is not None and "member.deposited" not in types:
            found.append("a deposit by nobody")
        gone_ = was is not None and after.deposit is None
        if gone_ and not types & {"member.released", "locker.confirmed_empty"}:
            found.append("a deposit lost from the record")
    return found


def _standing(step: Step) -> list[str]:
    """An input that is answered as old, foreign, repeated or unsigned changes nothing."""
    refused = step.inp.kind == "order_refused" or (
        step.inp.kind in ("order", "statement", "command")
        and (step.answer.get("ok") is not True or step.answer.get("repeated") is True)
    )
    if not refused:
        return []
    quiet = {"order.refused", "statement.refused", "cmd.refused", "config.refused"}
    if any(one.type not in quiet for one in step.drafts):
        return ["something was recorded of what was refused"]
    same = all(
        getattr(step.before, name) == getattr(step.after, name)
        for name in ("sessions", "lockers", "seats", "devices")
    )
    return [] if same else ["what was refused changed the room"]
