"""The package against the log: what the checkpoint proves, and what it takes to prove it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.evidence import verifier
from protocols.evidence.checkpoint import TYPE_COSIGNATURE, NoteSignature, key_id
from protocols.evidence.merkle import joint_proof, joint_root, root_at
from protocols.evidence.verifier import CHECKPOINT, LOG_PLACES, LOG_PROOF, FormError, log_head
from protocols.messages.bodies import Position, Retired
from protocols.messages.errors import RemoteError
from protocols.messages.trust import TrustFile
from tests.protocols.evidence.sample_log import (
    HOME_CTL,
    HOME_WITNESS,
    SIZE,
    Log,
    checked,
    trust,
)
from tests.protocols.evidence.sample_package import HUB_EPOCH, found
from tests.protocols.evidence.test_merkle import ENTRIES, LEAVES, PATHS, ROOTS, SIZES, TREE
from tests.protocols.messages.wire_keys import CTL, HUB, ROOM, Key

LOG = Log()
FILES = LOG.files()
GOOD = checked(FILES)


def keys_of(report: verifier.Report) -> list[tuple[int, str]]:
    return [(verdict, key) for verdict, key, _ in found(report) if key not in ("by_hub", "hidden")]


def test_a_package_whose_rows_stand_in_the_co_signed_log_is_sound():
    assert GOOD.code == 0, GOOD.lines()
    assert (0, "cosigned") in keys_of(GOOD)
    assert GOOD.counts["logged"] == GOOD.counts["hashes"]
    assert len(FILES[LOG_PLACES].splitlines()) == GOOD.counts["logged"]


def test_a_trust_file_that_asks_for_none_takes_packages_with_and_without():
    none = trust(checkpoint="none")
    assert checked(FILES, by=none).code == 0
    assert checked({}, by=none).code == 0


def test_where_the_trust_file_asks_for_it_a_package_without_is_incomplete():
    for left_out in (FILES, (CHECKPOINT,), (LOG_PLACES,), (LOG_PROOF,)):
        files = {name: raw for name, raw in FILES.items() if name not in left_out}
        report = checked(files)
        assert (report.code, report.first_bad) == (3, "data/checkpoints")


@pytest.mark.parametrize(
    ("signers", "missing"),
    [
        ((), "home, guest"),
        (((CTL, ROOM),), "home"),
        (((HOME_CTL, HOME_WITNESS),), "guest"),
        (((HOME_CTL, HOME_WITNESS), (CTL, Key("fresh"))), "guest"),
        (((HOME_CTL, HOME_WITNESS), ("c-aaaaaaaaaaaa", ROOM)), "guest"),
    ],
)
def test_a_checkpoint_without_a_pinned_home_and_guest_is_incomplete(signers, missing):
    report = checked(LOG.files(signers=signers))

    assert (report.code, report.first_bad) == (3, CHECKPOINT)
    (item,) = [one for one in report.items if one.key == "no_cosignature"]
    assert item.detail == missing


def test_a_checkpoint_that_the_hub_did_not_sign_is_altered():
    report = checked(LOG.files(key=Key("fresh hub")))

    assert (report.code, report.first_bad) == (2, CHECKPOINT)
    assert (2, "log_signature") in keys_of(report)


def test_a_false_co_signature_of_a_pinned_witness_is_altered():
    false = NoteSignature(CTL, key_id(CTL, TYPE_COSIGNATURE, ROOM.pub), bytes(72))
    report = checked(LOG.files(more=[false]))

    assert (report.code, report.first_bad) == (2, CHECKPOINT)
    assert (2, "cosignature") in keys_of(report)


def test_a_log_that_was_begun_anew_is_said():
    assert (0, "log_anew") in keys_of(checked(LOG.files(n=2)))
    assert (0, "log_anew") not in keys_of(GOOD)


def test_rows_that_the_checkpoint_does_not_cover_make_it_incomplete():
    kept = {n: place for n, place in LOG.places.items() if n < max(LOG.places)}
    report = checked(LOG.files(places=kept))

    assert (report.code, report.first_bad) == (3, LOG_PLACES)
    assert checked(LOG.files(places=kept), by=trust(checkpoint="none")).code == 0


def test_a_witness_whose_key_was_retired_before_does_not_count():
    for seq, code in ((1, 3), (99, 0)):
        retired = Retired(HOME_WITNESS.kid, Position(HUB, HUB_EPOCH, seq))
        report = checked(FILES, by=replace(trust(), retired=(retired,), epochs=(HUB_EPOCH,)))
        assert report.code == code, report.lines()


def changed(name: str, old: bytes, new: bytes) -> dict[str, bytes]:
    assert old in FILES[name]
    return {**FILES, name: FILES[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ({**FILES, CHECKPOINT: FILES[CHECKPOINT][:-1]}, "log_form"),
        ({**FILES, CHECKPOINT: b"x" * 5000 + b"\n"}, "log_form"),
        ({**FILES, CHECKPOINT: b"\xff" + FILES[CHECKPOINT]}, "log_form"),
        (changed(CHECKPOINT, b"\n1000\n", b"\n01000\n"), "log_form"),
        (changed(CHECKPOINT, b"\n1000\n", b"\n1001\n"), "log_signature"),
        (changed(CHECKPOINT, "— evalroom".encode(), b"- evalroom"), "log_form"),
        (changed(CHECKPOINT, b"\n\n", b"\n"), "log_form"),
        (changed(LOG_PLACES, b" 1 100\n", b" 1 101\n"), "log_head"),
        (changed(LOG_PLACES, b" 1 100\n", b" 1 1000\n"), "log_form"),
        (changed(LOG_PLACES, b" 1 100\n", b" 2 100\n"), "log_form"),
        (changed(LOG_PLACES, b" 1 100\n", b" 9999999999 100\n"), "log_form"),
        (changed(LOG_PLACES, CTL.encode(), b"c-ffffffffffff"), "log_form"),
        ({**FILES, LOG_PLACES: FILES[LOG_PLACES] + b"rubbish\n"}, "log_form"),
        ({**FILES, LOG_PROOF: FILES[LOG_PROOF][65:]}, "log_form"),
        ({**FILES, LOG_PROOF: FILES[LOG_PROOF] + b"0" * 64 + b"\n"}, "log_form"),
        ({**FILES, LOG_PROOF: b"0" * 64 + b"\n" + FILES[LOG_PROOF][65:]}, "log_head"),
        ({**FILES, LOG_PROOF: b"\xff\n"}, "log_form"),
        ({**FILES, LOG_PLACES: b"", LOG_PROOF: b""}, "log_form"),
    ],
)
def test_files_of_the_log_that_do_not_fit_together_are_altered(files, key):
    report = checked(files)

    assert report.code == 2, report.lines()
    assert (2, key) in keys_of(report)


def test_a_root_of_another_length_is_altered():
    lines = FILES[CHECKPOINT].split(b"\n")
    lines[2] = b"AAAA"
    assert (2, "log_form") in keys_of(checked({**FILES, CHECKPOINT: b"\n".join(lines)}))


def test_the_trust_file_carries_its_witnesses_and_refuses_bad_ones():
    raw = trust().encode()
    assert TrustFile.decode(raw) == trust()
    assert "witnesses" not in json.loads(replace(trust(), witnesses=()).encode())
    for field, bad in (("kid", "0" * 16), ("ctl", "h-0123456789ab"), ("pub", "00"), ("org", "")):
        body = json.loads(raw)
        body["witnesses"][0][field] = bad
        with pytest.raises(RemoteError):
            TrustFile.decode(json.dumps(body).encode())
    for bad in ([{"org": "hubei"}], [1], "none", [{**body["witnesses"][1], "kid": "0" * 16}]):
        body = json.loads(raw)
        body["witnesses"] = bad
        with pytest.raises(verifier.TrustError):
            checked_with(json.dumps(body).encode())


def checked_with(raw: bytes) -> verifier.Report:
    return verifier.verify_package(verifier.MemoryFiles({}), raw)


def test_too_many_pinned_witnesses_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verifier, "WITNESSES_MAX", 1)
    with pytest.raises(verifier.TrustError):
        checked_with(trust().encode())


def test_the_verifiers_own_tree_is_that_of_rfc_6962():
    leaves = [verifier.leaf_hash(entry) for entry in ENTRIES]
    for size, root in enumerate(ROOTS, start=1):
        assert log_head(dict(enumerate(leaves[:size])), size, []).hex() == root
    for index, size, path in PATHS:
        # The audit path from the leaf upwards, sorted as one proof for many: left to right.
        given = joint_proof([index], size, tree_of(leaves).node)
        assert sorted(one.hex() for one in given) == sorted(path)
        assert log_head({index: leaves[index]}, size, given).hex() == ROOTS[size - 1]


def tree_of(leaves: list[bytes]):
    return type(TREE)(leaves)


@given(st.integers(1, SIZES), st.data())
def test_the_verifiers_own_tree_agrees_with_the_hubs(size, data):
    indexes = data.draw(st.sets(st.integers(0, size - 1)))
    proof = joint_proof(indexes, size, TREE.node)
    leaves = {index: LEAVES[index] for index in indexes}

    assert log_head(leaves, size, proof) == root_at(size, TREE.node)
    for bad in (proof[:-1] if proof else [b""], [*proof, b"x" * 32]):
        assert joint_root(leaves, size, bad) is None
        with pytest.raises(FormError):
            log_head(leaves, size, bad)


def test_a_place_outside_the_log_is_refused():
    for leaves, size in (({8: b""}, 8), ({-1: b""}, 8), ({}, 0)):
        with pytest.raises(FormError):
            log_head(leaves, size, [])


def test_the_hub_alone_cannot_mint_a_log_that_counts():
    """Fresh rows, a fresh tree and the hub's own key: the witnesses never saw it."""
    log = Log()
    log.leaves[0] = log.leaves[1]
    report = checked(log.files(signers=()))

    assert report.code == 3
    assert len(log.leaves) == SIZE
    assert checked({**log.files(signers=()), CHECKPOINT: FILES[CHECKPOINT]}).code == 2
