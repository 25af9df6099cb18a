"""What a controller tells of itself beside the record, and what became of commands to it.

Telemetry proves nothing and may be of any shape: each value is read by itself, and one that is not
what it should be is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hub.fleet.confirming import SentCommand
from hub.fleet.rooms import TELEMETRY_OLD_S, Told
from hub.web.i18n import Text, catalogue, say
from hub.web.views_common import Shape, State
from hub.web.views_events import reason_text

BYTES_PER_GB: Final = 1_000_000_000
TENTHS: Final = 10
FREE_LOW_BYTES: Final = 2 * BYTES_PER_GB
"""Below this a room has a few hours of recordings left."""
S_PER_MIN: Final = 60
S_PER_HOUR: Final = 3600
S_PER_DAY: Final = 86400
MS_PER_S: Final = 1000
VALUE_CHARS_MAX: Final = 40
SHAPES: Final = {
    "confirmed": Shape.OK,
    "acted": Shape.NOW,
    "accepted": Shape.NOW,
    "refused": Shape.UNKNOWN,
}
"""How far a command is; what is not here is on its way."""


@dataclass(frozen=True, slots=True)
class ToldView:
    """Telemetry of one controller: how old, and its values by label; a bad one stands out."""

    state: State
    rows: tuple[tuple[Text, Text, bool], ...]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command: when, what, how far."""

    at: datetime
    verb: Text
    state: State
    note: Text


def age_text(seconds: float | None) -> Text:
    """An age in words; none is unknown."""
    if seconds is None:
        return say("unknown")
    whole = max(0, int(seconds))
    if whole < S_PER_MIN:
        return say("span.sec", n=whole)
    if whole < S_PER_HOUR:
        return say("span.min", n=whole // S_PER_MIN)
    if whole < S_PER_DAY:
        hours, rest = divmod(whole, S_PER_HOUR)
        return say("span.hour_min", h=hours, m=rest // S_PER_MIN)
    days, rest = divmod(whole, S_PER_DAY)
    return say("span.day_hour", d=days, h=rest // S_PER_HOUR)


def told_view(told: Told | None, now: datetime) -> ToldView:
    """What the controller last said of itself, with its age; nothing heard is unknown."""
    if told is None:
        return ToldView(State(Shape.UNKNOWN, say("told.none")), ())
    age_s = (now - told.at).total_seconds()
    old = age_s > TELEMETRY_OLD_S
    words = say("told.old" if old else "told.fresh", age=age_text(age_s))
    state = State(Shape.UNKNOWN if old else Shape.OK, words)
    return ToldView(state, (*_disk(told.values), *_flow(told.values), *_self(told)))


def _disk(values: Mapping[str, Any]) -> tuple[tuple[Text, Text, bool], ...]:
    journal, media = _part(values, "journal"), _part(values, "media")
    full = values.get("storage") == "full"
    word = say("told.disk_full") if full else _word(values.get("storage"), "told.disk")
    return (
        (say("told.storage"), word, full),
        (say("told.journal_free"), *_free(journal.get("free_bytes"))),
        (say("told.media_free"), *_free(media.get("free_bytes"))),
    )


def _flow(values: Mapping[str, Any]) -> tuple[tuple[Text, Text, bool], ...]:
    outbox, media = _part(values, "outbox"), _part(values, "media")
    oldest = _whole(outbox.get("oldest_s"))
    rows = _count(outbox.get("rows"))
    waiting = say("told.outbox_of", n=rows, age=age_text(oldest)) if oldest is not None else rows
    lost = _whole(values.get("devices_lost"))
    return (
        (say("told.outbox"), waiting, False),
        (say("told.segments"), _count(media.get("segments_waiting")), False),
        (say("told.devices_lost"), _count(values.get("devices_lost")), bool(lost)),
    )


def _self(told: Told) -> tuple[tuple[Text, Text, bool], ...]:
    values, power = told.values, _part(told.values, "power")
    charge = _whole(power.get("charge_pct"))
    loop = _whole(values.get("loop_ms"))
    trust = values.get("clock")
    return (
        (say("told.charge"), say("unknown") if charge is None else f"{charge}%", False),
        (say("told.clock"), _word(trust, "told.clock"), trust == "none"),
        (say("told.loop"), say("unknown") if loop is None else say("told.ms", n=loop), False),
        (say("told.up"), age_text(told.mono_ms / MS_PER_S), False),
    )


def command_rows(sent: tuple[SentCommand, ...]) -> tuple[CommandRow, ...]:
    """The newest commands with how far each is: sent, accepted, acted, confirmed by sensor."""
    return tuple(_command(one) for one in sent)


def _command(one: SentCommand) -> CommandRow:
    verb = f"verb.{one.verb}"
    name: Text = say(verb) if catalogue().has(verb) else one.verb
    shape = SHAPES.get(one.state, Shape.OPEN)
    word = f"command.{one.state}"
    text: Text = say(word) if catalogue().has(word) else one.state
    code = one.reason.split(":", 1)[0]
    note: Text = say("told.why", reason=reason_text(code)) if one.reason else ""
    return CommandRow(one.queued_at, name, State(shape, text), note)


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _whole(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _count(value: object) -> Text:
    whole = _whole(value)
    return say("unknown") if whole is None else str(whole)


def _free(value: object) -> tuple[Text, bool]:
    """Free space in gigabytes, and whether it is little."""
    whole = _whole(value)
    if whole is None:
        return say("unknown"), False
    tenths = whole * TENTHS // BYTES_PER_GB
    return say("told.gb", n=f"{tenths // TENTHS}.{tenths % TENTHS}"), whole < FREE_LOW_BYTES


def _word(value: object, prefix: str) -> Text:
    if not isinstance(value, str) or not value:
        return say("unknown")
    key = f"{prefix}.{value}"
    return say(key) if catalogue().has(key) else value[:VALUE_CHARS_MAX]
