"""Bytes that could not be recorded: kept apart, bounded, never in anybody's way (WIRE §5)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, func, select

from hub.store.tables_core import quarantine
from protocols.messages.recording import judge_quarantine

REASON_CHARS_MAX = 500
ROW_BYTES = 1_024
"""What a row takes beside its bytes, its indexes and reason included: the smallest rubbish is the
dearest, and a bound on its bytes alone would be none."""


class Refused:
    """Where refused bytes go; one per hub, as it remembers how much it has kept.

    Looking that up with each message would take longer with each one kept: a room that floods would
    have the hub count instead of record. A transaction that is undone leaves too large a number
    behind, until the next start: never too small a one.
    """

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        self._beyond: dict[str, int] = {}

    def put(
        self, conn: Connection, *, ctl: str, leaf: str, raw: bytes, reason: str, now: datetime
    ) -> bool:
        """Keeps refused bytes; the same bytes again are only counted.

        Up to 64 MiB per controller are kept whole; beyond that one row per hour holds the count,
        the size and a digest over all that came.

        Returns:
            Whether this is the first of its hour, which is when somebody should be told.
        """
        digest = hashlib.sha256(raw).hexdigest()
        hour = now.replace(minute=0, second=0, microsecond=0)
        known = conn.execute(
            select(quarantine.c.id).where(quarantine.c.ctl == ctl, quarantine.c.sha256 == digest)
        ).first()
        if known is not None:
            _count(conn, known.id, now)
            return False
        first = _first_of_hour(conn, ctl, hour)
        used, size = self._used_by(conn, ctl), len(raw) + ROW_BYTES
        row = _Row(ctl, leaf, reason, digest, len(raw), hour, now)
        if not judge_quarantine(used_bytes=used, size=size):
            self._count_hour(conn, row)
            return first
        _insert(conn, row, raw)
        self._used[ctl] = used + size
        return first

    def _used_by(self, conn: Connection, ctl: str) -> int:
        if ctl not in self._used:
            sums = select(func.coalesce(func.sum(quarantine.c.bytes + ROW_BYTES), 0))
            kept = sums.where(quarantine.c.ctl == ctl, quarantine.c.raw.is_not(None))
            self._used[ctl] = int(conn.execute(kept).scalar_one())
        return self._used[ctl]

    def _count_hour(self, conn: Connection, row: _Row) -> None:
        columns = select(quarantine.c.id, quarantine.c.sha256).where(
            quarantine.c.ctl == row.ctl,
            quarantine.c.hour == row.hour,
            quarantine.c.raw.is_(None),
        )
        found = None
        if row.ctl in self._beyond:
            found = conn.execute(columns.where(quarantine.c.id == self._beyond[row.ctl])).first()
        found = found or conn.execute(columns).first()
        if found is None:
            reason = "beyond the bytes kept for one controller: digest and count only"
            _insert(conn, replace(row, reason=reason), None)
            return
        self._beyond[row.ctl] = found.id
        chained = hashlib.sha256((str(found.sha256) + row.digest).encode("ascii")).hexdigest()
        conn.execute(
            quarantine.update()
            .where(quarantine.c.id == found.id)
            .values(
                times=quarantine.c.times + 1,
                bytes=quarantine.c.bytes + row.size,
                sha256=chained,
                seen_at=row.now,
            )
        )


@dataclass(frozen=True, slots=True)
class _Row:
    ctl: str
    leaf: str
    reason: str
    digest: str
    size: int
    hour: datetime
    now: datetime


def _first_of_hour(conn: Connection, ctl: str, hour: datetime) -> bool:
    """By the newest row: rows are never made of an earlier hour, but by a clock set back."""
    newest = select(quarantine.c.hour).where(quarantine.c.ctl == ctl)
    found = conn.execute(newest.order_by(quarantine.c.id.desc()).limit(1)).first()
    return found is None or found.hour != hour


def _count(conn: Connection, row_id: int, now: datetime) -> None:
    conn.execute(
        quarantine.update()
        .where(quarantine.c.id == row_id)
        .values(times=quarantine.c.times + 1, seen_at=now)
    )


def _insert(conn: Connection, row: _Row, raw: bytes | None) -> None:
    conn.execute(
        quarantine.insert().values(
            ctl=row.ctl,
            leaf=row.leaf,
            reason=row.reason[:REASON_CHARS_MAX],
            sha256=row.digest,
            bytes=row.size,
            times=1,
            raw=raw,
            hour=row.hour,
            seen_at=row.now,
        )
    )
