"""Power, network, seats, devices, recording: from readings to facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edge.room_rules.kinds import Input
from edge.room_rules.work import Work
from protocols.policy.faults import PowerReading, cause_of, mains_of
from protocols.policy.occupancy import RADAR_TARGETS, fuse
from protocols.policy.room_model import Power, Reading, RoomState, Sensing
from protocols.policy.room_state import steady_ms
from protocols.terms import FaultKind

CHARGE_STEP_PCT = 10
"""The reserve is recorded in steps: a discharging UPS is ten facts, not a thousand."""
READINGS_OF = {"mat": ("mat",), "radar": ("radar",), "seat": ("mat", "radar"), "gpio": ("mat",)}
"""Which raw readings fall silent with a device of a kind."""
HEARD_KINDS = ("card", "card_error", "card_removed", "radar", "mat", "mains", "ups")
"""Readings that only a device that works can give."""
UPS_KINDS = ("ups", "megatec")
UPS_FAILED = "ups_failed"
"""The UPS answers, and says of itself that it is out of order (Megatec Q1, bit b4)."""
MAINS_KINDS = ("mains", "gpio")
"""The mains contact hangs on the pins of the controller."""
STREAM_STATES = ("on", "off", "fault")
FAULT_WORDS_MAX = 200


def sense(state: RoomState, inp: Input) -> RoomState:
    """Return the state with raw readings of seats noted or, for a lost sensor, forgotten."""
    if inp.kind == "mat" and isinstance(inp.data.get("on"), bool):
        return _note(state, inp, "mat", "on" if inp.data["on"] else "off")
    if inp.kind == "radar" and inp.data.get("target") in RADAR_TARGETS:
        return _note(state, inp, "radar", str(inp.data["target"]))
    if inp.kind == "device" and inp.data.get("state") == "lost":
        return _forget(state, str(inp.data.get("device", "")))
    return state


def _note(state: RoomState, inp: Input, what: str, value: str) -> RoomState:
    station = inp.data.get("station")
    if type(station) is not int or station not in state.seats:
        return state
    key = f"{what}:{station}"
    before = state.sensing.readings.get(key)
    if before is not None and before.value == value:
        return state
    reading = Reading(value, steady_ms(state, inp.mono_ms, inp.at))
    return state.evolve(sensing=Sensing({**state.sensing.readings, key: reading}))


def _forget(state: RoomState, name: str) -> RoomState:
    # A number that ends the name is its station; without one the device serves them all.
    station = name[len(name.rstrip("0123456789")) :]
    gone = {f"{what}:{station}" for what in READINGS_OF.get(kind_of(state, name), ())}
    kept = {
        key: one
        for key, one in state.sensing.readings.items()
        if (key if station else key.partition(":")[0] + ":") not in gone
    }
    return state.evolve(sensing=Sensing(kept))


def kind_of(state: RoomState, name: str) -> str:
    """Return the kind of a device, by configuration or else by its name without its number."""
    found = state.devices.get(name)
    if found is not None and found.kind:
        return found.kind
    return name.rstrip("0123456789").rstrip("-")


def seats(work: Work) -> None:
    """Draft what changed at the stations."""
    readings = work.state.sensing.readings
    for seat in tuple(work.state.seats.values()):
        mat = readings.get(f"mat:{seat.station}")
        radar = readings.get(f"radar:{seat.station}")
        found = fuse(
            seat.state,
            mat_on=None if mat is None else mat.value == "on",
            mat_off_ms=0 if mat is None else work.now_ms - mat.since_ms,
            radar=None if radar is None else radar.value,
            clear_s=work.pack.seat.clear_s,
        )
        if found != seat.state:
            work.emit("seat.state", "", station=seat.station, state=found)


def mains(work: Work) -> None:
    """Take the mains contact."""
    present = work.data.get("present")
    word = {True: "on", False: "off"}.get(present) if isinstance(present, bool) else None
    _power(work, replace(work.state.power, contact=word or "unknown"))


def ups(work: Work) -> None:
    """Take the UPS's own word, and that it calls itself failed."""
    name = work.data.get("device")
    if isinstance(name, str) and _out_of_order(work.inp):
        _failed(work, name)
    word = "online"
    if work.data.get("utility_fail") is True:
        word = "battery"
    if work.data.get("battery_low") is True:
        word = "low"
    charge = work.data.get("charge_pct")
    known = isinstance(charge, (int, float)) and not isinstance(charge, bool)
    percent = round(charge) if known and charge is not None else None
    _power(work, replace(work.state.power, ups=word, charge_pct=percent))


def _power(work: Work, found: Power) -> None:
    before = work.state.power
    contact = {"on": True, "off": False}.get(found.contact)
    ups_word = None if found.ups == "unknown" else found.ups
    # What is still heard and changes its word says what the other said last.
    turned = _turned(before.contact, found.contact) or _turned(before.ups, found.ups)
    disagreed = before.disagree and not turned
    mains_word, disagree = mains_of(PowerReading(contact, ups_word), disagreed=disagreed)
    found = replace(found, mains=mains_word, disagree=disagree)
    step = _charge_step(work, before) != _charge_step(work, found)
    if replace(found, charge_pct=before.charge_pct) == before and not step:
        return
    work.emit(
        "power.state",
        "",
        mains=found.mains,
        ups=found.ups,
        charge_pct=found.charge_pct,
        contact=found.contact,
        disagree=found.disagree,
    )


def _turned(before: str, now: str) -> bool:
    known = [word in {"on", "online"} for word in (before, now) if word != "unknown"]
    return len(set(known)) > 1


def _charge_step(work: Work, power: Power) -> tuple[int, bool] | None:
    if power.charge_pct is None:
        return None
    return power.charge_pct // CHARGE_STEP_PCT, power.charge_pct <= work.pack.ups.pause_pct


def clock_offset(work: Work) -> None:
    """Take by how much the wall clock is ahead of the hub's, as the probe measured it."""
    offset, bound = work.data.get("offset_ms"), work.data.get("bound_ms")
    if type(offset) is not int or type(bound) is not int:
        return
    work.emit("clock.offset", "", offset_ms=offset, bound_ms=bound, source="hub")


def network(work: Work) -> None:
    """Take the prober's diagnosis: the lowest failing rung, or ok."""
    rung = str(work.data.get("rung", "unknown"))
    if rung != work.state.network.state:
        detail = str(work.data.get("detail") or "")[:FAULT_WORDS_MAX]
        work.emit("network.state", "", rung=rung, detail=detail)


def system_probe(work: Work) -> None:
    """Take the probe of the evaluation system."""
    word = {True: "ok", False: "down"}.get(work.data.get("ok") is True)
    if word != work.state.system.state:
        work.emit("system.state", "", state=word)


def device(work: Work) -> None:
    """Take that a device was lost or is back; each is told once."""
    name = str(work.data.get("device", ""))
    kind = kind_of(work.state, name)
    before = work.state.devices.get(name)
    if work.data.get("state") == "lost":
        if before is None or before.state != "lost":
            reason = str(work.data.get("reason") or "")[:FAULT_WORDS_MAX]
            work.emit("device.lost", "", device=name, kind=kind, reason=reason)
            _silence(work, kind)
        return
    if before is None or before.state != "ok":
        _back(work, name)


def heard(work: Work) -> None:
    """A device that tells something is there, whatever was known of it before.

    A driver says "back" only after it has said "lost" itself; after a restart of the controller its
    first reading has to say it.
    """
    name = work.data.get("device")
    found = work.state.devices.get(name) if isinstance(name, str) else None
    if found is not None and found.state != "ok" and _tells(work.inp):
        _back(work, found.name)


def _tells(inp: Input) -> bool:
    if inp.kind == "lockers":
        # A board that falls silent has its doors told as unknown: that is not a word of its own.
        rows = inp.data.get("states")
        doors = rows.values() if isinstance(rows, Mapping) else ()
        return any(isinstance(row, (list, tuple)) and row[:1] != ["unknown"] for row in doors)
    # A UPS that says it has failed is not one that works.
    return inp.kind in HEARD_KINDS and not _out_of_order(inp)


def _out_of_order(inp: Input) -> bool:
    return inp.kind == "ups" and inp.data.get("ups_failed") is True


def _failed(work: Work, name: str) -> None:
    before = work.state.devices.get(name)
    if before is None or (before.state, before.reason) != ("lost", UPS_FAILED):
        kind = kind_of(work.state, name)
        work.emit("device.lost", "", device=name, kind=kind, reason=UPS_FAILED)


def _back(work: Work, name: str) -> None:
    before = work.state.devices.get(name)
    down_ms = 0 if before is None or not before.since_ms else work.now_ms - before.since_ms
    work.emit("device.back", "", device=name, kind=kind_of(work.state, name), down_ms=down_ms)


def _silence(work: Work, kind: str) -> None:
    # A silent feed says nothing; its last word is old, not true.
    if kind in UPS_KINDS:
        _power(work, replace(work.state.power, ups="unknown", charge_pct=None))
    elif kind in MAINS_KINDS:
        _power(work, replace(work.state.power, contact="unknown"))


def selftest(work: Work) -> None:
    """Take the results of a self-test."""
    rows = work.data.get("results")
    results = [_result(row) for row in rows if isinstance(row, Mapping)] if rows else []
    passed = bool(results) and all(row["ok"] for row in results)
    work.emit("selftest.done", "", ok=passed, results=results)
    for row in results:
        known = work.state.devices.get(row["device"])
        if row["ok"] and known is not None and known.state != "ok":
            _back(work, known.name)


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "device": str(row.get("device", "")),
        "ok": row.get("ok") is True,
        "detail": str(row.get("detail") or "")[:FAULT_WORDS_MAX],
    }


def segment(work: Work) -> None:
    """A segment is stored: journal as is."""
    work.pass_on("media.segment", "", dict(work.data))


def segment_damaged(work: Work) -> None:
    """A segment is damaged: journal as is."""
    work.pass_on("media.damaged", "", dict(work.data))


def segment_lost(work: Work) -> None:
    """A segment cannot be had any more: journal as is."""
    work.pass_on("media.lost", "", dict(work.data))


def av_gap(work: Work) -> None:
    """A hole in a stream: named, with its cause as far as one is open."""
    standing = tuple((one.id, one.kind) for one in work.state.faults.values() if one.is_open)
    cause = str(work.data.get("cause") or cause_of(FaultKind.AV, standing))
    work.pass_on("media.gap", "", {**work.data, "cause": cause})


def recording(work: Work) -> None:
    """A stream is recorded, stopped, or faulty."""
    name = str(work.data.get("stream", ""))
    word = work.data.get("state")
    found = work.state.streams.get(name)
    if word in STREAM_STATES and (found is None or found.state != word):
        reason = str(work.data.get("reason") or "")[:FAULT_WORDS_MAX]
        work.emit("recording.state", "", stream=name, state=word, reason=reason)
