"""An order by telephone, from the home room's screen to the guest's, with nothing in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.duty import DutyError
from edge.screen.page import catalogue
from edge.tries import LOCK_MS, TRIES_MAX
from hub import crypto
from protocols.messages.acts import Order
from protocols.messages.offline_code import CodeList, code_text
from protocols.messages.order_text import order_text
from protocols.messages.signed import parse_message
from tests.edge.two_rooms import Room, TwoRooms
from tests.system.room_hub import Person

pytestmark = pytest.mark.slow  # two rooms are built for each
WRONG = code_text(b"no code...")


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[TwoRooms]:
    made = TwoRooms(tmp_path)
    yield made
    made.close()


def refused(answer: dict[str, Any]) -> str:
    assert answer["ok"] is False
    return str(answer["reason"])


def slip(room: Room, text: str) -> str:
    with pytest.raises(DutyError) as caught:
        room.typed(text)
    return str(caught.value.problem["reason"])


def test_a_code_read_over_the_telephone_is_the_order(rooms: TwoRooms) -> None:
    n, _ = rooms.issued("open")
    code = rooms.read_out(n)

    answer = rooms.guest.typed(code.lower().replace("-", " "))

    assert answer["ok"], answer
    assert rooms.guest.session.phase.value == "check_in"
    (event,) = rooms.guest.events("order.accepted")
    said = event.data
    assert (said["n"], said["order"], said["via"], said["raw"]) == (n, "open", "code", "")
    assert (said["code"], [one["person"] for one in said["by"]]) == (code, ["code"])
    assert [one["post"] for one in said["typed_by"]] == ["CS-07"]
    assert rooms.guest.events("codes.refused") == []


def test_its_signed_order_comes_later_and_only_confirms(rooms: TwoRooms) -> None:
    n, raw = rooms.issued("open")
    rooms.guest.typed(rooms.read_out(n))
    rooms.guest.restart()
    wrapped = rooms.guest.wrapped("order", raw)

    assert rooms.guest.hub_sends(wrapped)["types"] == ["order.confirmed"]
    assert rooms.guest.hub_sends(wrapped)["types"] == []
    assert rooms.guest.session.phase.value == "check_in"
    assert rooms.guest.session.last_n == n


def test_a_code_counts_once_also_after_a_restart(rooms: TwoRooms) -> None:
    code = rooms.read_out(rooms.issued("open")[0])
    rooms.guest.typed(code)

    assert refused(rooms.guest.typed(code)) == "old_n"
    rooms.guest.restart()
    assert refused(rooms.guest.typed(code)) == "old_n"


def test_a_code_whose_signed_order_came_first_is_too_late(rooms: TwoRooms) -> None:
    n, raw = rooms.issued("open")
    rooms.guest.hub_sends(rooms.guest.wrapped("order", raw))

    assert refused(rooms.guest.typed(rooms.read_out(n))) == "old_n"


def test_five_wrong_codes_lock_for_ten_minutes_over_a_restart(rooms: TwoRooms) -> None:
    code = rooms.read_out(rooms.issued("open")[0])
    for left in range(TRIES_MAX - 1, -1, -1):
        answer = rooms.guest.typed(WRONG)
        assert (refused(answer), answer["left"]) == ("wrong_code", left)
    assert refused(rooms.guest.typed(code)) == "code_locked"
    rooms.guest.restart()
    rooms.guest.now[0] += LOCK_MS - 1
    answer = rooms.guest.typed(code)
    assert (refused(answer), answer["minutes"]) == ("code_locked", 1)
    assert rooms.guest.session.phase.value == "prepared"
    rooms.guest.now[0] += 1
    assert rooms.guest.typed(code)["ok"]
    wrong = [one.data["reason"] for one in rooms.guest.events("order.refused")]
    assert wrong == ["wrong_code"] * 5 + ["code_locked"] * 2


def test_wrong_codes_before_a_restart_count_after_it(rooms: TwoRooms) -> None:
    for _ in range(3):
        rooms.guest.typed(WRONG)
    rooms.guest.restart()
    assert [rooms.guest.typed(WRONG)["left"] for _ in range(2)] == [1, 0]


def test_a_slip_of_ear_or_finger_costs_no_try(rooms: TwoRooms) -> None:
    code = rooms.read_out(rooms.issued("open")[0])
    for _ in range(TRIES_MAX + 1):
        assert slip(rooms.guest, code[:-1] + ("0" if code[-1] != "0" else "2")) == "code_check"
        assert slip(rooms.guest, code[:-2]) == "code_length"
        assert slip(rooms.guest, code.replace(code[0], "?")) == "code_letter"
    assert rooms.guest.typed(code)["ok"]


def test_a_code_needs_a_person_on_duty_here(rooms: TwoRooms) -> None:
    code = rooms.read_out(rooms.issued("open")[0])
    with pytest.raises(DutyError):
        rooms.guest.typed(code, rooms.keys.manager)


def test_a_room_without_a_list_says_so(rooms: TwoRooms) -> None:
    assert refused(rooms.home.typed(WRONG, rooms.keys.manager)) == "no_codes"


@pytest.mark.parametrize("forged", ["the hub", "the guest's own room", "nobody"])
def test_a_list_that_the_home_room_did_not_sign_counts_for_nothing(
    rooms: TwoRooms, forged: str
) -> None:
    code = rooms.read_out(rooms.issued("open")[0])
    carried = rooms.carried()
    if forged == "nobody":
        del carried["certs"]
    else:
        hub = crypto.signer(rooms.keys.hub, "hub")
        rig = rooms.guest.rig
        own = crypto.signer(rig.sign_key, "controller")
        cert = rooms.keys.certify(rig.ctl, "controller", "controller", rig.org, rig.sign_key)
        carried["certs"].append(cert)  # it is known here as a controller, but not as home's
        carried["codes"] = resealed(carried["codes"], hub if forged == "the hub" else own)

    rooms.guest.plan(**carried)

    assert refused(rooms.guest.typed(code)) == "no_codes"
    (event,) = rooms.guest.events("codes.refused")
    assert "home venue" in event.data["reason"]


def resealed(raw: str, signer: Any) -> str:
    found = CodeList.read(parse_message(raw.encode(), limit=len(raw)))
    return found.seal([signer]).decode("ascii")


# -- what the home room shows ---------------------------------------------------------------
def test_each_showing_is_on_the_record_without_the_code(rooms: TwoRooms) -> None:
    n, _ = rooms.issued("open")
    code = rooms.read_out(n)
    rooms.read_out(n)

    shown = rooms.home.events("code.shown")

    assert [(one.data["n"], one.data["order"], one.data["venues"]) for one in shown] == [
        (n, "open", ["changsha"])
    ] * 2
    assert shown[0].data["by"]["post"] == "HB-01"
    everything = [json.dumps(dict(one.data)) for one in rooms.home.service.journal.replay()]
    assert not any(code in one or code.replace("-", "") in one for one in everything)


def test_no_code_of_an_order_that_was_not_given(rooms: TwoRooms) -> None:
    rooms.issued("open")
    with pytest.raises(DutyError) as caught:
        rooms.home.passed_on(2)
    assert caught.value.problem["reason"] == "not_passed_on"
    assert rooms.home.events("code.shown") == []


@pytest.mark.parametrize("who", ["home_staff", "witness"])
def test_only_the_manager_or_deputy_has_a_code_shown(rooms: TwoRooms, who: str) -> None:
    n, _ = rooms.issued("open")
    person: Person = getattr(rooms.keys, who)
    with pytest.raises(DutyError):
        rooms.home.passed_on(n, person)


def test_a_guest_room_shows_none(rooms: TwoRooms) -> None:
    n, raw = rooms.issued("open")
    rooms.guest.hub_sends(rooms.guest.wrapped("order", raw))
    with pytest.raises(DutyError):
        rooms.guest.passed_on(n, rooms.keys.staff)


def test_an_order_that_came_through_the_hub_is_passed_on_too(rooms: TwoRooms) -> None:
    """The hub may reach home and not the guest: what counts is that home has it signed."""
    manager = rooms.keys.manager
    raw = Order("a" * 32, "s-0123456789ab", 1, "open", manager.person).seal([manager.signer])
    rooms.home.hub_sends(rooms.home.wrapped("order", raw))

    assert rooms.guest.typed(rooms.read_out(1))["ok"]


def test_a_release_by_name_has_no_code(rooms: TwoRooms) -> None:
    rooms.issued("open")
    n, _ = rooms.issued("member_release", members=[1])

    assert rooms.read_out(n) == ""


def test_on_a_full_disk_no_code_is_shown(rooms: TwoRooms) -> None:
    n, _ = rooms.issued("open")
    rooms.home.service.runtime.held.since_ms = 1

    assert refused(rooms.home.passed_on(n)) == "storage_full"


# -- by QR code -----------------------------------------------------------------------------
def scanned(rooms: TwoRooms, n: int) -> str:
    return str(rooms.home.passed_on(n)["text"])


def test_a_scanned_order_is_the_signed_one_and_its_delivery_a_repetition(rooms: TwoRooms) -> None:
    n, raw = rooms.issued("open")

    answer = rooms.guest.typed(scanned(rooms, n).lower())

    assert answer["ok"], answer
    (event,) = rooms.guest.events("order.accepted")
    assert (event.data["via"], event.data["raw"]) == ("qr", raw.decode())
    assert [one["post"] for one in event.data["typed_by"]] == ["CS-07"]
    assert rooms.guest.hub_sends(rooms.guest.wrapped("order", raw))["types"] == []
    assert refused(rooms.guest.typed(scanned(rooms, n))) == "repeated"


def test_what_no_code_can_say_a_scanned_order_says(rooms: TwoRooms) -> None:
    rooms.guest.typed(scanned(rooms, rooms.issued("open")[0]))
    n, _ = rooms.issued("member_release", members=[1])

    assert rooms.guest.typed(scanned(rooms, n))["ok"]
    assert rooms.guest.session.orders[-1].members == (1,)


def test_a_scanned_order_confirms_a_code(rooms: TwoRooms) -> None:
    n, _ = rooms.issued("open")
    rooms.guest.typed(rooms.read_out(n))

    assert rooms.guest.typed(scanned(rooms, n))["ok"]
    assert len(rooms.guest.events("order.confirmed")) == 1


def test_a_scan_of_a_part_is_no_try_and_no_order(rooms: TwoRooms) -> None:
    text = scanned(rooms, rooms.issued("open")[0])
    assert slip(rooms.guest, text[:-9]) == "qr_unread"


def test_a_scanned_order_of_another_hand_is_refused(rooms: TwoRooms) -> None:
    rooms.issued("open")
    staff = rooms.keys.home_staff
    forged = Order("b" * 32, "s-0123456789ab", 1, "open", staff.person).seal([staff.signer])

    assert refused(rooms.guest.typed(order_text(forged))) == "unsigned"


# -- by the hub's key -----------------------------------------------------------------------
def test_an_order_that_the_hub_signed_is_named_so_and_never_read_out(rooms: TwoRooms) -> None:
    """It counts only where the trust file says so (WIRE §1); no person stands behind it."""
    home = rooms.home
    raw = Order("d" * 32, "s-0123456789ab", 1, "open", "hub").seal(
        [crypto.signer(rooms.keys.hub, "hub")]
    )
    assert "order.refused" in home.hub_sends(home.wrapped("order", raw))["types"]
    trust = replace(rooms.keys.trust(), hub_orders=True)
    (home.rig.folder / "credentials" / "trust.json").write_bytes(trust.encode())
    home.restart()
    again = Order("e" * 32, "s-0123456789ab", 1, "open", "hub").seal(
        [crypto.signer(rooms.keys.hub, "hub")]
    )
    assert home.hub_sends(home.wrapped("order", again))["ok"]

    (shown,) = home.service.desk.view()["sessions"][0]["orders"]
    assert [one["person"] for one in shown["by"]] == ["hub"]
    words = catalogue()
    assert words["by.hub"] == ("中心密钥，无人签名", "the hub's key, no person")
    with pytest.raises(DutyError):
        home.passed_on(1)
