"""Makes the session page of what the session service answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.web.i18n import Both, Text, say
from hub.web.templating import duration, hm, local
from hub.web.views_alarm_make import case_number, phase_text
from hub.web.views_common import (
    Shape,
    State,
    Viewer,
    number_text,
    org_text,
    room_names,
    room_text,
    venue_short,
)
from hub.web.views_events import QUIET_TYPES, STATEMENT_TYPES, CaseWords, timeline_row
from hub.web.views_lanes_make import av, span_text
from hub.web.views_orders_make import choices, may_order, orders
from hub.web.views_session import (
    CaseLine,
    Condition,
    LockerCell,
    MemberGroup,
    MemberRow,
    PhaseStep,
    RoomMap,
    SeatCell,
    SessionView,
    TimelineRow,
)

DOCUMENTS: Final = ("personal_sheet", "summary", "report")
BAR: Final = ("booked", "prepared", "check_in", "evaluating", "signing", "ended", "closed")
PAUSED: Final = ("on_break", "suspended", "adjourned")
GONE: Final = ("declined", "absent", "withdrawn", "replaced", "removed")
STATING: Final = ("home_manager", "deputy", "guest_coordinator", "witness")
APPRAISING: Final = ("witness", "guest_coordinator", "home_manager")
RECENT: Final = 14
"""Lines of the timeline that a session's page shows at first."""
OUTCOME_CELLS: Final = {
    "signed": "cell.signed",
    "signed_with_dissent": "cell.dissent",
    "refused_in_writing": "cell.refused",
    "refused_without_reasons": "cell.refused_silent",
}


def instant(text: str | None) -> datetime | None:
    """RFC 3339 as an aware instant."""
    return None if not text else datetime.fromisoformat(text)


# ---- phases and facts ----


def bar(phase: str) -> tuple[PhaseStep, ...]:
    """The phase bar; a pause stands in the field of the evaluation with its own word."""
    at = "evaluating" if phase in PAUSED else phase
    if phase in {"postponed", "terminated"}:
        at = "ended"
    cut = BAR.index(at) if at in BAR else 0
    steps = []
    for i, name in enumerate(BAR):
        text: Text = say(f"step.{name}")
        if i == cut and phase not in BAR and phase != "idle":
            text = say("step.paused", step=text, phase=phase_text(phase))
        steps.append(PhaseStep(text, "dn" if i < cut else "cur" if i == cut else ""))
    return tuple(steps)


def evaluating_s(log: Sequence[Mapping[str, Any]], ctl: str, now: datetime) -> int:
    """Seconds of evaluation at the home venue, breaks left out."""
    total, since = 0.0, None
    for row in log:
        if row["ctl"] != ctl:
            continue
        at = datetime.fromisoformat(row["at"])
        if row["to"] == "evaluating" and since is None:
            since = at
        elif row["to"] != "evaluating" and since is not None:
            total += (at - since).total_seconds()
            since = None
    return int(total + ((now - since).total_seconds() if since is not None else 0))


def _org(venue: Mapping[str, Any]) -> Both:
    return org_text(venue["name"], venue["name_en"])


def facts(data: Mapping[str, Any], now: datetime) -> tuple[tuple[Text, Text], ...]:
    """What stands beside the title."""
    rows: list[tuple[Text, Text]] = [
        (
            say("home" if v["role"] == "home" else "guest"),
            say("session.fact.venue", org=_org(v), room=room_text(v["room"] or v["place"])),
        )
        for v in data["venues"]
    ]
    started = instant(data["started_at"])
    if started is None:
        start = datetime.fromisoformat(data["start_at"])
        rows.append((say("session.fact.planned"), f"{local(start):%m-%d %H:%M}"))
        return tuple(rows)
    rows.append((say("session.fact.start"), hm(started)))
    home = next((v["ctl"] for v in data["venues"] if v["role"] == "home"), "")
    used = duration(evaluating_s(data["phase_log"], home or "", now))
    rows.append((say("session.fact.used"), say("session.fact.used_value", span=used)))
    return tuple(rows)


# ---- members ----


def _done(mark: Mapping[str, Any], text: Text, note: Text | None = None) -> State:
    return State(Shape.OK, text, at=instant(mark.get("at")), note=note)


def _identity(row: Mapping[str, Any]) -> State:
    mark = row["identified"]
    if mark is not None:
        return _done(mark, say("cell.two_staff" if mark["method"] == "two_staff" else "cell.card"))
    if row["step"] in GONE:
        return State(
            Shape.NONE, say("cell.declined" if row["step"] == "declined" else "cell.absent")
        )
    if row["late"]:
        return State(Shape.NOW, say("cell.late"), current=True)
    return State(Shape.OPEN, say("cell.not_here"))


def _deposit(row: Mapping[str, Any]) -> State:
    mark = row["deposited"]
    if mark is None:
        waits = row["identified"] is not None and row["step"] not in GONE
        return State(
            Shape.NOW if waits else Shape.OPEN,
            say("cell.wait_deposit" if waits else "cell.not_yet"),
            current=waits,
        )
    items = mark.get("items") or ()
    if not items:
        return _done(mark, say("cell.no_items"))
    locker = mark.get("locker") or row["locker"]
    number = f"{locker:02d}" if isinstance(locker, int) else str(locker or "–")
    return _done(mark, say("cell.items", n=len(items), locker=number))


def _seat(row: Mapping[str, Any]) -> State:
    away = row["away"]
    if away is not None:
        at = instant(away["at"])
        return State(
            Shape.PAUSE,
            say("cell.away", reason=say(f"term.away.{away['reason']}")),
            current=True,
            note=say("cell.away_note", at=hm(at) or "–", min=away["expected_min"]),
        )
    if row["step"] in {"released", "left"}:
        return State(Shape.NONE, say("cell.left" if row["step"] == "left" else "cell.released"))
    if row["seated"] is not None:
        return _done(row["seated"], say("cell.seated"))
    waits = row["deposited"] is not None
    return State(
        Shape.NOW if waits else Shape.OPEN,
        say("cell.wait_seat" if waits else "cell.not_yet"),
        current=waits,
    )


def _document(row: Mapping[str, Any], name: str, *, signing: bool) -> State:
    told = row["documents"][name]
    if told is not None:
        key = OUTCOME_CELLS.get(told["outcome"], "cell.signed")
        return State(Shape.OK, say(key), at=instant(told["at"]))
    if row["step"] in GONE:
        return State(Shape.NONE, say("case.k.na"))
    if not signing:
        return State(Shape.OPEN, say("cell.unsigned"))
    last = row["lead"] and name == "report"
    note = say("cell.sign_last") if last else None
    return State(Shape.NOW, say("cell.sign_wait"), note=note, current=True)


def _leave(row: Mapping[str, Any], *, ended: bool) -> State:
    if row["left"] is not None:
        return _done(row["left"], say("cell.left"))
    if row["released"] is not None:
        return _done(row["released"], say("cell.released"))
    if row["step"] in GONE:
        return State(Shape.NONE, say("case.k.na"))
    if ended and all(row["documents"].values()):
        return State(Shape.NOW, say("cell.may_collect"))
    return State(Shape.LOCK, say("cell.locked"))


def _role(row: Mapping[str, Any]) -> Text:
    return say("lead") if row["lead"] else say(f"term.member_kind.{row['kind']}")


def groups(data: Mapping[str, Any]) -> tuple[MemberGroup, ...]:
    """Members by venue, home first."""
    signing = data["phase"] in {"signing", "ended"}
    made = []
    for venue in data["venues"]:
        rows = tuple(
            MemberRow(
                m["no"],
                _role(m),
                (
                    _identity(m),
                    _deposit(m),
                    _seat(m),
                    *(_document(m, name, signing=signing) for name in DOCUMENTS),
                    _leave(m, ended=data["phase"] == "ended"),
                ),
            )
            for m in data["members"]
            if m["org"] == venue["org"]
        )
        if rows:
            role = say("home" if venue["role"] == "home" else "guest")
            made.append(
                MemberGroup(role, _org(venue), room_text(venue["room"] or venue["place"]), rows)
            )
    return tuple(made)


def members_summary(data: Mapping[str, Any]) -> Text:
    """How many, and how far."""
    members = data["members"]
    done = sum(m["documents"][name] is not None for m in members for name in DOCUMENTS)
    if data["phase"] in {"signing", "ended", "closed"} or done:
        return say("session.summary", n=len(members), done=done, all=len(members) * len(DOCUMENTS))
    seated = sum(m["step"] == "seated" for m in members)
    return say("session.summary_early", n=len(members), seated=seated)


def lockers_summary(data: Mapping[str, Any]) -> Text:
    """Lockers with things in them, and whether any is open or unknown."""
    held = [one for v in data["venues"] for one in v["lockers"] if one["no"] is not None]
    opened = sum(one["door"] == "open" for one in held)
    unknown = sum(one["door"] == "unknown" for one in held)
    if not held:
        return say("session.lockers_none")
    if opened:
        return say("session.lockers_open", n=len(held), open=opened)
    if unknown:
        return say("session.lockers_unknown", n=len(held), unknown=unknown)
    return say("session.lockers", n=len(held))


# ---- why nobody may leave ----


def conditions(data: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions, met ones included."""
    names = {
        v["org"]: say("session.fact.venue", org=venue_short(v), room=room_text(v["room"]))
        for v in data["venues"]
    }
    makers = {
        "documents_signed": _documents_condition,
        "end_order": _order_condition,
        "record_sound": _record_condition,
    }
    return tuple(makers[one["key"]](one, names) for one in data["waiting"] if one["key"] in makers)


def _documents_condition(one: Mapping[str, Any], _: Mapping[str, Text]) -> Condition:
    open_by: dict[int, list[str]] = {}
    for entry in one["waiting_for"]:
        open_by.setdefault(entry["no"], []).append(entry["document"])
    lines = []
    for no, documents in sorted(open_by.items()):
        names: Text = say(f"term.document.{documents[0]}")
        for name in documents[1:]:
            names = say("list.and", a=names, b=say(f"term.document.{name}"))
        lines.append(say("gate.waiting_docs", member=say("member.no", no=no), documents=names))
    key = "gate.documents_done" if one["met"] else "gate.documents"
    return Condition(
        met=one["met"], title=say(key, done=one["done"], all=one["total"]), lines=tuple(lines)
    )


def _order_condition(one: Mapping[str, Any], _: Mapping[str, Text]) -> Condition:
    if one["met"]:
        return Condition(met=True, title=say("gate.order_done"), lines=())
    return Condition(met=False, title=say("gate.order_missing"), lines=(say("gate.order_who"),))


def _record_condition(one: Mapping[str, Any], names: Mapping[str, Text]) -> Condition:
    if one["met"]:
        lines = (say("gate.record_ok_line"),)
        return Condition(met=True, title=say("gate.record_ok"), lines=lines)
    waiting = tuple(
        say("gate.record_unknown_line", place=names.get(org, org)) for org in one["waiting_for"]
    )
    return Condition(met=False, title=say("gate.record_wait"), lines=waiting)


# ---- rooms and timeline ----


def room_map(venue: Mapping[str, Any], steps: Mapping[int, str], name: Text) -> RoomMap:
    """Seats and lockers of one venue; `steps` member number -> how far that member is."""
    lockers = tuple(_locker(one) for one in venue["lockers"])
    full = sum(cell.look == "f" for cell in lockers)
    unknown = [cell.no for cell in lockers if cell.look == "o"]
    text = (
        say("locker.summary_unknown", n=full, list=" ".join(unknown))
        if unknown
        else say("locker.summary", n=full)
    )
    link = venue["link"]
    as_of = instant(link["as_of"])
    old = None
    if link["reachable"] is not True:
        old = say("board.tile.asof", at=f"{local(as_of):%H:%M:%S}" if as_of else "–")
    return RoomMap(
        name,
        tuple(_seat_cell(s, steps) for s in venue["seats"]),
        text,
        lockers,
        old,
    )


def _seat_cell(seat: Mapping[str, Any], steps: Mapping[int, str]) -> SeatCell:
    number = str(seat["station"])
    if seat["no"] is None:
        return SeatCell(number, say("seat.spare"), "")
    look, word = {"occupied": ("on", "on"), "vacant": ("", "empty")}.get(
        seat["state"], ("un", "unknown")
    )
    if seat["away"]:
        look, word = "aw", "away"
    elif steps.get(seat["no"]) in {"released", "left"} and seat["state"] != "occupied":
        look, word = "", "left"
    return SeatCell(number, say("seat.member", no=seat["no"], state=say(f"seat.{word}")), look)


def _locker(one: Mapping[str, Any]) -> LockerCell:
    number = f"{one['locker']:02d}"
    if one["door"] == "open":
        look, word = "w", "locker.open"
    elif one["door"] == "unknown" or one["fault"]:
        look, word = "o", "unknown"
    else:
        look, word = ("f", "locker.full") if one["no"] is not None else ("", "locker.empty")
    return LockerCell(number, look, say("locker.of", no=number, state=say(word)))


def timeline(
    entries: Sequence[Mapping[str, Any]],
    data: Mapping[str, Any],
    *,
    words: CaseWords,
    whole: bool,
) -> tuple[TimelineRow, ...]:
    """Newest first; at first without rows that only say that all is as it was, or say it again."""
    rooms = room_names(data["venues"])
    kept = list(entries) if whole else _once([e for e in entries if e["type"] not in QUIET_TYPES])
    shown = kept if whole else kept[-RECENT:]
    return tuple(timeline_row(entry, rooms, words) for entry in reversed(shown))


def _once(entries: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A signature is recorded by the hub and by every room; the short list has it once."""
    seen: set[str] = set()
    kept = []
    for entry in entries:
        if entry["type"] in STATEMENT_TYPES:
            ident = str(entry["data"].get("id", ""))
            if ident in seen:
                continue
            seen.add(ident)
        kept.append(entry)
    return kept


def case_line(case: Mapping[str, Any], now: datetime) -> CaseLine:
    """One case of the session: its state and how long it lasted."""
    closed = case["state"] == "closed"
    state = State(
        Shape.OK if closed else Shape(case["priority"].lower()),
        say("session.case", number=case_number(case), state=say(f"term.case.{case['state']}")),
        acked=bool(case.get("acked_at")),
    )
    begins, ends = instant(case.get("started_at")), instant(case.get("cleared_at"))
    lasted = span_text(((ends or now) - begins).total_seconds()) if begins else ""
    text = say("session.case_line", fault=say(f"term.fault.{case['kind']}"), span=lasted)
    return CaseLine(f"/cases/{case['case']}", state, text)


def session_view(
    viewer: Viewer,
    data: Mapping[str, Any],
    *,
    entries: Sequence[Mapping[str, Any]],
    cases: Sequence[Mapping[str, Any]],
    package: tuple[str, Text],
    appraisal: Mapping[str, Any],
    case_words: CaseWords,
    duty: str,
    whole_timeline: bool,
) -> SessionView:
    """The whole page; `duty` is the reader's role on the session's roster, empty for none."""
    now = datetime.fromisoformat(data["now"])
    met = conditions(data)
    unmet = sum(not one.met for one in met)
    ours = any(v["org"] == viewer.org for v in data["venues"])
    steps = {m["no"]: m["step"] or "" for m in data["members"]}
    names = room_names(data["venues"])
    return SessionView(
        now=now,
        session=data["session"],
        number=number_text(data["booking"], data["kind"]),
        kind=say(f"term.session_kind.{data['kind']}"),
        drill=data["kind"] == "drill",
        facts=facts(data, now),
        phases=bar(data["phase"]),
        groups=groups(data),
        members_summary=members_summary(data),
        lockers_summary=lockers_summary(data),
        conditions=met,
        unmet=unmet,
        gate_note=say("gate.note"),
        leaving=unmet == 0,
        all_left=bool(data["members"]) and all(m["left"] for m in data["members"]),
        orders=orders(data, entries),
        choices=choices(data, viewer, duty),
        member_nos=tuple(m["no"] for m in data["members"]),
        may_order=may_order(data, viewer, duty),
        may_state=ours and data["phase"] in {"signing", "ended"} and duty in STATING,
        av=av(data, cases),
        rooms=tuple(
            room_map(v, steps, names[v["org"]])
            for v in data["venues"]
            if v["seats"] or v["lockers"]
        ),
        timeline=timeline(entries, data, words=case_words, whole=whole_timeline),
        timeline_total=len(entries),
        timeline_all=whole_timeline,
        cases=tuple(case_line(c, now) for c in cases),
        package_href=package[0],
        package_text=package[1],
        appraisal_open=ours and data["phase"] in {"ended", "closed"} and viewer.may(*APPRAISING),
        appraisal_items=tuple(
            (key, say("appraisal.item", text=Both(item.zh, item.en), points=item.points))
            for key, item in appraisal.items()
        ),
    )
