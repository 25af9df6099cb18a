"""Audio and video as lanes: what was recorded of each stream, and every gap with its cause.

A projection over `media.*` rows: segments that follow each other join into one lane, so that a day
of ten-second files is a few rows on a screen. Seconds in events may be fractions as text or
integers; here everything is milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from hub.projection import StoredEvent
from hub.store.tables_business import av_gap, av_lane

TYPES: Final = ("media.segment", "media.gap", "media.lost", "media.damaged")
JOIN_MS: Final = 1500
"""Two files of one stream follow each other within a second; more is shown as a gap."""
LANES_MAX: Final = 2000
MS_PER_S: Final = 1000


def on_event(conn: Connection, stored: StoredEvent) -> None:
    """Projection handler; the same row twice changes nothing."""
    data = stored.event.data
    if stored.event.type == "media.segment":
        _extend(conn, stored.ctl, data)
        return
    _gap(conn, stored, data)


def lanes(
    conn: Connection, ctls: tuple[str, ...], *, begins: datetime, ends: datetime
) -> list[dict[str, Any]]:
    """Streams of these rooms with their recorded stretches and gaps in [begins, ends]."""
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def lane(ctl: str, stream: str) -> dict[str, Any]:
        empty = {"ctl": ctl, "stream": stream, "lanes": [], "gaps": [], "segments": 0, "bytes": 0}
        return found.setdefault((ctl, stream), empty)

    rows = conn.execute(
        select(av_lane)
        .where(av_lane.c.ctl.in_(ctls), av_lane.c.to_at >= begins, av_lane.c.from_at <= ends)
        .order_by(av_lane.c.ctl, av_lane.c.stream, av_lane.c.from_at)
        .limit(LANES_MAX)
    )
    for row in rows:
        one = lane(row.ctl, row.stream)
        one["lanes"].append({"from_at": row.from_at, "to_at": row.to_at})
        one["segments"] += row.segments
        one["bytes"] += row.bytes
    rows = conn.execute(
        select(av_gap)
        .where(av_gap.c.ctl.in_(ctls), av_gap.c.to_at >= begins, av_gap.c.from_at <= ends)
        .order_by(av_gap.c.from_at)
        .limit(LANES_MAX)
    )
    for row in rows:
        lane(row.ctl, row.stream)["gaps"].append(
            {
                "kind": row.kind,
                "from_at": row.from_at,
                "to_at": row.to_at,
                "ms": row.ms,
                "cause": row.cause,
            }
        )
    for one in found.values():
        one["gap_ms"] = sum(gap["ms"] for gap in one["gaps"])
    return [found[key] for key in sorted(found)]


def _extend(conn: Connection, ctl: str, data: Mapping[str, Any]) -> None:
    stream = str(data["stream"])
    first, last = _instant(data["first_at"]), _instant(data["last_at"])
    newest = conn.execute(
        select(av_lane)
        .where(av_lane.c.ctl == ctl, av_lane.c.stream == stream)
        .order_by(av_lane.c.to_at.desc())
        .limit(1)
    ).first()
    if newest is not None and last <= newest.to_at:
        return
    size = int(data.get("bytes", 0))
    if newest is not None and first - newest.to_at <= timedelta(milliseconds=JOIN_MS):
        conn.execute(
            update(av_lane)
            .where(av_lane.c.id == newest.id)
            .values(to_at=last, segments=newest.segments + 1, bytes=newest.bytes + size)
        )
        return
    conn.execute(
        insert(av_lane).values(
            ctl=ctl, stream=stream, from_at=first, to_at=last, segments=1, bytes=size
        )
    )


def _gap(conn: Connection, stored: StoredEvent, data: Mapping[str, Any]) -> None:
    key = {"ctl": stored.ctl, "epoch": stored.epoch, "seq": stored.seq}
    if conn.execute(select(av_gap.c.seq).filter_by(**key)).first() is not None:
        return
    begins, ends, ms = _range(stored, data)
    conn.execute(
        insert(av_gap).values(
            **key,
            stream=str(data["stream"]),
            kind=stored.event.type.removeprefix("media."),
            from_at=begins,
            to_at=ends,
            ms=ms,
            cause=str(data.get("cause") or data.get("reason") or ""),
        )
    )


def _range(stored: StoredEvent, data: Mapping[str, Any]) -> tuple[datetime, datetime, int]:
    told = data.get("seconds")
    ms = round(float(told) * MS_PER_S) if told is not None else None
    ends_text = data.get("to_at") or data.get("last_at") or stored.event.at
    ends = _instant(ends_text)
    begins_text = data.get("from_at") or data.get("first_at")
    begins = _instant(begins_text) if begins_text else ends - timedelta(milliseconds=ms or 0)
    if ms is None:
        ms = max(0, round((ends - begins).total_seconds() * MS_PER_S))
    return begins, ends, ms


def _instant(value: Any) -> datetime:
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError(f"media time: expected an instant with zone, got {str(value)[:40]}")
    return moment
