"""One line of the witness timeline for each kind of event, with what a reader wants of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.web.i18n import Both, Text, catalogue, say
from hub.web.views_session import TimelineRow

KIND_OF: Final = {
    "phase": "phase",
    "order": "order",
    "statement": "sign",
    "away": "away",
    "fault": "alarm",
    "device": "device",
    "power": "device",
    "network": "device",
    "media": "device",
    "recording": "device",
    "locker": "locker",
    "deposit": "check_in",
    "card": "check_in",
    "case": "case",
    "booking": "booking",
    "duty": "booking",
    "members": "booking",
    "plan": "system",
    "session": "system",
    "selftest": "device",
    "epoch": "record",
    "record": "record",
    "room": "system",
    "gate": "leave",
    "release": "leave",
    "cmd": "order",
    "command": "order",
    "package": "archive",
    "receipt": "archive",
    "appraisal": "archive",
    "visitor": "person",
    "outside_contact": "person",
    "help": "person",
    "lead": "person",
    "clarification": "sign",
    "saved": "check_in",
    "start": "order",
    "alarm": "alarm",
    "secrets": "system",
    "member": "check_in",
    "notice": "notice",
}
"""The first word of an event's type -> the timeline's kind."""
KIND_EXACT: Final = {
    "member.released": "leave",
    "member.left": "leave",
    "member.unseated": "away",
    "case.decided": "decision",
}
KEY_TYPES: Final = frozenset({"order.issued", "phase.changed", "case.decided", "receipt.issued"})
"""Rows that stand out: what people decided and what followed."""
ALARM_TYPES: Final = frozenset({"fault.raised", "locker.unexplained", "record.gap"})
QUIET_TYPES: Final = frozenset(
    {
        "seat.state",
        "locker.state",
        "locker.opening",
        "locker.closed",
        "media.segment",
        "recording.state",
        "power.state",
        "plan.accepted",
        "secrets.wiped",
        "epoch.opened",
        "order.accepted",
        "codes.drawn",
        "clock.fix",
        "room.started",
    }
)
"""Rows that only the whole timeline shows."""
NO_PERSON: Final = frozenset({"hub", "code"})
"""Who an order is by when its signature is the hub's, or when it came as an offline code."""
STATEMENT_TYPES: Final = frozenset({"statement.received", "statement.accepted"})
"""The same signature as the hub and as each room recorded it, under one id."""
TERM_FIELDS: Final = {
    "order": "order",
    "document": "document",
    "outcome": "outcome",
    "to": "phase",
    "from": "phase",
    "kind": "fault",
    "verdict": "receipt",
}
"""Fields whose value is an official word, and under which prefix."""


@dataclass(frozen=True, slots=True)
class CaseWords:
    """Steps of checklists and options of decisions by key, in the words of the policy pack."""

    steps: Mapping[str, Text]
    options: Mapping[str, Text]


def timeline_row(
    entry: Mapping[str, Any], rooms: Mapping[str, Text], words: CaseWords
) -> TimelineRow:
    """One stored event as a line.

    Args:
        entry: as the session service lists it: type, zh, en, data, org, room, at, recorded_at.
        rooms: organisation -> how its room is called in this session.
        words: what the pack calls steps and decisions.
    """
    kind = str(entry["type"])
    at = datetime.fromisoformat(entry["at"] or entry["recorded_at"])
    word = KIND_EXACT.get(kind) or KIND_OF.get(kind.split(".", 1)[0], "system")
    emphasis = "al" if kind in ALARM_TYPES else "key" if kind in KEY_TYPES else ""
    text = _text(entry)
    if kind == "case.step":
        text = _step_text(entry["data"], words.steps)
    if kind == "case.decided":
        text = _decision_text(entry["data"], words.options)
    where = rooms.get(str(entry["org"]))
    if where and not kind.startswith(("order.issued", "case.", "booking.")):
        text = say("ev.where", room=where, text=text)
    return TimelineRow(at, say(f"kind.{word}"), text, emphasis)


def _step_text(data: Mapping[str, Any], steps: Mapping[str, Text]) -> Text:
    """A step of a checklist: what it was, whether it was done."""
    key = str(data.get("key", ""))
    word = "ev.step.done" if data.get("state") == "done" else "ev.step.skipped"
    return say(word, step=steps.get(key, key))


def _decision_text(data: Mapping[str, Any], options: Mapping[str, Text]) -> Text:
    """What was decided and by whom."""
    key = str(data.get("option", ""))
    return say(
        "ev.case.decided", option=options.get(key, key), decided_by=by_text(data.get("decided_by"))
    )


def _text(entry: Mapping[str, Any]) -> Text:
    key = f"ev.{entry['type']}"
    label = Both(entry["zh"], entry["en"][:1].upper() + entry["en"][1:])
    if entry["type"] == "order.accepted" and person_of(entry["data"].get("by")) in NO_PERSON:
        key = "ev.order.accepted.by"
    if not catalogue().has(key):
        return label
    values = dict.fromkeys(catalogue().fields(key), "–")
    values |= {name: value_text(name, value) for name, value in entry["data"].items()}
    return say(key, **values)


def value_text(name: str, value: object) -> object:
    """A field's value in words where it is one of an official list."""
    if name in {"by", "decided_by", "second"}:
        return by_whom(value)
    if name == "items" and isinstance(value, Sequence) and not isinstance(value, str):
        return joined_terms("item", value)
    if name == "reason":
        return reason_text(value)
    if name == "method":
        return say("cell.two_staff" if value == "two_staff" else "cell.card")
    if name == "rung" and catalogue().has(f"fault.what.network.{value}"):
        return say(f"fault.what.network.{value}")
    return _word(name, value)


def _word(name: str, value: object) -> object:
    """An official word under its prefix, else the value as it stands."""
    key = f"term.{TERM_FIELDS[name]}.{value}" if name in TERM_FIELDS else f"fault.note.{value}"
    if catalogue().has(key):
        return say(key)
    return "–" if value is None or value == "" else value


def reason_text(value: object) -> object:
    """A reason that is a word of ours, in words; what a person wrote as it stands."""
    for prefix in ("term.away", "refuse"):
        if catalogue().has(f"{prefix}.{value}"):
            return say(f"{prefix}.{value}")
    return value or "–"


def missing_text(value: object) -> Text:
    """What an order waited for: x3 a member, locker:4, station:2, phase_signing, or a need."""
    word = str(value)
    if word[:1] == "x" and word[1:].isdecimal():
        return say("member.no", no=word[1:])
    place, _, number = word.partition(":")
    if place in {"locker", "station"} and number:
        return say(f"missing.{place}", no=number)
    if word.startswith("phase_"):
        return say("missing.phase", phase=say(f"phase.{word.removeprefix('phase_')}"))
    return say(f"need.{word}") if catalogue().has(f"need.{word}") else word


def joined(parts: Sequence[Text], key: str = "list.and") -> Text:
    """Words of a list as one sentence part; empty for none."""
    result: Text = ""
    for part in parts:
        result = say(key, a=result, b=part) if result else part
    return result


def by_whom(value: object) -> Text:
    """The same; an order that no person signed says so (WIRE §1, §7)."""
    person = person_of(value)
    return say(f"by.{person}") if person in NO_PERSON else by_text(value)


def person_of(value: object) -> str:
    """The one who acted, '' where there are several or none."""
    alone = value[0] if isinstance(value, list) and len(value) == 1 else value
    return str(alone.get("person") or "") if isinstance(alone, Mapping) else ""


def by_text(value: object) -> str:
    """Posts of those who acted."""
    if isinstance(value, Mapping):
        return str(value.get("post") or value.get("role") or "–")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(by_text(one) for one in value) or "–"
    return str(value or "–")


def joined_terms(prefix: str, values: Sequence[object]) -> Text:
    """Official words of a list, joined."""
    return joined([say(f"term.{prefix}.{value}") for value in values]) or say("cell.no_items")
