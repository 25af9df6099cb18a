"""Faults planted in who may order and in the offline code; the tests of each notice."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_CODE: Final = "tests/protocols/messages/test_offline_code.py"
_ROOM: Final = "tests/edge/test_room_codes.py"
_ORDERS: Final = "tests/protocols/messages/test_orders.py"
_LINE: Final = "tests/edge/test_offline_orders.py"
_TRIES: Final = "tests/edge/test_duty.py"
_BOOK: Final = "tests/edge/test_code_book.py"

ORDERS: Final = (
    Planted(
        "the hub's own list of codes counts",
        "protocols/messages/offline_code.py",
        "        if ours and who.venue_org == home_org:\n",
        '        if (ours and who.venue_org == home_org) or who.kind == "hub":\n',
        (f"{_CODE}::test_a_list_of_nobody_entitled_counts_for_nothing",),
    ),
    Planted(
        "any venue's controller makes codes",
        "protocols/messages/offline_code.py",
        "        if ours and who.venue_org == home_org:\n",
        "        if ours:\n",
        (f"{_CODE}::test_a_list_of_nobody_entitled_counts_for_nothing",),
    ),
    Planted(
        "a list of another session counts",
        "protocols/messages/offline_code.py",
        "    if (found.session, found.venue) != (session, venue):\n",
        "    if found.venue != venue:\n",
        (f"{_CODE}::test_a_list_of_another_session_or_venue_counts_for_nothing",),
    ),
    Planted(
        "a code's check character is not looked at",
        "protocols/messages/offline_code.py",
        "    if check != _check(values):\n",
        "    if check < 0:\n",
        (f"{_CODE}::test_one_wrong_character_is_a_slip_and_no_wrong_code",),
    ),
    Planted(
        "a code is the same in every venue",
        "protocols/messages/offline_code.py",
        'parts = (b"er1/code", session.encode(), venue.encode(), slot',
        'parts = (b"er1/code", session.encode(), b"", slot',
        (f"{_CODE}::test_a_code_is_of_one_session_and_venue",),
    ),
    Planted(
        "a code confirms a code",
        "edge/room_rules/orders.py",
        'if seen is None or not same or work.data.get("via") == VIA_CODE:',
        "if seen is None or not same:",
        (f"{_ROOM}::test_a_code_counts_once_whatever_its_order_is_called_across_a_restart",),
    ),
    Planted(
        "whatever is signed confirms a code",
        "edge/room_rules/orders.py",
        "        seen.order == word and (",
        "        seen.order and (",
        (f"{_ROOM}::test_a_signed_order_that_says_something_else_than_the_code_is_too_old",),
    ),
    Planted(
        "an end confirms another word on the committee",
        "edge/room_rules/orders.py",
        "complete is session.committee_complete",
        "session.committee_complete is not None",
        (f"{_ROOM}::test_an_end_confirms_a_code_that_said_the_same_of_the_committee",),
    ),
    Planted(
        "an order that a code overtook needs no signature",
        "protocols/messages/orders.py",
        "    if not any(_may_order(actor, order, session, trust) for actor in signers):\n",
        "    if order.n not in session.by_code and not any(\n"
        "        _may_order(actor, order, session, trust) for actor in signers\n    ):\n",
        (f"{_ORDERS}::test_an_order_that_a_code_overtook_holds_and_moves_no_number_back",),
    ),
    Planted(
        "wrong codes are not counted",
        "edge/code_entry.py",
        "left=self.tries.wrong(session)",
        "left=4",
        (f"{_LINE}::test_five_wrong_codes_lock_for_ten_minutes_over_a_restart",),
    ),
    Planted(
        "wrong tries are forgotten by a restart",
        "edge/tries.py",
        '        self.keep(json.dumps(dict(newest)).encode("utf-8"))\n',
        "        del newest\n",
        (
            f"{_LINE}::test_wrong_codes_before_a_restart_count_after_it",
            f"{_TRIES}::test_wrong_tries_are_kept_before_they_are_told_and_hold_after_a_restart",
        ),
    ),
    Planted(
        "a lock ends with the wall clock's word for the pause",
        "edge/tries.py",
        "rows = {str(who): (int(count), now_ms) for who, (count, _) in found}",
        "rows = {str(who): (int(count), int(at)) for who, (count, at) in found}",
        (f"{_TRIES}::test_a_clock_that_was_set_forward_over_a_restart_gives_no_new_tries",),
    ),
    Planted(
        "a code is shown of an order that nobody gave",
        "edge/screen_port.py",
        "if one[0].n == n and one[0].by != BY_HUB), None)",
        "if one[0].by != BY_HUB), None)",
        (f"{_LINE}::test_no_code_of_an_order_that_was_not_given",),
    ),
    Planted(
        "whoever is on duty has a code shown",
        "edge/screen_port.py",
        "        if not home or person.role not in ORDER_ROLES:\n",
        "        if not home:\n",
        (f"{_LINE}::test_only_the_manager_or_deputy_has_a_code_shown",),
    ),
    Planted(
        "codes outlive their session",
        "edge/code_book.py",
        '            self.journal.kv_wipe(KV_CODES + session, b"")\n',
        "            return\n",
        (f"{_BOOK}::test_a_closed_session_s_codes_are_in_no_file",),
    ),
    Planted(
        "codes are drawn anew at each start",
        "edge/code_book.py",
        "missing = [venue for venue in guests if venue not in known]",
        "missing = list(guests)",
        (f"{_BOOK}::test_they_are_drawn_and_told_once_whatever_is_restarted",),
    ),
)
"""Every fault planted in orders and offline codes."""
