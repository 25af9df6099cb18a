"""Offline codes at the hub: hashes go to the guest untouched; what a room did by code shows."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.archive import building
from hub.archive.folder import Folder
from hub.booking_link import link_of
from hub.store.tables_business import session_plan
from hub.store.tables_core import plans
from protocols.evidence.package import certificate_line
from protocols.evidence.verifier import CODES
from protocols.messages.bodies import Keyring
from protocols.messages.offline_code import CODE_BYTES, SLOTS, CodeList, judge_codes
from protocols.messages.plan import read_plan
from protocols.messages.signed import parse_message
from tests.hub.booking.roomscript import Room, rooms_of
from tests.hub.booking.town import PASSWORD, PIN, Town, room_signer
from tests.protocols.messages.wire_keys import verify

pytestmark = pytest.mark.slow  # a booked day is made for it


def told(town: Town, room: Room, venue: str = "changsha", fill: int = 7) -> CodeList:
    """What a room says of its codes."""
    drawn = [bytes((fill,)) * CODE_BYTES for _ in SLOTS]
    made = CodeList.of(room.session, venue, drawn)
    raw = made.seal([room_signer(town, room.org)]).decode("ascii")
    room.mine("codes.drawn", {"venue": venue, "raw": raw})
    return made


def session_of(town: Town, room: Room) -> tuple[dict[str, Any], list[bytes]]:
    """The session as the newest plan of a room has it, and the plan's certificates."""
    mine = plans.c.ctl == room.ctl
    with town.store.read() as conn:
        row = conn.execute(select(plans).where(mine).order_by(plans.c.n.desc()).limit(1)).one()
    body = read_plan(parse_message(row.raw, limit=len(row.raw))).body
    assert body is not None
    (session,) = body["sessions"]
    return session, [base64.b64decode(one) for one in body["certs"]]


def test_the_home_room_s_hashes_reach_the_guest_with_what_proves_them(ready: Town) -> None:
    rooms = rooms_of(ready)

    made = told(ready, rooms["hubei"])

    session, certs = session_of(ready, rooms["changsha"])
    keyring = Keyring(ready.keys.trust(), certs, verify)
    place = {"session": rooms["hubei"].session, "venue": "changsha", "home_org": "hubei"}
    assert judge_codes(session["codes"].encode(), keyring, verify, **place) == made
    assert "codes" not in session_of(ready, rooms["hubei"])[0]


def test_codes_of_any_other_room_go_nowhere(ready: Town) -> None:
    rooms = rooms_of(ready)

    told(ready, rooms["changsha"])

    assert "codes" not in session_of(ready, rooms["changsha"])[0]


def test_a_plan_that_is_made_anew_keeps_the_newest_codes(ready: Town) -> None:
    rooms = rooms_of(ready)
    told(ready, rooms["hubei"], fill=1)
    newest = told(ready, rooms["hubei"], fill=2).seal([room_signer(ready, "hubei")])
    number = ready.sessions.view(rooms["hubei"].session)["booking"]

    ready.booking.publish(ready.who("changsha.home_manager"), number, PASSWORD)

    assert session_of(ready, rooms["changsha"])[0]["codes"].encode() == newest
    with ready.store.read() as conn:
        rows = conn.execute(select(session_plan.c.body).order_by(session_plan.c.org)).scalars()
        assert ["codes" in body for body in rows] == [True, False]


def test_an_order_that_came_by_code_is_shown_as_done_when_its_signed_one_is_confirmed(
    ready: Town,
) -> None:
    rooms = rooms_of(ready)
    guest, manager = rooms["changsha"], ready.who("hubei.home_manager")
    sent = ready.sessions.issue_order(manager, guest.session, "open", PIN)
    code = {"person": "code", "post": "", "role": "", "org": "hubei"}
    about = {"n": sent["n"], "order": "open", "members": [], "raw": ""}
    guest.write(
        "order.accepted",
        {"id": "c0de", "by": [code], "via": "code", **about},
        session=guest.session,
    )
    guest.phase("check_in", before="prepared", order="c0de")
    assert venue(ready, guest)["accepted"] is None

    guest.mine("order.confirmed", {"id": sent["id"], "code_order": "c0de", "by": [], **about})

    shown = venue(ready, guest)
    assert shown["accepted"]
    assert shown["acted"]
    with ready.store.read() as conn:
        assert ready.fleet.states(conn, sent["id"])[guest.ctl]["state"] == "accepted"


def test_a_package_with_an_order_by_code_brings_the_lists_that_were_drawn_for_its_venue(
    ready: Town, tmp_path: Path
) -> None:
    rooms = rooms_of(ready)
    guest = rooms["changsha"]
    lists = [told(ready, rooms["hubei"], fill=fill) for fill in (1, 2)]
    told(ready, rooms["hubei"], "hunan")
    assert CODES not in packed(ready, guest, tmp_path / "before"), "nothing came as a code"

    code = {"n": 1, "order": "open", "via": "code", "code": "0" * 17}
    guest.mine("order.accepted", {"id": "c0de", "by": [], "members": [], "raw": "", **code})

    signers = [room_signer(ready, "hubei")]
    expected = b"".join(certificate_line(one.seal(signers)) for one in lists)
    assert packed(ready, guest, tmp_path / "after")[CODES] == expected


def packed(town: Town, room: Room, folder: Path) -> dict[str, bytes]:
    """The records of a package of the room's venue."""
    with town.store.read() as conn:
        link = link_of(conn, room.session)
    assert link is not None
    sources = building.read(town, link, org=room.org)
    building._records(Folder(folder), town, sources)
    files = [one for one in folder.rglob("*") if one.is_file()]
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def venue(town: Town, room: Room) -> dict[str, Any]:
    """The one order as it stands at a venue."""
    (order,) = town.sessions.view(room.session)["orders"]
    found: dict[str, Any] = next(one for one in order["at_venues"] if one["ctl"] == room.ctl)
    return found
