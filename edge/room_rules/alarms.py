"""Faults: raised and cleared by what has held long enough, or reported by a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.room_rules.kinds import Clip, Sound
from edge.room_rules.lockers import CLIP_AFTER_S, CLIP_BEFORE_S
from edge.room_rules.work import Work
from protocols.policy.faults import (
    CLOCK,
    CONSEQUENCE_KEYS,
    DISK,
    UNSTABLE,
    Limits,
    Verdict,
    Watch,
    cause_of,
    clock_bad,
    judge,
    network_bad,
    power_fault,
    power_what,
)
from protocols.policy.members import MemberStep
from protocols.policy.pack import Pack
from protocols.policy.permits import members_here, open_sessions
from protocols.policy.room_facts import fault_key
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import Fault, Member, RoomState, Session, Signer
from protocols.policy.session import Phase
from protocols.terms import FaultKind

REPORTED = "reported"
"""`device` of a fault that a person reported; it is cleared by a person too."""
WORKING = (Phase.EVALUATING, Phase.SIGNING)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that may be a fault: None = unknown; `what` names it if it is bad."""

    kind: FaultKind
    device: str
    bad: bool | None
    since_ms: int
    what: str
    breaks: tuple[int, ...] = ()


def judge_all(work: Work) -> None:
    """Raise and clear what is due."""
    for fact in tuple(_facts(work.state, work.pack, work.now_ms)):
        _judge(work, fact)


def _judge(work: Work, fact: Fact) -> None:
    fault = open_fault(work.state, fact.kind, fact.device)
    watch = Watch(
        bad=fact.bad,
        since_ms=fact.since_ms,
        raised=fault is not None,
        unstable=fault is not None and fault.what == UNSTABLE,
        raises=work.state.raises.get(fault_key(fact.kind, fact.device), ()),
        breaks=fact.breaks,
    )
    verdict = judge(watch, limits(work.pack, fact.kind), work.now_ms)
    if verdict is Verdict.RAISE:
        raise_fault(work, fact.kind, fact.device, fact.what)
    elif verdict is Verdict.RAISE_UNSTABLE:
        raise_fault(work, fact.kind, fact.device, UNSTABLE)
    elif verdict is Verdict.CLEAR and fault is not None:
        clear_fault(work, fault)


def limits(pack: Pack, kind: FaultKind) -> Limits:
    """Return the times of one kind of fault."""
    rules = {
        FaultKind.POWER: pack.faults.power,
        FaultKind.NETWORK: pack.faults.network,
        FaultKind.DEVICE: pack.faults.device,
        FaultKind.STATION: pack.faults.station,
        FaultKind.SYSTEM: pack.faults.system,
        FaultKind.AV: pack.faults.av,
    }[kind]
    flapping = pack.faults.unstable
    return Limits(rules.raise_s, rules.clear_s, flapping.count, flapping.window_s)


def open_fault(state: RoomState, kind: str, device: str) -> Fault | None:
    """Return the open fault of this kind and device."""
    return next(
        (
            one
            for one in state.faults.values()
            if one.is_open and (one.kind, one.device) == (kind, device)
        ),
        None,
    )


def raise_fault(
    work: Work,
    kind: FaultKind,
    device: str,
    what: str,
    *,
    text: str = "",
    by: tuple[Signer, ...] = (),
) -> str:
    """Draft a fault and return its id; `text` and `by` if a person reported it."""
    name = f"{kind.value}-{work.state.fault_count + 1}"
    standing = tuple((one.id, one.kind) for one in work.state.faults.values() if one.is_open)
    data: dict[str, object] = {
        "fault": name,
        "kind": kind.value,
        "device": device,
        "what": what,
        "p": "unset",
        "consequence": CONSEQUENCE_KEYS[kind],
        "cause": cause_of(kind, standing),
    }
    if by:
        data |= {"text": text, "by": signer_json(by)}
    work.emit_data("fault.raised", "", data)
    work.do(Sound("alarm"))
    for session in open_sessions(work.state):
        work.do(Clip(name, session.id, CLIP_BEFORE_S, CLIP_AFTER_S))
    return name


def clear_fault(work: Work, fault: Fault, *, by: tuple[Signer, ...] = ()) -> None:
    """Draft that a fault is over; `by` if a person says so."""
    data: dict[str, object] = {
        "fault": fault.id,
        "kind": fault.kind,
        "duration_ms": work.now_ms - fault.raised_ms,
    }
    if by:
        data["by"] = signer_json(by)
    work.emit_data("fault.cleared", "", data)
    work.do(Sound("notice"))


def _facts(state: RoomState, pack: Pack, now_ms: int) -> Iterator[Fact]:
    power = state.power
    yield Fact(
        FaultKind.POWER,
        "",
        power_fault(power.mains, disagree=power.disagree, held_ms=now_ms - power.since_ms),
        power.since_ms,
        power_what(disagree=power.disagree),
    )
    link, rung = state.network, state.network.state
    yield Fact(FaultKind.NETWORK, "", network_bad(rung), link.since_ms, rung, link.breaks)
    system_bad = {"down": True, "ok": False}.get(state.system.state)
    yield Fact(FaultKind.SYSTEM, "", system_bad, state.system.since_ms, "system_down")
    for device in state.devices.values():
        bad = {"lost": True, "ok": False}.get(device.state)
        kind = FaultKind.AV if device.name == DISK else FaultKind.DEVICE
        yield Fact(kind, device.name, bad, device.since_ms, device.reason or "silent")
    off = clock_bad(state.clock_off_ms, state.clock_bound_ms, pack.clock.alarm_ms)
    yield Fact(FaultKind.AV, CLOCK, off, state.clock_ms, "clock_off")
    yield from _streams(state)
    yield from _stations(state)


def _streams(state: RoomState) -> Iterator[Fact]:
    began = [one.phase_ms for one in open_sessions(state) if one.recording]
    for stream in state.streams.values():
        # Just told to record is not yet a loss: the clock starts with the order.
        since_ms = max([stream.since_ms, *began[:1]])
        bad = stream.state != "on" if began else False
        yield Fact(FaultKind.AV, stream.name, bad, since_ms, f"stream_{stream.state}")


def _stations(state: RoomState) -> Iterator[Fact]:
    # A fault whose member has gone is over since then at the latest.
    facts = {
        one.device: Fact(FaultKind.STATION, one.device, bad=False, since_ms=one.raised_ms, what="")
        for one in state.faults.values()
        if one.is_open and one.kind == FaultKind.STATION and one.device != REPORTED
    }
    for session in open_sessions(state):
        for member in members_here(session):
            device = f"station-{member.station}"
            bad = _seat_lost(state, session, member)
            since_ms = max(member.since_ms, session.phase_ms)
            fact = Fact(FaultKind.STATION, device, bad, since_ms, "seat_empty")
            # A station that two sessions share is lost if it is lost for one of them.
            before = facts.get(device)
            facts[device] = fact if before is None or not before.bad else before
    yield from facts.values()


def _seat_lost(state: RoomState, session: Session, member: Member) -> bool:
    if session.phase not in WORKING or member.away is not None or member.station is None:
        return False
    seat = state.seats.get(member.station)
    return member.step is MemberStep.DEPOSITED and seat is not None and seat.state == "vacant"
