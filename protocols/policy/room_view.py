"""What a room screen and a board show of a room: keys and numbers, no texts and no names.

Words come from `protocols.terms` and the screens' catalogues. Elapsed times are milliseconds and
steady; what is unknown is the word ``unknown``, never a zero and never a blank.
"""

from __future__ import annotations

from typing import Any

from protocols.policy import gate
from protocols.policy.faults import av_proposal, power_bad
from protocols.policy.pack import Pack
from protocols.policy.permits import (
    clock_within,
    deposit_of,
    may_release,
    members_here,
    open_sessions,
    sealing_steps,
    to_close,
    to_start,
)
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import Fault, Locker, Member, RoomState, Session
from protocols.policy.room_next import next_of_member, next_of_room
from protocols.policy.session import OPEN_PHASES, Condition, Phase, legal_orders

LEAVING = (Phase.SIGNING, Phase.ENDED, Phase.POSTPONED, Phase.TERMINATED)
"""Phases in which a release is what people wait for."""


def room_view(state: RoomState, pack: Pack, now_ms: int) -> dict[str, Any]:
    """Return the room as screens show it.

    Args:
        state: the folded state.
        pack: the policy in force.
        now_ms: steady time now (`room_state.steady_ms`).
    """
    current = current_session(state)
    return {
        "ctl": state.config.ctl,
        "place": state.config.place,
        "record_at": state.at,
        "seq": state.seq,
        "software": state.software,
        "plan": None
        if state.plan is None
        else {"generation": state.plan.generation, "n": state.plan.n, "hash": state.plan.hash},
        "current": "" if current is None else current.id,
        "next": next_of_room(state, current, pack),
        "sessions": [_session(state, one, pack, now_ms) for one in state.sessions.values()],
        "lockers": [_locker(state, one, now_ms) for _, one in sorted(state.lockers.items())],
        "seats": _seats(state, current, now_ms),
        "strip": strip(state),
        "power": _power(state, pack, now_ms),
        "network": {
            "rung": state.network.state,
            "detail": state.network.detail,
            "elapsed_ms": now_ms - state.network.since_ms,
        },
        "system": {
            "state": state.system.state,
            "elapsed_ms": now_ms - state.system.since_ms,
        },
        "streams": _streams(state),
        "av_proposal": _av_proposal(state, pack, now_ms),
        "devices": _devices(state, now_ms),
        "faults": [_fault(state, one, pack, now_ms) for one in _by_weight(state)],
        "selftest": _selftest(state, now_ms),
        "clock": _clock(state, pack),
        "visitors": _visitors(state, now_ms),
        "help_ms": None if state.help_ms is None else now_ms - state.help_ms,
    }


def current_session(state: RoomState) -> Session | None:
    """Return the session the room stands for now: an open one, else the next prepared one."""
    found = open_sessions(state)
    working = [one for one in found if one.phase not in LEAVING[1:]]
    prepared = [one for one in state.sessions.values() if one.phase is Phase.PREPARED]
    ranked = working + list(found) + sorted(prepared, key=lambda one: one.start_at)
    return ranked[0] if ranked else None


def strip(state: RoomState) -> dict[str, str]:
    """Return the device strip 电 网 录 柜: ok, bad or unknown for each."""
    power = power_bad(state.power.mains, disagree=state.power.disagree)
    doors_known = [one.door != "unknown" for one in state.lockers.values()]
    alarmed = any(one.forced_ms is not None for one in state.lockers.values())
    recording = [one.state for one in state.streams.values()]
    return {
        "power": _word(None if power is None else not power),
        "network": _word(None if state.network.state == "unknown" else state.network.state == "ok"),
        "recording": _recording_word(
            recording, expected=any(one.recording for one in open_sessions(state))
        ),
        "lockers": "bad"
        if alarmed
        else _word(all(doors_known) if doors_known else None, "unknown"),
    }


def _word(good: bool | None, bad: str = "bad") -> str:  # noqa: FBT001 the fact itself
    if good is None:
        return "unknown"
    return "ok" if good else bad


def _recording_word(streams: list[str], *, expected: bool) -> str:
    if not expected:
        return "bad" if "fault" in streams else "off"
    if not streams or "unknown" in streams:
        return "unknown"
    return _word(all(word == "on" for word in streams))


def _pause_proposed(state: RoomState, pack: Pack) -> bool:
    power = state.power
    if power.ups == "low":
        return True
    low = power.charge_pct is not None and power.charge_pct <= pack.ups.pause_pct
    return power.ups == "battery" and low


def _power(state: RoomState, pack: Pack, now_ms: int) -> dict[str, Any]:
    return {
        "mains": state.power.mains,
        "contact": state.power.contact,
        "ups": state.power.ups,
        "charge_pct": state.power.charge_pct,
        "disagree": state.power.disagree,
        "elapsed_ms": now_ms - state.power.since_ms,
        "pause_proposed": _pause_proposed(state, pack),
    }


def _streams(state: RoomState) -> list[dict[str, Any]]:
    return [
        {
            "stream": one.name,
            "state": one.state,
            "segments": one.segments,
            "gaps": one.gaps,
            "gap_ms": one.gap_ms,
            "last_at": one.last_at,
        }
        for _, one in sorted(state.streams.items())
    ]


def _av_proposal(state: RoomState, pack: Pack, now_ms: int) -> str:
    began = [one.phase_ms for one in open_sessions(state) if one.recording]
    if not began:
        return "none"
    down = tuple(
        now_ms - max(one.since_ms, min(began))
        for one in state.streams.values()
        if one.state != "on"
    )
    return av_proposal(
        down,
        covered=len(down) < len(state.streams),
        warn_s=pack.av.gap_warn_s,
        pause_s=pack.av.gap_pause_s,
    )


def _devices(state: RoomState, now_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "device": one.name,
            "kind": one.kind,
            "state": one.state,
            "reason": one.reason,
            "elapsed_ms": now_ms - one.since_ms,
        }
        for _, one in sorted(state.devices.items())
    ]


def _selftest(state: RoomState, now_ms: int) -> dict[str, Any] | None:
    found = state.selftest
    if found is None:
        return None
    return {
        "ok": found.ok,
        "elapsed_ms": now_ms - found.at_ms,
        "failed": list(found.failed),
    }


def _clock(state: RoomState, pack: Pack) -> dict[str, Any]:
    within = clock_within(state, pack)
    return {
        "state": _word(within),
        "offset_ms": state.clock_off_ms,
        "bound_ms": state.clock_bound_ms,
    }


def _visitors(state: RoomState, now_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "who_post": one.who_post,
            "purpose": one.purpose,
            "devices": one.devices,
            "elapsed_ms": now_ms - one.since_ms,
        }
        for one in state.visitors
    ]


def _session(state: RoomState, session: Session, pack: Pack, now_ms: int) -> dict[str, Any]:
    here = members_here(session)
    sealing = sealing_steps(session, pack)
    starts = to_start(state, session, pack) if session.phase is Phase.CHECK_IN else ()
    closes = to_close(state, session) if session.phase in LEAVING[1:] else ()
    return {
        "id": session.id,
        "booking": session.booking,
        "kind": session.kind,
        "phase": session.phase.value,
        "elapsed_ms": now_ms - session.phase_ms,
        "start_at": session.start_at,
        "org": session.org,
        "role": session.role,
        "home_org": session.home_org,
        "venues": [{"org": one.org, "role": one.role, "name": one.name} for one in session.venues],
        "lead": session.lead,
        "clarification": session.clarification,
        "order_out": session.order_out,
        "last_n": session.last_n,
        "legal_orders": [order.value for order in legal_orders(session.phase)],
        "orders": _orders(session, now_ms),
        "exceptions": [
            {"need": one.need, "reason": one.reason, "by": signer_json(one.by)}
            for one in session.exceptions
        ],
        "sealing": {key: session.sealing.get(key, "open") for key in sealing},
        "members": [_member(state, session, one, pack, now_ms) for one in here],
        "elsewhere": sorted(one.no for one in session.members.values() if not one.here),
        "counts": _counts(here),
        "start_conditions": _shown(starts),
        "close_conditions": _shown(closes),
    }


def _shown(conditions: tuple[Condition, ...]) -> list[dict[str, str | bool]]:
    return [one.to_json() for one in conditions]


def _orders(session: Session, now_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "n": one.n,
            "order": one.order,
            "members": list(one.members),
            "by": signer_json(one.by),
            "elapsed_ms": now_ms - one.at_ms,
        }
        for one in session.orders
    ]


def _counts(here: tuple[Member, ...]) -> dict[str, int]:
    steps = [shown_step(one) for one in here]
    return {"here": len(here), **{step: steps.count(step) for step in sorted(set(steps))}}


def shown_step(member: Member) -> str:
    """Return the member's state as people say it: away and late stand before the step."""
    if member.away is not None:
        return "away"
    if member.late and member.step.value == "expected":
        return "late"
    return member.step.value


def _member(
    state: RoomState, session: Session, member: Member, pack: Pack, now_ms: int
) -> dict[str, Any]:
    held = deposit_of(state, session, member)
    answer = may_release(session, member, pack) if session.phase in OPEN_PHASES else None
    return {
        "no": member.no,
        "kind": member.kind,
        "org": member.org,
        "state": shown_step(member),
        "step": member.step.value,
        "late": member.late,
        "out": member.out,
        "station": member.station,
        "locker": member.locker,
        "method": member.method,
        "steps": dict(member.steps),
        "declared": None if member.declared is None else list(member.declared),
        "items": list(member.items),
        "held": held is not None and not held.out,
        "redeposit_due": held is not None and held.out,
        "confirm_due": member.confirm_due,
        "documents": {
            document: member.documents.get(document, "") for document in pack.gate.documents
        },
        "signed": all(document in member.documents for document in pack.gate.documents),
        "saved": member.saved,
        "away": _away(member, now_ms),
        "may_leave": isinstance(answer, gate.Permit),
        "conditions": [] if answer is None else _shown(answer.conditions),
        "told": list(member.told),
        "next": next_of_member(state, session, member, pack),
    }


def _away(member: Member, now_ms: int) -> dict[str, Any] | None:
    away = member.away
    if away is None:
        return None
    return {
        "reason": away.reason,
        "consent_by": away.consent_by,
        "escort": away.escort,
        "expected_min": away.expected_min,
        "elapsed_ms": now_ms - away.since_ms,
    }


def _locker(state: RoomState, locker: Locker, now_ms: int) -> dict[str, Any]:
    owner = _owner(state, locker)
    return {
        "locker": locker.number,
        "door": locker.door,
        "item": locker.item,
        "state": _locker_word(locker),
        "session": owner[0],
        "no": owner[1],
        "why": "" if locker.opening is None else locker.opening.why,
        "stage": "" if locker.opening is None else locker.opening.stage.value,
        "failed": locker.failed,
        "fault": locker.fault,
        "unexplained": locker.unexplained,
        "forced_elapsed_ms": None if locker.forced_ms is None else now_ms - locker.forced_ms,
        "elapsed_ms": now_ms - locker.since_ms,
    }


def _locker_word(locker: Locker) -> str:
    """Return opening, open, held, out, unknown or free: what somebody sees who looks at it."""
    if locker.opening is not None:
        return "opening" if locker.opening.opened_ms is None else "open"
    if locker.door == "open":
        return "open"
    if locker.deposit is not None:
        return "out" if locker.deposit.out else "held"
    # Something lies behind a door of which the record says nothing: to be looked at.
    return "free" if locker.item == "absent" and locker.door == "closed" else "unknown"


def _owner(state: RoomState, locker: Locker) -> tuple[str, int | None]:
    if locker.deposit is not None:
        return locker.deposit.session, locker.deposit.no
    for session in open_sessions(state):
        for member in members_here(session):
            if member.locker == locker.number and not member.out:
                return session.id, member.no
    return "", None


def _seats(state: RoomState, current: Session | None, now_ms: int) -> list[dict[str, Any]]:
    sitting = {
        one.station: one.no
        for one in (members_here(current) if current is not None else ())
        if not one.out
    }
    return [
        {
            "station": seat.station,
            "state": seat.state,
            "no": sitting.get(seat.station),
            "elapsed_ms": now_ms - seat.since_ms,
        }
        for _, seat in sorted(state.seats.items())
    ]


def _by_weight(state: RoomState) -> list[Fault]:
    """Open faults first, newest first among equals."""
    return sorted(state.faults.values(), key=lambda one: (not one.is_open, -one.raised_ms))


def _fault(state: RoomState, fault: Fault, pack: Pack, now_ms: int) -> dict[str, Any]:
    stage = stage_of(current_session(state))
    end_ms = now_ms if fault.cleared_ms is None else fault.cleared_ms
    window = pack.contingency.window(stage)
    return {
        "fault": fault.id,
        "kind": fault.kind,
        "device": fault.device,
        "what": fault.what,
        "consequence": fault.consequence,
        "cause": fault.cause,
        "open": fault.is_open,
        "acked": fault.acked,
        "raised_at": fault.raised_at,
        "elapsed_ms": end_ms - fault.raised_ms,
        "stage": stage,
        "limit_s": window.limit_s,
        "priority": pack.contingency.priority[fault.kind][stage],
        "scope": pack.contingency.scope[fault.kind],
        "checklist": [
            {
                "key": key,
                "kind": pack.contingency.steps[key].kind,
                "state": fault.steps[key].state if key in fault.steps else "open",
                "reason": fault.steps[key].reason if key in fault.steps else "",
                "at": fault.steps[key].at if key in fault.steps else "",
                "needs_two": pack.contingency.steps[key].needs_two,
                "owner_role": pack.contingency.steps[key].owner_role,
            }
            for key in pack.contingency.checklists[fault.kind][stage]
        ],
    }


def stage_of(session: Session | None) -> str:
    """Return the stage of the contingency articles: before_start, during or after."""
    if session is None or not session.started:
        return "before_start"
    done = (Phase.ENDED, Phase.CLOSED, Phase.POSTPONED, Phase.TERMINATED)
    return "after" if session.phase in done else "during"
