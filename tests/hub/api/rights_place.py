"""A hub with one session, a person of every role in three organisations, and what each may ask."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import insert

from hub.access import HOME_ONLY
from hub.accounts.actor import ROLES
from hub.alarms import rows as alarm_rows
from hub.alarms.kinds import UNREADABLE, Said
from hub.alarms.rows import Evidence
from hub.store.tables_business import package
from hub.web.app import create_app
from hub.web.rights import Right, rights
from tests.hub.booking.roomscript import order, rooms_of
from tests.hub.booking.town import (
    CTLS,
    START,
    Town,
    booking_of,
    build_town,
    published,
    request_body,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient

PACKAGE = "pk-0123456789ab"
ORGS = {"hubei": "home", "changsha": "guest", "hunan": "stranger"}
PARTY = {"home", "guest"}
REFUSED = {401, 403, 404}
LET_THROUGH = {
    "not_on_duty",
    "secret_wrong",
    "order_role",
    "no_key",
    "not_my_duty",
    "sign_in_wrong",
    "no_such_sign_in",
}
"""Refusals of the roster, of a PIN or password: role and organisation were right."""
BLANK = " "
POWER = {
    "fault": "power-1",
    "kind": "power",
    "device": "",
    "what": "lost",
    "p": "unset",
    "consequence": "ups_carries",
    "cause": "",
}
BODIES: dict[str, dict[str, Any]] = {
    "bookings": request_body(),
    "accept": {},
    "decline": {"reason": "x"},
    "confirm": {},
    "withdraw": {"reason": "x"},
    "reschedule": {"start_at": START, "reason": "x"},
    "members": {"members": []},
    "duty": {"persons": []},
    "duty/confirm": {"pin": "00000000"},
    "publish": {"password": "x"},
    "orders": {"order": "end", "pin": "00000000"},
    "sessions/{session}/statements": {
        "member": 4,
        "document": "report",
        "outcome": "signed",
        "digest": "0" * 64,
        "pin": "00000000",
        "second_login": "nobody",
        "second_pin": "00000000",
    },
    "commands": {
        "session": "{session}",
        "ctl": CTLS["changsha"],
        "verb": "self_test",
        "pin": "00000000",
    },
    "cases/{case}/ack": {},
    "steps": {"key": "no such step", "state": "done"},
    "notes": {"text": BLANK},
    "scope": {"scope": "nowhere"},
    "decisions": {"option": "x", "scope": "all", "reason": "x", "pin": "00000000"},
    "seal": {
        "action": "nothing",
        "seal_no": "1",
        "what": "x",
        "pin": "00000000",
        "second_login": "nobody",
        "second_pin": "00000000",
    },
    "cases/{case}/close": {"summary": BLANK},
    "alarms/{alarm}/ack": {},
    "alarms/{alarm}/close": {"reason": BLANK},
    "release": {"reason": "seen by two"},
    "appraisals": {"member": 4, "items": ["no such item"]},
    "packages": {"password": "x"},
    "offer": {},
    "receipt": {"password": "x"},
    "sign-out": {},
    "account/password": {"old": "x", "new": "x", "again": "y"},
    "sessions/end": {},
    "sessions/{ident}/end": {},
    "second-factor": {"password": "x"},
    "second-factor/confirm": {"code": "x"},
    "second-factor/reset": {"reason": "x"},
}
"""Bodies that are read and then stopped by something else than who sends them."""


@dataclass
class Place:
    """A hub with one session in two organisations, and one person of every role in three."""

    town: Town
    app: FastAPI
    client: TestClient
    ids: dict[str, str]
    people: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def ask(self, who: tuple[str, str] | None, address: str) -> Any:
        method, path = address.split(" ", 1)
        self.client.cookies.clear()
        headers = {"accept": "application/json" if path.startswith("/api/") else "text/html"}
        if who is not None:
            token, csrf = self.people[who]
            self.client.cookies.set("er_session", token)
            headers["x-csrf"] = csrf
        body = None if method == "GET" else self._body(path)
        path = path.format(**self.ids)
        params = {"day": "2026-11-24"} if method == "GET" else None
        return self.client.request(method, path, json=body, headers=headers, params=params)

    def _body(self, path: str) -> dict[str, Any]:
        fitting = [key for key in BODIES if path.endswith(f"/{key}")]
        body = BODIES[max(fitting, key=len)] if fitting else {}
        return {k: v.format(**self.ids) if k == "session" else v for k, v in body.items()}


def _people(town: Town) -> dict[tuple[str, str], tuple[str, str]]:
    found = {}
    for n, (org, role) in enumerate((org, role) for org in ORGS for role in ROLES):
        login = f"x{n}"
        with town.store.write() as conn:
            town.accounts.register.create(
                conn, login=login, password_hash="", post=f"XX-{n:02d}", org=org, roles=[role]
            )
        actor = town.accounts.register.actor_by_login(login)
        assert actor is not None
        token, signed_in = town.accounts.open_session(actor)
        found[org, role] = (token, signed_in.csrf)
    return found


def _session(town: Town) -> dict[str, str]:
    booking = booking_of(town)
    town.clock.now = town.clock.now.replace(day=24, hour=0, minute=30)
    rooms = rooms_of(town)
    order(town, rooms, "open", "check_in")
    order(town, rooms, "start", "evaluating")
    media = rooms["changsha"].segment(b"ftyp guest" * 50)
    rooms["changsha"].say("fault.raised", POWER)
    row = {"role": "guest", "state": "building", "path": "", "stage": "", "done": 0, "total": 1}
    row |= {"notes": [], "built_by": "CH-00", "org": "changsha", "id": PACKAGE}
    row |= {"session": booking["session"], "booking": booking["number"]}
    ctl, now = CTLS["changsha"], town.clock.wall()
    evidence = Evidence(source=ctl, epoch="", seq=1, id=1, at=now, found_later=False)
    with town.store.write() as conn:
        conn.execute(insert(package).values(**row, started_at=now))
        alarm_rows.put(conn, Said(UNREADABLE, ctl, "", "", {"seq": "1"}), evidence)
        alarm = alarm_rows.standing(conn)[ctl][0].alarm
    return {
        "session": booking["session"],
        "number": booking["number"],
        "case": town.contingency.list()[0]["case"],
        "package": PACKAGE,
        "sha256": media,
        "alarm": f"{ctl}:{alarm}",
        "ctl": ctl,
        "digest": "0" * 64,
        "ident": "0" * 16,
        "login": "changsha.room_staff",
    }


@contextmanager
def placed(folder: Path) -> Iterator[Place]:
    """The place, made in this folder, until left."""
    town = build_town(folder)
    published(town)
    ids = _session(town)
    app = create_app(town)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield Place(town, app, client, ids, _people(town))
    town.store.close()


def may(right: Right, org: str, role: str) -> bool:
    """What the table says of this person at the one session there is; its room is the guest's."""
    side = ORGS[org]
    if role not in right.roles:
        return False
    if right.where in {"", "any"}:
        return True
    if right.where == "party":
        return side in PARTY and not (side == "guest" and role in HOME_ONLY)
    return side == ("guest" if right.where == "room" else right.where)


def _refused(answer: Any) -> bool:
    if answer.status_code not in REFUSED:
        return False
    if not answer.headers["content-type"].startswith("application/problem+json"):
        return True
    return answer.json()["code"] not in LET_THROUGH


def mismatches(
    place: Place, listed: Mapping[str, Right], *, part: tuple[int, int] = (1, 1)
) -> tuple[int, list[Any]]:
    """Cells asked, and those where the hub does not do what the table says.

    Args:
        place: the hub.
        listed: lines of the table.
        part: each so many-th of the cells that are let through, and of those that are refused.
    """
    wrong: list[Any] = []
    cells = 0
    for row, (address, right) in enumerate(listed.items()):
        for column, (org, role) in enumerate(place.people):
            if (row + column) % part[0 if may(right, org, role) else 1]:
                continue
            answer = place.ask((org, role), address)
            cells += 1
            assert answer.status_code < 500, answer.text
            if _refused(answer) == may(right, org, role):
                wrong.append((address, org, role, answer.status_code, answer.text[:120]))
    return cells, wrong


def persons() -> dict[str, Right]:
    """Lines for signed-in people; the endless stream and the end of one's own session apart."""
    apart = {"GET /api/v1/stream", "POST /api/v1/sign-out"}
    return {a: one for a, one in rights().items() if not one.outside and a not in apart}
