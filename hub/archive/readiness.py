"""Whether a venue's package can be built: ended, all media here, every expert appraised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.archive.selection import counted, lacking
from hub.booking_link import SessionLink
from hub.ports import refuse
from hub.problems import Problem
from hub.session_record import fold
from hub.store.tables_business import appraisal
from hub.store.tables_core import blob_refs, blobs

SCORED_KIND: Final = "expert"
"""The tenderer's representative has no appraisal (RULES §3.5)."""
ENDS: Final = frozenset({"ended", "postponed", "terminated", "closed"})


def refuse_early(conn: Connection, link: SessionLink, org: str, *, last_day: bool) -> None:
    """Refuses a package before the end, before the last upload, or without appraisals.

    Args:
        conn: a connection.
        link: the session.
        org: the venue that hands over.
        last_day: the hand-over is due; what a dead room never sent is waited for no longer. The
            package is then incomplete, says so to everyone, and gets a partial receipt.

    Raises:
        Problem: 409, 422.
    """
    if link.venue(org) is None:
        raise invalid("package.org", " or ".join(link.orgs), org)
    record = fold(conn, link.session)
    if not record.ended_at:
        raise refuse(
            409,
            "session_not_ended",
            zh="场次尚未结束",
            en="The session has not ended",
            where=f"session {link.session}",
            expected="an end, postpone or terminate order in force",
            got=link.state,
            do="结束后再打包",
        )
    if not last_day:
        _refuse_unheard(conn, link, org, phases=record.phase_log)
        _refuse_unsent(conn, link, org)
    scored = set(
        conn.execute(
            select(appraisal.c.member).where(appraisal.c.session == link.session)
        ).scalars()
    )
    mine = [
        no
        for no, row in link.members(conn).items()
        if row["org"] == org and row["kind"] == SCORED_KIND
    ]
    missing = [f"{no}" for no in mine if no not in scored]
    if missing:
        raise refuse(
            422,
            "appraisal_missing",
            zh="专家考核记录不全",
            en="Appraisals are missing",
            where=f"session {link.session}, venue {org}",
            expected="an entry for every expert of the venue",
            got="missing: " + ", ".join(missing),
            do="先录入考核",
        )


def _refuse_unheard(
    conn: Connection, link: SessionLink, org: str, *, phases: Sequence[Mapping[str, Any]]
) -> None:
    """The venue's own room has closed the session, and every row it counted is here."""
    venue = link.venue(org)
    ctl = venue.ctl if venue is not None else ""
    heard = {one["to"] for one in phases if one["ctl"] == ctl}
    behind = lacking(conn, link.session, ctl or "")
    if not heard & ENDS or not counted(conn, link.session, ctl or "") or behind:
        raise refuse(
            409,
            "room_not_heard",
            zh="本场地评标室的记录尚未到齐",
            en="The venue's own room has not sent its record to the end",
            where=f"session {link.session}, venue {org}",
            expected="the room's closed session and its count of rows (session.sealed)",
            got=", ".join(sorted(heard) + [f"{behind} rows missing"] * bool(behind)) or "nothing",
            do="关闭场次；评标室恢复连接并补传后再打包；到移交期限日仍未到齐的，可按现有记录打包",
        )


def _refuse_unsent(conn: Connection, link: SessionLink, org: str) -> None:
    """Every recorded segment has arrived."""
    waiting = media_waiting(conn, link, org)
    if waiting:
        raise refuse(
            409,
            "media_waiting",
            zh="还有音视频片段未上传",
            en="Recorded segments have not arrived yet",
            where=f"session {link.session}, venue {org}",
            expected="every recorded segment at the hub",
            got=f"{waiting} missing",
            do="等待上传完成；到移交期限日仍未到齐的，可按现有记录打包",
        )


def media_waiting(conn: Connection, link: SessionLink, org: str) -> int:
    """How many recorded segments of the venue have not arrived yet."""
    venue = link.venue(org)
    ctl = venue.ctl if venue is not None else None
    query = (
        select(blob_refs.c.sha256)
        .join(blobs, blobs.c.sha256 == blob_refs.c.sha256)
        .where(blob_refs.c.ctl == ctl, blobs.c.state != "stored")
        .distinct()
    )
    return len(conn.execute(query).all())


def invalid(where: str, expected: str, got: str) -> Problem:
    """422: one field of an act of the archive."""
    return refuse(
        422,
        "archive_act_invalid",
        zh="填写内容不符合要求",
        en="The act is not complete",
        where=where,
        expected=expected,
        got=got,
        do="按所列字段更正",
    )
