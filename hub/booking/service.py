"""The life of a booking: request, hold, answer, confirmation, use, end; each step a fact.

A request holds its stations at once (`booking_no_overlap`, in the database). Guests accept or
decline for themselves; the home venue confirms when all have accepted. Rules come from the policy
pack; people may depart from some of them with a reason and a named approver, from others never.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from hub.access import sees_identities, sees_org, sees_session
from hub.booking import ical, places, rows, rules
from hub.booking.body import MEAL_FEN_MAX, RequestBody, read_request
from hub.booking.move import read_move
from hub.booking.roster import Roster, no_booking
from hub.booking.rows import Record
from hub.booking.view import booking_json, instant, taken
from hub.clock import iso_ms
from hub.free_text import free_text
from hub.keys.tags import wipe
from hub.ports import Actor, Parts, allow, decoding, refuse
from hub.reach import ties_of_numbers
from protocols.messages.strict import Reader
from protocols.policy.booking_states import BookingState

BUFFER_BEFORE: Final = timedelta(minutes=30)
"""Setting up and self-test before the start; stored with the booking, not computed again."""
BUFFER_AFTER: Final = timedelta(minutes=30)
"""Clearing the room and emptying the lockers."""
SALT_BYTES: Final = 16
REASON_CHARS_MAX: Final = 500

NO_SHOW_AFTER: Final = timedelta(days=1)
"""After the held time: whoever came late came by then, and his room has told it."""

ASKING: Final = ("home_manager", "deputy", "operator")
ANSWERING: Final = ("guest_coordinator", "home_manager", "deputy")
OPEN_STATES: Final = ("requested", "accepted", "confirmed")


class Booking:
    """Bookings of stations across organisations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.roster = Roster(parts)

    def request(self, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
        """Asks for stations and holds them.

        Raises:
            Problem: 403 wrong role, 422 against a rule, 409 `booking_no_overlap` with alternatives.
        """
        with decoding("booking"):
            wish = read_request(body)
        return self._request(actor, wish)

    def _request(
        self, actor: Actor, wish: RequestBody, *, moved: Record | None = None, reason: str = ""
    ) -> dict[str, Any]:
        allow(actor, ASKING, org=wish.home_org)
        free_text(wish.draw_conditions, where="booking.draw_conditions")
        if wish.exception is not None:
            free_text(wish.exception.reason, where="booking.exception.reason")
        now = self._parts.clock.wall()
        with self._parts.store.read() as conn:
            findings = rules.judge(conn, wish, parts=self._parts, now=now)
            approver = rules.approver(conn, wish, actor=actor)
        rules.refuse_unless_allowed(findings)
        try:
            with self._parts.store.write() as conn:
                if moved is not None:
                    self._give_up(conn, actor, moved.number, reason=reason, now=now)
                held = (findings, approver, moved.number if moved is not None else None)
                answer = self._hold(conn, actor, wish, held=held, now=now)
                if moved is not None:
                    to = answer["number"]
                    self._fact(conn, "booking.rescheduled", moved, actor, to=to, reason=reason)
                return answer
        except IntegrityError as error:
            if "booking_no_overlap" not in str(error):
                raise
            with self._parts.store.read() as conn:
                raise rules.conflict(conn, wish, parts=self._parts, span=span_of(wish)) from error

    def accept(
        self, actor: Actor, number: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One guest accepts; the meal price it lists in advance is in fen."""
        meal_fen = (body or {}).get("meal_fen")
        if meal_fen is not None and not (type(meal_fen) is int and 0 <= meal_fen <= MEAL_FEN_MAX):
            raise refuse(
                422,
                "meal_price",
                zh="就餐费用标准无效",
                en="The meal price is not valid",
                where="booking.meal_fen",
                expected=f"a whole number of fen, 0 to {MEAL_FEN_MAX}",
                got=repr(meal_fen),
                do="给出以分为单位的整数，例如 3000 表示 30 元",
            )
        return self._answer(actor, number, state="accepted", reason="", meal_fen=meal_fen)

    def decline(self, actor: Actor, number: str, reason: str) -> dict[str, Any]:
        """One guest declines, with a reason; the whole request ends and its stations are free."""
        return self._answer(actor, number, state="declined", reason=_reason(reason), meal_fen=None)

    def confirm(self, actor: Actor, number: str) -> dict[str, Any]:
        """The home venue confirms what every guest has accepted."""
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            record = self._load(conn, number, actor)
            allow(actor, ASKING, org=record.home_org)
            _must_be(record, ("accepted",), do="等所有副场受理后再确认")
            rules.refuse_unverified(self._parts, kind=str(record.row["kind"]))
            rows.set_state(conn, number, "confirmed", now=now)
            self._fact(conn, "booking.confirmed", record, actor)
        return self.get(actor, number)

    def withdraw(self, actor: Actor, number: str, reason: str) -> dict[str, Any]:
        """The home venue gives the stations back; rooms drop the session from their plans."""
        why = _reason(reason)
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            record = self._load(conn, number, actor)
            allow(actor, ASKING, org=record.home_org)
            _must_be(record, OPEN_STATES, do="使用中的场次只能由指令终止")
            rows.set_state(conn, number, "withdrawn", now=now, reason=why)
            changed = rows.drop_plans(conn, record.session)
            wipe(self._parts.store, conn, number)
            self._fact(conn, "booking.withdrawn", record, actor, reason=why)
            for ctl in changed:
                self._parts.fleet.publish_plan(conn, ctl)
        return self.get(actor, number)

    def reschedule(self, actor: Actor, number: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Asks for the same stations at another time and gives the old time back, or does neither.

        Guests answer anew; members and roster are entered anew: their secrets belong to a session.

        Args:
            actor: one who may ask at the home venue.
            number: the booking that is given up.
            body: `{start_at, duration_min?, reason, exception?}`.

        Returns:
            The new booking, which names the old one as `replaces`.

        Raises:
            Problem: 403, 404, 409 the state or a held station, 422 against a rule.
        """
        with self._parts.store.read() as conn:
            record = self._load(conn, number, actor)
        allow(actor, ASKING, org=record.home_org)
        _must_be(record, OPEN_STATES, do="使用中的场次只能由指令改期")
        with decoding("booking"):
            wish, reason = read_move(body, record)
        return self._request(actor, wish, moved=record, reason=_reason(reason))

    def _give_up(
        self, conn: Connection, actor: Actor, number: str, *, reason: str, now: datetime
    ) -> None:
        record = self._load(conn, number, actor)
        _must_be(record, OPEN_STATES, do="使用中的场次只能由指令改期")
        rows.set_state(conn, number, "rescheduled", now=now, reason=reason)
        for ctl in rows.drop_plans(conn, record.session):
            self._parts.fleet.publish_plan(conn, ctl)

    def expire(self) -> list[str]:
        """Ends requests nobody answered in time, and what was confirmed and never begun.

        Returns:
            The requests that expired.
        """
        now = self._parts.clock.wall()
        limit = now - timedelta(seconds=self._parts.pack.booking.hold_s)
        with self._parts.store.read() as conn:
            late = rows.overdue_requests(conn, asked_before=limit, now=now)
            unused = rows.unused(conn, over_before=now - NO_SHOW_AFTER)
        for number in late:
            self._expire_one(number, now)
        for number in unused:
            self._no_show(number, now)
        return late

    def get(self, actor: Actor, number: str) -> dict[str, Any]:
        """The whole booking, for whom it concerns.

        Raises:
            Problem: 404, also where it concerns others.
        """
        with self._parts.store.read() as conn:
            return self._json(conn, self._load(conn, number, actor), actor)

    def calendar(self, actor: Actor, number: str) -> str:
        """The booking as an iCalendar file; see `ical.calendar_file`.

        Raises:
            Problem: 404, 409 nothing has been confirmed yet.
        """
        with self._parts.store.read() as conn:
            record = self._load(conn, number, actor)
            shown = self._json(conn, record, actor)
        _must_be(record, (*ical.GIVEN, *ical.CANCELLED), do="主场确认后再下载日历")
        return ical.calendar_file(
            shown, org=actor.org, hub=self._parts.facts.hub, changed_at=record.row["changed_at"]
        )

    def listed(
        self, actor: Actor, *, state: str = "", org: str = "", day: str = ""
    ) -> list[dict[str, Any]]:
        """The reader's bookings, newest start first; filters are optional, `day` `2026-11-24`."""
        on = None
        if state:
            with decoding("booking"):
                Reader({"state": state}, where="booking").one_of("state", BookingState)
        if day:
            with decoding("booking"):
                on = rules.read_day(day)
        with self._parts.store.read() as conn:
            found = rows.listed(conn, part=actor.org, state=state, org=org, day=on)
            return [self._json(conn, one, actor) for one in found if sees_session(actor, one)]

    def day_grid(self, day: str) -> dict[str, Any]:
        """Every station and what holds it on one day of China time, `2026-11-24`."""
        with decoding("day"):
            begins = rules.read_day(day)
        with self._parts.store.read() as conn:
            grid = places.day_grid(conn, begins, begins + timedelta(days=1))
        for unit in grid:
            for one in unit["held"]:
                for key in ("occupied_from", "occupied_to", "start_at"):
                    one[key] = instant(one[key])
        return {"day": day, "from": iso_ms(begins), "stations": grid}

    def day_grid_for(self, actor: Actor, day: str) -> dict[str, Any]:
        """The day for one reader: others' bookings show only that a station is taken."""
        whole = self.day_grid(day)
        shown = {one["org"] for one in self.directory_for(actor)}
        stations = [one for one in whole["stations"] if one["org"] in shown]
        numbers = {str(held["booking"]) for one in stations for held in one["held"]}
        with self._parts.store.read() as conn:
            known = ties_of_numbers(conn, numbers)
        for one in stations:
            one["held"] = [
                held if sees_session(actor, known.get(str(held["booking"]))) else taken(held)
                for held in one["held"]
            ]
        return {**whole, "stations": stations}

    def directory_for(self, actor: Actor) -> list[dict[str, Any]]:
        """One's own organisation, and for those who book its partners."""
        found = self.directory()
        own = [one["partners"] for one in found if one["org"] == actor.org]
        partners: list[str] = own[0] if own else []
        return [one for one in found if sees_org(actor, one["org"], partners)]

    def directory(self) -> list[dict[str, Any]]:
        """Organisations that share stations, with rooms, stations and partners."""
        with self._parts.store.read() as conn:
            return places.directory(conn)

    def set_members(self, actor: Actor, number: str, org: str, members: Any) -> dict[str, Any]:
        """One venue enters its members; see `Roster.set_members`."""
        self.roster.set_members(actor, number, org, members)
        return self.get(actor, number)

    def assign_duty(self, actor: Actor, number: str, persons: Any) -> dict[str, Any]:
        """One venue names who is on duty; see `Roster.assign_duty`."""
        self.roster.assign_duty(actor, number, persons)
        return self.get(actor, number)

    def confirm_duty(self, actor: Actor, number: str, pin: str) -> dict[str, Any]:
        """A person confirms being on duty; see `Roster.confirm_duty`."""
        self.roster.confirm_duty(actor, number, pin)
        # Whoever is on duty is answered, also a guest's supervisor, whom others' bookings are not
        # shown otherwise.
        with self._parts.store.read() as conn:
            return self._json(conn, self._load(conn, number), actor)

    def publish(self, actor: Actor, number: str, password: str) -> dict[str, Any]:
        """A venue's manager sends the session to the rooms; see `Roster.publish`."""
        self.roster.publish(actor, number, password)
        return self.get(actor, number)

    def _hold(
        self,
        conn: Connection,
        actor: Actor,
        wish: RequestBody,
        *,
        held: tuple[list[dict[str, Any]], dict[str, Any] | None, str | None],
        now: datetime,
    ) -> dict[str, Any]:
        """Writes the request; `held`: what the rules found, who approves, what it replaces."""
        begins, ends = span_of(wish)
        findings, approver, replaces = held
        number = rows.next_number(conn, wish.start_at.astimezone(rules.CHINA))
        head = {
            "number": number,
            "session": f"s-{secrets.token_hex(6)}",
            "salt": secrets.token_hex(SALT_BYTES),
            "occupied_from": begins,
            "occupied_to": ends,
            "findings": findings,
            "exception": approver,
            "replaces": replaces,
        }
        rows.insert_request(conn, wish, head=head, actor=actor.person, now=now)
        record = self._load(conn, number)
        self._fact(
            conn,
            "booking.requested",
            record,
            actor,
            kind=wish.kind,
            start_at=iso_ms(wish.start_at),
            venues=[{"org": w.org, "stations": list(w.stations)} for w in wish.venues],
            exception=approver,
            replaces=replaces,
        )
        return self._json(conn, record, actor)

    def _answer(
        self, actor: Actor, number: str, *, state: str, reason: str, meal_fen: int | None
    ) -> dict[str, Any]:
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            record = self._load(conn, number, actor)
            allow(actor, ANSWERING)
            venue = record.venue(actor.org)
            if venue is None or venue["role"] != "guest":
                raise refuse(
                    403,
                    "not_a_guest_here",
                    zh="该预约没有向本单位申请机位",
                    en="This booking asks nothing of your organisation",
                    where=f"booking {number}",
                    expected=", ".join(record.orgs[1:]) or "no guest venue",
                    got=actor.org,
                    do="由被申请的副场答复",
                )
            _must_be(record, ("requested",), do="只有待答复的申请可以受理或不予受理")
            values = {
                "state": state,
                "decided_by": actor.person,
                "decided_at": now,
                "reason": reason,
            }
            if meal_fen is not None:
                values["meal_fen"] = meal_fen
            rows.decide_venue(conn, number, actor.org, values=values)
            self._fact(conn, f"booking.{state}", record, actor, org=actor.org, reason=reason)
            self._settle(conn, number, state=state, reason=reason, now=now)
        return self.get(actor, number)

    def _settle(
        self, conn: Connection, number: str, *, state: str, reason: str, now: datetime
    ) -> None:
        if state == "declined":
            rows.set_state(conn, number, "declined", now=now, reason=reason)
            wipe(self._parts.store, conn, number)
            return
        record = self._load(conn, number)
        if all(venue["state"] == "accepted" for venue in record.venues):
            rows.set_state(conn, number, "accepted", now=now)

    def _expire_one(self, number: str, now: datetime) -> None:
        with self._parts.store.write() as conn:
            record = self._load(conn, number)
            if record.state != "requested":
                return
            rows.set_state(conn, number, "expired", now=now)
            wipe(self._parts.store, conn, number)
            data = {"booking": number, "session": record.session}
            self._parts.facts.append(
                conn, type="booking.expired", session=record.session, data=data
            )

    def _no_show(self, number: str, now: datetime) -> None:
        with self._parts.store.write() as conn:
            record = self._load(conn, number)
            if record.state != "confirmed" or not self._all_heard(conn, record):
                return
            rows.set_state(conn, number, "no_show", now=now)
            data = {"booking": number, "session": record.session}
            self._parts.facts.append(
                conn, type="booking.no_show", session=record.session, data=data
            )
            for ctl in rows.drop_plans(conn, record.session):
                self._parts.fleet.publish_plan(conn, ctl)

    def _all_heard(self, conn: Connection, record: Record) -> bool:
        """Whether the home room, if it had the session at all, has nothing left to tell."""
        if record.row["published_at"] is None:
            return True
        home = record.venue(record.home_org)
        ctl = places.controller_of(conn, str(home["place"])) if home is not None else None
        if ctl is None:
            return True
        link = self._parts.rooms.link(ctl)
        return bool(link.reachable) and link.outbox == 0

    def _fact(self, conn: Connection, what: str, record: Record, actor: Actor, **more: Any) -> None:
        data = {
            "booking": record.number,
            "by": {"person": actor.person, "post": actor.post, "org": actor.org},
            **{key: value for key, value in more.items() if value not in (None, "")},
        }
        self._parts.facts.append(conn, type=what, session=record.session, data=data)

    def _load(self, conn: Connection, number: str, actor: Actor | None = None) -> Record:
        record = rows.load(conn, number)
        if record is None or (actor is not None and not sees_session(actor, record)):
            raise no_booking(number)
        return record

    def _json(self, conn: Connection, record: Record, actor: Actor) -> dict[str, Any]:
        rooms = places.room_rows(conn, frozenset(str(v["place"]) for v in record.venues))
        names = places.org_names(conn)
        viewer = actor.org if sees_identities(actor) else ""
        return booking_json(record, names=names, rooms=rooms, viewer_org=viewer)


def span_of(wish: RequestBody) -> tuple[datetime, datetime]:
    """The range a request occupies, buffers included."""
    ends = wish.start_at + timedelta(minutes=wish.duration_min)
    return wish.start_at - BUFFER_BEFORE, ends + BUFFER_AFTER


def _must_be(record: Record, states: tuple[str, ...], *, do: str) -> None:
    if record.state not in states:
        raise refuse(
            409,
            "booking_state",
            zh="预约当前状态不允许此操作",
            en="The booking's state does not allow this",
            where=f"booking {record.number}",
            expected=" or ".join(states),
            got=record.state,
            do=do,
        )


def _reason(text: str) -> str:
    reason = text.strip()
    if not 0 < len(reason) <= REASON_CHARS_MAX:
        raise refuse(
            422,
            "reason_missing",
            zh="须写明理由",
            en="A reason is needed",
            where="booking.reason",
            expected=f"1 to {REASON_CHARS_MAX} characters",
            got=f"{len(reason)} characters",
            do="写明理由后再提交",
        )
    return reason
