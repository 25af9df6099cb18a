"""The session service: one live picture of all venues, orders, statements, the timeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from hub import av_lanes as av
from hub.access import sees_session
from hub.booking_link import SessionLink, link_of
from hub.clock import iso_ms
from hub.keys import codes
from hub.keys.tags import wipe
from hub.ports import Actor, Parts, refuse
from hub.projection import Projector, StoredEvent
from hub.session import commands, orders, statements, view
from hub.session.orders import OrderWish, no_session
from hub.session.timeline import timeline
from hub.session_record import SessionRecord, fold
from hub.store.tables_business import appraisal, booking, booking_station
from hub.store.tables_core import blob_refs, blobs
from protocols.policy.room_model import Session

IN_USE: Final = frozenset({"check_in", "evaluating"})
ENDED: Final = frozenset({"ended"})
ABORTED: Final = frozenset({"postponed", "terminated"})


class Sessions:
    """Sessions of the platform."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, projector: Projector) -> None:
        """Adds the handlers: relay of room orders, lanes of recording, use of bookings."""
        projector.register("session.relay", self._relay, ("order.issued",))
        projector.register("session.codes", self._codes, (codes.DRAWN,))
        projector.register("session.av", av.on_event, av.TYPES)
        projector.register("session.use", self._use, ("phase.changed", "session.closed"))

    def view(self, session: str) -> dict[str, Any]:
        """Everything a session's screen shows.

        Raises:
            Problem: 404.
        """
        now = self._parts.clock.wall()
        rooms = {room.ctl: room for room in self._parts.rooms.snapshot()}
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            record = fold(conn, session)
            planned = link.members(conn)
            kept = orders.listed(conn, session)
            sent = {str(one["id"]): self._parts.fleet.states(conn, one["id"]) for one in kept}
            begins, ends = view.span(link, record, now=now)
            lanes = av.lanes(conn, link.ctls, begins=begins, ends=ends)
            told = statements.listed(conn, session)
            scored = _appraisals(conn, session)
            missing = _media_missing(conn, link.ctls)
        venues = [
            view.venue_json(venue, rooms.get(venue.ctl or ""), session=session)
            for venue in link.venues
        ]
        states = self._states(link, session)
        members = view.member_rows(link, planned, states, record)
        empty = {
            ctl: view.lockers_empty(self._parts.rooms.state(ctl), session) for ctl in link.ctls
        }
        shown = view.lanes_json(lanes, link, venues)
        return {
            **_head(link, record, self._phase(link, session, record)),
            "now": iso_ms(now),
            "venues": venues,
            "members": members,
            "av": {
                "from_at": iso_ms(begins),
                "to_at": iso_ms(ends),
                "streams": shown,
            },
            "lanes": shown,
            "media_missing": missing,
            "appraisals": scored,
            "orders": view.orders_json(kept, record, link=link, sent=sent, empty=empty),
            "statements": told,
            "waiting": view.waiting_conditions(members, record, venues),
            "rows": record.rows,
        }

    def view_for(self, actor: Actor, session: str) -> dict[str, Any]:
        """`view`, for whom the session concerns.

        Raises:
            Problem: 404, also where it concerns others.
        """
        self.must_see(actor, session)
        return self.view(session)

    def timeline_for(
        self, actor: Actor, session: str, after: int = 0, limit: int = 200
    ) -> dict[str, Any]:
        """`timeline`, for whom the session concerns; else 404."""
        self.must_see(actor, session)
        return self.timeline(session, after, limit)

    def must_see(self, actor: Actor, session: str) -> None:
        """Refuses whom the session does not concern, as if there were none.

        Raises:
            Problem: 404.
        """
        with self._parts.store.read() as conn:
            if not sees_session(actor, link_of(conn, session)):
                raise no_session(session)

    def issue_order(
        self,
        actor: Actor,
        session: str,
        order: str,
        pin: str,
        members: tuple[int, ...] = (),
        committee: str = "",
        exceptions: tuple[str, ...] = (),
        *,
        venues: tuple[str, ...] = (),
        reason: str = "",
    ) -> dict[str, Any]:
        """Signs and sends an order; see `orders.issue`."""
        wish = OrderWish(
            order=order,
            members=members,
            venues=venues,
            committee=committee,
            exceptions=exceptions,
            reason=reason,
        )
        self.must_see(actor, session)
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
        phase = self._live_phase(link, session)
        return orders.issue(self._parts, actor, session, wish, pin=pin, phase=phase)

    def receive_statement(self, raw: bytes) -> dict[str, Any]:
        """A signed statement of the evaluation system; see `statements.receive`."""
        return statements.receive(self._parts, raw)

    def statement_by_two(
        self,
        actor: Actor,
        session: str,
        member: int,
        document: str,
        outcome: str,
        pin: str,
        second_login: str,
        second_pin: str,
        *,
        digest: str = "",
    ) -> dict[str, Any]:
        """A statement of two persons in different roles; see `statements.by_two`."""
        self.must_see(actor, session)
        second = self._second(second_login)
        return statements.by_two(
            self._parts,
            (actor, pin),
            (second, second_pin),
            session=session,
            member=member,
            document=document,
            outcome=outcome,
            digest=digest,
        )

    def issue_command(
        self,
        actor: Actor,
        *,
        session: str,
        ctl: str,
        verb: str,
        args: Mapping[str, Any],
        expect: Mapping[str, Any],
        pin: str,
        second_login: str = "",
        second_pin: str = "",
    ) -> dict[str, Any]:
        """Signs a command for one room; see `commands.issue`."""
        self.must_see(actor, session)
        signers = [(actor, pin)]
        if second_login:
            signers.append((self._second(second_login), second_pin))
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
        return commands.issue(
            self._parts, signers, link, ctl=ctl, verb=verb, args=args, expect=expect
        )

    def timeline(self, session: str, after: int = 0, limit: int = 200) -> dict[str, Any]:
        """The witness timeline behind row `after`; see `timeline.timeline`."""
        with self._parts.store.read() as conn:
            link = self._link(conn, session)
            record = fold(conn, session)
            return timeline(conn, link, record, after=after, limit=limit)

    def _second(self, login: str) -> Actor:
        second: Actor | None = self._parts.accounts.register.actor_by_login(login)
        if second is None:
            raise refuse(
                422,
                "second_person",
                zh="没有这个第二签署人",
                en="No such second person",
                where="second_login",
                expected="the sign-in name of another person on duty",
                got=login[:40],
                do="核对第二签署人账号",
            )
        return second

    def _relay(self, conn: Connection, stored: StoredEvent) -> None:
        orders.relay(conn, stored, self._parts)

    def _codes(self, conn: Connection, stored: StoredEvent) -> None:
        """The home room has drawn offline codes: their hashes go to the guest they are for."""
        session = stored.event.session
        link = link_of(conn, session)
        if link is None or stored.ctl != link.home_ctl:
            return
        venue = str(stored.event.data.get("venue", ""))
        for ctl in codes.carry(conn, session, venue, link.home_ctl):
            self._parts.fleet.publish_plan(conn, ctl)

    def _use(self, conn: Connection, stored: StoredEvent) -> None:
        """A booking follows its session: in use, ended or aborted, closed."""
        link = link_of(conn, stored.event.session)
        if link is None or not stored.ctl.startswith("c-"):
            return
        if stored.event.type == "session.closed":
            closed = set(fold(conn, link.session).closed)
            if set(link.ctls) <= closed and link.state in {"ended", "aborted"}:
                _move(conn, link, "closed", stored)
                wipe(self._parts.store, conn, link.number)
            return
        to = str(stored.event.data.get("to", ""))
        if stored.ctl != link.home_ctl:
            return
        if to in IN_USE and link.state == "confirmed":
            _move(conn, link, "in_use", stored)
        elif to in ENDED and link.state in {"confirmed", "in_use"}:
            _move(conn, link, "ended", stored)
        elif to in ABORTED and link.state in {"confirmed", "in_use"}:
            _move(conn, link, "aborted", stored)

    def _states(self, link: SessionLink, session: str) -> dict[str, Session]:
        found = {}
        for venue in link.venues:
            state = self._parts.rooms.state(venue.ctl) if venue.ctl else None
            if state is not None and session in state.sessions:
                found[venue.org] = state.sessions[session]
        return found

    def _live_phase(self, link: SessionLink, session: str) -> str:
        state = self._parts.rooms.state(link.home_ctl) if link.home_ctl else None
        known = state.sessions.get(session) if state is not None else None
        return str(known.phase.value) if known is not None else ""

    def _phase(self, link: SessionLink, session: str, record: SessionRecord) -> str:
        live = self._live_phase(link, session)
        return live or record.phases.get(link.home_ctl, ("", ""))[0] or "idle"

    def _link(self, conn: Connection, session: str) -> SessionLink:
        link = link_of(conn, session)
        if link is None:
            raise no_session(session)
        return link


def _appraisals(conn: Connection, session: str) -> list[dict[str, Any]]:
    """The newest appraisal of each member."""
    rows = conn.execute(
        select(appraisal).where(appraisal.c.session == session).order_by(appraisal.c.id)
    )
    newest = {
        row.member: {
            "member": row.member,
            "org": row.org,
            "items": row.items,
            "points": row.points,
            "remark": row.remark,
            "post": row.post,
            "at": iso_ms(row.at),
        }
        for row in rows
    }
    return [newest[no] for no in sorted(newest)]


def _media_missing(conn: Connection, ctls: tuple[str, ...]) -> int:
    """Recorded segments of these rooms whose files have not arrived yet."""
    waiting = (
        select(blob_refs.c.sha256)
        .join(blobs, blobs.c.sha256 == blob_refs.c.sha256)
        .where(blob_refs.c.ctl.in_(ctls), blobs.c.state != "stored")
        .distinct()
        .subquery()
    )
    return int(conn.execute(select(func.count()).select_from(waiting)).scalar_one())


def _head(link: SessionLink, record: SessionRecord, phase: str) -> dict[str, Any]:
    return {
        "session": link.session,
        "booking": link.number,
        "kind": link.kind,
        "state": link.state,
        "project_code": link.project_code,
        "predecessor": link.predecessor,
        "home_org": link.home_org,
        "start_at": iso_ms(link.start_at),
        "duration_min": link.duration_min,
        "phase": phase,
        "phase_log": record.phase_log,
        "started_at": record.started_at or None,
        "ended_at": record.ended_at or None,
        "closed": record.closed,
        "lead": record.lead,
    }


def _move(conn: Connection, link: SessionLink, state: str, stored: StoredEvent) -> None:
    values: dict[str, Any] = {"state": state, "changed_at": stored.recorded_at}
    if state in {"ended", "aborted"}:
        values["ended_at"] = stored.recorded_at
    conn.execute(update(booking).where(booking.c.number == link.number).values(**values))
    conn.execute(
        update(booking_station).where(booking_station.c.booking == link.number).values(state=state)
    )


def is_booked(conn: Connection, session: str) -> bool:
    """Whether a session belongs to a booking here."""
    query = select(booking.c.number).where(booking.c.session == session)
    return conn.execute(query).first() is not None
