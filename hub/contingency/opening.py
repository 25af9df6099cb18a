"""How cases open by themselves, join, and follow the rooms' record.

A fault of a kind the policy pack names opens a case for each session running in its room; the fault
that a standing fault explains joins its case, and so does what the hub itself noticed (no sign of
life) with what the room writes later about the same silence. Rows of the record that nobody has any
more open a case too (`hub.contingency.lost_rows`). Events may arrive late, twice or never.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.booking_link import SessionLink, link_of
from hub.contingency import cases
from hub.contingency.cases import CaseRecord
from hub.contingency.stamp import stamp
from hub.fleet.deafness import windows
from hub.ports import Parts
from hub.projection import StoredEvent
from hub.store.tables_core import controllers, events
from protocols.messages.errors import RemoteError
from protocols.messages.event import decode_event
from protocols.policy.contingency import (
    CASE_TABLE,
    CaseClock,
    CaseInput,
    CaseState,
    opens_case,
    propose_scope,
    template,
)
from protocols.terms import FaultKind

TYPES: Final = (
    "fault.raised",
    "fault.cleared",
    "fault.acked",
    "case.step",
    "phase.changed",
)
RUNNING: Final = frozenset(
    {"prepared", "check_in", "evaluating", "on_break", "suspended", "adjourned", "signing"}
)
UNREACHABLE: Final = "unreachable"
SILENT: Final = "hub"
"""`source` of what the hub itself noticed: no sign of life."""
REPORTED: Final = "reported"
"""`what` of a fault that a person reported in the room."""
MS_PER_S: Final = 1000
UNTRUSTED: Final = "none"
"""`at_trust` of a wall clock that nothing has set."""
PAUSING: Final = frozenset({"suspended", "on_break"})
GOING_ON: Final = frozenset({"evaluating", "signing"})


def on_event(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """Projection handler over the rooms' rows; bears the same row twice."""
    kind = stored.event.type
    if kind == "fault.raised":
        _raised(conn, stored, parts)
    elif kind == "fault.cleared":
        _cleared(conn, stored, parts)
    elif kind == "phase.changed":
        _phase(conn, stored, parts)
    elif kind == "case.step":
        _step(conn, stored, parts)
    else:
        _acked(conn, stored, parts)


def silent(conn: Connection, parts: Parts, ctl: str) -> None:
    """The hub hears nothing of a room: a network case of its running sessions, cause unknown."""
    now = parts.clock.wall()
    for session, phase in running(conn, ctl):
        known = _silence_of(conn, ctl, session)
        if known is not None and known.row["state"] != cases.CLOSED:
            _again(conn, parts, known, ctl=ctl, fault=_silence_id(session), at=now)
            continue
        name = _silence_id(session)
        if known is not None:
            name = f"{name}-{secrets.token_hex(2)}"
        enter(
            conn,
            parts,
            {"ctl": ctl, "fault": name, "kind": "network", "source": SILENT, "at": now},
            session=session,
            phase=phase,
            found_later=False,
        )


def heard_again(conn: Connection, parts: Parts, ctl: str) -> None:
    """A silent room answers: what the hub itself noticed is over."""
    now = parts.clock.wall()
    for session, _ in running(conn, ctl):
        for case in cases.open_at(conn, ctl, session):
            for fault in case.faults:
                if fault["source"] == SILENT and fault["ctl"] == ctl:
                    _clear(conn, parts, case, (ctl, str(fault["fault"])), at=now)


def running(conn: Connection, ctl: str) -> list[tuple[str, str]]:
    """(session, phase) of the sessions a room is running, as its stored rows say."""
    return [one for one in phases(conn, ctl).items() if one[1] in RUNNING]


def phases(conn: Connection, ctl: str) -> dict[str, str]:
    """Session -> phase of every session a room ever had, as its stored rows say."""
    rows = conn.execute(
        select(events.c.raw)
        .where(events.c.ctl == ctl, events.c.type.in_(("session.prepared", "phase.changed")))
        .order_by(events.c.id)
    )
    found: dict[str, str] = {}
    for raw in rows.scalars():
        try:
            event = decode_event(bytes(raw))
        except RemoteError:
            continue
        if event.type == "session.prepared":
            found.setdefault(event.session, "prepared")
        else:
            found[event.session] = str(event.data.get("to", ""))
    return found


def _raised(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """A fault of a room belongs to every session running there."""
    data = stored.event.data
    kind, fault = str(data["kind"]), str(data["fault"])
    opens = opens_case(parts.pack, kind, reported=data.get("what") == REPORTED)
    for session, phase in running(conn, stored.ctl):
        at = happened_at(conn, stored, session)
        one = {
            "ctl": stored.ctl,
            "fault": fault,
            "kind": kind,
            "source": "room",
            "at": at or stored.recorded_at,
        }
        if cases.in_session(conn, stored.ctl, fault, session) is not None:
            continue
        cause = cases.in_session(conn, stored.ctl, str(data.get("cause") or ""), session)
        if cause is not None and cause.row["state"] != cases.CLOSED:
            _join(conn, parts, cause, one)
        elif opens and not _hubs_own(conn, kind, at or stored.recorded_at):
            enter(
                conn,
                parts,
                one,
                session=session,
                phase=phase,
                found_later=stored.late,
                since_known=at is not None,
            )


def happened_at(conn: Connection, stored: StoredEvent, session: str) -> datetime | None:
    """When the row says it happened; None where a clock nobody vouches for cannot be right.

    A controller without a battery clock may begin years back: the fault of a session is not older
    than the session's plan in that room, and not from tomorrow.
    """
    at = datetime.fromisoformat(stored.event.at)
    if stored.event.at_trust != UNTRUSTED:
        return at
    prepared = conn.execute(
        select(func.min(events.c.recorded_at)).where(
            events.c.ctl == stored.ctl,
            events.c.session == session,
            events.c.type == "session.prepared",
        )
    ).scalar_one()
    return at if prepared is not None and prepared <= at <= stored.recorded_at else None


def _hubs_own(conn: Connection, kind: str, at: datetime) -> bool:
    """Whether a room missed the hub while the hub heard nobody; see `hub.contingency.listening`."""
    return kind == FaultKind.NETWORK and any(one.explains(at) for one in windows(conn))


def enter(
    conn: Connection,
    parts: Parts,
    fault: Mapping[str, Any],
    *,
    session: str,
    phase: str,
    found_later: bool,
    since_known: bool = True,
) -> None:
    """Joins the open case for the same trouble, or opens one.

    Args:
        conn: connection of an open `Store.write()`.
        parts: the hub's parts.
        fault: `{ctl, fault, kind, source, at}`.
        session: the session it concerns, '' for none: the room's organisation alone.
        phase: the session's phase at the room.
        found_later: it is older than people are paged for.
        since_known: whether `at` is when it happened, or only when it was heard of.
    """
    for case in cases.open_at(conn, str(fault["ctl"]), session):
        same = case.row["kind"] == fault["kind"]
        standing = any(one["cleared_at"] is None for one in case.faults)
        # Silence while the mains are out is the outage's consequence until something says else.
        follows = fault["source"] == SILENT and case.row["kind"] == "power" and standing
        if same or follows:
            _join(conn, parts, case, fault)
            return
    link = link_of(conn, session)
    if link is not None or not session:
        clock = _begun(parts, fault["at"], known=since_known)
        _open(conn, parts, link, fault, phase=phase, found_later=found_later, clock=clock)


def _begun(parts: Parts, at: datetime, *, known: bool) -> CaseClock:
    """A clock that runs since then; of what is only heard of now, the time is a lower bound."""
    passed_ms = max(0, int((parts.clock.wall() - at).total_seconds() * MS_PER_S))
    return CaseClock(elapsed_ms=passed_ms, exact=known).run(stamp(parts.clock))


def _open(
    conn: Connection,
    parts: Parts,
    link: SessionLink | None,
    fault: Mapping[str, Any],
    *,
    phase: str,
    found_later: bool,
    clock: CaseClock,
) -> None:
    rule = template(parts.pack, str(fault["kind"]), phase)
    org, place = _where(conn, link, str(fault["ctl"]))
    drill = link is not None and link.kind == "drill"
    now, number = parts.clock.wall(), cases.next_number(conn, drill=drill)
    case = f"k-{secrets.token_hex(6)}"
    values = {
        "id": case,
        "number": number,
        "drill": drill,
        "kind": fault["kind"],
        "org": org,
        "place": place,
        "session": link.session if link is not None else "",
        "booking": link.number if link is not None else None,
        "phase": phase,
        "priority": rule.priority,
        "article": rule.article.zh,
        "limit_s": rule.limit_s,
        "rule": cases.template_json(rule),
        "pack_hash": parts.pack.hash,
        "state": CaseState.FAULT_OPEN.value,
        "scope_proposed": propose_scope(parts.pack, str(fault["kind"])),
        "found_later": found_later,
        "opened_at": now,
        "started_at": fault["at"],
        **cases.clock_values(clock, now),
    }
    cases.create(conn, values)
    cases.add_fault(conn, {**fault, "case": case})
    _tell_opened(conn, parts, values, fault)


def _where(conn: Connection, link: SessionLink | None, ctl: str) -> tuple[str, str]:
    """(organisation, place) of a controller: its venue in the session, else where it stands."""
    venue = link.venue_of(ctl) if link is not None else None
    if venue is not None:
        return venue.org, venue.place
    row = conn.execute(
        select(controllers.c.org, controllers.c.place).where(controllers.c.ctl == ctl)
    ).first()
    return ("", "") if row is None else (str(row.org), str(row.place))


def _tell_opened(
    conn: Connection, parts: Parts, values: Mapping[str, Any], fault: Mapping[str, Any]
) -> None:
    data = {
        key: values[key]
        for key in ("number", "kind", "place", "phase", "priority", "article", "limit_s")
    }
    more = {
        "case": values["id"],
        "fault": {"ctl": fault["ctl"], "fault": fault["fault"]},
        "pack_hash": values["pack_hash"],
        "proposed_scope": values["scope_proposed"],
        "found_later": values["found_later"],
    }
    parts.facts.append(
        conn, type="case.opened", session=str(values["session"]), data={**data, **more}
    )
    told = {"fault": fault["fault"], "kind": fault["kind"], "source": fault["source"]}
    cases.add_entry(conn, values["id"], "opened", told, by="hub", at=values["opened_at"])
    case = str(values["id"])
    parts.store.after_commit(lambda: _publish(parts, case))


def _join(conn: Connection, parts: Parts, case: CaseRecord, fault: Mapping[str, Any]) -> None:
    known = any((one["ctl"], one["fault"]) == (fault["ctl"], fault["fault"]) for one in case.faults)
    if known:
        return
    now = parts.clock.wall()
    cases.add_fault(conn, {**fault, "case": case.id})
    told = {"fault": fault["fault"], "kind": fault["kind"], "source": fault["source"]}
    cases.add_entry(conn, case.id, "joined", told, by="hub", at=now)
    _restart(conn, parts, case, since=fault["at"])


def _again(
    conn: Connection, parts: Parts, case: CaseRecord, *, ctl: str, fault: str, at: datetime
) -> None:
    standing = any(one["fault"] == fault and one["cleared_at"] is None for one in case.faults)
    if standing:
        return
    cases.reopen_fault(conn, case.id, ctl, fault, at=at)
    cases.add_entry(conn, case.id, "again", {"fault": fault}, by="hub", at=at)
    _restart(conn, parts, case, since=at)


def settle(conn: Connection, parts: Parts, case: CaseRecord) -> None:
    """What cannot be mended is over once it has been decided upon: the hole is what it is."""
    for fault in case.faults:
        key = (str(fault["ctl"]), str(fault["fault"]))
        known = cases.load(conn, case.id)
        if known is not None:
            _clear(conn, parts, known, key, at=parts.clock.wall())


def _restart(conn: Connection, parts: Parts, case: CaseRecord, *, since: datetime) -> None:
    """A cleared case has a standing fault again: its clock goes on from where it stood."""
    now, clock = parts.clock.wall(), case.clock
    if clock.last is None:
        clock = replace(clock, elapsed_ms=clock.elapsed_ms + _late_ms(parts, since))
    clock = clock.run(stamp(parts.clock))
    cases.change(conn, case.id, {"cleared_at": None, **cases.clock_values(clock, now)})
    parts.store.after_commit(lambda: _publish(parts, case.id))


def _cleared(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    key = (stored.ctl, str(stored.event.data["fault"]))
    for case in cases.of_fault(conn, *key):
        at = happened_at(conn, stored, case.session)
        _clear(conn, parts, case, key, at=at or stored.recorded_at)


def _clear(
    conn: Connection, parts: Parts, case: CaseRecord, key: tuple[str, str], *, at: datetime
) -> None:
    """A fault of a case, `key` = (controller, fault), is over."""
    ctl, fault = key
    mine = next(one for one in case.faults if (one["ctl"], one["fault"]) == key)
    if mine["cleared_at"] is not None:
        return
    cases.clear_fault(conn, case.id, ctl, fault, at=at)
    cases.add_entry(conn, case.id, "cleared", {"fault": fault}, by="hub", at=parts.clock.wall())
    others = [one for one in case.faults if one is not mine and one["cleared_at"] is None]
    # What the hub noticed and the room's own network fault are one trouble with two ends.
    if others:
        return
    now = parts.clock.wall()
    clock = case.clock.stop(stamp(parts.clock))
    clock = replace(clock, elapsed_ms=max(0, clock.elapsed_ms - _late_ms(parts, at)))
    cases.change(conn, case.id, {"cleared_at": at, **cases.clock_values(clock, now)})
    parts.store.after_commit(lambda: _publish(parts, case.id))


def _late_ms(parts: Parts, at: datetime) -> int:
    """How long ago a row's act was; 0 where this hub's own clock is not to be believed."""
    now = stamp(parts.clock)
    return max(0, now.wall_ms - int(at.timestamp() * MS_PER_S)) if now.trusted else 0


def _phase(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """A pause or its end, ordered at the home venue, moves the open cases of the session."""
    link = link_of(conn, stored.event.session)
    if link is None or stored.ctl != link.home_ctl:
        return
    to = str(stored.event.data.get("to", ""))
    if to in PAUSING:
        what = CaseInput.PAUSE
    elif to in GOING_ON and str(stored.event.data.get("from", "")) in PAUSING:
        what = CaseInput.RESUME
    else:
        return
    for case in cases.listed(conn, session=link.session, open_only=True):
        target = CASE_TABLE.get((CaseState(case.row["state"]), what))
        if target is not None:
            cases.change(conn, case.id, {"state": target.value})
            told = {"phase": to, "state": target.value}
            cases.add_entry(conn, case.id, "phase", told, by="hub", at=parts.clock.wall())
            parts.store.after_commit(partial(_publish, parts, case.id))


def _step(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """A step done in the room counts in its session's case; without one, in every case."""
    data, session = stored.event.data, stored.event.session
    for case in cases.of_fault(conn, stored.ctl, str(data["fault"])):
        if session in {"", case.session}:
            _step_in(conn, stored, parts, case)


def _step_in(conn: Connection, stored: StoredEvent, parts: Parts, case: CaseRecord) -> None:
    data = stored.event.data
    known = case.steps.get(str(data["key"]))
    at = datetime.fromisoformat(stored.event.at)
    if known is not None and known["at"] >= at:
        return
    post = _post(data.get("by"))
    values = {
        "case": case.id,
        "key": str(data["key"]),
        "state": str(data["state"]),
        "reason": str(data.get("reason") or ""),
        "by": post,
        "at": at,
    }
    cases.set_step(conn, values)
    told = {key: values[key] for key in ("key", "state", "reason")}
    cases.add_entry(conn, case.id, "step", {**told, "via": "room"}, by=post, at=at)
    parts.store.after_commit(partial(_publish, parts, case.id))


def _acked(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """In the room the fault is acknowledged, so every case of it is."""
    post = _post(stored.event.data.get("by"))
    at = datetime.fromisoformat(stored.event.at)
    for case in cases.of_fault(conn, stored.ctl, str(stored.event.data["fault"])):
        if case.row["acked_at"] is None:
            cases.change(conn, case.id, {"acked_by": post, "acked_at": at})
            cases.add_entry(conn, case.id, "acked", {"via": "room"}, by=post, at=at)
            parts.store.after_commit(partial(_publish, parts, case.id))


def _post(by: object) -> str:
    """The posts of who acted in a room: one signer or a list of them."""
    people = by if isinstance(by, list) else [by]
    known = [one for one in people if isinstance(one, Mapping)]
    posts = [str(one.get("post") or one.get("person", "")) for one in known]
    return ", ".join(posts)[:32]


def _silence_id(session: str) -> str:
    return f"{UNREACHABLE}-{session.removeprefix('s-')}"


def _silence_of(conn: Connection, ctl: str, session: str) -> CaseRecord | None:
    return cases.in_session(conn, ctl, _silence_id(session), session)


def _publish(parts: Parts, case: str) -> None:
    parts.bus.publish(f"case:{case}", case)
    parts.bus.publish("board")
