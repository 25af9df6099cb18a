"""The archive: appraisals, packages, receipts, deadlines, and who looked at what."""

from __future__ import annotations

import base64
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from hub.archive import building, checking, records
from hub.booking_link import SessionLink, link_of
from hub.clock import iso_ms
from hub.ports import Actor, Parts, allow, by, refuse
from hub.problems import Problem
from hub.session_record import fold
from hub.store.tables_business import access_record, appraisal, package, package_receipt
from hub.store.tables_core import blob_refs, blobs
from protocols.messages.signed import Signer, seal_message
from protocols.policy.booking import SHANGHAI
from protocols.policy.handover import HandoverDays, handover_due, handover_state
from protocols.terms import Verdict

APPRAISING: Final = (
    "guest_coordinator",
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "witness",
)
BUILDING: Final = ("home_manager", "deputy")
READING: Final = (*APPRAISING, "fault_handler", "supervisor", "administrator")
REMARK_CHARS_MAX: Final = 1000
ITEMS_MAX: Final = 16
LIST_ROWS_MAX: Final = 500
SCORED_KIND: Final = "expert"
"""The tenderer's representative has no appraisal (RULES §3.5)."""

log = logging.getLogger(__name__)


class Archive:
    """Packages of the platform, kept in `DATA/packages`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._building = threading.Lock()

    # Appraisal

    def enter_appraisal(
        self,
        actor: Actor,
        session: str,
        member: int,
        items: Sequence[str],
        points: int | None = None,
        remark: str = "",
    ) -> dict[str, Any]:
        """Staff of a member's venue enter what the pack lists; the newest entry counts.

        Args:
            actor: staff of that venue.
            session: session id.
            member: number of an expert.
            items: keys of the pack's appraisal items; none is nothing to deduct.
            points: None takes the sum the pack gives; another number needs a remark.
            remark: in words.

        Raises:
            Problem: 403, 404, 422.
        """
        allow(actor, APPRAISING)
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            row = link.members(conn).get(member)
        total = self._points(items, points, remark)
        if row is None or row["org"] != actor.org or row["kind"] != SCORED_KIND:
            raise _invalid(
                "appraisal.member", f"an expert who sits at {actor.org}", f"member {member}"
            )
        now = self._parts.clock.wall()
        values = {
            "session": session,
            "member": member,
            "org": actor.org,
            "items": list(items),
            "points": total,
            "remark": remark,
            "by": actor.person,
            "post": actor.post,
            "at": now,
        }
        with self._parts.store.write() as conn:
            conn.execute(insert(appraisal).values(**values))
            data = {
                "member": member,
                "items": list(items),
                "points": total,
                "by": by(actor),
                "remark": remark,
            }
            self._parts.facts.append(conn, type="appraisal.entered", session=session, data=data)
        return {**{key: values[key] for key in ("member", "items", "points")}, "at": iso_ms(now)}

    # Packages

    def build_package(
        self, actor: Actor, session: str, password: str, out_dir: Path | None = None
    ) -> dict[str, Any]:
        """Builds, signs and offers the package of the actor's venue.

        Args:
            actor: manager or deputy of a venue of the session.
            session: session id.
            password: opens the venue's key.
            out_dir: another folder than `DATA/packages`.

        Raises:
            Problem: 403, 404, 409 not ended or still uploading, 422 appraisals missing.
        """
        allow(actor, BUILDING)
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            self._refuse_early(conn, link, actor.org)
        signer = self._parts.keys.venue_signer(actor.org, password, actor.person)
        with self._building:
            ident = self._begin(actor, link)
            target = (out_dir or self._parts.data / "packages") / ident
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                made = self._build(link, actor.org, signer=signer, ident=ident, target=target)
            except Exception as error:
                self._failed(ident, error)
                raise
        self._built(actor, link, ident, made, target)
        return self.get(actor, ident)

    def offer(self, actor: Actor, ident: str) -> dict[str, Any]:
        """Tells the home venue that the package is ready; a second time changes nothing."""
        allow(actor, BUILDING)
        with self._parts.store.write() as conn:
            row = self._row(conn, ident)
            _own(actor, row)
            if row["state"] == "built":
                self._offer(conn, actor, row)
        return self.get(actor, ident)

    def verify_and_receipt(self, actor: Actor, ident: str, password: str) -> dict[str, Any]:
        """The home venue checks a package and signs a receipt: full, partial or refused.

        Raises:
            Problem: 403 not the home venue, 404, 409 not built yet.
        """
        allow(actor, BUILDING)
        with self._parts.store.read() as conn:
            row = self._row(conn, ident)
            link = self._link(conn, str(row["session"]))
        allow(actor, BUILDING, org=link.home_org)
        if row["state"] not in {"built", "offered", "verified"}:
            raise _state(ident, str(row["state"]))
        signer = self._parts.keys.venue_signer(actor.org, password, actor.person)
        trust = self._parts.keys.trust().encode()
        report = checking.check(Path(str(row["path"])), trust)
        found = checking.judged(report, self._parts.pack)
        receipt = self._sign_receipt(row, link, actor, signer=signer, found=found, report=report)
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            conn.execute(
                update(package)
                .where(package.c.id == ident)
                .values(
                    state="verified",
                    verify_code=report.code,
                    verify_report=checking.report_json(report),
                    verified_at=now,
                )
            )
            self._keep_receipt(conn, row, actor, found=found, raw=receipt, code=report.code)
        return self.get(actor, ident)

    def get(self, actor: Actor, ident: str) -> dict[str, Any]:
        """One package with its receipt; reading it is a record."""
        allow(actor, READING)
        with self._parts.store.read() as conn:
            row = self._row(conn, ident)
            link = self._link(conn, str(row["session"]))
            receipts = self._receipts(conn, ident)
        _may_read(actor, link)
        self.looked(actor, "package.read", ident)
        return _package_json(row, receipts)

    def deadline(self, session: str) -> dict[str, Any]:
        """By when the hand-over is due, and how it stands for every guest."""
        today = self._parts.clock.wall().astimezone(SHANGHAI).date()
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            record = fold(conn, session)
            due = records.deadline_json(record, self._parts.pack, self._parts.calendar, SHANGHAI)
            guests = [
                self._standing(conn, link, venue.org, due, today)
                for venue in link.venues
                if venue.role == "guest"
            ]
        return {"session": session, "due": due, "today": today.isoformat(), "venues": guests}

    def looked(self, actor: Actor, act: str, what: str) -> None:
        """Notes who looked at what; reads are records."""
        with self._parts.store.write() as conn:
            conn.execute(
                insert(access_record).values(
                    at=self._parts.clock.wall(),
                    person=actor.person,
                    post=actor.post,
                    act=act,
                    object=what[:80],
                )
            )

    def who_looked(self, actor: Actor, what: str) -> list[dict[str, Any]]:
        """Who looked at a package, newest first."""
        allow(actor, READING)
        with self._parts.store.read() as conn:
            rows = conn.execute(
                select(access_record)
                .where(access_record.c.object == what)
                .order_by(access_record.c.id.desc())
                .limit(LIST_ROWS_MAX)
            )
            return [{"at": iso_ms(r.at), "post": r.post, "act": r.act} for r in rows]

    def _points(self, items: Sequence[str], points: int | None, remark: str) -> int:
        known = self._parts.pack.appraisal
        strange = [one for one in items if one not in known]
        if strange or len(items) > ITEMS_MAX or len(set(items)) != len(items):
            raise _invalid("appraisal.items", " or ".join(known), ", ".join(items)[:80])
        total = sum(known[one].points for one in items)
        if len(remark) > REMARK_CHARS_MAX:
            raise _invalid("appraisal.remark", f"at most {REMARK_CHARS_MAX} characters", "more")
        if points is None or points == total:
            return total
        if not remark.strip() or points > 0:
            raise _invalid("appraisal.points", f"{total}, or another with a remark", str(points))
        return points

    def _refuse_early(self, conn: Connection, link: SessionLink, org: str) -> None:
        if link.venue(org) is None:
            raise _invalid("package.org", " or ".join(link.orgs), org)
        if not fold(conn, link.session).ended_at:
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
        waiting = self._media_waiting(conn, link, org)
        if waiting:
            raise refuse(
                409,
                "media_waiting",
                zh="还有音视频片段未上传",
                en="Recorded segments have not arrived yet",
                where=f"session {link.session}, venue {org}",
                expected="every recorded segment at the hub",
                got=f"{waiting} missing",
                do="等待上传完成",
            )
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

    def _media_waiting(self, conn: Connection, link: SessionLink, org: str) -> int:
        venue = link.venue(org)
        ctl = venue.ctl if venue is not None else None
        query = (
            select(blob_refs.c.sha256)
            .join(blobs, blobs.c.sha256 == blob_refs.c.sha256)
            .where(blob_refs.c.ctl == ctl, blobs.c.state != "stored")
            .distinct()
        )
        return len(conn.execute(query).all())

    def _begin(self, actor: Actor, link: SessionLink) -> str:
        ident = f"pk-{secrets.token_hex(6)}"
        venue = link.venue(actor.org)
        with self._parts.store.write() as conn:
            conn.execute(
                insert(package).values(
                    id=ident,
                    session=link.session,
                    booking=link.number,
                    org=actor.org,
                    role=venue.role if venue else "",
                    state="building",
                    path="",
                    stage=building.STAGES[0],
                    done=0,
                    total=len(building.STAGES),
                    notes=[],
                    built_by=actor.post,
                    started_at=self._parts.clock.wall(),
                )
            )
        return ident

    def _build(
        self, link: SessionLink, org: str, *, signer: Signer, ident: str, target: Path
    ) -> building.Built:
        known = self._parts.keys.public_key("venue", org)
        if known is None:
            raise _invalid("package.org", "a venue with a key", org)

        def progress(stage: str, done: int, total: int) -> None:
            with self._parts.store.write() as conn:
                values = {"stage": stage, "done": done, "total": total}
                conn.execute(update(package).where(package.c.id == ident).values(**values))
            self._parts.bus.publish(f"package:{ident}", ident)

        return building.build(
            self._parts,
            link,
            org=org,
            signer=signer,
            public=bytes.fromhex(known[1]),
            package=ident,
            target=target,
            progress=progress,
        )

    def _failed(self, ident: str, error: Exception) -> None:
        log.warning("package %s failed: %s", ident, error)
        what = error.document() if isinstance(error, Problem) else {"what": type(error).__name__}
        with self._parts.store.write() as conn:
            conn.execute(
                update(package).where(package.c.id == ident).values(state="failed", error=what)
            )

    def _built(
        self, actor: Actor, link: SessionLink, ident: str, made: building.Built, target: Path
    ) -> None:
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            conn.execute(
                update(package)
                .where(package.c.id == ident)
                .values(
                    state="built",
                    path=str(target),
                    stage="built",
                    done=len(building.STAGES),
                    tag_sha256=made.tag_sha256,
                    files=made.files,
                    bytes=made.bytes,
                    notes=made.notes,
                    built_at=now,
                )
            )
            data = {
                "package": ident,
                "org": actor.org,
                "tag_sha256": made.tag_sha256,
                "files": made.files,
                "bytes": made.bytes,
                "notes": made.notes[: checking.NAMES_MAX],
                "by": by(actor),
            }
            self._parts.facts.append(conn, type="package.built", session=link.session, data=data)
            self._offer(conn, actor, self._row(conn, ident))

    def _offer(self, conn: Connection, actor: Actor, row: Mapping[str, Any]) -> None:
        conn.execute(update(package).where(package.c.id == row["id"]).values(state="offered"))
        data = {"package": row["id"], "org": row["org"], "by": by(actor)}
        session = str(row["session"])
        self._parts.facts.append(conn, type="package.offered", session=session, data=data)

    def _sign_receipt(
        self,
        row: Mapping[str, Any],
        link: SessionLink,
        actor: Actor,
        *,
        signer: Signer,
        found: Any,
        report: Any,
    ) -> bytes:
        gaps = [
            {**gap, "names": gap["names"][: checking.NAMES_MAX]}
            for gap in checking.gaps_json(found)
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
            "at": iso_ms(self._parts.clock.wall()),
        }
        return seal_message(ctx="er1/receipt", header=header, lines=(), signers=[signer])

    def _keep_receipt(
        self,
        conn: Connection,
        row: Mapping[str, Any],
        actor: Actor,
        *,
        found: Any,
        raw: bytes,
        code: int,
    ) -> None:
        now, gaps = self._parts.clock.wall(), checking.gaps_json(found)
        verdict = str(found.verdict.value)
        conn.execute(
            insert(package_receipt).values(
                package=row["id"], verdict=verdict, gaps=gaps, raw=raw, by=by(actor), at=now
            )
        )
        session = str(row["session"])
        checked = {"package": row["id"], "code": code, "by": by(actor)}
        self._parts.facts.append(conn, type="package.verified", session=session, data=checked)
        data = {
            "package": row["id"],
            "verdict": verdict,
            "gaps": [{k: gap[k] for k in ("item", "kind", "count")} for gap in gaps],
            "by": by(actor),
            "raw": base64.b64encode(raw).decode("ascii"),
        }
        self._parts.facts.append(conn, type="receipt.issued", session=session, data=data)

    def _standing(
        self,
        conn: Connection,
        link: SessionLink,
        org: str,
        due: Mapping[str, Any] | None,
        today: date,
    ) -> dict[str, Any]:
        rows = conn.execute(
            select(package)
            .where(package.c.session == link.session, package.c.org == org)
            .order_by(package.c.started_at.desc())
        ).mappings()
        newest = next((dict(row) for row in rows if row["state"] != "failed"), None)
        receipts = self._receipts(conn, newest["id"]) if newest is not None else []
        full = [one for one in receipts if one["verdict"] == Verdict.FULL.value]
        days = HandoverDays(
            sent_on=_day(newest["built_at"]) if newest is not None else None,
            received_on=_day(newest["verified_at"]) if newest is not None else None,
            receipt_on=_day(datetime.fromisoformat(full[-1]["at"])) if full else None,
        )
        state = None
        if due is not None:
            ended = date.fromisoformat(due["ended_on"])
            until = handover_due(ended, self._parts.pack, self._parts.calendar)
            state = str(handover_state(until, today, days, self._parts.pack).value)
        return {
            "org": org,
            "package": newest["id"] if newest is not None else None,
            "state": state,
            "receipt": receipts[-1]["verdict"] if receipts else None,
        }

    def _receipts(self, conn: Connection, ident: str) -> list[dict[str, Any]]:
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

    def _row(self, conn: Connection, ident: str) -> Mapping[str, Any]:
        row = conn.execute(select(package).where(package.c.id == ident)).mappings().first()
        if row is None:
            raise refuse(
                404,
                "no_such_package",
                zh="没有这个移交包",
                en="No such package",
                where="package",
                expected="an existing package id, pk- and 12 hex digits",
                got=ident[:40],
                do="从移交列表进入",
            )
        return dict(row)

    def _link(self, conn: Connection, session: str) -> SessionLink:
        link = link_of(conn, session)
        if link is None:
            raise refuse(
                404,
                "no_such_session",
                zh="没有这个场次",
                en="No such session",
                where="session",
                expected="the session of a booking",
                got=session[:40],
                do="从预约或总览进入场次",
            )
        return link

    def list(self, actor: Actor, *, session: str = "") -> list[dict[str, Any]]:
        """Packages of sessions the actor's venue takes part in, newest first."""
        allow(actor, READING)
        query = select(package).order_by(package.c.started_at.desc()).limit(LIST_ROWS_MAX)
        if session:
            query = query.where(package.c.session == session)
        with self._parts.store.read() as conn:
            rows = [dict(row) for row in conn.execute(query).mappings()]
            links = {row["session"]: link_of(conn, row["session"]) for row in rows}
            shown = [row for row in rows if _reads(actor, links[row["session"]])]
            return [_package_json(row, self._receipts(conn, row["id"])) for row in shown]


def _package_json(row: Mapping[str, Any], receipts: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("session", "booking", "org", "role", "state", "path", "stage", "done", "total")
    more = ("tag_sha256", "files", "bytes", "notes", "error", "built_by", "verify_code")
    return {
        "package": row["id"],
        **{key: row[key] for key in (*keys, *more)},
        "started_at": iso_ms(row["started_at"]),
        "built_at": None if row["built_at"] is None else iso_ms(row["built_at"]),
        "verified_at": None if row["verified_at"] is None else iso_ms(row["verified_at"]),
        "verify_report": row["verify_report"],
        "receipt": receipts[-1] if receipts else None,
        "receipts": receipts,
    }


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(SHANGHAI).date()


def _reads(actor: Actor, link: SessionLink | None) -> bool:
    return link is not None and actor.org in link.orgs


def _may_read(actor: Actor, link: SessionLink) -> None:
    if not _reads(actor, link):
        raise refuse(
            403,
            "other_organisation",
            zh="该移交包属于其他单位",
            en="The package belongs to other organisations",
            where=f"session {link.session}",
            expected=" or ".join(link.orgs),
            got=actor.org,
            do="由参加该场次的单位查看",
        )


def _own(actor: Actor, row: Mapping[str, Any]) -> None:
    if actor.org != row["org"]:
        raise refuse(
            403,
            "other_organisation",
            zh="该移交包由其他单位移交",
            en="Another organisation hands this package over",
            where=f"package {row['id']}",
            expected=str(row["org"]),
            got=actor.org,
            do="由该单位办理",
        )


def _state(ident: str, state: str) -> Problem:
    return refuse(
        409,
        "package_state",
        zh="移交包尚未生成",
        en="The package is not built yet",
        where=f"package {ident}",
        expected="built or offered",
        got=state,
        do="等待打包完成",
    )


def _invalid(where: str, expected: str, got: str) -> Problem:
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
