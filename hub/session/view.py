"""A session as one picture: all venues, members, lanes, orders, and why nobody may leave yet.

What a room recorded is shown with its age; what is not known is `null` or `unknown`, never a good
value. Members stand by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from hub.booking_link import SessionLink, VenueLink
from hub.booking_link import VenueLink as _Venue
from hub.clock import iso_ms
from hub.fleet.rooms import RoomView
from hub.session_record import Seen, SessionRecord, moment
from protocols.messages.acts import DOCUMENTS
from protocols.policy.room_model import Fault, Member, RoomState, Session
from protocols.terms import TERMS

RELEASING: Final = ("end", "postpone", "terminate", "member_release")
TRUTHS: Final = ("sent", "accepted", "acted", "confirmed")
LANE_MARGIN: Final = timedelta(minutes=15)


def venue_json(venue: VenueLink, room: RoomView | None, *, session: str) -> dict[str, Any]:
    """One venue's room: link, phase, power, network, seats, lockers, faults."""
    state = room.state if room is not None else None
    here = state.sessions.get(session) if state is not None else None
    return {
        "org": venue.org,
        "name": venue.name,
        "name_en": venue.name_en,
        "role": venue.role,
        "place": venue.place,
        "room": venue.room,
        "ctl": venue.ctl,
        "link": link_json(room),
        "phase": str(here.phase.value) if here is not None else None,
        "power": None
        if state is None
        else {
            "mains": state.power.mains,
            "ups": state.power.ups,
            "charge_pct": state.power.charge_pct,
        },
        "network": state.network.state if state is not None else None,
        "system": state.system.state if state is not None else None,
        "streams": [] if state is None else [_stream(one) for one in state.streams.values()],
        "seats": [] if state is None else _seats(state, here),
        "lockers": [] if state is None else _lockers(state, session),
        "faults": [] if state is None else _faults(state),
        "selftest": None
        if state is None or state.selftest is None
        else {"ok": state.selftest.ok, "failed": list(state.selftest.failed)},
        "plan": None
        if state is None or state.plan is None
        else {"generation": state.plan.generation, "n": state.plan.n},
    }


def link_json(room: RoomView | None) -> dict[str, Any]:
    """The line to a room; `reachable` null is unknown."""
    if room is None:
        return {"reachable": None, "age_s": None, "as_of": None, "outbox": None, "acked": None}
    return {
        "reachable": room.link.reachable,
        "age_s": room.age_s,
        "as_of": room.as_of or None,
        "outbox": room.link.outbox,
        "acked": room.link.acked,
        "catching_up": room.catching_up,
        "recorded_at": None if room.recorded_at is None else iso_ms(room.recorded_at),
        "journal_ok": room.link.journal_ok,
    }


def member_rows(
    link: SessionLink,
    planned: Mapping[int, Mapping[str, Any]],
    states: Mapping[str, Session],
    record: SessionRecord,
) -> list[dict[str, Any]]:
    """Every member with identification, deposit, seat, documents, release.

    Args:
        link: the session.
        planned: members as entered by the venues.
        states: organisation -> the session as that venue's room holds it.
        record: what the record says.
    """
    rows = []
    for no, entry in sorted(planned.items()):
        org = str(entry["org"])
        live = states[org].members.get(no) if org in states else None
        venue = link.venue(org)
        rows.append(_member(no, entry, live, venue, record))
    return rows


def _member(
    no: int,
    entry: Mapping[str, Any],
    live: Member | None,
    venue: _Venue | None,
    record: SessionRecord,
) -> dict[str, Any]:
    marks = record.marks.get(no, {})
    documents = record.documents.get(no, {})
    return {
        "no": no,
        "kind": entry["kind"],
        "org": entry["org"],
        "room": venue.room if venue else "",
        "station": entry["station"],
        "locker": live.locker if live is not None else entry["locker"],
        "step": str(live.step.value) if live is not None else None,
        "late": live.late if live is not None else "late" in marks,
        "lead": record.lead == no,
        "away": _away(live, marks),
        "identified": _mark(marks, "identified", "method", "document"),
        "steps": _mark(marks, "steps", "health", "recusal", "commitment"),
        "deposited": _mark(marks, "deposited", "items", "locker", "item"),
        "seated": _mark(marks, "seated", "station"),
        "documents": {name: documents.get(name) for name in DOCUMENTS},
        "signed": all(name in documents for name in DOCUMENTS),
        "released": _mark(marks, "released", "locker"),
        "left": _mark(marks, "left"),
    }


def _away(live: Member | None, marks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    if live is None or live.away is None:
        return None
    return {
        "at": marks.get("away", {}).get("at"),
        "reason": live.away.reason,
        "escort": live.away.escort,
        "expected_min": live.away.expected_min,
    }


def _mark(marks: Mapping[str, Mapping[str, Any]], name: str, *keys: str) -> dict[str, Any] | None:
    mark = marks.get(name)
    return None if mark is None else {"at": mark["at"], **{k: mark.get(k) for k in keys}}


def orders_json(
    orders: list[dict[str, Any]],
    record: SessionRecord,
    *,
    link: SessionLink,
    sent: Mapping[str, Mapping[str, Mapping[str, Any]]],
    empty: Mapping[str, bool | None],
) -> list[dict[str, Any]]:
    """Orders with the four truths at every venue: sent, accepted, acted, confirmed by sensor.

    Args:
        orders: as stored.
        record: what the rooms answered.
        link: the session.
        sent: order id -> controller -> state of the outgoing queue.
        empty: controller -> whether the lockers of released members are empty, None unknown.
    """
    rows = []
    for order in orders:
        answers = record.orders.get(str(order["id"]), {})
        venues = []
        for ctl in link.ctls:
            venue = link.venue_of(ctl)
            if venue is None or (order["venues"] and venue.org not in order["venues"]):
                continue
            seen = answers.get(ctl, Seen())
            venues.append(
                {
                    "org": venue.org,
                    "ctl": ctl,
                    **_truths(order, seen, sent.get(str(order["id"]), {}).get(ctl), ctl, empty),
                }
            )
        word = TERMS[f"order.{order['order']}"]
        refused = next((one["refused"] for one in venues if one["refused"]), None)
        texts = {"zh": word.zh, "en": word.en, "refused": refused}
        rows.append({**order, **texts, "at_venues": venues})
    return rows


def _truths(
    order: Mapping[str, Any],
    seen: Seen,
    queued: Mapping[str, Any] | None,
    ctl: str,
    empty: Mapping[str, bool | None],
) -> dict[str, Any]:
    came_from_here = order["origin_ctl"] == ctl
    sent_at = queued.get("sent_at") if queued is not None else None
    sent = order["issued_at"] if came_from_here else (iso_ms(sent_at) if sent_at else None)
    accepted = seen.accepted_at or None
    releasing = order["order"] in RELEASING
    acted = seen.acted_at or (accepted if order["order"] == "member_release" else None)
    confirmed: bool | None = bool(acted)
    if releasing and acted:
        confirmed = empty.get(ctl)
    if queued is not None and queued.get("state") == "confirmed":
        confirmed = True
    return {
        "sent": sent,
        "accepted": accepted,
        "acted": acted,
        "confirmed": confirmed,
        "refused": seen.refused or None,
        "missing": seen.missing,
    }


def lockers_empty(state: RoomState | None, session: str) -> bool | None:
    """Whether no device of this session's members lies in a locker; None where nobody knows."""
    if state is None:
        return None
    held = [one for one in state.lockers.values() if _belongs(one.deposit, session)]
    if any(one.item == "unknown" for one in held):
        return None
    return not held


def waiting_conditions(
    rows: list[dict[str, Any]], record: SessionRecord, venues: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Why nobody may leave: documents, the end order, the record; met ones included."""
    active = [row for row in rows if row["step"] not in {"absent", "declined", "withdrawn"}]
    open_documents = [
        {"no": row["no"], "document": name}
        for row in active
        for name in DOCUMENTS
        if row["documents"][name] is None
    ]
    total = len(active) * len(DOCUMENTS)
    unreachable = [v["org"] for v in venues if v["link"]["reachable"] is not True]
    behind = [v["org"] for v in venues if v["link"].get("catching_up")]
    return [
        {
            "key": "documents_signed",
            "met": not open_documents and total > 0,
            "done": total - len(open_documents),
            "total": total,
            "waiting_for": open_documents,
        },
        {
            "key": "end_order",
            "met": bool(record.ended_at),
            "waiting_for": [] if record.ended_at else ["home_manager"],
        },
        {
            "key": "record_sound",
            "met": not unreachable and not behind,
            "waiting_for": sorted({*unreachable, *behind}),
        },
    ]


def span(link: SessionLink, record: SessionRecord, *, now: datetime) -> tuple[datetime, datetime]:
    """The time shown on lanes: from a little before the start to its end, or now."""
    begins = link.start_at - LANE_MARGIN
    # Prepared is days before; people and pictures come with the check-in.
    came = (one for one in record.phase_log if one["to"] not in ("idle", "prepared"))
    first = next((moment(one["at"]) for one in came), None)
    if first is not None:
        begins = min(begins, first)
    ended = moment(record.ended_at)
    return begins, ended + LANE_MARGIN if ended is not None else max(now, begins)


def lanes_json(
    lanes: list[dict[str, Any]], link: SessionLink, venues: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Lanes with instants as text and the state each stream has now."""
    live = {
        (venue["ctl"], stream["name"]): stream["state"]
        for venue in venues
        for stream in venue["streams"]
    }
    shown = []
    for lane in lanes:
        venue = link.venue_of(str(lane["ctl"]))
        shown.append(
            {
                **lane,
                "org": venue.org if venue else "",
                "room": venue.room if venue else "",
                "state": live.get((lane["ctl"], lane["stream"]), "unknown"),
                "lanes": [_times(one) for one in lane["lanes"]],
                "gaps": [_times(one) for one in lane["gaps"]],
                "gap_s": lane["gap_ms"] / 1000,
            }
        )
    return shown


def _times(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "from_at": iso_ms(one["from_at"]), "to_at": iso_ms(one["to_at"])}


def _stream(stream: Any) -> dict[str, Any]:
    return {
        "name": stream.name,
        "state": stream.state,
        "segments": stream.segments,
        "last_at": stream.last_at or None,
        "gaps": stream.gaps,
        "gap_ms": stream.gap_ms,
    }


def _seats(state: RoomState, here: Session | None) -> list[dict[str, Any]]:
    sitting = {m.station: m for m in here.members.values() if m.here} if here is not None else {}
    rows = []
    for number, seat in sorted(state.seats.items()):
        member = sitting.get(number)
        rows.append(
            {
                "station": number,
                "state": seat.state,
                "no": member.no if member is not None else None,
                "away": member is not None and member.away is not None,
            }
        )
    return rows


def _lockers(state: RoomState, session: str) -> list[dict[str, Any]]:
    rows = []
    for number, locker in sorted(state.lockers.items()):
        mine = _belongs(locker.deposit, session)
        rows.append(
            {
                "locker": number,
                "door": locker.door,
                "item": locker.item,
                "no": locker.deposit.no if mine and locker.deposit is not None else None,
                "items": list(locker.deposit.items) if mine and locker.deposit else [],
                "opening": locker.opening.why if locker.opening is not None else None,
                "fault": locker.fault or None,
                "unexplained": locker.unexplained,
            }
        )
    return rows


def _belongs(deposit: Any, session: str) -> bool:
    return deposit is not None and deposit.session == session and not deposit.out


def _faults(state: RoomState) -> list[dict[str, Any]]:
    return [
        _fault(fault)
        for fault in sorted(state.faults.values(), key=lambda one: one.raised_ms)
        if fault.is_open
    ]


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.id,
        "kind": fault.kind,
        "device": fault.device,
        "what": fault.what,
        "consequence": fault.consequence,
        "raised_at": fault.raised_at,
        "acked": fault.acked,
    }
