"""Receipts: what the home venue says of a package, signed; and how the duty to hand over stands."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from hub.archive import checking
from hub.booking_link import SessionLink
from hub.clock import iso_ms
from hub.ports import Actor, Parts, by
from hub.store.tables_business import package, package_receipt, session_plan
from protocols.evidence.verifier import Report
from protocols.messages.signed import Signer, seal_message
from protocols.policy.booking import SHANGHAI
from protocols.policy.handover import Completeness, HandoverDays, handover_due, handover_state
from protocols.terms import Verdict


def sign(
    parts: Parts,
    row: Mapping[str, Any],
    link: SessionLink,
    actor: Actor,
    *,
    signer: Signer,
    found: Completeness,
    report: Report,
) -> bytes:
    """The receipt's bytes, signed by the home venue's key."""
    gaps = [
        {**gap, "names": gap["names"][: checking.NAMES_MAX]} for gap in checking.gaps_json(found)
    ]
    header = {
        "package": row["id"],
        "session": link.session,
        "org": row["org"],
        "home_org": link.home_org,
        "verdict": str(found.verdict.value),
        "verify": report.code,
        "tag_sha256": row["tag_sha256"] or "",
        "files": row["files"] or 0,
        "bytes": row["bytes"] or 0,
        "gaps": gaps,
        "declared": checking.declared_gaps(report),
        "outside": list(found.outside),
        "by": actor.post,
        "at": iso_ms(parts.clock.wall()),
    }
    return seal_message(ctx="er1/receipt", header=header, lines=(), signers=[signer])


def keep(
    parts: Parts,
    conn: Connection,
    row: Mapping[str, Any],
    actor: Actor,
    *,
    found: Completeness,
    raw: bytes,
    code: int,
) -> None:
    """Keeps a receipt, both facts it makes, and tells the venue's room."""
    now, gaps = parts.clock.wall(), checking.gaps_json(found)
    verdict = str(found.verdict.value)
    conn.execute(
        insert(package_receipt).values(
            package=row["id"], verdict=verdict, gaps=gaps, raw=raw, by=by(actor), at=now
        )
    )
    session = str(row["session"])
    checked = {"package": row["id"], "code": code, "by": by(actor)}
    parts.facts.append(conn, type="package.verified", session=session, data=checked)
    data = {
        "package": row["id"],
        "verdict": verdict,
        "gaps": [{k: gap[k] for k in ("item", "kind", "count")} for gap in gaps],
        "by": by(actor),
        "raw": base64.b64encode(raw).decode("ascii"),
    }
    parts.facts.append(conn, type="receipt.issued", session=session, data=data)
    told = select(session_plan.c.ctl).where(
        session_plan.c.session == session, session_plan.c.org == row["org"]
    )
    for ctl in conn.execute(told).scalars().all():
        # The room may let go of what it kept for this hand-over, by its own rules.
        parts.fleet.publish_plan(conn, ctl)


def standing(
    parts: Parts,
    conn: Connection,
    link: SessionLink,
    org: str,
    due: Mapping[str, Any] | None,
    today: date,
) -> dict[str, Any]:
    """How the duty to hand over stands for one guest."""
    rows = conn.execute(
        select(package)
        .where(package.c.session == link.session, package.c.org == org)
        .order_by(package.c.started_at.desc())
    ).mappings()
    newest = next((dict(row) for row in rows if row["state"] != "failed"), None)
    receipts = listed(conn, newest["id"]) if newest is not None else []
    full = [one for one in receipts if one["verdict"] == Verdict.FULL.value]
    days = HandoverDays(
        sent_on=_day(newest["built_at"]) if newest is not None else None,
        received_on=_day(newest["verified_at"]) if newest is not None else None,
        receipt_on=_day(datetime.fromisoformat(full[-1]["at"])) if full else None,
    )
    state = None
    if due is not None:
        ended = date.fromisoformat(due["ended_on"])
        until = handover_due(ended, parts.pack, parts.calendar)
        state = str(handover_state(until, today, days, parts.pack).value)
    return {
        "org": org,
        "package": newest["id"] if newest is not None else None,
        "state": state,
        "receipt": receipts[-1]["verdict"] if receipts else None,
    }


def listed(conn: Connection, ident: str) -> list[dict[str, Any]]:
    """Receipts of a package, oldest first."""
    rows = conn.execute(
        select(package_receipt)
        .where(package_receipt.c.package == ident)
        .order_by(package_receipt.c.id)
    )
    return [
        {
            "verdict": row.verdict,
            "gaps": row.gaps,
            "by": row.by,
            "at": iso_ms(row.at),
            "raw": base64.b64encode(bytes(row.raw)).decode("ascii"),
        }
        for row in rows
    ]


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(SHANGHAI).date()
