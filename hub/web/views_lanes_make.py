"""The lanes of a session: what was recorded of each stream, what is missing and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from hub.web.i18n import Text, catalogue, say
from hub.web.templating import hm, local
from hub.web.views_common import Shape, State, percent, room_names, room_text
from hub.web.views_session import AvView, Bar, CaseMark, GapNote, Lane

LANE_MARGIN: Final = 0.01
"""Room on both sides of the lanes, as a share of the span."""
MIN_GAP_PCT: Final = 0.9
"""Narrowest a gap is drawn, in per cent of the lane: it must be seen, never rounded away."""
TICK_STEPS_S: Final = (60, 300, 600, 1800, 3600, 7200, 14400, 28800)
TICKS_MAX: Final = 8
TICK_FROM_PCT: Final = 2
TICK_TO_PCT: Final = 97
"""Labels of the axis keep this far from its ends, so that none is cut."""
LABEL_PCT: Final = 3.0
"""Two numbers nearer than this would lie on each other."""
MINUTE_S: Final = 60
HOUR_S: Final = 3600


def span_text(seconds: float) -> Text:
    """`1 分 42 秒`."""
    whole = max(0, round(seconds))
    if whole < MINUTE_S:
        return say("span.sec", n=whole)
    if whole < HOUR_S:
        return say("span.min_sec", m=whole // MINUTE_S, s=whole % MINUTE_S)
    return say("span.hour_min", h=whole // HOUR_S, m=whole % HOUR_S // MINUTE_S)


def av(data: Mapping[str, Any], cases: Sequence[Mapping[str, Any]]) -> AvView | None:
    """Lanes over the session's time; None as long as nothing was recorded."""
    rank = {venue["org"]: i for i, venue in enumerate(data["venues"])}
    streams = sorted(data["av"]["streams"], key=lambda one: rank.get(one["org"], len(rank)))
    if not streams:
        return None
    rooms = room_names(data["venues"])
    begin, end = _span(data)
    whole = max(1.0, (end - begin).total_seconds())
    gaps = [(stream, gap) for stream in streams for gap in stream["gaps"]]
    lost = sum(gap["ms"] for _, gap in gaps) / 1000
    summary = (
        say("av.summary_gaps", n=len(streams), gaps=len(gaps), span=span_text(lost))
        if gaps
        else say("av.summary", n=len(streams))
    )
    marks = _marks(cases, begin, end)
    return AvView(
        summary=summary,
        hours=_ticks(begin, end),
        lanes=tuple(_lane(s, rooms, begin, whole) for s in streams),
        marks=marks,
        labels=_labels(marks),
        notes=tuple(_note(stream, rooms, gap) for stream, gap in gaps[:8]),
    )


def _marks(
    cases: Sequence[Mapping[str, Any]], begin: datetime, end: datetime
) -> tuple[CaseMark, ...]:
    """The moments cases began, in order; numbered where there are several."""
    found = sorted(
        (datetime.fromisoformat(one["started_at"]), str(one["kind"]))
        for one in cases
        if one.get("started_at")
    )
    shown = [(at, kind) for at, kind in found if begin <= at <= end]
    whole = max(1.0, (end - begin).total_seconds())
    return tuple(
        CaseMark(
            x=percent((at - begin).total_seconds(), whole),
            no=str(n) if len(shown) > 1 else "",
            text=say("av.mark", what=say(f"term.fault.{kind}"), at=f"{local(at):%H:%M:%S}"),
        )
        for n, (at, kind) in enumerate(shown, 1)
    )


def _labels(marks: Sequence[CaseMark]) -> tuple[tuple[str, str], ...]:
    """Where the numbers stand above the lanes; marks too close together share one place."""
    made: list[tuple[str, str]] = []
    for mark in marks:
        if made and float(mark.x.rstrip("%")) - float(made[-1][0].rstrip("%")) < LABEL_PCT:
            x, before = made.pop()
            made.append((x, f"{before}, {mark.no}"))
        elif mark.no:
            made.append((mark.x, mark.no))
    return tuple(made)


def _span(data: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """From the first recorded moment to the last, or to now while something records."""
    pieces = [one for s in data["av"]["streams"] for one in (*s["lanes"], *s["gaps"])]
    # A session's planned end may lie ahead: the axis never shows what has not happened yet.
    end = min(datetime.fromisoformat(data["av"]["to_at"]), datetime.fromisoformat(data["now"]))
    if not pieces:
        return datetime.fromisoformat(data["av"]["from_at"]), end
    begin = min(datetime.fromisoformat(one["from_at"]) for one in pieces)
    if not any(s["state"] == "on" for s in data["av"]["streams"]):
        end = max(datetime.fromisoformat(one["to_at"]) for one in pieces)
    margin = (end - begin) * LANE_MARGIN
    return begin - margin, end + margin


def _ticks(begin: datetime, end: datetime) -> tuple[tuple[str, str], ...]:
    """About seven labels: hours, or minutes where the span is short."""
    whole = (end - begin).total_seconds()
    step = next(
        (s for s in (60, 300, 600, 1800, 3600, 7200, 14400) if whole / s <= TICKS_MAX), 28800
    )
    first = datetime.fromtimestamp((begin.timestamp() // step + 1) * step, tz=begin.tzinfo)
    ticks = []
    while first < end:
        share = percent((first - begin).total_seconds(), whole)
        if TICK_FROM_PCT < float(share.rstrip("%")) < TICK_TO_PCT:
            ticks.append((share, hm(first)))
        first += timedelta(seconds=step)
    return tuple(ticks)


def _stream_name(stream: Mapping[str, Any], rooms: Mapping[str, Text]) -> Text:
    room = rooms.get(stream["org"]) or room_text(stream["room"])
    return say("av.stream", room=room, stream=stream_text(stream["stream"]))


def _lane(
    stream: Mapping[str, Any], rooms: Mapping[str, Text], begin: datetime, whole: float
) -> Lane:
    def piece(one: Mapping[str, Any], least: float) -> Bar:
        at = (datetime.fromisoformat(one["from_at"]) - begin).total_seconds()
        to = (datetime.fromisoformat(one["to_at"]) - begin).total_seconds()
        at, to = max(0.0, at), min(whole, to)
        width = max(least, 100.0 * max(0.0, to - at) / whole)
        return Bar(percent(at, whole), f"{min(100.0, width):.2f}%")

    states = {
        "on": State(Shape.OK, say("av.on")),
        "off": State(Shape.NONE, say("av.off")),
        "fault": State(Shape.UNKNOWN, say("av.fault")),
    }
    return Lane(
        name=_stream_name(stream, rooms),
        recorded=tuple(piece(one, 0.0) for one in stream["lanes"]),
        gaps=tuple(piece(one, MIN_GAP_PCT) for one in stream["gaps"]),
        state=states.get(stream["state"], State(Shape.UNKNOWN, say("unknown"))),
    )


def stream_text(stream: str) -> Text:
    """`全景`, `机位 3`: a stream's name in words, else as it stands."""
    if catalogue().has(f"stream.{stream}"):
        return say(f"stream.{stream}")
    # A stream's name begins with its room where several rooms share a recorder.
    _, _, rest = stream.partition("-")
    if catalogue().has(f"stream.{rest}"):
        return say(f"stream.{rest}")
    word, _, number = stream.rpartition("-")
    if number.isdigit() and catalogue().has(f"stream.{word}.n"):
        return say(f"stream.{word}.n", n=number)
    return stream


def _note(stream: Mapping[str, Any], rooms: Mapping[str, Text], gap: Mapping[str, Any]) -> GapNote:
    cause = gap["cause"] or ""
    key = f"av.cause.{cause}"
    words: Text = say(key) if catalogue().has(key) else cause or say("av.cause.unknown")
    return GapNote(
        datetime.fromisoformat(gap["from_at"]),
        datetime.fromisoformat(gap["to_at"]),
        say(
            "av.gap_note",
            stream=_stream_name(stream, rooms),
            span=span_text(gap["ms"] / 1000),
            cause=words,
        ),
    )
