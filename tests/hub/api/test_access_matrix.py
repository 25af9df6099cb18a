"""Every address that can be read, by everyone who might: own session, other's session, nobody's.

The matrix is made of the application's own routes: an address that is added without saying here
whom it is for fails the first test.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import insert, update

from hub.accounts.hashing import hash_password
from hub.reach import hears, visible_rooms
from hub.store.tables_business import booking, package, package_receipt
from hub.web.app import create_app
from tests.hub.booking.roomscript import order, rooms_of
from tests.hub.booking.town import CTLS, PASSWORD, Town, booking_of, build_town, published

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient

pytestmark = pytest.mark.slow  # twenty keys are opened on the way, half a second each

PARTIES = (
    "hubei.home_manager",
    "changsha.guest_coordinator",
    "hubei.supervisor",
    "hubei.tenderer_agent",
)
STRANGERS = ("hunan.operator", "hunan.tenderer_agent", "changsha.supervisor")
READERS = (*PARTIES, *STRANGERS)
PACKAGE = "pk-0123456789ab"
DAY = "2026-11-24"
POWER = {
    "fault": "power-1",
    "kind": "power",
    "device": "",
    "what": "lost",
    "p": "unset",
    "consequence": "ups_carries",
    "cause": "",
}
# What a reader of a session finds at an address that lists things; nobody else finds any of it.
LISTS = {
    "/api/v1/bookings": ("number", "session", "project"),
    "/api/v1/day-grid": ("number",),
    "/api/v1/directory": (),
    "/api/v1/board": ("session",),
    "/api/v1/cases": ("case", "session"),
    "/api/v1/packages": ("package",),
    "/api/v1/me": (),
    "/api/v1/account": (),
    "/account": (),
    "/api/v1/people": (),
    "/board": ("session",),
    "/alarms": ("case",),
    "/sessions": ("session",),
    "/cases": ("case",),
    "/bookings": ("number",),
    "/archive": ("package",),
    "/devices": (),
}
OUTSIDE = {"/sign-in/provider": 404, "/sign-in/provider/return": 404}
"""Not there: this hub knows no provider (tests/hub/accounts/test_provider.py)."""
OPEN = {"/", "/livez", "/readyz", "/sign-in", *OUTSIDE}
"""Nothing of a session stands here, signed in or not."""
OWN_SIGNATURE = {"/api/v1/plans/{digest}"}
"""A room's controller signs for these; no person reads them."""
ENDLESS = {"/api/v1/stream"}
"""Tested by topic."""
PACKAGES = {
    "/api/v1/packages",
    "/api/v1/packages/{package}",
    "/api/v1/packages/{package}/download",
    "/api/v1/packages/{package}/reads",
    "/packages/{package}",
    "/archive",
}
"""A tenderer's agent has no part in the hand-over at all."""


@dataclass
class Place:
    """A hub with one session in two organisations, and everyone signed in."""

    town: Town
    app: FastAPI
    client: TestClient
    ids: dict[str, str]
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def read(self, login: str, path: str) -> Any:
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies[login])
        accept = "application/json" if path.startswith("/api/") else "text/html"
        return self.client.get(path, params={"day": DAY}, headers={"accept": accept})

    def act(self, login: str, path: str, body: dict[str, Any]) -> Any:
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies[login])
        csrf = self.client.get("/api/v1/me").json()["csrf"]
        return self.client.post(path, json=body, headers={"X-CSRF": csrf})


def _people(town: Town) -> None:
    hashed = hash_password(PASSWORD)
    with town.store.write() as conn:
        for n, login in enumerate(READERS):
            org, role = login.split(".")
            if login in town.actors:
                town.accounts.set_password(conn, town.who(login).person, hashed)
            else:
                town.accounts.register.create(
                    conn,
                    login=login,
                    password_hash=hashed,
                    post=f"XX-{n:02d}",
                    org=org,
                    roles=[role],
                )


def _session(town: Town) -> dict[str, str]:
    booking = booking_of(town)
    town.clock.now = town.clock.now.replace(day=24, hour=0, minute=30)
    rooms = rooms_of(town)
    order(town, rooms, "open", "check_in")
    order(town, rooms, "start", "evaluating")
    media = rooms["changsha"].segment(b"ftyp guest" * 50)
    rooms["changsha"].say("fault.raised", POWER)
    with town.store.write() as conn:
        conn.execute(
            insert(package).values(
                id=PACKAGE,
                session=booking["session"],
                booking=booking["number"],
                org="changsha",
                role="guest",
                state="building",
                path="",
                stage="",
                done=0,
                total=1,
                notes=[],
                built_by="CH-00",
                started_at=town.clock.wall(),
            )
        )
    return {
        "session": booking["session"],
        "number": booking["number"],
        "project": booking["project_code"],
        "case": town.contingency.list()[0]["case"],
        "package": PACKAGE,
        "sha256": media,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    town = build_town(tmp_path_factory.mktemp("matrix"))
    published(town)
    ids = _session(town)
    _people(town)
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        made = Place(town, app, client, ids)
        for login in READERS:
            body = {"login": login, "password": PASSWORD}
            answer = client.post("/api/v1/sign-in", json=body)
            assert answer.status_code == 200, answer.text
            made.cookies[login] = dict(answer.cookies)
        yield made
    town.store.close()


@pytest.fixture
def ended(place: Place) -> Iterator[Place]:
    """The same with the session over; put back afterwards."""
    town = place.town
    over = datetime(2026, 11, 24, 10, tzinfo=UTC)
    mine = booking.c.number == place.ids["number"]
    with town.store.write() as conn:
        conn.execute(update(booking).where(mine).values(state="ended", ended_at=over))
    yield place
    with town.store.write() as conn:
        conn.execute(update(booking).where(mine).values(state="in_use", ended_at=None))


def readable(app: FastAPI) -> list[str]:
    """Every address of the application that answers GET."""
    paths = {one.path for one in _routes(app.routes) if "GET" in (one.methods or ())}
    return sorted(paths)


def _routes(routes: Any) -> Iterator[APIRoute]:
    for one in routes:
        if isinstance(one, APIRoute):
            yield one
        yield from _routes(getattr(getattr(one, "original_router", None), "routes", ()))


def expected(login: str, path: str) -> int:
    """The status this reader gets."""
    agent = login.endswith("tenderer_agent")
    if agent and path in {*PACKAGES, "/api/v1/media/{sha256}"}:
        return 403
    if "{" in path and login in STRANGERS:
        return 404
    if path.endswith("/download"):
        return 409  # not built yet
    return 200


def test_whom_every_address_is_for_is_said(place: Place) -> None:
    params = {"{" + key + "}" for key in place.ids}
    known = OPEN | OWN_SIGNATURE | ENDLESS | set(LISTS)
    found = readable(place.app)
    assert known <= set(found)
    assert all(any(one in path for path in found) for one in params - {"{project}"})
    for path in set(found) - known:
        assert any(one in path for one in params), f"{path}: for whom?"


@pytest.mark.parametrize("login", READERS)
def test_everyone_reads_what_concerns_him_and_nothing_else(place: Place, login: str) -> None:
    wrong = []
    for path in set(readable(place.app)) - OPEN - OWN_SIGNATURE - ENDLESS:
        answer = place.read(login, path.format(**place.ids))
        if answer.status_code != expected(login, path):
            wrong.append((path, answer.status_code, answer.text[:200]))
        shown = [key for key, value in place.ids.items() if value in _without_path(answer, path)]
        if login in STRANGERS and shown and "{" not in path:
            wrong.append((path, "shows", shown))
        if login in PARTIES and answer.status_code == 200:
            missing = set(LISTS.get(path, ())) - set(shown)
            wrong.extend((path, "lacks", key) for key in sorted(missing))
    assert wrong == []


def _without_path(answer: Any, path: str) -> str:
    return "" if path == "/api/v1/media/{sha256}" else str(answer.text)


@pytest.mark.parametrize("path", sorted(OPEN | OWN_SIGNATURE))
def test_nothing_of_a_session_stands_where_nobody_signs_in(place: Place, path: str) -> None:
    for login in STRANGERS:
        answer = place.read(login, path.format(digest="0" * 64))
        assert answer.status_code == {"/": 303, **OUTSIDE}.get(path, 401 if "{" in path else 200)
        assert not any(value in answer.text for value in place.ids.values())


def test_a_strangers_refusal_is_the_one_of_what_does_not_exist(place: Place) -> None:
    for path, code in (
        ("bookings/{number}", "no_such_booking"),
        ("sessions/{session}", "no_such_session"),
        ("sessions/{session}/timeline", "no_such_session"),
        ("sessions/{session}/deadline", "no_such_session"),
        ("cases/{case}", "no_such_case"),
        ("packages/{package}", "no_such_package"),
    ):
        answer = place.read("hunan.operator", "/api/v1/" + path.format(**place.ids))
        assert (answer.status_code, answer.json()["code"]) == (404, code)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("bookings/{number}/confirm", {}),
        ("bookings/{number}/withdraw", {"reason": "x"}),
        ("bookings/{number}/accept", {}),
        ("bookings/{number}/members", {"members": []}),
        ("bookings/{number}/duty", {"persons": []}),
        ("bookings/{number}/publish", {"password": "x"}),
        ("sessions/{session}/orders", {"order": "end", "pin": "13572468"}),
        ("sessions/{session}/appraisals", {"member": 4, "items": []}),
        ("sessions/{session}/packages", {"password": "x"}),
        ("cases/{case}/ack", {}),
        ("cases/{case}/notes", {"text": "x"}),
        ("cases/{case}/scope", {"scope": "all"}),
        ("cases/{case}/close", {"summary": "x"}),
    ],
)
def test_a_stranger_changes_nothing(place: Place, path: str, body: dict[str, Any]) -> None:
    path = "/api/v1/" + path.format(**place.ids)
    answer = place.act("hunan.operator", path, body)
    # Some acts ask for the role before they look: that tells nothing of what exists.
    assert (answer.status_code, answer.json()["code"]) in {
        (404, "no_such_booking"),
        (404, "no_such_session"),
        (404, "no_such_case"),
        (403, "role_missing"),
    }


def test_the_home_manager_sees_the_guests_room_while_they_share_a_session(place: Place) -> None:
    def rooms(login: str) -> set[str]:
        answer = place.read(login, "/api/v1/board").json()
        return {one["ctl"] for one in answer["rooms"]}

    assert rooms("hubei.home_manager") == set(CTLS.values())
    assert rooms("changsha.guest_coordinator") == set(CTLS.values())
    assert rooms("hunan.operator") == set()
    own = place.read("changsha.supervisor", "/api/v1/board").json()["rooms"]
    assert [(one["ctl"], one["session"]) for one in own] == [(CTLS["changsha"], None)]
    clock = place.town.clock
    before, clock.now = clock.now, clock.now.replace(day=16)
    assert rooms("hubei.home_manager") == set(CTLS.values())  # upcoming
    clock.now = before


def test_after_the_day_home_sees_the_guests_room_until_the_receipt_and_nobody_else_does(
    ended: Place,
) -> None:
    town, every = ended.town, set(CTLS.values())

    def rooms(login: str, now: datetime) -> set[str]:
        actor = town.accounts.register.actor_by_login(login)
        assert actor is not None
        found = visible_rooms(town.store, actor, town.rooms.snapshot(), now, town.calendar)
        return {one.ctl for one in found}

    day_after = datetime(2026, 11, 25, 2, tzinfo=UTC)
    assert rooms("hubei.home_manager", day_after) == every
    assert rooms("changsha.guest_coordinator", day_after) == {CTLS["changsha"]}
    assert rooms("hunan.operator", day_after) == set()
    tenth = datetime(2026, 12, 8, 15, 59, tzinfo=UTC)  # the tenth working day ends in a minute
    assert rooms("hubei.home_manager", tenth) == every
    assert rooms("hubei.home_manager", tenth + timedelta(minutes=2)) == {CTLS["hubei"]}
    for verdict, seen in (("refused", every), ("partial", {CTLS["hubei"]})):
        with town.store.write() as conn:
            row = {"package": PACKAGE, "verdict": verdict, "gaps": [], "raw": b"", "by": {}}
            conn.execute(insert(package_receipt).values(**row, at=day_after))
        assert rooms("hubei.home_manager", day_after) == seen


def test_a_partner_sees_that_a_station_is_taken_and_no_more(place: Place) -> None:
    answer = place.read("hunan.operator", "/api/v1/directory").json()["organisations"]
    partners = {one["org"] for one in answer}
    grid = place.read("hunan.operator", "/api/v1/day-grid").json()["stations"]
    assert {one["org"] for one in grid} <= partners
    held = [one for row in grid for one in row["held"]]
    assert all(one["booking"] is None and one["state"] == "taken" for one in held)
    agent = place.read("hunan.tenderer_agent", "/api/v1/directory").json()["organisations"]
    assert [one["org"] for one in agent] == ["hunan"]


@pytest.mark.parametrize("login", READERS)
def test_the_live_stream_says_only_what_concerns_the_reader(place: Place, login: str) -> None:
    actor = place.town.accounts.register.actor_by_login(login)
    assert actor is not None
    ids, store = place.ids, place.town.store
    kinds = (("session", "session"), ("booking", "number"), ("case", "case"))
    for kind, key in (*kinds, ("package", "package")):
        assert hears(store, actor, f"{kind}:{ids[key]}") == (login in PARTIES)
        assert not hears(store, actor, f"{kind}:other")
    assert hears(store, actor, "board")
    assert not hears(store, actor, "quarantine")
    assert not hears(store, actor, f"other:{ids['session']}")


def test_only_the_own_organisation_sees_masks_and_the_agent_sees_none(place: Place) -> None:
    path = f"/api/v1/bookings/{place.ids['number']}"
    for login, seen in (
        ("hubei.home_manager", {1, 2, 3}),
        ("changsha.guest_coordinator", {4, 5}),
        ("hubei.tenderer_agent", set()),
    ):
        members = place.read(login, path).json()["members"]
        assert {one["no"] for one in members if "masked" in one} == seen


def test_a_refused_body_is_not_said_back(place: Place) -> None:
    body = {"login": "a", "password": "p", "secret": "open sesame"}
    for one in (body, {"login": ["open sesame"], "password": "p"}, ["open sesame"]):
        answer = place.client.post("/api/v1/sign-in", json=one)
        assert answer.status_code == 422
        assert "open sesame" not in answer.text
