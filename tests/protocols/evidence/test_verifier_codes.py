"""Orders that came as an offline code: the code is one the home room drew for that order, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from protocols.evidence.package import certificate_line
from protocols.evidence.verifier import CODES, Report
from protocols.messages.offline_code import SLOTS, CodeList, Slot, code_text
from tests.protocols.evidence.sample_package import (
    EPOCH2,
    Recorder,
    certificate_file,
    certificates,
    found,
    room,
    verdict_on,
)
from tests.protocols.messages.wire_keys import (
    CTL,
    GUEST,
    ROOM,
    SESSION,
    Key,
    certify,
)

HOME_ROOM, HOME_CTL = Key("home room"), "c-ba9876543210"
DRAWN = {slot: bytes([at % 251, at // 251]) * 5 for at, slot in enumerate(SLOTS)}
ORDER = f"data/streams/{CTL}/{EPOCH2}/events.jsonl#2"
CERTS = [*certificates(), certify(HOME_ROOM, HOME_CTL, kind="controller", roles=["controller"])]


def drawn(
    *,
    session: str = SESSION,
    venue: str = "changsha",
    by: Key = HOME_ROOM,
    role: str = "controller",
) -> bytes:
    """The line of a list of hashes."""
    made = CodeList.of(session, venue, list(DRAWN.values()))
    return certificate_line(made.seal([by.signer(role)]))


def by_code(n: int = 4, order: str = "sign", committee: str = "", **changes: Any) -> dict[str, Any]:
    """What a guest's room says of an order by code."""
    word = f"end.{committee}" if order == "end" else order
    code = code_text(DRAWN[Slot(n, word)])
    about = {"id": f"o{n}", "n": n, "order": order, "committee": committee, "via": "code"}
    return {**about, "raw": "", "code": code, **changes}


def verdict(
    *orders: Mapping[str, Any],
    lists: bytes | None = drawn(),
    certs: list[bytes] = CERTS,
    **more: Any,
) -> Report:
    one, _ = room()
    two = Recorder(CTL, EPOCH2, ROOM)
    two.open(one)
    for data in orders:
        two.write("order.accepted", dict(data), SESSION)
    two.end(one)
    two.seal(1, two.seq)
    files = {**two.files(), CODES: lists, "data/keys/certificates.jsonl": certificate_file(certs)}
    return verdict_on(files, **more)


def wrong(report: Report) -> list[tuple[int, str, str]]:
    """What is found besides mere notes."""
    return [one for one in found(report) if one[0]]


def test_codes_that_were_drawn_for_their_orders_hold() -> None:
    report = verdict(by_code(), by_code(5, "end", "complete"))

    assert (report.code, report.counts["codes"]) == (0, 2), report.lines()


@pytest.mark.parametrize(
    "changes",
    [
        {"code": code_text(bytes(10))},
        {"code": code_text(DRAWN[Slot(5, "sign")])},  # another number's
        {"code": code_text(DRAWN[Slot(4, "close")])},  # another order's
        {"order": "close"},
        {"order": "unheard"},
        {"n": 5},
        {"n": 25},
        {"n": 0},
        {"n": "4"},
        {"code": ""},
        {"code": None},
        {"code": by_code()["code"].lower()},
        {"order": "end", "committee": "complete"},
    ],
)
def test_a_code_of_anything_else_is_altered(changes: dict[str, Any]) -> None:
    report = verdict(by_code() | changes)

    assert report.code == 2
    assert wrong(report)[0] == (2, "code", ORDER)


@pytest.mark.parametrize(
    "lists",
    [
        b"",
        drawn(venue="hunan"),
        drawn(session="s-00000000dcba"),
        drawn(by=ROOM),  # the guest's own controller
        drawn(by=Key("nobody")),
        drawn(role="home_manager"),
        certificate_line(b"no list"),
    ],
)
def test_a_list_that_is_not_the_home_rooms_for_here_counts_for_nothing(lists: bytes) -> None:
    assert wrong(verdict(by_code(), lists=lists))[0] == (2, "code", ORDER)
    assert verdict(by_code(), lists=lists + drawn()).code == 0


def test_a_list_whose_signature_is_another_counts_for_nothing() -> None:
    """Header, hashes and signer are the home room's; the signed bytes are of another session."""
    right, other = (
        CodeList.of(session, "changsha", list(DRAWN.values())).seal([HOME_ROOM.signer()])
        for session in (SESSION, "s-00000000dcba")
    )
    mixed = b"\n".join([*right.split(b"\n")[:-2], *other.split(b"\n")[-2:]])

    assert wrong(verdict(by_code(), lists=certificate_line(mixed)))[0] == (2, "code", ORDER)


def test_a_controller_that_the_home_venue_did_not_certify_draws_no_codes() -> None:
    other = certify(HOME_ROOM, HOME_CTL, kind="controller", roles=["controller"], issuer=GUEST)
    person = certify(HOME_ROOM, "p-0000000000ee", kind="person", roles=["controller"])
    for certs in ([*certificates(), other], [*certificates(), person], certificates()):
        assert wrong(verdict(by_code(), certs=certs))[0] == (2, "code", ORDER)


def test_a_code_counts_once() -> None:
    report = verdict(by_code(), by_code())

    assert wrong(report)[0] == (2, "code_twice", ORDER.replace("#2", "#3"))


def test_without_the_lists_the_package_is_incomplete() -> None:
    report = verdict(by_code(), lists=None)

    assert (report.code, wrong(report)[0][1:]) == (3, ("no_codes", CODES))
    assert verdict(lists=None).code == 0, "where no order came as a code none is missed"


def test_lists_that_were_lost_on_the_way_are_missed_once() -> None:
    report = verdict(by_code(), lost=[CODES])

    assert report.code == 3
    assert [name for _, _, name in wrong(report)] == [CODES]


def test_a_file_that_is_no_file_of_lists_is_altered() -> None:
    report = verdict(by_code(), lists=b"{}\n")

    assert (report.code, report.first_bad) == (2, f"{CODES}:1")
