"""The archive: appraisals, packages, receipts, deadlines, and who looked at what."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from hub.access import sees_session
from hub.archive import building, checking, receipts, records
from hub.archive.readiness import SCORED_KIND, invalid, refuse_early
from hub.booking_link import SessionLink, link_of
from hub.clock import iso_ms
from hub.ports import Actor, Parts, allow, by, refuse
from hub.problems import Problem
from hub.session_record import fold
from hub.store.tables_business import access_record, appraisal, booking_venue, package
from protocols.messages.signed import Signer
from protocols.policy.booking import SHANGHAI

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
READ_AGAIN: Final = timedelta(minutes=10)
"""One person who looks within this time looks once; a page on a screen is drawn all the time."""
OBJECT_CHARS: Final = 80
READY: Final = frozenset({"built", "offered", "verified"})
DOWNLOADED: Final = "package.download"

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
            link = self._link(conn, session, actor)
            row = link.members(conn).get(member)
        total = self._points(items, points, remark)
        if row is None or row["org"] != actor.org or row["kind"] != SCORED_KIND:
            raise invalid(
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
            link = self._link(conn, session, actor)
            refuse_early(conn, link, actor.org, last_day=self._due(conn, session))
        signer = self._parts.keys.venue_signer(actor.org, password, actor.person)
        with self._building:
            ident = self._begin(actor, link)
            target = (out_dir or self._parts.data / "packages") / ident
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                made = self._build(link, actor.org, signer=signer, ident=ident, target=target)
            except Exception as error:
                # Whatever it was: the package is written down as failed, then it goes on up.
                self._failed(ident, error)
                raise
        self._built(actor, link, ident, made, target)
        return self.get(actor, ident)

    def _due(self, conn: Connection, session: str) -> bool:
        """Whether the last day of the hand-over has come."""
        record = fold(conn, session)
        due = records.deadline_json(record, self._parts.pack, self._parts.calendar, SHANGHAI)
        today = self._parts.clock.wall().astimezone(SHANGHAI).date()
        return due is not None and today.isoformat() >= due["due_on"]

    def offer(self, actor: Actor, ident: str) -> dict[str, Any]:
        """Tells the home venue that the package is ready; a second time changes nothing."""
        allow(actor, BUILDING)
        with self._parts.store.write() as conn:
            row = self._row(conn, ident)
            self._must_read(conn, actor, row)
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
            link = self._must_read(conn, actor, row)
        allow(actor, BUILDING, org=link.home_org)
        if row["state"] not in READY:
            raise _state(ident, str(row["state"]))
        signer = self._parts.keys.venue_signer(actor.org, password, actor.person)
        trust = self._parts.keys.trust().encode()
        report = checking.check(Path(str(row["path"])), trust)
        found = checking.judged(report, self._parts.pack)
        receipt = receipts.sign(
            self._parts, row, link, actor, signer=signer, found=found, report=report
        )
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
            receipts.keep(self._parts, conn, row, actor, found=found, raw=receipt, code=report.code)
        return self.get(actor, ident)

    def get(self, actor: Actor, ident: str) -> dict[str, Any]:
        """One package with its receipt; looking at it is a record, once per `READ_AGAIN`."""
        allow(actor, READING)
        with self._parts.store.read() as conn:
            row = self._row(conn, ident)
            self._must_read(conn, actor, row)
            given = receipts.listed(conn, ident)
        self.looked(actor, "package.read", ident)
        return _package_json(row, given)

    def download(self, actor: Actor, ident: str) -> Path:
        """The folder of a package somebody takes away; each time is a record.

        Raises:
            Problem: 403, 404, 409 not built yet.
        """
        allow(actor, READING)
        with self._parts.store.read() as conn:
            row = self._row(conn, ident)
            self._must_read(conn, actor, row)
        folder = Path(str(row["path"]))
        if row["state"] not in READY or not folder.is_dir():
            raise _state(ident, str(row["state"]))
        self._note(actor, DOWNLOADED, ident)
        return folder

    def deadline_for(self, actor: Actor, session: str) -> dict[str, Any]:
        """`deadline`, for whom the session concerns; else 404."""
        with self._parts.store.read() as conn:
            self._link(conn, session, actor)
        return self.deadline(session)

    def deadline(self, session: str) -> dict[str, Any]:
        """By when the hand-over is due, and how it stands for every guest."""
        today = self._parts.clock.wall().astimezone(SHANGHAI).date()
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            record = fold(conn, session)
            due = records.deadline_json(record, self._parts.pack, self._parts.calendar, SHANGHAI)
            guests = [
                receipts.standing(self._parts, conn, link, venue.org, due, today)
                for venue in link.venues
                if venue.role == "guest"
            ]
        return {"session": session, "due": due, "today": today.isoformat(), "venues": guests}

    def looked(self, actor: Actor, act: str, what: str) -> None:
        """Notes who looked at what; a page that is drawn again is not read again."""
        since = self._parts.clock.wall() - READ_AGAIN
        with self._parts.store.read() as conn:
            known = conn.execute(
                select(access_record.c.id)
                .where(
                    access_record.c.object == what[:OBJECT_CHARS],
                    access_record.c.person == actor.person,
                    access_record.c.act == act,
                    access_record.c.at > since,
                )
                .limit(1)
            ).first()
        if known is None:
            self._note(actor, act, what)

    def _note(self, actor: Actor, act: str, what: str) -> None:
        with self._parts.store.write() as conn:
            conn.execute(
                insert(access_record).values(
                    at=self._parts.clock.wall(),
                    person=actor.person,
                    post=actor.post,
                    act=act,
                    object=what[:OBJECT_CHARS],
                )
            )

    def who_looked(self, actor: Actor, what: str) -> list[dict[str, Any]]:
        """Who looked at a package, newest first."""
        allow(actor, READING)
        with self._parts.store.read() as conn:
            self._must_read(conn, actor, self._row(conn, what))
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
            raise invalid("appraisal.items", " or ".join(known), ", ".join(items)[:80])
        total = sum(known[one].points for one in items)
        if len(remark) > REMARK_CHARS_MAX:
            raise invalid("appraisal.remark", f"at most {REMARK_CHARS_MAX} characters", "more")
        if points is None or points == total:
            return total
        if not remark.strip() or points > 0:
            raise invalid("appraisal.points", f"{total}, or another with a remark", str(points))
        return points

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
            raise invalid("package.org", "a venue with a key", org)

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

    def _row(self, conn: Connection, ident: str) -> Mapping[str, Any]:
        row = conn.execute(select(package).where(package.c.id == ident)).mappings().first()
        if row is None:
            raise _no_package(ident)
        return dict(row)

    def _must_read(self, conn: Connection, actor: Actor, row: Mapping[str, Any]) -> SessionLink:
        link = link_of(conn, str(row["session"]))
        if link is None or not sees_session(actor, link):
            raise _no_package(str(row["id"]))
        return link

    def _link(self, conn: Connection, session: str, actor: Actor | None = None) -> SessionLink:
        link = link_of(conn, session)
        if link is None or (actor is not None and not sees_session(actor, link)):
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
        part = select(booking_venue.c.booking).where(booking_venue.c.org == actor.org)
        query = select(package).where(package.c.booking.in_(part))
        query = query.order_by(package.c.started_at.desc()).limit(LIST_ROWS_MAX)
        if session:
            query = query.where(package.c.session == session)
        with self._parts.store.read() as conn:
            rows = [dict(row) for row in conn.execute(query).mappings()]
            links = {row["session"]: link_of(conn, row["session"]) for row in rows}
            shown = [row for row in rows if sees_session(actor, links[row["session"]])]
            return [_package_json(row, receipts.listed(conn, row["id"])) for row in shown]


def _package_json(row: Mapping[str, Any], receipts: list[dict[str, Any]]) -> dict[str, Any]:
    keys = ("session", "booking", "org", "role", "state", "stage", "done", "total")
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


def _no_package(ident: str) -> Problem:
    return refuse(
        404,
        "no_such_package",
        zh="没有这个移交包",
        en="No such package",
        where="package",
        expected="an existing package id, pk- and 12 hex digits",
        got=ident[:40],
        do="从移交列表进入",
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
