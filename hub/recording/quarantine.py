"""Bytes that could not be recorded: kept apart, bounded, never in anybody's way (WIRE §5)."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Connection, func, select

from hub.store.tables_core import quarantine
from protocols.messages.recording import judge_quarantine

REASON_CHARS_MAX = 500


def put(conn: Connection, *, ctl: str, leaf: str, raw: bytes, reason: str, now: datetime) -> bool:
    """Keeps refused bytes; the same bytes again are only counted.

    Up to 64 MiB per controller are kept whole; beyond that one row per hour holds the count, the
    size and a digest over all that came.

    Returns:
        Whether this is the first of its hour, which is when somebody should be told.
    """
    digest = hashlib.sha256(raw).hexdigest()
    hour = now.replace(minute=0, second=0, microsecond=0)
    first = _first_of_hour(conn, ctl, hour)
    known = conn.execute(
        select(quarantine.c.id).where(quarantine.c.ctl == ctl, quarantine.c.sha256 == digest)
    ).first()
    if known is not None:
        _count(conn, known.id, now)
        return False
    used = conn.execute(
        select(func.coalesce(func.sum(quarantine.c.bytes), 0)).where(
            quarantine.c.ctl == ctl, quarantine.c.raw.is_not(None)
        )
    ).scalar_one()
    if not judge_quarantine(used_bytes=int(used), size=len(raw)):
        _count_hour(conn, ctl=ctl, leaf=leaf, digest=digest, size=len(raw), hour=hour, now=now)
        return first
    _insert(
        conn,
        ctl=ctl,
        leaf=leaf,
        reason=reason,
        digest=digest,
        size=len(raw),
        raw=raw,
        hour=hour,
        now=now,
    )
    return first


def _first_of_hour(conn: Connection, ctl: str, hour: datetime) -> bool:
    found = conn.execute(
        select(quarantine.c.id).where(quarantine.c.ctl == ctl, quarantine.c.hour == hour).limit(1)
    )
    return found.first() is None


def _count(conn: Connection, row_id: int, now: datetime) -> None:
    conn.execute(
        quarantine.update()
        .where(quarantine.c.id == row_id)
        .values(times=quarantine.c.times + 1, seen_at=now)
    )


def _count_hour(
    conn: Connection,
    *,
    ctl: str,
    leaf: str,
    digest: str,
    size: int,
    hour: datetime,
    now: datetime,
) -> None:
    row = conn.execute(
        select(quarantine.c.id, quarantine.c.sha256).where(
            quarantine.c.ctl == ctl, quarantine.c.hour == hour, quarantine.c.raw.is_(None)
        )
    ).first()
    if row is None:
        reason = "beyond the bytes kept for one controller: digest and count only"
        _insert(
            conn,
            ctl=ctl,
            leaf=leaf,
            reason=reason,
            digest=digest,
            size=size,
            raw=None,
            hour=hour,
            now=now,
        )
        return
    chained = hashlib.sha256((str(row.sha256) + digest).encode("ascii")).hexdigest()
    conn.execute(
        quarantine.update()
        .where(quarantine.c.id == row.id)
        .values(
            times=quarantine.c.times + 1,
            bytes=quarantine.c.bytes + size,
            sha256=chained,
            seen_at=now,
        )
    )


def _insert(
    conn: Connection,
    *,
    ctl: str,
    leaf: str,
    reason: str,
    digest: str,
    size: int,
    raw: bytes | None,
    hour: datetime,
    now: datetime,
) -> None:
    conn.execute(
        quarantine.insert().values(
            ctl=ctl,
            leaf=leaf,
            reason=reason[:REASON_CHARS_MAX],
            sha256=digest,
            bytes=size,
            times=1,
            raw=raw,
            hour=hour,
            seen_at=now,
        )
    )
