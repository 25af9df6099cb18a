"""Runs of events that a program holds itself."""

from __future__ import annotations

import hashlib

import pytest

from protocols.evidence.chain import Break, Tip, batch_digest, check_chain, seal_payload
from protocols.messages.acks import seal_batch
from protocols.messages.event import GENESIS, encode_event, event_hash
from protocols.messages.signed import parse_message, signing_bytes
from tests.protocols.messages.wire_keys import CTL, EPOCH, ROOM, chain, event, verify

START = Tip(CTL, EPOCH, 0, GENESIS)


def test_a_whole_run_holds():
    lines = chain(5)
    verdict = check_chain(START, lines)

    assert (verdict.count, verdict.broken) == (5, None)
    assert verdict.tip == Tip(CTL, EPOCH, 5, event_hash(lines[-1]))
    assert check_chain(verdict.tip, []).tip == verdict.tip


@pytest.mark.parametrize(
    ("bad", "reason", "seq"),
    [
        (b"nothing", "unreadable", 0),
        (encode_event(event(3, epoch="f" * 32)), "stream", 3),
        (encode_event(event(4)), "seq", 4),
        (encode_event(event(3)), "prev", 3),
    ],
)
def test_the_first_break_is_named(bad, reason, seq):
    lines = chain(5)
    verdict = check_chain(START, [*lines[:2], bad, *lines[3:]])

    assert verdict.broken == Break(2, seq, reason)
    assert (verdict.count, verdict.tip.seq) == (2, 2)


def test_a_seal_is_checked_from_hashes_alone():
    lines = chain(3)
    hashes = [event_hash(line) for line in lines]
    raw = seal_batch(ctl=CTL, epoch=EPOCH, first=1, lines=lines, signers=[ROOM.signer()])
    signed = parse_message(raw, limit=len(raw))

    assert seal_payload(signed, hashes) == signing_bytes(signed.ctx, signed.header_line, lines)
    assert verify(ROOM.pub, signed.sigs[0].sig, seal_payload(signed, hashes))
    assert batch_digest(hashes) == hashlib.sha256(bytes.fromhex("".join(hashes))).hexdigest()
