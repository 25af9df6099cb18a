"""The views made of the running services: what each page asks, and who may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, Protocol

from starlette.requests import Request

from hub.accounts.actor import Actor
from hub.accounts.sessions import OpenSessions
from hub.archive.service import Archive
from hub.booking.service import Booking
from hub.contingency.service import Contingency
from hub.fleet import confirming
from hub.fleet.clones import RELEASING
from hub.guard import Guard
from hub.keys.duty import on_duty
from hub.ports import Parts
from hub.problems import Problem
from hub.reach import visible_rooms
from hub.recording.counts import Counting
from hub.session.service import Sessions
from hub.web.i18n import Both, Text, say
from hub.web.templating import local, ymd
from hub.web.views_account import ADMINISTERING, LOG_SHOWN, AccountView, account_view
from hub.web.views_alarm_make import BoardData, alarms_of, closes_for, phase_text
from hub.web.views_archive import ArchiveView, DueRow, PackageView
from hub.web.views_archive_make import archive_view, due_rows, package_state, package_view
from hub.web.views_board import BoardView
from hub.web.views_board_make import (
    attention,
    board_view,
    live_phase,
    members_text,
    places_text,
)
from hub.web.views_booking import BookingsView, BookingView
from hub.web.views_booking_make import booking_view, bookings_view
from hub.web.views_case import CaseListView, CaseView
from hub.web.views_case_make import case_list, case_view
from hub.web.views_common import ARCHIVE_READING, Viewer, number_text, org_short, org_text
from hub.web.views_devices import DevicesView, Reading, devices_view
from hub.web.views_events import CaseWords
from hub.web.views_session import SessionLine, SessionListView, SessionView
from hub.web.views_session_make import session_view
from hub.web.views_source import NotAllowedError, NotThereError

TIMELINE_ROWS_MAX: Final = 20_000
"""Rows of one session a page reads at most; a long day with seven venues has about 5000."""
TIMELINE_STEP: Final = 500
HANDLING: Final = (
    "fault_handler",
    "operator",
    "home_manager",
    "deputy",
    "guest_coordinator",
    "room_staff",
    "technician",
    "witness",
)
RUNNING: Final = ("confirmed", "in_use", "ended", "closed", "aborted")
"""Bookings that have a session to look at."""
OVER: Final = ("ended", "closed", "aborted")
GIVEN_UP: Final = frozenset({"declined", "withdrawn", "expired", "rescheduled", "no_show"})
"""Bookings that stand in no one's way any more."""
READS_SHOWN: Final = 20
PEOPLE_ROLES: Final = ("tenderer_agent", "supervisor", "service", "administrator")


class ConsoleHub(Parts, Protocol):
    """The parts of the hub the pages read."""

    booking: Booking
    sessions: Sessions
    contingency: Contingency
    archive: Archive
    guard: Guard

    @property
    def ingest(self) -> Counting:
        """What passed of the rooms' messages."""
        ...


class HubAccess:
    """Readers are signed-in users; the main role is the first one held."""

    def __init__(self, hub: ConsoleHub) -> None:
        self._hub = hub

    def viewer(self, request: Request) -> Viewer | None:
        """The reader of a request, or None."""
        try:
            who = self._hub.accounts.of_request(request)
        except Problem:
            return None
        return _viewer(who.actor, csrf=who.csrf, name=org_names(self._hub).get(who.actor.org))


def _viewer(actor: Actor, *, csrf: str, name: Both | None) -> Viewer:
    return Viewer(
        person=actor.person,
        login=actor.login,
        post=actor.post,
        org=actor.org,
        org_name=actor.org if name is None else org_short(actor.org, name),
        role=actor.roles[0] if actor.roles else "operator",
        roles=frozenset(actor.roles),
        csrf=csrf,
    )


def org_names(hub: ConsoleHub) -> dict[str, Both]:
    """Organisation -> its name in both languages."""
    return {one["org"]: org_text(one["name"], one["name_en"]) for one in hub.booking.directory()}


class ServiceViews:
    """One method per page, over the hub's services."""

    def __init__(self, hub: ConsoleHub) -> None:
        self._hub = hub

    def account(self, viewer: Viewer) -> AccountView:
        """The reader's own account, and what an administrator sees of the colleagues'."""
        hub, factors = self._hub, self._hub.accounts.factors
        sessions = OpenSessions(store=hub.store, facts=hub.facts, log=hub.accounts.log)
        people = hub.accounts.register.people(viewer.org) if viewer.may(ADMINISTERING) else []
        return account_view(
            viewer,
            factors.standing(self._actor(viewer)),
            sessions.of(viewer.person, csrf=viewer.csrf),
            [(one, factors.standing(one), len(sessions.of(one.person))) for one in people],
            hub.accounts.log.of(viewer.login, limit=LOG_SHOWN),
        )

    def board(self, viewer: Viewer) -> BoardView:
        """The reader's rooms, today's sessions, open alarms."""
        return board_view(self._board_data(viewer))

    def _board_data(self, viewer: Viewer, *, day: str | None = None) -> BoardData:
        hub = self._hub
        now = hub.clock.wall()
        directory = hub.booking.directory()
        found = hub.booking.listed(self._actor(viewer), day=ymd(now) if day is None else day)
        kept = [one for one in found if one["state"] not in GIVEN_UP]
        return BoardData(
            now=now,
            rooms=visible_rooms(hub.store, viewer, hub.rooms.snapshot(), now, hub.calendar),
            sessions=kept,
            cases=hub.contingency.list_for(self._actor(viewer), open_only=True),
            names={one["org"]: org_text(one["name"], one["name_en"]) for one in directory},
            home_orgs=frozenset(one["home_org"] for one in found)
            | frozenset(one["org"] for one in directory if one["kind"] in HOME_KINDS),
            pack=hub.pack,
            may_ack=viewer.may(*HANDLING),
            may_close=closes_for(viewer.org, viewer.roles),
            hub=(hub.rooms.itself(hub.facts.hub),) if viewer.may(*HANDLING) else (),
        )

    def sessions(self, viewer: Viewer) -> SessionListView:
        """Sessions of every day, newest first."""
        data = self._board_data(viewer, day="")
        alarms = alarms_of(data)
        # How far a session's members are is told to whoever sees the session, of all its venues.
        whole = replace(data, rooms=self._hub.rooms.snapshot())
        rows = tuple(
            _session_line(whole, one, attention(one, alarms))
            for one in data.sessions
            if one["state"] in RUNNING and one["published_n"]
        )
        return SessionListView(data.now, rows)

    def session(self, viewer: Viewer, session: str, *, whole_timeline: bool) -> SessionView:
        """One session with all its venues."""
        actor = self._actor(viewer)
        data = self._found(lambda: self._hub.sessions.view_for(actor, session))
        return session_view(
            viewer,
            data,
            entries=self._entries(session),
            cases=self._hub.contingency.list_for(actor, session=session),
            package=self._package(viewer, session),
            appraisal=self._hub.pack.appraisal,
            case_words=self._case_words(),
            duty=self._duty(viewer, session),
            whole_timeline=whole_timeline,
        )

    def _duty(self, viewer: Viewer, session: str) -> str:
        """The role a reader has on a session's roster; empty for none. PINs sign only there."""
        with self._hub.store.read() as conn:
            found = on_duty(conn, session, viewer.person)
        return "" if found is None else found.role

    def _case_words(self) -> CaseWords:
        """Steps and decisions as the policy pack calls them."""
        rules = self._hub.pack.contingency
        return CaseWords(
            {key: Both(one.zh, one.en) for key, one in rules.steps.items()},
            {key: Both(one.zh, one.en) for key, one in rules.options.items()},
        )

    def _entries(self, session: str) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        after, more = 0, True
        while more and len(rows) < TIMELINE_ROWS_MAX:
            part = self._hub.sessions.timeline(session, after, TIMELINE_STEP)
            rows.extend(part["entries"])
            after, more = part["next"], part["more"]
        return rows

    def _package(self, viewer: Viewer, session: str) -> tuple[str, Text]:
        """Address and words of the session's newest package, or by when one is due."""
        if not viewer.may(*ARCHIVE_READING):
            return "", say("session.package_hidden")
        found = self._hub.archive.list(self._actor(viewer), session=session)
        if found:
            state = package_state(found[0]).text
            return f"/packages/{found[0]['package']}", say("session.package_state", state=state)
        due = self._hub.archive.deadline(session)["due"]
        if due is None:
            return "", say("session.package_none")
        return "", say("session.package_due", date=due["due_on"])

    def archive(self, viewer: Viewer) -> ArchiveView:
        """What is to be handed over, and all packages."""
        hub, actor, names = self._hub, self._actor(viewer), org_names(self._hub)
        found = self._found(lambda: hub.archive.list(actor))
        due: list[DueRow] = []
        for one in hub.booking.listed(actor):
            ours = any(venue["org"] == viewer.org for venue in one["venues"])
            if ours and one["state"] in OVER:
                told = hub.archive.deadline(one["session"])
                due.extend(due_rows(viewer, one["number"], told, names))
        return archive_view(hub.clock.wall(), due=due, packages=found, names=names)

    def package(self, viewer: Viewer, package: str) -> PackageView:
        """One package; looking at it is recorded."""
        hub, actor = self._hub, self._actor(viewer)
        row = self._found(lambda: hub.archive.get(actor, package))
        booking = hub.booking.get(actor, row["booking"])
        due = hub.archive.deadline(row["session"])["due"]
        return package_view(
            viewer,
            row,
            now=hub.clock.wall(),
            names=org_names(hub),
            home_org=booking["home_org"],
            due=due["due_on"] if due else "–",
            reads=hub.archive.who_looked(actor, package)[:READS_SHOWN],
        )

    def devices(self, viewer: Viewer) -> DevicesView:
        """The health of the reader's rooms and of those his sessions share."""
        hub, now = self._hub, self._hub.clock.wall()
        rooms = visible_rooms(hub.store, viewer, hub.rooms.snapshot(), now, hub.calendar)
        own = [room.ctl for room in rooms if room.org == viewer.org]
        with hub.store.read() as conn:
            sent = confirming.recent(conn, own)
        reading = Reading(viewer.org, may_release=viewer.may(*RELEASING))
        return devices_view(rooms, org_names(hub), now, reading=reading, sent=sent)

    def cases(self, viewer: Viewer) -> CaseListView:
        """Contingency cases, open ones first."""
        found = self._hub.contingency.list_for(self._actor(viewer))
        return case_list(found, org_names(self._hub), self._hub.clock.wall())

    def case(self, viewer: Viewer, case: str) -> CaseView:
        """One contingency case."""
        found = self._found(lambda: self._hub.contingency.view_for(self._actor(viewer), case))
        duty = self._duty(viewer, found["session"]) if found["session"] else None
        now = self._hub.clock.wall()
        return case_view(viewer, found, names=org_names(self._hub), now=now, duty=duty)

    def bookings(self, viewer: Viewer, day: str) -> BookingsView:
        """The day's grid and all bookings."""
        hub = self._hub
        now = hub.clock.wall()
        actor = self._actor(viewer)
        grid = self._found(lambda: hub.booking.day_grid_for(actor, day or ymd(now)))
        found = hub.booking.listed(actor)
        return bookings_view(
            viewer, now=now, day=grid, found=found, directory=hub.booking.directory_for(actor)
        )

    def booking(self, viewer: Viewer, number: str) -> BookingView:
        """One booking."""
        hub = self._hub
        found = self._found(lambda: hub.booking.get(self._actor(viewer), number))
        people = [
            one.document()
            for one in hub.accounts.register.people(viewer.org)
            if not set(one.roles) <= set(PEOPLE_ROLES)
        ]
        return booking_view(viewer, found, now=hub.clock.wall(), people=people)

    def _actor(self, viewer: Viewer) -> Actor:
        return Actor(viewer.person, viewer.login, viewer.post, viewer.org, tuple(viewer.roles))

    def _found(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Problem as problem:
            if problem.status == HTTPStatus.FORBIDDEN:
                raise NotAllowedError(problem.what) from problem
            if problem.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise NotThereError(problem.what) from problem
            raise


HOME_KINDS: Final = ("implementing", "home")


def _session_line(data: BoardData, booking: Mapping[str, Any], state: Any) -> SessionLine:
    phase = live_phase(data, booking)
    return SessionLine(
        at=local(_start(booking)),
        number=number_text(booking["number"], booking["kind"]),
        href=f"/sessions/{booking['session']}",
        kind=say(f"term.session_kind.{booking['kind']}"),
        home=places_text([v for v in booking["venues"] if v["role"] == "home"]),
        guests=places_text([v for v in booking["venues"] if v["role"] != "home"]),
        phase=phase_text(phase) if phase else say(f"term.booking.{booking['state']}"),
        members=members_text(data, booking, phase),
        attention=state,
    )


def _start(booking: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(booking["start_at"])
