"""How shared events (power, network, devices, seats, faults, media, plans) move the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from protocols.policy.occupancy import SEAT_STATES
from protocols.policy.room_fields import Fact
from protocols.policy.room_model import (
    COMMANDS_KEPT,
    FAULTS_KEPT,
    PENDING_KEPT,
    Device,
    Fault,
    Level,
    PlanRef,
    Power,
    RoomState,
    Seat,
    SelfTest,
    Stream,
    Visitor,
)
from protocols.policy.session import OPEN_PHASES

LOCK_KINDS = frozenset({"locker", "lockboard", "cu16", "8a80"})
"""Kinds of device whose loss makes every locker unknown."""
RAISES_KEPT = 16
"""Moments kept per fault or link to see it flap; more than 16 is no use, a pack counts to 100."""
VISITORS_MAX = 32
"""People inside a room who are no members."""


def answered(state: RoomState, name: str, result: str) -> RoomState:
    """Return the state that answers a repeated id with `result`."""
    if not name:
        return state
    kept = {key: value for key, value in state.answers.items() if key != name}
    names = list(kept)[max(0, len(kept) - COMMANDS_KEPT + 1) :]
    return state.evolve(answers={**{key: kept[key] for key in names}, name: result})


def answer_of(event_type: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return (id, answer) that an event gives to an order, statement or command, None otherwise.

    The same as the folds keep; a journal keeps it beside the event for as long as the event.
    """
    kind, _, word = event_type.rpartition(".")
    name = data.get("id")
    if kind not in ("order", "statement", "cmd") or not isinstance(name, str) or not name:
        return None
    answers = {
        "accepted": "accepted",
        "confirmed": "accepted",
        "refused": str(data.get("reason") or "refused"),
        "done": str(data.get("result") or "done"),
    }
    return (name, answers[word]) if word in answers else None


def _started(state: RoomState, fact: Fact) -> RoomState:
    # A pulse that was on its way when the controller stopped: only the sensor knows.
    lockers = {
        number: one
        if one.opening is None
        else replace(one, opening=replace(one.opening, interrupted=True))
        for number, one in state.lockers.items()
    }
    # What was lost may be there again: only its next word or its next silence says so.
    devices = {
        name: replace(one, state="unknown") if one.state == "lost" else one
        for name, one in state.devices.items()
    }
    # Another boot, perhaps another clock: its offset is measured anew.
    return state.evolve(
        software=fact.words("software"),
        lockers=lockers,
        devices=devices,
        clock_off_ms=None,
        clock_bound_ms=0,
    )


def _plan(state: RoomState, fact: Fact) -> RoomState:
    plan = PlanRef(fact.number("generation"), fact.number("n"), fact.text("hash"))
    return state.evolve(plan=plan)


def _clock_fix(state: RoomState, fact: Fact) -> RoomState:
    return state.evolve(clock_step_ms=fact.number_or_none("step_ms") or 0)


def _selftest(state: RoomState, fact: Fact) -> RoomState:
    failed = tuple(
        row.text("device") for row in fact.objects("results") if row.data.get("ok") is not True
    )
    return state.evolve(selftest=SelfTest(fact.data.get("ok") is True, fact.now_ms, failed))


def _lost(state: RoomState, fact: Fact) -> RoomState:
    device = Device(
        fact.text("device"), fact.words("kind"), "lost", fact.words("reason"), fact.now_ms
    )
    if device.kind in LOCK_KINDS:
        lockers = {
            number: replace(one, door="unknown", item="unknown", since_ms=fact.now_ms)
            for number, one in state.lockers.items()
        }
        state = state.evolve(lockers=lockers)
    return _with_device(state, device, fact)


def _back(state: RoomState, fact: Fact) -> RoomState:
    device = Device(fact.text("device"), fact.words("kind"), "ok", "", fact.now_ms)
    return _with_device(state, device, fact)


def _with_device(state: RoomState, device: Device, fact: Fact) -> RoomState:
    revs = {**state.revs, f"device:{device.name}": fact.rev}
    return state.evolve(devices={**state.devices, device.name: device}, revs=revs)


def _seat(state: RoomState, fact: Fact) -> RoomState:
    station = fact.number("station")
    seat = Seat(station, fact.one_of("state", SEAT_STATES), fact.now_ms)
    revs = {**state.revs, f"station:{station}": fact.rev}
    return state.evolve(seats={**state.seats, station: seat}, revs=revs)


def _power(state: RoomState, fact: Fact) -> RoomState:
    mains = fact.one_of("mains", ("on", "off", "unknown"))
    ups = fact.one_of("ups", ("online", "battery", "low", "unknown"))
    disagree = fact.data.get("disagree") is True
    before = state.power
    # Whether contact and UPS agree yet does not restart the clock of an outage.
    same = mains == before.mains and (mains == "off" or disagree == before.disagree)
    power = Power(
        mains=mains,
        contact=fact.words("contact") or "unknown",
        ups=ups,
        charge_pct=fact.number_or_none("charge_pct"),
        disagree=disagree,
        since_ms=before.since_ms if same else fact.now_ms,
    )
    return state.evolve(power=power)


def _network(state: RoomState, fact: Fact) -> RoomState:
    return state.evolve(
        network=_level(state.network, fact.text("rung"), fact, fact.words("detail"))
    )


def _system(state: RoomState, fact: Fact) -> RoomState:
    return state.evolve(system=_level(state.system, fact.text("state"), fact, ""))


def _level(before: Level, word: str, fact: Fact, detail: str) -> Level:
    # From one rung to another it is still the same outage: its clock goes on.
    same_side = (before.state == "ok") == (word == "ok") and before.state != "unknown"
    breaks = before.breaks
    if before.state == "ok" and word != "ok":
        breaks = (*breaks, fact.now_ms)[-RAISES_KEPT:]
    return Level(word, before.since_ms if same_side else fact.now_ms, detail, breaks)


def _stream(
    fold: Callable[[Stream, Fact], Stream],
) -> Callable[[RoomState, Fact], RoomState]:
    def run(state: RoomState, fact: Fact) -> RoomState:
        name = fact.text("stream")
        found = state.streams.get(name, Stream(name))
        return state.evolve(streams={**state.streams, name: fold(found, fact)})

    return run


def _recording(stream: Stream, fact: Fact) -> Stream:
    return replace(stream, state=fact.one_of("state", ("on", "off", "fault")), since_ms=fact.now_ms)


def _segment(stream: Stream, fact: Fact) -> Stream:
    return replace(stream, segments=stream.segments + 1, last_at=fact.words("last_at"))


def _gap(stream: Stream, fact: Fact) -> Stream:
    seconds = fact.number_or_none("seconds") or 0
    return replace(stream, gaps=stream.gaps + 1, gap_ms=stream.gap_ms + 1000 * seconds)


def fault_key(kind: str, device: str) -> str:
    """Return what one fault is raised and cleared under: its kind and device."""
    return f"{kind}:{device}"


def _raised(state: RoomState, fact: Fact) -> RoomState:
    fault = Fault(
        id=fact.text("fault"),
        kind=fact.text("kind"),
        device=fact.words("device"),
        what=fact.words("what"),
        session=fact.session,
        consequence=fact.words("consequence"),
        cause=fact.words("cause"),
        raised_ms=fact.now_ms,
        raised_at=fact.at,
    )
    key = fault_key(fault.kind, fault.device)
    moments = (*state.raises.get(key, ()), fact.now_ms)[-RAISES_KEPT:]
    sessions = {
        name: replace(one, fault_kinds=tuple(dict.fromkeys((*one.fault_kinds, fault.kind))))
        if one.phase in OPEN_PHASES
        else one
        for name, one in state.sessions.items()
    }
    return state.evolve(
        faults={**state.faults, fault.id: fault},
        fault_count=state.fault_count + 1,
        raises={**state.raises, key: moments},
        sessions=sessions,
    )


def _cleared(state: RoomState, fact: Fact) -> RoomState:
    fault = state.faults.get(fact.text("fault"))
    if fault is None:
        return state
    faults = {**state.faults, fault.id: replace(fault, cleared_ms=fact.now_ms)}
    done = [name for name, one in faults.items() if not one.is_open]
    drop = set(done[: max(0, len(done) - FAULTS_KEPT)])
    return state.evolve(faults={name: one for name, one in faults.items() if name not in drop})


def _acked(state: RoomState, fact: Fact) -> RoomState:
    fault = state.faults.get(fact.text("fault"))
    if fault is None:
        return state
    return state.evolve(faults={**state.faults, fault.id: replace(fault, acked=True)})


def _cmd_done(state: RoomState, fact: Fact) -> RoomState:
    return _settled(answered(state, fact.text("id"), fact.words("result") or "done"), fact)


def _cmd_refused(state: RoomState, fact: Fact) -> RoomState:
    return answered(state, fact.words("id"), fact.words("reason") or "refused")


def _cmd_accepted(state: RoomState, fact: Fact) -> RoomState:
    state = _settled(answered(state, fact.text("id"), "accepted"), fact)
    kept = list(state.pending.items())[1 - PENDING_KEPT :]
    return state.evolve(pending={**dict(kept), fact.text("id"): fact.words("verb")})


def _settled(state: RoomState, fact: Fact) -> RoomState:
    name = fact.text("id")
    return state.evolve(pending={key: verb for key, verb in state.pending.items() if key != name})


def _changed(name: str) -> Callable[[RoomState, Fact], RoomState]:
    """Fold that notes only when an object last changed."""

    def run(state: RoomState, fact: Fact) -> RoomState:
        return state.evolve(revs={**state.revs, name: fact.rev})

    return run


def _clock_offset(state: RoomState, fact: Fact) -> RoomState:
    return state.evolve(
        clock_off_ms=fact.number_or_none("offset_ms"),
        clock_bound_ms=fact.number_or_none("bound_ms") or 0,
        clock_ms=fact.now_ms,
    )


def _visitor(state: RoomState, fact: Fact) -> RoomState:
    who = fact.words("who_post")
    if fact.one_of("state", ("in", "out")) == "in":
        found = Visitor(who, fact.words("purpose"), fact.words("devices"), fact.now_ms)
        return state.evolve(visitors=(*state.visitors, found)[-VISITORS_MAX:])
    first = next((one for one in state.visitors if one.who_post == who), None)
    return state.evolve(visitors=tuple(one for one in state.visitors if one is not first))


def _help(state: RoomState, fact: Fact) -> RoomState:
    return state.evolve(help_ms=fact.now_ms)


SHARED: Mapping[str, Callable[[RoomState, Fact], RoomState]] = {
    "room.started": _started,
    "plan.accepted": _plan,
    "clock.fix": _clock_fix,
    "selftest.done": _selftest,
    "device.lost": _lost,
    "device.back": _back,
    "seat.state": _seat,
    "power.state": _power,
    "network.state": _network,
    "system.state": _system,
    "recording.state": _stream(_recording),
    "media.segment": _stream(_segment),
    "media.gap": _stream(_gap),
    "fault.raised": _raised,
    "fault.cleared": _cleared,
    "fault.acked": _acked,
    "cmd.accepted": _cmd_accepted,
    "cmd.done": _cmd_done,
    "cmd.refused": _cmd_refused,
    "config.tried": _changed("config"),
    "config.applied": _changed("config"),
    "config.reverted": _changed("config"),
    "network.switched": _changed("uplink"),
    "clock.offset": _clock_offset,
    "visitor": _visitor,
    "help.called": _help,
}
