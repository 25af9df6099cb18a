"""Faults that a programmer in a hurry could plant in what must hold, and who would notice.

Each is a small rewriting of one place: what stands there, what would stand there, and the tests
that must fail. Named as in the classic accidents of such systems.

Not here: ballast on the disk is not how a full disk is survived; what holds evidence in memory is
planted instead. `fetch.txt` is never read; what is planted is that a file nobody listed passes.
"""

from __future__ import annotations

from typing import Final

from tests.mutants.account_bank import ACCOUNTS
from tests.mutants.account_log_bank import ACCOUNT_LOG
from tests.mutants.acts_bank import ACTS
from tests.mutants.admission_bank import ADMISSION
from tests.mutants.doors_bank import DOORS
from tests.mutants.gate_bank import GATE
from tests.mutants.identity_bank import IDENTITY
from tests.mutants.limits_bank import LIMITS
from tests.mutants.log_bank import LOG
from tests.mutants.orders_bank import ORDERS
from tests.mutants.planted import Planted
from tests.mutants.record_bank import RECORD
from tests.mutants.threat_bank import THREATS

_CURSOR: Final = "tests/protocols/messages/test_cursor.py"
_RECORDING: Final = "tests/protocols/messages/test_recording.py"
_HUB: Final = "tests/hub/recording/test_recording.py"
_EARS: Final = "tests/hub/fleet/test_ears.py"
_JOURNAL: Final = "tests/edge/test_journal.py"
_MODEL: Final = "tests/model/test_gate_exhaustive.py::test_the_first_places_of_a_whole_room"

BANK: Final = (
    # -- the sixteen -----------------------------------------------------------------------------
    Planted(
        "ack on PUBACK",
        "protocols/messages/cursor.py",
        "return _with(state, epoch, replace(now, flights=(*now.flights, last)))",
        "return _with(state, epoch, replace(now, acked=last))",
        (f"{_CURSOR}::test_without_progress_all_goes_again_after_a_while",),
    ),
    Planted(
        "no dedup",
        "protocols/messages/recording.py",
        "            return AlreadyRecorded(envelope.seq)",
        "            return Record(envelope.seq, digest, line)",
        (f"{_RECORDING}::test_any_order_of_batches_ends_in_the_same_record",),
    ),
    Planted(
        "dedup by seq without epoch",
        "hub/recording/streams.py",
        "    found = _HASH.value(conn, of_ctl=ctl, of_epoch=epoch, of_seq=seq)\n"
        "    return None if found is None else str(found)",
        "    anyones = select(events.c.hash).where(events.c.ctl == ctl, events.c.seq == seq)\n"
        "    return conn.execute(anyones).scalars().first()",
        (f"{_HUB}::test_a_batch_of_a_later_epoch_is_recognised_when_it_comes_again",),
    ),
    Planted(
        "lines that follow are not asked which row they follow",
        "protocols/messages/recording.py",
        """{seq},"prev":"{prev}",'.encode""",
        """{seq},"prev":"'.encode""",
        (f"{_RECORDING}::test_a_row_on_another_predecessor_is_a_fork_of_the_tip",),
    ),
    Planted(
        "lines that follow run over a gap that waits",
        "protocols/messages/recording.py",
        "    if head.pending or batch.first",
        "    if batch.first",
        (
            f"{_RECORDING}::test_rows_of_a_waiting_gap_that_come_with_those_in_front_are_kept_beside",
        ),
    ),
    Planted(
        "lines that follow may leave rows out",
        "protocols/messages/recording.py",
        "batch.first != head.head + 1 or batch.last",
        "batch.last",
        (
            f"{_RECORDING}::test_a_row_that_leaves_others_out_is_asked_for_again_whatever_it_follows",
        ),
    ),
    Planted(
        "the driver changes what the mirror should hold",
        "hub/store/prepared.py",
        "        if is_mirrored(sql):\n",
        "        if False:\n",
        ("tests/hub/store/test_prepared.py::test_a_table_of_the_mirror_is_refused",),
    ),
    Planted(
        "many rows go past the mirror",
        "hub/store/bulk.py",
        "    if table.name not in NOT_MIRRORED:\n",
        "    if False:\n",
        ("tests/hub/store/test_bulk.py::test_a_table_of_the_mirror_is_refused",),
    ),
    Planted(
        "the driver is asked outside a transaction",
        "hub/store/prepared.py",
        "    if not conn.in_transaction():\n",
        "    if False:\n",
        ("tests/hub/store/test_prepared.py::test_it_begins_a_transaction_where_there_is_none",),
    ),
    Planted(
        "sync=NORMAL",
        "edge/journal_file.py",
        'port.execute("PRAGMA synchronous = FULL")',
        'port.execute("PRAGMA synchronous = NORMAL")',
        (f"{_JOURNAL}::test_the_first_epoch_begins_with_nothing_before_it",),
    ),
    Planted(
        "sync=NORMAL, and nobody reads it back",
        "edge/journal_file.py",
        'port.execute("PRAGMA synchronous = FULL")\n',
        'port.execute("PRAGMA synchronous = NORMAL")\n    return\n',
        (
            "tests/power_cuts/test_power_cuts.py"
            "::test_no_row_said_to_be_written_is_lost_by_a_power_cut[journal]",
        ),
    ),
    Planted(
        "cursor advanced before commit",
        "hub/projection.py",
        "        with self._store.write() as conn:\n            for row in rows:\n",
        "        with self._store.write() as conn:\n"
        "            _set_cursors(conn, [one.name], upto)\n"
        "        with self._store.write() as conn:\n            for row in rows:\n",
        ("tests/hub/test_bus_projection.py::test_a_turn_that_is_not_committed_comes_again",),
    ),
    Planted(
        "app ack before hub commit",
        "hub/recording/ingest.py",
        "        outcome = self._recorded_batch(ctl, payload)\n        if outcome.refused:",
        "        from protocols.messages.acks import decode_batch\n"
        "        from protocols.messages.event import event_hash\n"
        "        from protocols.messages.signed import parse_message\n"
        "        early = decode_batch(parse_message(payload, limit=1 << 20))\n"
        "        tip = event_hash(early.lines[-1])\n"
        "        with self._store.read() as conn:\n"
        "            self._send(self._ack(conn, ctl, early.epoch, upto=early.last, digest=tip,"
        " resend=False))\n"
        "        self._recorded_batch(ctl, payload)\n        return\n"
        "        outcome = self._recorded_batch(ctl, payload)\n        if outcome.refused:",
        (f"{_HUB}::test_what_was_not_committed_is_not_acknowledged",),
    ),
    Planted(
        "chain not checked",
        "protocols/messages/recording.py",
        "if head.head and not head.after_gap and envelope.prev != head.head_hash:",
        "if False:",
        (f"{_RECORDING}::test_a_row_on_another_predecessor_is_a_fork_of_the_tip",),
    ),
    Planted(
        "window without back-off",
        "protocols/messages/cursor.py",
        "RESEND_MS_MIN << min(tries + 1, 8)",
        "RESEND_MS_MIN",
        (f"{_CURSOR}::test_patience_grows_with_full_jitter",),
    ),
    Planted(
        "accept seq gap",
        "protocols/messages/recording.py",
        "if envelope.seq > head.head + 1:",
        "if False:",
        (f"{_RECORDING}::test_a_hole_asks_for_a_resend",),
    ),
    Planted(
        "counter stored after GPIO",
        "edge/runtime.py",
        "        first = () if late is None or not drafts else (_late(late),)\n",
        "        first = () if late is None or not drafts else (_late(late),)\n"
        "        [self._act(one) for one in effects if type(one).__name__ == 'Pulse']\n"
        "        effects = tuple(one for one in effects if type(one).__name__ != 'Pulse')\n",
        ("tests/model/test_room_machine.py::test_a_day_as_it_should_be",),
    ),
    Planted(
        "own-sign-only",
        "protocols/policy/gate.py",
        'if quantifier == "member":',
        "if True:",
        (_MODEL,),
    ),
    Planted(
        "one approver",
        "protocols/policy/gate.py",
        "one_person != other_person and one_role != other_role",
        "True",
        (_MODEL,),
    ),
    Planted(
        "clock used for order",
        "edge/journal_reader.py",
        '''f"{page} ORDER BY id LIMIT ?"''',
        '''f"{page} ORDER BY at, id LIMIT ?"''',
        (f"{_JOURNAL}::test_replay_does_not_follow_the_clock",),
    ),
    Planted(
        "unknown treated as OK",
        "protocols/policy/session.py",
        '"" if facts.system_reachable else "evaluation_system"',
        '"" if facts.system_reachable is not False else "evaluation_system"',
        ("tests/protocols/policy/test_session.py",),
    ),
    Planted(
        "a full disk drops what was seen",
        "edge/held.py",
        "        self._seen.append(seen)\n",
        "        self._seen.append(seen) if turn.kind in ASKED else None\n",
        (
            "tests/edge/test_disk_full.py"
            "::test_nothing_is_carried_out_and_everything_is_on_the_record_afterwards",
        ),
    ),
    Planted(
        "an unlisted file passes",
        "protocols/evidence/verifier.py",
        '            if not name.startswith("data/"):\n'
        '                self.say(ALTERED, name, "unlisted")',
        "            pass",
        (
            "tests/protocols/evidence/test_verifier.py"
            "::test_strange_and_unlisted_names_are_never_sound",
        ),
    ),
    # -- eight more ------------------------------------------------------------------------------
    Planted(
        "prune at ack",
        "edge/journal.py",
        "            self.port.execute("
        '"UPDATE epoch SET acked = ? WHERE epoch = ?", (upto, epoch))\n',
        "            self.port.execute("
        '"UPDATE epoch SET acked = ? WHERE epoch = ?", (upto, epoch))\n'
        '            self.port.execute("DELETE FROM event WHERE seq <= ?", (upto,))\n',
        (f"{_JOURNAL}::test_an_ack_moves_the_cursor_back_and_forth_and_deletes_nothing",),
    ),
    Planted(
        "resend ask without exit",
        "protocols/messages/cursor.py",
        "if not ack.resend or not now.flights or now.asked or not fresh:",
        "if not ack.resend or not now.flights or not fresh:",
        (f"{_CURSOR}::test_a_resend_is_answered_once_until_there_is_progress",),
    ),
    Planted(
        "epoch per file",
        "edge/journal.py",
        "        epoch = self.entropy(EPOCH_BYTES).hex()\n",
        '        epoch = "0" * 31 + "1"\n',
        (f"{_JOURNAL}::test_each_start_is_a_new_epoch_that_names_the_tip_before_it",),
    ),
    Planted(
        "strict schema in recording",
        "hub/recording/recorder.py",
        "    try:\n        return decoded(line)\n    except RemoteError:\n        return None",
        "    return decoded(line)",
        (f"{_HUB}::test_what_is_no_event_to_this_program_is_recorded_all_the_same",),
    ),
    Planted(
        "batch header unsigned",
        "protocols/messages/signed.py",
        'return ctx.encode("ascii") + b"\\x00" + header_line + b"\\x0a" + body',
        'return ctx.encode("ascii") + b"\\x00" + b"\\x0a" + body',
        (
            "tests/protocols/messages/test_signed.py"
            "::test_every_flipped_byte_is_refused_or_fails_its_check",
        ),
    ),
    Planted(
        "will over birth",
        "hub/recording/ingest.py",
        "        if isinstance(status, Will):\n            self._fleet.ping(ctl)\n",
        "        if isinstance(status, Will):\n            self._fleet.ping(ctl)\n"
        "            self._rooms._change(ctl, lambda link: replace(link, birth=None))\n",
        (f"{_HUB}::test_a_will_makes_the_hub_look_and_takes_nothing_away",),
    ),
    Planted(
        "blob deleted while referenced",
        "edge/media/spool.py",
        "            and done.issuperset(kept.references)\n",
        "            and not done.isdisjoint(kept.references)\n",
        (
            "tests/edge/media/test_spool_and_upload.py"
            "::test_nothing_is_deleted_without_a_receipt_or_while_somebody_needs_it",
        ),
    ),
    Planted(
        "ack accepted without hash check",
        "protocols/messages/cursor.py",
        "if ack.upto and not hole and known is not None and known != ack.hash:",
        "if False:",
        (f"{_CURSOR}::test_a_wrong_hash_is_said_once_and_sending_goes_on",),
    ),
    Planted(
        "a hole of the hub's confirms what was sent once",
        "protocols/messages/cursor.py",
        "    sent_again = now.tries > 0 and ack.upto in now.flights\n",
        "    sent_again = ack.upto in now.flights\n",
        (f"{_CURSOR}::test_a_hole_a_copy_declared_is_believed_of_rows_that_were_sent_again",),
    ),
    Planted(
        "a row in a hole of the hub's is sent for ever",
        "protocols/messages/cursor.py",
        "    sent_again = now.tries > 0 and ack.upto in now.flights\n",
        "    sent_again = False\n",
        (f"{_CURSOR}::test_a_hole_a_copy_declared_is_believed_of_rows_that_were_sent_again",),
    ),
    Planted(
        "the hub's word counts for a row that nobody can compare",
        "protocols/messages/cursor.py",
        "    if ack.upto > now.acked and not read:\n",
        "    if False:\n",
        (
            f"{_CURSOR}::test_behind_a_row_the_journal_cannot_read_it_goes_on_once_that_is"
            "_declared_lost",
        ),
    ),
    Planted(
        "a hole that makes no progress holds the rows behind it back",
        "protocols/messages/cursor.py",
        "if any(c.batched for c",
        "if any(c.flights for c",
        (f"{_CURSOR}::test_behind_holes_that_make_no_progress_one_batch_goes",),
    ),
    Planted(
        "a hub of a lower generation is left alone",
        "edge/uplink.py",
        '        if Ignored("generation") in outcomes:\n',
        "        if False:\n",
        (
            "tests/edge/test_uplink.py"
            "::test_a_hub_of_a_lower_generation_hears_which_one_this_room_knows",
        ),
    ),
    Planted(
        "a room missed before the hub's line broke is called silent",
        "hub/fleet/ears.py",
        "        unsure = quiet_ms > MISSED_MS and self.deaf_since_ms is None\n",
        "        unsure = False\n",
        (f"{_EARS}::test_who_was_missed_just_before_the_hub_hears_nothing_is_not_called_silent",),
    ),
    Planted(
        "a verdict waits for ever while one is late",
        "hub/fleet/ears.py",
        "        unsure = quiet_ms > MISSED_MS and self.deaf_since_ms is None\n",
        "        unsure = quiet_ms >= MISSED_MS and self.deaf_since_ms is None\n",
        (f"{_EARS}::test_a_pong_that_is_late_delays_no_verdict",),
    ),
    *GATE,
    *ACCOUNTS,
    *ACCOUNT_LOG,
    *IDENTITY,
    *LOG,
    *ORDERS,
    *THREATS,
    *ADMISSION,
    *LIMITS,
    *DOORS,
    *RECORD,
    *ACTS,
)
"""Every planted fault."""
