"""The count a recorder gives of its own rows."""

from __future__ import annotations

import hashlib

from protocols.evidence.tally import EPOCHS_TOLD_MAX, EpochTally, digest_of, read_tally, tally
from protocols.evidence.verifier import seqs_digest
from protocols.messages.event import EVENT_BYTES_MAX
from protocols.messages.strict import dump

A, B = "a" * 32, "b" * 32


def test_the_digest_is_over_decimal_numbers_with_a_line_feed_each():
    assert digest_of([7, 3]) == hashlib.sha256(b"3\n7\n").hexdigest()
    assert digest_of([]) == hashlib.sha256(b"").hexdigest()


def test_the_verifiers_own_digest_is_the_same():
    assert seqs_digest([2, 10, 9]) == digest_of([10, 9, 2])


def test_rows_are_told_per_epoch_in_their_order():
    told = tally([(B, 4), (B, 5), (A, 1)])

    assert read_tally(told) == (
        EpochTally(B, 4, 5, 2, digest_of([4, 5])),
        EpochTally(A, 1, 1, 1, digest_of([1])),
    )
    assert told["untold"] == 0


def test_more_epochs_than_fit_are_counted_not_told():
    epochs = [f"{n:032x}" for n in range(EPOCHS_TOLD_MAX + 3)]
    told = tally([(epoch, 10**9) for epoch in epochs])

    assert told["untold"] == 3
    assert [one.epoch for one in read_tally(told)] == epochs[3:]
    assert len(dump(told, where="tally")) < EVENT_BYTES_MAX - 1024


def test_what_cannot_be_read_is_not_said():
    sound = tally([(A, 1)])["epochs"][0]
    rows = [5, {**sound, "rows": "1"}, {**sound, "digest": None}, {**sound, "first": True}, sound]

    assert len(read_tally({"epochs": rows})) == 1
    for data in (None, {}, {"epochs": 5}):
        assert read_tally(data) == ()
