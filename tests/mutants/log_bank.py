"""Faults in the log, its checkpoints and its witnesses (threats 5 and 6)."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_TREE: Final = "tests/protocols/evidence/test_merkle.py"
_NOTE: Final = "tests/protocols/evidence/test_checkpoint.py"
_RULE: Final = "tests/protocols/evidence/test_witness.py"
_PACKAGE: Final = "tests/protocols/evidence/test_verifier_log.py"
_LOG: Final = "tests/hub/transparency/test_log.py"
_HUB: Final = "tests/hub/transparency/test_witnesses.py"
_ROOM: Final = "tests/edge/test_witness.py"
_MERKLE: Final = "protocols/evidence/merkle.py"
_JUDGE: Final = "protocols/evidence/witness.py"
_VERIFY: Final = "protocols/evidence/verifier.py"

LOG: Final = (
    Planted(
        "a leaf may pass for a node",
        _MERKLE,
        r'hashlib.sha256(b"\x00" + entry)',
        "hashlib.sha256(entry)",
        (f"{_TREE}::test_the_heads_of_certificate_transparency",),
    ),
    Planted(
        "a proof from another old head",
        _MERKLE,
        "return last == 0 and older == old_root and newer == new_root",
        "return last == 0 and newer == new_root",
        (
            f"{_TREE}::test_every_consistency_proof_is_that_of_the_definition_and_proves_no_other_tree",
        ),
    ),
    Planted(
        "the time of a co-signature is not signed",
        "protocols/evidence/checkpoint.py",
        r'f"cosignature/v1\ntime {time_s}\n"',
        r'f"cosignature/v1\ntime 0\n"',
        (f"{_NOTE}::test_a_witness_co_signs_and_the_time_is_signed_too",),
    ),
    Planted(
        "a witness signs whatever is larger",
        _JUDGE,
        "return Answer.COSIGN if holds else Answer.INCONSISTENT",
        "return Answer.COSIGN",
        (f"{_RULE}::test_every_fork_is_refused",),
    ),
    Planted(
        "a witness signs at first use",
        _JUDGE,
        "    if held is None:\n        return Answer.BEGIN",
        "    if held is None:\n        return Answer.COSIGN",
        (f"{_ROOM}::test_the_first_checkpoint_is_taken_up_and_on_record_but_not_signed",),
    ),
    Planted(
        "a proof from nothing is one",
        _JUDGE,
        "question.old != known.size:",
        "question.old > known.size:",
        (f"{_RULE}::test_each_case_has_its_answer",),
    ),
    Planted(
        "a witness forgets what it signed",
        "edge/witness.py",
        "        self.journal.append((), kv={KV_WITNESS: answer})\n",
        "",
        (f"{_ROOM}::test_memory_outlives_a_restart_and_its_loss_is_a_first_use",),
    ),
    Planted(
        "a log that lost entries goes on",
        "hub/transparency/log.py",
        "return disowned(conn) >= state.origin or _shrunk(conn, state) is not None",
        "return False",
        (f"{_LOG}::test_a_hub_restored_to_a_smaller_log_opens_a_new_origin_that_says_why",),
    ),
    Planted(
        "a new log does not begin with its reason",
        "hub/transparency/tree.py",
        "if log.size == 0 and log.first_id:",
        "if log.size < 0:",
        (f"{_LOG}::test_a_hub_restored_to_a_smaller_log_opens_a_new_origin_that_says_why",),
    ),
    Planted(
        "a witness shows what was lost and nobody looks",
        "hub/transparency/witnesses.py",
        "            self._log.disown(note, seen_by=ctl)\n            return\n",
        "            return\n",
        (f"{_HUB}::test_a_witness_shows_a_hub_without_a_mirror_what_it_has_lost",),
    ),
    Planted(
        "any line is kept as a co-signature",
        "hub/transparency/witnesses.py",
        "if cosigned_at(note, name=ctl, public=public, verify=crypto.verify) is None:",
        "if False:",
        (f"{_HUB}::test_an_answer_of_no_witness_or_with_a_false_signature_goes_into_quarantine",),
    ),
    Planted(
        "records need not be the log's",
        _VERIFY,
        "if log_head(leaves, note.size, proof) != note.root:",
        "if log_head(leaves, note.size, proof) == b'':",
        (f"{_PACKAGE}::test_files_of_the_log_that_do_not_fit_together_are_altered",),
    ),
    Planted(
        "records may stand outside the log",
        _VERIFY,
        "        if left:\n",
        "        if left < 0:\n",
        (f"{_PACKAGE}::test_rows_that_the_checkpoint_does_not_cover_make_it_incomplete",),
    ),
    Planted(
        "the home's co-signature is enough",
        _VERIFY,
        'sides["guest"] = any(who.org != self.home_org for who in signed)',
        'sides["guest"] = bool(signed)',
        (f"{_PACKAGE}::test_a_checkpoint_without_a_pinned_home_and_guest_is_incomplete",),
    ),
    Planted(
        "a checkpoint without a proof of the hub",
        _VERIFY,
        "if not any(log_signed(note, hub.subject, hub.pub) for hub in hubs):",
        "if not hubs:",
        (f"{_PACKAGE}::test_a_checkpoint_that_the_hub_did_not_sign_is_altered",),
    ),
)
