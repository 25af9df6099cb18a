"""A case as JSON: how long, how long left, what then, who must decide, what was done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from hub.booking_link import SessionLink
from hub.clock import iso_ms
from hub.contingency import cases
from hub.contingency.cases import CaseRecord
from hub.fleet.rooms import RoomView
from protocols.policy.contingency import CaseState, Stamp, clock
from protocols.terms import TERMS

MS_PER_S: Final = 1000
BEFORE_START: Final = "before_start"
"""The stage whose limit runs from the planned start, however early the fault came."""


def after_start_ms(record: CaseRecord, link: SessionLink | None) -> int:
    """How long after the planned start the case began; negative before it."""
    if link is None:
        return 0
    return int((record.row["started_at"] - link.start_at).total_seconds() * MS_PER_S)


def clock_json(record: CaseRecord, link: SessionLink | None, now: Stamp) -> dict[str, Any]:
    """The case's clock at this moment."""
    counted = record.clock
    elapsed = counted.run(now).elapsed_ms if counted.last is not None else counted.elapsed_ms
    after_ms = after_start_ms(record, link)
    shown = clock(record.template, elapsed, after_planned_start_ms=after_ms)
    before = record.template.stage == BEFORE_START
    return {
        "running": counted.last is not None,
        "elapsed_s": shown.elapsed_s,
        "limit_s": shown.limit_s,
        "remaining_s": shown.remaining_s,
        "counts_from": iso_ms(link.start_at)
        if link is not None and before and elapsed + after_ms < 0
        else None,
        "expired": shown.expired,
        "at_limit": "inclusive" if shown.at_limit_inclusive else "exclusive",
        "exact": counted.exact,
        "article": _both(shown.article.zh, shown.article.en),
        "consequence": _both(shown.consequence.zh, shown.consequence.en),
        "started_at": iso_ms(record.row["started_at"]),
        "stopped_at": _instant(record.row["cleared_at"]),
        "verified": record.template.verified,
        "source": record.template.source,
    }


def case_line(
    record: CaseRecord, link: SessionLink | None, now: Stamp, *, room: str = ""
) -> dict[str, Any]:
    """One row of the list; `room`: name of the place of a case outside of every session."""
    row = record.row
    venue = link.venue(str(row["org"])) if link is not None else None
    kind = TERMS[f"fault.{row['kind']}"]
    state = TERMS[f"case.{row['state']}"]
    return {
        "case": record.id,
        "number": cases.shown_number(int(row["number"]), drill=bool(row["drill"])),
        "drill": row["drill"],
        "kind": row["kind"],
        "kind_text": _both(kind.zh, kind.en),
        "state": row["state"],
        "state_text": _both(state.zh, state.en),
        "org": row["org"],
        "org_name": venue.name if venue else row["org"],
        "place": row["place"],
        "room": venue.room if venue else room or row["place"],
        "session": row["session"],
        "booking": row["booking"],
        "phase": row["phase"],
        "priority": row["priority"],
        "found_later": row["found_later"],
        "opened_at": iso_ms(row["opened_at"]),
        "started_at": iso_ms(row["started_at"]),
        "cleared_at": _instant(row["cleared_at"]),
        "acked_by": row["acked_by"],
        "acked_at": _instant(row["acked_at"]),
        "closed_at": _instant(row["closed_at"]),
        "decisions_taken": len(record.decisions),
        "steps_done": sum(one["state"] == "done" for one in record.steps.values()),
        "steps_total": len(record.template.steps),
        "clock": clock_json(record, link, now),
        "waiting_for": waiting_for(record),
    }


def case_json(
    record: CaseRecord, link: SessionLink | None, now: Stamp, room: RoomView | None
) -> dict[str, Any]:
    """The whole case."""
    row, rule = record.row, record.template
    return {
        **case_line(record, link, now, room=room.name if room is not None else ""),
        "title": _both(rule.title.zh, rule.title.en),
        "stage": rule.stage,
        "phase_now": _phase_now(record, room),
        "deciders": list(rule.deciders),
        "scope_proposed": row["scope_proposed"],
        "scope": row["scope"],
        "scope_by": row["scope_by"],
        "pack_hash": row["pack_hash"],
        "basis": _both(rule.article.zh, rule.article.en),
        "faults": [
            {
                "ctl": one["ctl"],
                "fault": one["fault"],
                "kind": one["kind"],
                "source": one["source"],
                "at": iso_ms(one["at"]),
                "cleared_at": _instant(one["cleared_at"]),
            }
            for one in record.faults
        ],
        "steps": [_step(one, record.steps.get(one.key)) for one in rule.steps],
        "options": [
            {
                "key": one.key,
                "zh": one.zh,
                "en": one.en,
                "order": one.order,
                "needs_seal": one.needs_seal,
            }
            for one in rule.options
        ],
        "decisions": [_decision(one, last=len(record.decisions)) for one in record.decisions],
        "seals": [
            {
                "action": one["action"],
                "seal_no": one["seal_no"],
                "what": one["what"],
                "persons": one["persons"],
                "photo_sha256": one["photo_sha256"],
                "at": iso_ms(one["at"]),
            }
            for one in record.seals
        ],
        "entries": [
            {"what": one["what"], "data": one["data"], "by": one["by"], "at": iso_ms(one["at"])}
            for one in record.entries
        ],
        "power": _power(room),
        "may_close": may_close(record),
        "closed_by": row["closed_by"],
        "summary": row["summary"],
    }


def _phase_now(record: CaseRecord, room: RoomView | None) -> str:
    """The phase of the session as the room last told it, else the one the case was opened in."""
    sessions = {} if room is None or room.state is None else room.state.sessions
    found = sessions.get(record.session)
    return str(record.row["phase"]) if found is None else str(found.phase.value)


def may_close(record: CaseRecord) -> list[dict[str, Any]]:
    """The conditions of closing, met ones included."""
    return [
        {"key": "fault_cleared", "met": record.row["cleared_at"] is not None},
        {"key": "decision_taken", "met": bool(record.decisions)},
        {
            "key": "no_decision_due",
            "met": record.row["state"] != CaseState.DECISION_DUE.value,
        },
        {"key": "seals_lifted", "met": not standing_seals(record)},
    ]


def standing_seals(record: CaseRecord) -> list[str]:
    """Seal numbers that were put on and not lifted; a terminated evaluation keeps them."""
    if record.row["state"] in {
        CaseState.POSTPONED.value,
        CaseState.TERMINATED.value,
        CaseState.RECONSTITUTED.value,
    }:
        return []
    standing: dict[str, bool] = {}
    for one in record.seals:
        standing[str(one["seal_no"])] = one["action"] == "seal"
    return sorted(number for number, on in standing.items() if on)


def waiting_for(record: CaseRecord) -> str:
    """Whom or what the case waits for now: ack, fault, decision, close, or '' when closed."""
    row = record.row
    if row["state"] == cases.CLOSED:
        return ""
    if row["acked_at"] is None and not row["found_later"]:
        return "ack"
    if row["state"] == CaseState.DECISION_DUE.value or not record.decisions:
        return "decision"
    if row["cleared_at"] is None:
        return "fault"
    return "close"


def _step(rule: Any, done: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "key": rule.key,
        "zh": rule.zh,
        "en": rule.en,
        "kind": rule.kind,
        "owner_role": rule.owner_role,
        "needs_two": rule.needs_two,
        "state": done["state"] if done is not None else "open",
        "reason": done["reason"] if done is not None else "",
        "by": done["by"] if done is not None else None,
        "at": _instant(done["at"]) if done is not None else None,
    }


def _decision(one: Mapping[str, Any], *, last: int) -> dict[str, Any]:
    return {
        "n": one["n"],
        "option": one["option"],
        "scope": one["scope"],
        "decided_by": one["decided_by"],
        "recorded_by": one["recorded_by"],
        "second": one["second"],
        "reason": one["reason"],
        "basis": one["basis"],
        "proof": one["proof"],
        "at": iso_ms(one["at"]),
        "superseded": one["n"] < last,
    }


def _power(room: RoomView | None) -> dict[str, Any] | None:
    if room is None or room.state is None:
        return None
    power = room.state.power
    return {
        "mains": power.mains,
        "ups": power.ups,
        "charge_pct": power.charge_pct,
        "as_of": room.as_of or None,
    }


def _both(zh: str, en: str) -> dict[str, str]:
    return {"zh": zh, "en": en}


def _instant(value: datetime | None) -> str | None:
    return None if value is None else iso_ms(value)
