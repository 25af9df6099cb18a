"""Controls of SECURITY.md that hold for the record: threats 1 to 6, each by its own test."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_RECORDING: Final = "tests/hub/recording/test_recording.py"
_ENROLLED: Final = "tests/hub/fleet/test_enrolments.py"
_ENROLMENTS: Final = "hub/fleet/enrolments.py"
_LOOK: Final = (
    "        mine = enrolments.c.code_hash == code_hash(request.code)\n"
    "        row = conn.execute(select(enrolments).where(mine)).first()\n"
)
_TAKE: Final = (
    '        cause = "code" if row is None else _cause(parts, row, request)\n'
    "        if not cause and row is not None and row.state == OPEN:\n"
    '            keys = {"csr": request.csr, "sign": request.sign_pub, "seal": request.seal_pub}\n'
    '            asked = {"state": ASKED, "fingerprint": request.fingerprint,'
    ' "request": keys}\n'
)
_FREE: Final = "            free = mine & (enrolments.c.state == OPEN)\n"
_ANY: Final = "            free = mine\n"
_RIGHTS: Final = (
    "tests/hub/test_broker.py::test_a_room_neither_reads_nor_writes_what_is_another_rooms"
)
_DEAF: Final = "tests/hub/test_broker_identity.py::test_a_room_does_not_hear_what_others_are_told"
_ATTACKS: Final = "tests/transparency/test_tampering.py"
_PACKAGE: Final = "tests/protocols/evidence/test_verifier_log.py"
_VERIFY: Final = "protocols/evidence/verifier.py"
_JUDGE: Final = "protocols/evidence/witness.py"
_MERKLE: Final = "protocols/evidence/merkle.py"
_WITNESS: Final = "edge/witness.py"

_BAD: Final = "tests/system/test_demo_bad_messages.py"
RECORD: Final = (
    # -- 1: a foreign box poses as a room ----------------------------------------------------------
    Planted(
        "a room that was replaced is still one",
        "hub/keys/keyring.py",
        'bindparam("of_ctl"), controllers.c.state == "enrolled"',
        'bindparam("of_ctl")',
        (f"{_RECORDING}::test_a_room_nobody_enrolled_gets_no_answer",),
    ),
    Planted(
        "whoever says that he was born is answered",
        "hub/recording/ingest.py",
        '            log.warning("ingest: %s is not enrolled here and gets no answer", ctl)\n'
        "            return\n",
        '            log.warning("ingest: %s is not enrolled here and gets no answer", ctl)\n',
        (f"{_RECORDING}::test_a_room_nobody_enrolled_gets_no_answer",),
    ),
    Planted(
        "rubbish of anybody is kept",
        "hub/recording/recorder.py",
        "        if not _is_here(conn, ctl):\n            return  #",
        "        if not ctl:\n            return  #",
        ("tests/hub/recording/test_lineage.py::test_an_id_that_was_never_enrolled_fills_no_disk",),
    ),
    Planted(
        "commands go to a clone",
        "hub/fleet/outbound.py",
        "held = row is not None and row.kind == COMMAND and _held(conn, ctl)",
        "held = False",
        (f"{_RECORDING}::test_two_living_branches_are_a_clone_and_commands_wait",),
    ),
    Planted(
        "a clone is noted and nothing waits",
        "hub/recording/lineage.py",
        "            hold(conn, head.ctl, held=True)\n",
        "            hold(conn, head.epoch, held=True)\n",
        (f"{_RECORDING}::test_two_living_branches_are_a_clone_and_commands_wait",),
    ),
    # -- 2: a claim code is stolen -----------------------------------------------------------------
    Planted(
        "a code is looked at before it is taken",
        _ENROLMENTS,
        "    with parts.store.write() as conn:\n" + _LOOK + _TAKE + _FREE,
        "    with parts.store.read() as conn:\n"
        + _LOOK
        + "    with parts.store.write() as conn:\n"
        + _TAKE
        + _ANY,
        (f"{_ENROLLED}::test_of_two_at_the_same_moment_one_gets_the_code",),
    ),
    Planted(
        "who was turned away may ask again",
        _ENROLMENTS,
        "    if row.state == REFUSED:\n",
        "    if row.state == REFUSED and row.fingerprint != request.fingerprint:\n",
        (f"{_ENROLLED}::test_who_was_turned_away_stays_out",),
    ),
    # -- 3: a room writes on another's topics ------------------------------------------------------
    Planted(
        "Mosquitto lets every room hear everything",
        "hub/broker/mosquitto.py",
        'f"topic read {own}/down/#"',
        '"topic read er/1/#"',
        (f"{_RIGHTS}[MosquittoBroker]",),
    ),
    Planted(
        "Mosquitto tells a room what others are told",
        "hub/broker/mosquitto.py",
        'f"topic read {own}/down/#"',
        '"topic read er/1/+/+/down/#"',
        (f"{_DEAF}[MosquittoBroker]",),
    ),
    Planted(
        "NATS lets every room hear everything",
        "hub/broker/embedded.py",
        '[f"{own}.down.>"]',
        '["er.1.>"]',
        (f"{_RIGHTS}[EmbeddedBroker]",),
    ),
    Planted(
        "NATS tells a room what others are told",
        "hub/broker/embedded.py",
        '[f"{own}.down.>"]',
        '["er.1.*.*.down.>"]',
        (f"{_DEAF}[EmbeddedBroker]",),
    ),
    Planted(
        "Mosquitto lets every room write another's batches",
        "hub/broker/mosquitto.py",
        'f"topic write {own}/{leaf}"',
        'f"topic write er/1/+/+/{leaf}"',
        (
            "tests/torture/test_calibration.py::"
            "test_only_mqtt_5_says_that_a_topic_is_forbidden_and_only_mosquitto_speaks_it[mosquitto]",
        ),
    ),
    Planted(
        "a room may write commands",
        "protocols/messages/topics.py",
        "UP_LEAVES: Final = (UP_ST, UP_EV, UP_NOTICE, UP_TM, UP_COSIGN)",
        "UP_LEAVES: Final = (UP_ST, UP_EV, UP_NOTICE, UP_TM, UP_COSIGN, DOWN_CMD)",
        ("tests/test_deploy.py::test_the_topic_rights_of_a_site_are_those_of_the_wire",),
    ),
    Planted(
        "a batch counts by whose name it bears",
        "hub/recording/recorder.py",
        'if not any(one.ok and one.role == "controller" for one in verdicts):',
        'if not any(one.role == "controller" for one in verdicts):',
        (
            f"{_RECORDING}::test_what_is_not_genuine_is_quarantined_once_and_counted[signature]",
            f"{_RECORDING}::test_what_is_not_genuine_is_quarantined_once_and_counted[other_key]",
        ),
    ),
    Planted(
        "a signature of a known key need not hold",
        "protocols/messages/signed.py",
        "ok = verify(public, one.sig, payload)",
        "ok = bool(one.sig)",
        (f"{_RECORDING}::test_what_is_not_genuine_is_quarantined_once_and_counted[signature]",),
    ),
    Planted(
        "the same rubbish is kept each time",
        "hub/recording/quarantine.py",
        "quarantine.c.sha256 == digest",
        "quarantine.c.sha256 == leaf",
        (f"{_RECORDING}::test_what_is_not_genuine_is_quarantined_once_and_counted",),
    ),
    # -- 4: whoever runs the broker alters or drops messages ---------------------------------------
    Planted(
        "a row need not name the one before",
        "protocols/evidence/chain.py",
        'return ("", envelope.seq) if envelope.prev == tip.hash else ("prev", envelope.seq)',
        'return "", envelope.seq',
        ("tests/protocols/evidence/test_chain.py::test_the_first_break_is_named",),
    ),
    Planted(
        "what is missing is not asked for",
        "hub/recording/ingest.py",
        "resend = outcome.resend if own else epoch in outcome.asked",
        "resend = not own and epoch in outcome.asked",
        (f"{_RECORDING}::test_a_hole_is_asked_for_again",),
    ),
    # -- 5: an administrator of the hub edits the archive ------------------------------------------
    Planted(
        "recorded bytes may be rewritten",
        "hub/store/schema_objects.py",
        "CREATE TRIGGER events_keep_bytes BEFORE UPDATE ON events ",
        "CREATE TRIGGER events_keep_bytes BEFORE UPDATE OF hash ON events ",
        ("tests/hub/store/test_store.py::test_recorded_bytes_are_never_rewritten",),
    ),
    Planted(
        "rows that nobody shows were lost",
        _VERIFY,
        "        if 0 < lacking <= gone:\n",
        "        if 0 < lacking:\n",
        (
            "tests/hub/archive/test_package.py::"
            "test_a_row_of_the_session_hidden_by_the_venue_is_missing",
        ),
    ),
    Planted(
        "one word excuses every hole",
        _VERIFY,
        "            if reached < seq - 1:\n",
        "            if reached < seq - 1 and not declared:\n",
        (
            "tests/protocols/evidence/test_verifier_record.py::"
            "test_an_undeclared_hole_is_incomplete",
        ),
    ),
    Planted(
        "whoever signs a package is its venue",
        _VERIFY,
        'if root is None or (root.kind, root.org, root.pub) != ("venue", org, public):',
        'if root is not None and (root.kind, root.org, root.pub) != ("venue", org, public):',
        (
            "tests/protocols/evidence/test_verifier.py::"
            "test_a_package_signed_afresh_with_other_keys_is_altered"
            "_for_those_who_have_the_trust_file",
        ),
    ),
    Planted(
        "what nobody parses is not compared",
        _VERIFY,
        "            elif hashlib.sha256(self.files.read(name)).hexdigest() != digest:\n",
        '            elif name.endswith((".json", ".jsonl"))'
        " and hashlib.sha256(self.files.read(name)).hexdigest() != digest:\n",
        ("tests/hub/archive/test_package.py::test_every_single_flipped_byte_is_named",),
    ),
    Planted(
        "the log knows no order",
        "hub/transparency/tree.py",
        "    .order_by(events.c.id)\n    .limit(",
        "    .order_by(events.c.hash)\n    .limit(",
        (
            "tests/hub/transparency/test_log.py::"
            "test_every_stored_row_is_a_leaf_in_the_order_of_storing",
        ),
    ),
    Planted(
        "the tree under a checkpoint is not looked at",
        "hub/transparency/log.py",
        "    return None if root == known.root else known\n",
        "    return None if root else known\n",
        (
            "tests/hub/transparency/test_log.py::"
            "test_a_tree_that_was_changed_under_its_checkpoint_is_noticed",
        ),
    ),
    Planted(
        "a package does not bring its co-signatures",
        "hub/transparency/proofs.py",
        "Signed(joined(note, more), ",
        "Signed(note, ",
        (
            "tests/hub/archive/test_package_log.py::"
            "test_every_row_is_proven_and_home_and_guest_have_co_signed",
        ),
    ),
    Planted(
        "a witness that said nothing has signed",
        _VERIFY,
        "            if held and not over:\n",
        "            if held is not False and not over:\n",
        (f"{_PACKAGE}::test_the_hub_alone_cannot_mint_a_log_that_counts",),
    ),
    Planted(
        "an empty proof proves",
        _MERKLE,
        "    if not path:\n        return False\n",
        "    if not path:\n        return True\n",
        (f"{_ATTACKS}::test_a_changed_log_is_found",),
    ),
    Planted(
        "a co-signature of another checkpoint counts",
        _VERIFY,
        "if time_s >= 2**63 or not verify_ed25519(public, body[TIME_BYTES:], message):",
        "if time_s >= 2**63:",
        (f"{_ATTACKS}::test_a_rewritten_record_is_found_though_every_other_key_is_stolen",),
    ),
    Planted(
        "a seal of nobody's seals",
        _VERIFY,
        "        if not own:\n",
        "        if not message.sigs:\n",
        (f"{_ATTACKS}::test_a_package_minted_whole_with_fresh_keys_is_altered",),
    ),
    # -- 6: the hub shows two histories ------------------------------------------------------------
    Planted(
        "one of two heads is enough",
        _MERKLE,
        "older == old_root and newer == new_root",
        "(older == old_root or newer == new_root)",
        (f"{_ATTACKS}::test_every_fork_is_refused_by_a_witness",),
    ),
    Planted(
        "a fork is told without end",
        _WITNESS,
        "if found in REFUSALS and self.mono_ms() >= self._quiet_until_ms:",
        "if found in REFUSALS:",
        (
            "tests/edge/test_witness.py::"
            "test_a_fork_is_refused_and_both_notes_are_on_record_once_a_minute",
        ),
    ),
    Planted(
        "of a fork one note is on record",
        _WITNESS,
        "turns = [_note(REFUSED, question.note, held, found.value)]",
        "turns = [_note(REFUSED, question.note, None, found.value)]",
        (
            "tests/edge/test_witness.py::"
            "test_a_fork_is_refused_and_both_notes_are_on_record_once_a_minute",
        ),
    ),
    Planted(
        "every tree begins with nothing",
        _JUDGE,
        "    if asked.size < known.size or question.old != known.size:\n",
        "    if question.old == 0 and asked.size > known.size:\n"
        "        return Answer.COSIGN\n"
        "    if asked.size < known.size or question.old != known.size:\n",
        (
            "tests/protocols/evidence/test_witness.py::"
            "test_a_proof_from_nothing_never_makes_a_signature",
        ),
    ),
    Planted(
        "a witness without memory signs what it takes up",
        _WITNESS,
        'return b"", [_note(BEGAN, question.note, held, cause)]',
        "return self._cosigned(question), [_note(BEGAN, question.note, held, cause)]",
        (
            "tests/hub/transparency/test_witnesses.py::"
            "test_a_witness_that_lost_its_memory_does_not_sign_until_it_has_seen_a_proof",
        ),
    ),
    Planted(
        "a false co-signature is none",
        _VERIFY,
        '                self.say(ALTERED, CHECKPOINT, "cosignature", ctl)\n'
        "                return\n",
        "                continue\n",
        (f"{_PACKAGE}::test_a_false_co_signature_of_a_pinned_witness_is_altered",),
    ),
    Planted(
        "a running hub records what a stranger signed",
        "hub/recording/recorder.py",
        "        if not any(one.ok and one.role",
        "        if False and not any(one.ok and one.role",
        (f"{_BAD}::test_a_batch_signed_by_a_stranger_is_kept_apart",),
        program=True,
    ),
    Planted(
        "a running room believes an ack that a stranger signed",
        "edge/uplink.py",
        "        if not genuine:\n",
        "        if False:\n",
        (f"{_BAD}::test_an_ack_signed_by_a_stranger_is_named_and_sending_goes_on",),
        program=True,
    ),
)
