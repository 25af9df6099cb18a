"""Controls of SECURITY.md that no other bank takes out: what threats 7 to 14 are met by."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_ORDERS: Final = "tests/protocols/messages/test_orders.py"
_ROOM: Final = "tests/edge/test_room_orders.py"
_ACTS: Final = "tests/protocols/evidence/test_verifier_acts.py"
_LINE: Final = "tests/edge/test_offline_orders.py"
_LINES: Final = "tests/system/test_room_lines.py"
_RENEWAL: Final = "tests/hub/fleet/test_renewal.py"
_OUT: Final = "test_a_revoked_room_is_out_within_seconds_and_gets_no_other_certificate"
_FULL: Final = "tests/torture/test_disk_full.py"
_INTAKE: Final = "tests/edge/test_intake.py"
_ERASURE: Final = "tests/hub/booking/test_erasure.py"
_RETENTION: Final = "tests/hub/booking/test_retention.py"

ACTS: Final = (
    # -- 7: a locker past the gate -----------------------------------------------------------
    Planted(
        "a room opens past its gate for two of one role",
        "edge/room_rules/commands.py",
        "    if not gate.two_roles(people(by)):\n",
        "    if len(people(by)) < 2:\n",
        (f"{_ROOM}::test_a_locker_is_overridden_by_two_persons_in_two_roles",),
    ),
    Planted(
        "an override signed by two of one role is genuine",
        "protocols/messages/orders.py",
        "    return len(persons) >= TWO and len({actor.role for actor in persons}) >= TWO\n",
        "    return len(persons) >= TWO\n",
        (f"{_ORDERS}::test_an_override_needs_two_persons_in_two_roles",),
    ),
    Planted(
        "the hub's key stands for one of the two",
        "protocols/messages/orders.py",
        "        if not _two_roles(persons):\n"
        '            return Refused("unsigned", "locker.override needs two persons',
        "        if not _two_roles(persons + hub):\n"
        '            return Refused("unsigned", "locker.override needs two persons',
        (f"{_ORDERS}::test_an_override_needs_two_persons_in_two_roles",),
    ),
    Planted(
        "an override opens another locker than was looked at",
        "edge/room_rules/commands.py",
        '    _about(work, f"locker:{locker.number}")\n',
        "",
        (f"{_ROOM}::test_an_override_opens_only_the_locker_its_issuers_looked_at",),
    ),
    Planted(
        "the verifier counts two persons or two roles",
        "protocols/evidence/verifier.py",
        "two = len({who.subject for who, _ in persons}) > 1 and len({role",
        "two = len({who.subject for who, _ in persons}) > 1 or len({role",
        (f"{_ACTS}::test_two_in_one_role_or_one_in_two_roles_are_not_two",),
    ),
    Planted(
        "a room's word that an order came is enough",
        "protocols/evidence/verifier.py",
        '                event["type"] == "order.accepted" and data.get("via") != "code"\n',
        "                False\n",
        (f"{_ACTS}::test_a_rooms_word_that_an_order_came_is_not_enough",),
    ),
    # -- 8: something sent again -------------------------------------------------------------
    Planted(
        "an order's number counts twice",
        "edge/room_rules/orders.py",
        "    if number <= session.last_n:\n",
        "    if number < session.last_n:\n",
        (f"{_ROOM}::test_an_old_number_is_refused_across_a_restart",),
    ),
    Planted(
        "what the journal answered long ago is forgotten",
        "edge/remote.py",
        "        if stored is not None:\n",
        '        if stored is not None and turn.kind != "command":\n',
        ("tests/edge/test_remote.py::test_an_id_is_answered_once_however_much_came_between",),
    ),
    Planted(
        "a retained wrapper opens",
        "protocols/messages/orders.py",
        '    if retained:\n        return Refused("retained", "a command must not be retained at'
        ' the broker")\n',
        "",
        (f"{_ORDERS}::test_wrappers_that_do_not_open",),
    ),
    Planted(
        "no echo is a fresh echo",
        "protocols/messages/orders.py",
        'fresh = wrapper.re in asks and wrapper.re != ""',
        "fresh = wrapper.re in asks",
        (f"{_ORDERS}::test_wrappers_that_do_not_open",),
    ),
    # -- 9: an order that nobody entitled gave -----------------------------------------------
    Planted(
        "whoever the home venue certified may order",
        "protocols/messages/orders.py",
        "        and actor.role in ORDER_ROLES\n",
        "",
        (
            f"{_ORDERS}::test_who_may_not_order",
            f"{_LINE}::test_a_scanned_order_of_another_hand_is_refused",
        ),
    ),
    Planted(
        "a guest's manager may order",
        "protocols/messages/orders.py",
        "        and who.venue_org == session.home_org\n",
        "",
        (f"{_ORDERS}::test_who_may_not_order",),
    ),
    Planted(
        "an order for others is carried out here",
        "edge/room_rules/orders.py",
        "    if venues and not ours & {str(venue) for venue in venues}:\n",
        "    if venues and not ours:\n",
        (f"{_ROOM}::test_an_order_for_this_venue_only",),
    ),
    Planted(
        "the hub orders in a person's name",
        "protocols/messages/orders.py",
        "        return trust.hub_orders and order.by == BY_HUB\n",
        "        return trust.hub_orders\n",
        (f"{_ORDERS}::test_the_hub_orders_where_the_trust_file_says_so_and_it_shows",),
    ),
    Planted(
        "a guest's manager ordered, and the verifier finds it sound",
        "protocols/evidence/verifier.py",
        'who.subject == header.get("by") and who.org == home_org and role in ORDER_ROLES\n',
        'who.subject == header.get("by") and role in ORDER_ROLES\n',
        (f"{_ACTS}::test_an_order_by_a_guests_manager_does_not_hold",),
    ),
    Planted(
        "a signature that does not hold is its signer's",
        "protocols/messages/trust.py",
        "principal = self.resolve(verdict.kid) if verdict.ok else None",
        "principal = self.resolve(verdict.kid)",
        (
            "tests/protocols/messages/test_offline_code.py"
            "::test_one_flipped_bit_of_a_list_and_it_counts_for_nothing",
        ),
    ),
    Planted(
        "codes that a guest room tells are carried",
        "hub/session/service.py",
        "        if link is None or stored.ctl != link.home_ctl:\n"
        "            return\n"
        '        venue = str(stored.event.data.get("venue", ""))\n'
        "        for ctl in codes.carry(conn, session, venue, link.home_ctl):\n",
        "        if link is None:\n"
        "            return\n"
        '        venue = str(stored.event.data.get("venue", ""))\n'
        "        for ctl in codes.carry(conn, session, venue, stored.ctl):\n",
        ("tests/hub/session/test_codes.py::test_codes_of_any_other_room_go_nowhere",),
    ),
    Planted(
        "the record does not say who typed a code",
        "edge/room_rules/orders.py",
        '    return {"typed_by": signer_json(people)} if people else {}\n',
        "    return {}\n",
        (f"{_LINE}::test_a_code_read_over_the_telephone_is_the_order",),
    ),
    Planted(
        "the guest's own room makes codes for itself",
        "protocols/messages/offline_code.py",
        "        if ours and who.venue_org == home_org:\n",
        "        if ours:\n",
        (f"{_LINE}::test_a_list_that_the_home_room_did_not_sign_counts_for_nothing",),
    ),
    Planted(
        "a person of another venue is on duty here",
        "edge/screen_port.py",
        '((person, _),) = self._unlock(session, [(str(body["person"]), str(body["pin"]))])\n'
        '        text = str(body["text"])\n',
        "person = next(one for one in self.roster._people.values()"
        ' if one.person == body["person"])\n'
        '        text = str(body["text"])\n',
        (f"{_LINE}::test_a_code_needs_a_person_on_duty_here",),
    ),
    # -- 10: all at once ---------------------------------------------------------------------
    Planted(
        "a room that stays away asks as often as at first",
        "edge/pipe.py",
        "            wait_s = min(2 * wait_s, BACKOFF_S[1])\n",
        "",
        ("tests/edge/test_pipe.py::test_each_try_waits_up_to_twice_as_long_until_a_minute",),
    ),
    Planted(
        "the hub's credit is not heeded",
        "protocols/messages/cursor.py",
        "    if moving and in_flight < state.credit:\n",
        "    if moving:\n",
        ("tests/protocols/messages/test_cursor.py::test_the_window_is_the_credit",),
    ),
    Planted(
        "a room is heard to its end before the next",
        "hub/recording/waiting.py",
        "        line = self._lines.pop(room)\n"
        "        message = line.popleft()\n"
        "        if line:\n"
        "            self._lines[room] = line\n",
        "        line = self._lines[room]\n"
        "        message = line.popleft()\n"
        "        if not line:\n"
        "            del self._lines[room]\n",
        (
            "tests/hub/recording/test_waiting.py"
            "::test_a_room_with_much_to_say_lets_another_have_its_turn",
        ),
    ),
    # -- 11: rubbish and floods --------------------------------------------------------------
    Planted(
        "the broker takes a message of any size",
        "hub/broker/mosquitto.py",
        '                    f"message_size_limit {BROKER_BYTES_MAX}",\n',
        "",
        (
            "tests/hub/test_broker.py::test_a_message_over_our_limit_but_under_the_brokers"
            "_arrives_and_a_larger_one_does_not",
        ),
    ),
    Planted(
        "the broker drops what the hub would put aside",
        "hub/broker/mosquitto.py",
        "message_size_limit {BROKER_BYTES_MAX}",
        "message_size_limit {BROKER_BYTES_MAX // 2}",
        (
            "tests/hub/recording/test_over_brokers.py"
            "::test_an_oversize_message_passes_the_broker_and_blocks_nothing",
        ),
    ),
    Planted(
        "the last thing put aside may be of any size",
        "protocols/messages/recording.py",
        "    return used_bytes + size <= QUARANTINE_BYTES_MAX\n",
        "    return used_bytes <= QUARANTINE_BYTES_MAX\n",
        ("tests/protocols/messages/test_recording.py::test_the_quarantine_is_bounded",),
    ),
    Planted(
        "each piece of rubbish is a record",
        "edge/refusals.py",
        "            if now_ms >= self._quiet_until_ms.get(leaf, now_ms):\n",
        "            if count:\n",
        ("tests/edge/test_uplink.py::test_a_flood_of_rubbish_is_one_record_per_leaf_and_minute",),
    ),
    # -- 12: a full disk ---------------------------------------------------------------------
    Planted(
        "what memory did not hold is not said",
        "edge/held.py",
        "            self._over[turn.kind] += 1\n            return\n",
        "            return\n",
        ("tests/edge/test_disk_full.py::test_what_memory_does_not_hold_is_a_named_loss",),
    ),
    Planted(
        "what comes while the disk is full overtakes what waits",
        "edge/runtime.py",
        "            if not self.held.full and self._step(turn, written, answers):\n",
        "            if self._step(turn, written, answers):\n",
        (f"{_FULL}::test_a_room_goes_on_unaided_whatever_write_found_the_disk_full",),
    ),
    Planted(
        "a full disk is a line of the log for each message",
        "hub/recording/ingest.py",
        "        if cause != self._store_says:\n",
        "        if cause:\n",
        (f"{_FULL}::test_a_hub_goes_on_unaided_whatever_write_found_the_disk_full",),
    ),
    Planted(
        "pictures that run take the journal's space",
        "edge/media/recorder.py",
        "                if self._spool.free() < self._free_min:\n",
        "                if self._spool.free() < 0:\n",
        (
            "tests/torture/test_small_disk.py"
            "::test_pictures_leave_the_journal_its_space_and_come_back_when_handed_over_ones_go",
        ),
    ),
    # -- 13: names and numbers ---------------------------------------------------------------
    Planted(
        "every venue sees the masks of all members",
        "hub/booking/view.py",
        '    if member["org"] == viewer_org:\n',
        "    if viewer_org:\n",
        (
            "tests/hub/booking/test_life.py"
            "::test_members_are_sealed_at_entry_and_shown_masked_to_their_venue_alone",
        ),
    ),
    Planted(
        "an erased identity keeps its key",
        "hub/booking/erasure.py",
        ".values(key_wrapped=None, erased_at=at)",
        ".values(erased_at=at)",
        (f"{_ERASURE}::test_an_erased_identity_cannot_be_opened_and_the_others_can",),
    ),
    Planted(
        "with one identity go those of all",
        "hub/booking/erasure.py",
        "    if members is not None:\n        here &= booking_identity.c.no.in_(members)\n",
        "",
        (f"{_ERASURE}::test_an_erased_identity_cannot_be_opened_and_the_others_can",),
    ),
    Planted(
        "a day of retention is missing",
        "hub/booking/retention.py",
        "        before > _ENDED,\n",
        "        before >= _ENDED,\n",
        (f"{_RETENTION}::test_they_stay_to_the_last_day_and_then_go_with_a_count",),
    ),
    Planted(
        "the mirror keeps the keys of what is past its time",
        "hub/booking/retention.py",
        "            forget(parts.store, list(keys.values()))\n",
        "",
        (f"{_RETENTION}::test_they_stay_to_the_last_day_and_then_go_with_a_count",),
    ),
    # -- 14: a card, a copy, a controller that was stolen --------------------------------------
    Planted(
        "a wiped secret stays in the log",
        "edge/journal.py",
        '        self.port.execute("PRAGMA wal_checkpoint(TRUNCATE)")\n\n    def result_put',
        "\n    def result_put",
        (f"{_INTAKE}::test_a_wiped_secret_is_in_no_file_of_the_journal",),
    ),
    Planted(
        "a wiped secret stays in a page that is free",
        "edge/journal_file.py",
        "PRAGMA secure_delete = ON",
        "PRAGMA secure_delete = FAST",
        (f"{_INTAKE}::test_a_wiped_secret_is_in_no_file_of_the_journal",),
    ),
    Planted(
        "the kept plan keeps the secrets of a closed session",
        "edge/intake.py",
        '            _without_secrets(one) if self.closed(str(one["session"])) else one\n',
        "            one\n",
        (f"{_INTAKE}::test_a_closed_session_leaves_no_secret_in_the_kept_plan",),
    ),
    Planted(
        "a plan says how little a guess at a PIN costs",
        "edge/crypto.py",
        '    if got != {"kdf": "scrypt", "n": n, "r": 8, "p": 1}:\n',
        '    if got["kdf"] != "scrypt":\n',
        ("tests/edge/test_crypto.py::test_a_pin_opens_its_key_and_no_other_pin_does",),
    ),
    Planted(
        "everybody on the machine may read the journal",
        "edge/journal_file.py",
        "    path.touch(mode=0o600)\n",
        "",
        (
            "tests/edge/test_journal_file.py"
            "::test_the_file_and_what_lies_beside_it_are_their_owners_alone",
        ),
    ),
    Planted(
        "nobody is told of a card put back to an older state",
        "hub/recording/lineage.py",
        "    {StreamState.CLONE, StreamState.FORK, StreamState.ROLLBACK, StreamState.TAIL_LOST}\n",
        "    {StreamState.CLONE, StreamState.FORK}\n",
        ("tests/hub/recording/test_lineage.py::test_a_journal_from_before_its_tip_is_named",),
    ),
    Planted(
        "a hub that comes back asks no list of revoked ones",
        "hub/cli/restore.py",
        "    shut_out = relearn(hub, lists)\n",
        "    shut_out: list[str] = []\n",
        (
            "tests/hub/cli/test_revoked_again.py"
            "::test_the_damaged_hubs_own_lists_are_believed_where_its_mirror_is_gone",
        ),
    ),
    # -- in the room's and the hub's own processes -------------------------------------------
    Planted(
        "a room takes a retained command when its line comes back",
        "protocols/messages/orders.py",
        '    if retained:\n        return Refused("retained", "a command must not be retained at'
        ' the broker")\n',
        "",
        (f"{_LINES}::test_a_retained_command_is_refused_when_the_line_comes_back",),
        program=True,
    ),
    Planted(
        "a room takes a flipped signature for a good one",
        "protocols/messages/trust.py",
        "principal = self.resolve(verdict.kid) if verdict.ok else None",
        "principal = self.resolve(verdict.kid)",
        (f"{_LINES}::test_orders_that_are_not_genuine_move_nothing",),
        program=True,
    ),
    Planted(
        "a crash leaves names and keys in a core",
        "evalroom.py",
        "    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n",
        "",
        ("tests/system/test_no_core.py::test_a_crash_leaves_no_core",),
        program=True,
    ),
    Planted(
        "a running hub does not look at the list of its rooms again",
        "hub/cli/serving.py",
        "        if self._users_stamp == before and self._shut == open_before:\n",
        "        if self._shut == open_before:\n",
        (f"{_RENEWAL}::{_OUT}",),
        program=True,
    ),
    Planted(
        "a revoked room may ask for another certificate",
        "hub/fleet/renewal.py",
        "    conn.execute(controllers.update().where(controllers.c.ctl == ctl)"
        '.values(state="revoked"))\n',
        "",
        (f"{_RENEWAL}::{_OUT}",),
        program=True,
    ),
    Planted(
        "a door is opened again after a power cut",
        "edge/room_rules/lockers.py",
        '        doors.failed(work, after.number, opening, "interrupted")\n',
        "        from edge.room_rules.kinds import Pulse\n\n"
        "        work.do(Pulse(after.number, opening.intent))\n",
        (
            "tests/system/test_room_crash.py"
            "::test_a_kill_around_a_pulse_never_opens_a_door_twice_or_by_itself",
        ),
        program=True,
    ),
    Planted(
        "a room that floods keeps its topics",
        "hub/recording/floods.py",
        "            if count > REFUSED_MAX:\n",
        "            if count > REFUSED_MAX * SHUT_MS:\n",
        (
            "tests/torture/test_flood.py"
            "::test_a_room_that_floods_is_shut_out_and_another_is_heard_as_before",
        ),
        program=True,
    ),
)
"""Each is noticed by the test that SECURITY.md names."""
