"""Makes the contingency pages of what the contingency service answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from hub.web.i18n import Both, Text, catalogue, say
from hub.web.templating import duration, hm, local
from hub.web.views_alarm_make import phase_text, short
from hub.web.views_case import (
    CaseClock,
    CaseLine,
    CaseListView,
    CaseView,
    DecisionOption,
    DecisionRecord,
    KnowsRow,
    Reserve,
    StepRow,
)
from hub.web.views_common import Shape, State, Viewer, org_short, percent, room_text
from hub.web.views_events import by_text
from hub.web.views_session import TimelineRow

HANDLING: Final = (
    "fault_handler",
    "operator",
    "home_manager",
    "deputy",
    "guest_coordinator",
    "room_staff",
    "technician",
    "witness",
)
CLOSING: Final = ("fault_handler", "operator", "home_manager", "deputy")
SCOPES: Final = ("member", "venue", "all")
EVIDENCE_BEFORE: Final = timedelta(minutes=10)
"""Recordings from ten minutes before a case begins belong to it (HUB study §3, C8)."""
WAITING: Final = {"ack": "ack", "decision": "decision", "fault": "resume", "close": "close"}
ENTRY_KINDS: Final = {
    "opened": "system",
    "joined": "alarm",
    "again": "alarm",
    "cleared": "device",
    "phase": "phase",
    "step": "person",
    "acked": "person",
    "note": "person",
    "scoped": "decision",
    "decided": "decision",
    "limit": "alarm",
    "sealed": "person",
    "unsealed": "person",
    "closed": "system",
}
KEY_ENTRIES: Final = frozenset({"opened", "decided", "closed"})


def both(value: Mapping[str, str]) -> Both:
    """`{"zh", "en"}` as words."""
    return Both(value["zh"], value["en"][:1].upper() + value["en"][1:])


def instant(text: str | None) -> datetime | None:
    """RFC 3339 as an aware instant."""
    return None if not text else datetime.fromisoformat(text)


def level(case: Mapping[str, Any]) -> str:
    """p1, p2 or p3."""
    return str(case["priority"]).lower()


def place(case: Mapping[str, Any], names: Mapping[str, Both]) -> Text:
    """`长沙公共资源交易中心 二室`."""
    return say("board.place", org=_org_of(case, names), room=room_text(case["room"]))


def _org_of(case: Mapping[str, Any], names: Mapping[str, Both]) -> Both:
    return names.get(case["org"], Both(case["org_name"], case["org_name"]))


def state_of(case: Mapping[str, Any]) -> State:
    """The case's state; closed is grey."""
    text = both(case["state_text"])
    if case["state"] == "closed":
        return State(Shape.OK, text)
    return State(Shape(level(case)), text, acked=bool(case["acked_at"]))


# ---- the list ----


def case_line(case: Mapping[str, Any], names: Mapping[str, Both]) -> CaseLine:
    """One row of the list."""
    waiting = WAITING.get(case["waiting_for"], "none")
    return CaseLine(
        number=case["number"],
        href=f"/cases/{case['case']}",
        state=state_of(case),
        what=both(case["kind_text"]),
        place=place(case, {case["org"]: org_short(case["org"], _org_of(case, names))}),
        session=short(case["booking"], drill=case["drill"])
        if case["booking"]
        else say("case.no_session"),
        opened_at=datetime.fromisoformat(case["started_at"]),
        stopped_at=instant(case["cleared_at"]),
        waiting=say(f"case.wait.{waiting}"),
        drill=case["drill"],
    )


def case_list(
    cases: Sequence[Mapping[str, Any]], names: Mapping[str, Both], now: datetime
) -> CaseListView:
    """Open ones first, as the service lists them."""
    rows = tuple(case_line(case, names) for case in cases)
    return CaseListView(now, rows, open=sum(case["state"] != "closed" for case in cases))


# ---- one case ----


def clock_view(case: Mapping[str, Any], now: datetime) -> CaseClock:
    """The clock with its article, start and what happens at zero."""
    told = case["clock"]
    started = datetime.fromisoformat(told["started_at"])
    waits = told["running"] and told["counts_from"] is not None
    # The counted time survives clock steps and restarts; the shown start is what gives it.
    counted = told["running"] and not waits
    since = now - timedelta(seconds=told["elapsed_s"]) if counted else started
    limit = told["limit_s"]
    share = percent(told["elapsed_s"], limit) if limit else "0%"
    stopped = None if told["running"] else since + timedelta(seconds=told["elapsed_s"])
    return CaseClock(
        label=say("case.clock.running" if told["running"] else "case.clock.stopped"),
        since=since,
        stopped_at=stopped,
        limit=_limit_text(told, now),
        used=share,
        used_text=say(
            "case.clock.used" if told["exact"] else "case.clock.used_at_least",
            percent=f"{float(share.rstrip('%')):.0f}%",
        ),
        article=both(told["article"]),
        article_note=_stage_note(told["article"], case["stage"]) if case["session"] else "",
        unverified=None if told["verified"] else say("case.unverified"),
        at_zero=_at_zero(told),
    )


def _limit_text(told: Mapping[str, Any], now: datetime) -> Text:
    """The limit and when it is reached; one that runs from the planned start says so before it."""
    limit = told["limit_s"]
    if limit is None:
        return say("case.clock.no_limit")
    if not told["running"]:
        return say("case.clock.limit_only", limit=duration(limit))
    later = instant(told["counts_from"])
    ends = local((later or now) + timedelta(seconds=told["remaining_s"]))
    at = f"{ends:%H:%M:%S}"
    if later is None:
        return say("case.clock.limit", limit=duration(limit), at=at)
    return say("case.clock.limit_later", limit=duration(limit), begins=hm(later), at=at)


def _at_zero(told: Mapping[str, Any]) -> Text:
    """What happens at the limit; of a stopped clock, whether it stopped before."""
    if told["running"]:
        return both(told["consequence"])
    limit = told["limit_s"]
    if limit is None:
        return say("case.at_zero_none")
    late = told["elapsed_s"] > limit
    return say("case.at_zero_late" if late else "case.at_zero_done")


def _stage_note(article: Mapping[str, str], stage: str) -> Text:
    """The stage, where the article's own name does not say it already."""
    word = catalogue().text("zh", f"term.stage.{stage}")
    return "" if word in article["zh"] else say("case.stage", stage=say(f"term.stage.{stage}"))


def reserve(case: Mapping[str, Any]) -> Reserve | None:
    """The UPS of the place, for a power case; what is not known is said as unknown."""
    power = case["power"]
    if case["kind"] != "power" or power is None:
        return None
    charge = power["charge_pct"]
    as_of = instant(power["as_of"])
    words = {
        "battery": "case.reserve.battery",
        "low": "case.reserve.low",
        "online": "case.reserve.online",
    }
    value: Text = f"{charge}%" if charge is not None else say("unknown")
    return Reserve(
        label=say("case.reserve.charge"),
        value=value,
        now=say(words.get(power["ups"], "unknown")),
        charge=f"{charge or 0}%",
        charge_text=say("case.reserve.charge_text", percent=value),
        mark="30%",
        note=say("case.reserve.note_at", at=f"{local(as_of):%H:%M:%S}" if as_of else "–"),
    )


def steps(case: Mapping[str, Any]) -> tuple[StepRow, ...]:
    """The checklist; the first open step is the current one."""
    open_keys = [one["key"] for one in case["steps"] if one["state"] == "open"]
    first = open_keys[0] if open_keys and case["state"] != "closed" else ""
    closed = case["state"] == "closed"
    decided = bool(case["decisions"])
    return tuple(
        _step(one, current=one["key"] == first, closed=closed, decided=decided)
        for one in case["steps"]
    )


def _step(one: Mapping[str, Any], *, current: bool, closed: bool, decided: bool) -> StepRow:
    notes: list[Text] = []
    if one["state"] == "open":
        shape, word = (Shape.NOW, "case.step_now") if current else (Shape.OPEN, "case.step_open")
        notes.append(say(f"term.role.{one['owner_role']}"))
        if one["needs_two"]:
            notes.append(say("case.step_two"))
    else:
        done = one["state"] == "done"
        shape = Shape.OK if done else Shape.NONE
        word = "case.step_ticked" if done else "case.step_skipped"
        at = instant(one["at"])
        notes.append(
            say("case.step_by", post=by_text(one["by"]), at=f"{local(at):%H:%M:%S}" if at else "–")
        )
        if not done:
            notes.append(say("case.step_skipped"))
        if one["reason"]:
            notes.append(one["reason"])
    due = (
        say("case.step_by_decision" if decided else "case.step_due_decision")
        if one["kind"] == "decide" and one["state"] == "open" and not closed
        else None
    )
    return StepRow(
        one["key"], State(shape, say(word)), Both(one["zh"], one["en"]), tuple(notes), due, current
    )


def timeline(case: Mapping[str, Any]) -> tuple[TimelineRow, ...]:
    """The case's history, newest first, ending with the start of its clock."""
    names = {one["key"]: Both(one["zh"], one["en"]) for one in (*case["steps"], *case["options"])}
    faults = {one["fault"]: _fault_text(one) for one in case["faults"]}
    last = _stopping(case)
    rows = [_entry(one, names, faults, stops=i in last) for i, one in enumerate(case["entries"])]
    rows.append(
        TimelineRow(
            datetime.fromisoformat(case["started_at"]),
            say("kind.device"),
            say("case.entry.start", fault=both(case["kind_text"])),
            "al",
        )
    )
    return tuple(sorted(rows, key=lambda row: row.at, reverse=True))


def _fault_text(fault: Mapping[str, Any]) -> Text:
    """`网络故障（现场发现）`: a case's faults by kind and by who noticed, never by their ids."""
    return say(f"case.fault.{fault['source']}", fault=say(f"term.fault.{fault['kind']}"))


def _stopping(case: Mapping[str, Any]) -> set[int]:
    """Which entries stopped the clock: those after which no fault of the case stood any more."""
    standing: set[str] = set()
    found = set()
    for i, one in enumerate(case["entries"]):
        fault = one["data"].get("fault", "")
        if one["what"] in {"opened", "joined", "again"}:
            standing.add(fault)
        elif one["what"] == "cleared":
            standing.discard(fault)
            if not standing:
                found.add(i)
    return found


def _entry(
    one: Mapping[str, Any],
    names: Mapping[str, Both],
    faults: Mapping[str, Text],
    *,
    stops: bool,
) -> TimelineRow:
    what, data = one["what"], one["data"]
    key = f"case.entry.{what}"
    values: dict[str, object] = {
        **data,
        "by": one["by"],
        "step": names.get(data.get("key", ""), data.get("key", "")),
        "choice": names.get(data.get("option", ""), data.get("option", "")),
        "fault": faults.get(data.get("fault", ""), data.get("fault", "")),
        "why": data.get("reason") or "–",
    }
    if data.get("scope"):
        values["scope"] = say(f"term.scope.{data['scope']}")
    if data.get("phase"):
        values["phase"] = phase_text(data["phase"])
    if what == "step" and data.get("state") != "done":
        key = "case.entry.step_skipped"
    if what == "cleared" and stops:
        key = "case.entry.stopped"
    text: Text = say(key, **values) if catalogue().has(key) else f"{what} {data.get('text', '')}"
    emphasis = "key" if what in KEY_ENTRIES else ""
    kind = say(f"kind.{ENTRY_KINDS.get(what, 'system')}")
    return TimelineRow(datetime.fromisoformat(one["at"]), kind, text, emphasis)


def decisions(case: Mapping[str, Any]) -> tuple[DecisionRecord, ...]:
    """What was decided, newest last."""
    options = {one["key"]: Both(one["zh"], one["en"]) for one in case["options"]}
    return tuple(
        DecisionRecord(
            one["n"],
            datetime.fromisoformat(one["at"]),
            options.get(one["option"], one["option"]),
            by_text(one["decided_by"]),
            by_text(one["recorded_by"]),
            _basis(one["basis"]),
            one["reason"],
            one["superseded"],
        )
        for one in case["decisions"]
    )


def _basis(value: object) -> Text:
    return both(value) if isinstance(value, Mapping) else str(value)


def options(case: Mapping[str, Any]) -> tuple[DecisionOption, ...]:
    """What a person may decide."""
    made = []
    for one in case["options"]:
        if one["needs_seal"]:
            note: Text = say("case.option.seal")
        elif one["order"]:
            note = say("case.option.order", order=say(f"term.order.{one['order']}"))
        else:
            note = say("case.option.plain")
        made.append(DecisionOption(one["key"], Both(one["zh"], one["en"]), note))
    return tuple(made)


def knows(case: Mapping[str, Any]) -> tuple[KnowsRow, ...]:
    """Who has been told, as far as the record shows it: the room and whoever acknowledged."""
    at = instant(case["opened_at"])
    acked = instant(case["acked_at"])
    blank, wait = State(Shape.NONE, say("case.k.na")), State(Shape.NOW, say("case.k.wait"))

    def stamp(when: datetime | None) -> State:
        return State(Shape.OK, f"{local(when):%H:%M:%S}") if when else wait

    sources = {one["source"] for one in case["faults"]}
    told = instant(case["started_at"]) if "room" in sources else None
    name = say("case.k.room", room=room_text(case["room"]))
    rows = [
        KnowsRow(name, say("case.channel.screen"), (stamp(told or at), stamp(told), blank, blank))
    ]
    who: Text = say("case.k.handler")
    if case["acked_by"]:
        who = say("case.k.post", post=case["acked_by"])
    seen = stamp(acked)
    rows.append(KnowsRow(who, say("case.channel.console"), (stamp(at), stamp(at), seen, seen)))
    for one in case["decisions"]:
        decided = stamp(datetime.fromisoformat(one["at"]))
        name = say("case.k.decider", post=by_text(one["decided_by"]))
        rows.append(
            KnowsRow(name, say("case.channel.console"), (stamp(at), decided, decided, decided))
        )
    return tuple(rows)


def evidence(case: Mapping[str, Any]) -> tuple[tuple[State, Text], ...]:
    """What is kept, and what is sealed."""
    begins = datetime.fromisoformat(case["started_at"]) - EVIDENCE_BEFORE
    rows: list[tuple[State, Text]] = [
        (
            State(Shape.OK, say("case.ev.hold")),
            say("case.ev.hold_note", at=f"{local(begins):%H:%M:%S}"),
        ),
    ]
    for one in case["seals"]:
        word = "case.ev.sealed" if one["action"] == "seal" else "case.ev.unsealed"
        rows.append(
            (
                State(Shape.OK, say(word)),
                say("case.ev.sealed_note", number=one["seal_no"], place=one["what"]),
            )
        )
    if not case["seals"]:
        rows.append((State(Shape.NONE, say("case.ev.not_sealed")), say("case.ev.not_sealed_note")))
    return tuple(rows)


def _closing(case: Mapping[str, Any]) -> Text | None:
    missing = [one["key"] for one in case["may_close"] if not one["met"]]
    if not missing:
        return None
    return (
        say(f"case.closing.{missing[0]}")
        if catalogue().has(f"case.closing.{missing[0]}")
        else say("case.close_why_not")
    )


def case_view(
    viewer: Viewer,
    case: Mapping[str, Any],
    *,
    names: Mapping[str, Both],
    now: datetime,
    duty: str | None = None,
) -> CaseView:
    """The whole page.

    Args:
        viewer: who reads.
        case: as the contingency service answers it.
        names: organisations in both languages.
        now: the hub's wall clock.
        duty: the reader's role on the session's roster, empty for none; None = no session. Who is
            not on duty has no key to sign a decision or a seal with.
    """
    closed = case["state"] == "closed"
    rows = steps(case)
    signing = not closed and duty != ""
    deciding = signing and viewer.may(*case["deciders"], "home_manager", "deputy", "fault_handler")
    scope = case["scope"] or case["scope_proposed"]
    scope_key = "case.scope_chosen" if case["scope"] else "case.scope_proposed"
    return CaseView(
        now=now,
        case=case["case"],
        number=case["number"],
        level=level(case),
        drill=case["drill"],
        closed=closed,
        what=State(
            Shape.OK if closed else Shape(level(case)),
            say("case.what", level=case["priority"], fault=both(case["kind_text"])),
            acked=bool(case["acked_at"]),
        ),
        place=place(case, names),
        session_href=f"/sessions/{case['session']}",
        session_text=_session_text(case),
        scope=say(scope_key, scope=say(f"term.scope.{scope}"), by=case["scope_by"] or ""),
        clock=clock_view(case, now),
        reserve=reserve(case),
        steps=rows,
        steps_done=sum(one.state.shape in {Shape.OK, Shape.NONE} for one in rows),
        timeline=timeline(case),
        decisions=decisions(case),
        options=options(case),
        scopes=tuple((key, say(f"term.scope.{key}")) for key in SCOPES),
        basis=both(case["basis"]),
        may_decide=deciding,
        decider_present=viewer.may(*case["deciders"]),
        decide_reason=None
        if deciding
        else say("case.decide_who" if signing else "case.decide_duty"),
        decision_state=_decision_state(case),
        may_act=not closed and viewer.may(*HANDLING),
        may_ack=not closed and case["acked_at"] is None and viewer.may(*HANDLING),
        may_close=not closed and _closing(case) is None and viewer.may(*CLOSING),
        close_reason=_closing(case) or say("case.close_who"),
        may_seal=signing and viewer.may(*HANDLING),
        knows=knows(case),
        evidence=evidence(case),
        summary=case["summary"],
    )


def _session_text(case: Mapping[str, Any]) -> Text:
    if not case["booking"]:
        return ""
    number = short(case["booking"], drill=case["drill"])
    return say("case.session", no=number, phase=phase_text(case["phase_now"]))


def _decision_state(case: Mapping[str, Any]) -> State:
    if case["state"] == "closed":
        return State(Shape.OK, say("case.decision_closed"))
    if case["decisions"]:
        return State(Shape.OK, say("case.decision_made"))
    return State(Shape.NOW, say("case.decision_due"))
