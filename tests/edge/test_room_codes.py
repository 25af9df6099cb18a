"""Orders that come as an offline code: as good as signed ones, once, and confirmed later."""

from __future__ import annotations

from typing import Any

import pytest

from tests.edge.room_bench import CODE, SESSION, STAFF, Bench
from tests.edge.test_room_orders import refused


def by_code(room: Bench, word: str, n: int, **more: Any) -> None:
    about = {"by": CODE, "via": "code", "raw": "", "code": "0000-1111", "typed_by": STAFF}
    room.order(word, n=n, **about, **more)


def test_an_order_by_code_is_as_good_as_a_signed_one_and_says_what_it_is() -> None:
    room = Bench().begin()
    by_code(room, "open", 1)
    assert (room.answer(), room.phase()) == ({"ok": True}, "check_in")
    said = room.only("order.accepted")
    assert (said["via"], said["code"], said["raw"]) == ("code", "0000-1111", "")
    assert (said["by"], said["typed_by"]) == ([CODE], [STAFF])
    room.check_fold()


def test_the_signed_order_behind_a_code_confirms_it_and_does_nothing_else() -> None:
    room = Bench().begin()
    by_code(room, "open", 1)
    came = room.only("order.accepted")["id"]
    room.state = room.refold()
    room.feed("started")
    before = room.state.sessions[SESSION]
    room.order("open", n=1, id="signed", raw="signed bytes")
    assert (room.types(), room.answer()) == (["order.confirmed"], {"ok": True})
    said = room.only("order.confirmed")
    assert (said["id"], said["code_order"], said["raw"]) == ("signed", came, "signed bytes")
    after = room.state.sessions[SESSION]
    assert (after.phase, after.last_n, after.phase_ms) == (before.phase, 1, before.phase_ms)
    assert [(one.id, one.by[0].person) for one in after.orders] == [("signed", "p-manager")]
    room.check_fold()
    room.order("open", n=1, id="signed")
    assert room.answer() == {"ok": True, "repeated": True}
    room.order("open", n=1, id="another")
    refused(room, "old_n")


@pytest.mark.parametrize("more", [{"word": "postpone"}, {"n": 2}, {"n": 3}])
def test_a_signed_order_that_says_something_else_than_the_code_is_too_old(
    more: dict[str, Any],
) -> None:
    room = Bench().begin()
    by_code(room, "open", 4)
    room.order(more.pop("word", "open"), id="signed", **{"n": 4, **more})
    refused(room, "old_n")
    assert room.phase() == "check_in"


@pytest.mark.parametrize(("said", "confirmed"), [("complete", True), ("incomplete", False)])
def test_an_end_confirms_a_code_that_said_the_same_of_the_committee(
    said: str, confirmed: bool
) -> None:
    room = Bench().evaluating()
    room.order("sign")
    by_code(room, "end", 50, committee="complete")
    room.order("end", n=50, id="signed", committee=said)
    assert room.answer()["ok"] is confirmed


def test_a_code_counts_once_whatever_its_order_is_called_across_a_restart() -> None:
    room = Bench().begin()
    by_code(room, "open", 1)
    room.state = room.refold()
    room.feed("started")
    by_code(room, "open", 1, id="again")
    refused(room, "old_n")
    room.order("open", n=1, id="signed")
    by_code(room, "open", 1, id="once more")
    refused(room, "old_n")


def test_a_code_after_its_signed_order_is_too_late() -> None:
    room = Bench().begin()
    room.order("open", n=1)
    by_code(room, "open", 1, id="late")
    refused(room, "old_n")


def test_a_code_that_the_phase_refused_may_be_typed_again() -> None:
    room = Bench().begin()
    room.order("open", n=1)
    by_code(room, "start", 2, id="first")
    refused(room, "needs")
    by_code(room, "start", 2, id="second")
    assert "repeated" not in refused(room, "needs")
