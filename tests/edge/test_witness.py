"""This room as a witness: what it remembers, signs, refuses and writes down."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.runtime import Runtime
from edge.witness import BEGAN, KV_WITNESS, REFUSED, REFUSED_MS, Witness
from protocols.evidence.checkpoint import Note, Question, cosigned_at, joined, parse_note
from protocols.evidence.merkle import consistency_proof, leaf_hash
from protocols.messages.errors import RemoteError
from protocols.messages.topics import DOWN_CHECKPOINT, UP_COSIGN
from protocols.messages.trust import HubKey
from tests.edge.test_loop import runtime
from tests.edge.test_uplink import Bench, bench
from tests.protocols.evidence.test_merkle import Tree
from tests.protocols.evidence.test_witness import LEAVES, asked, note
from tests.protocols.messages.wire_keys import CTL, HUB, HUB_KEY, ROOM, verify

__all__ = ["bench", "runtime"]

OTHER = Tree([leaf_hash(b"other"), *LEAVES[1:]])


@pytest.fixture
def witness(runtime: Runtime) -> Witness:
    runtime.open()
    return Witness(
        ctl=CTL,
        hub=HubKey(HUB, HUB_KEY.kid, HUB_KEY.pub.hex()),
        journal=runtime.journal,
        public=ROOM.pub,
        sign=ROOM.private.sign,
        wall_s=lambda: 1_800_000_000,
        mono_ms=lambda: 5,
    )


def ask(witness: Witness, runtime: Runtime, question: Question) -> Note | None:
    """One question to the end: what goes into the record is written, the answer comes back."""
    answer, turns = witness.asked(question.encode(), retained=False)
    runtime.feed(turns)
    return parse_note(answer) if answer else None


def signed(found: Note | None) -> bool:
    return found is not None and cosigned_at(found, name=CTL, public=ROOM.pub, verify=verify) == (
        1_800_000_000
    )


def told(runtime: Runtime, kind: str) -> list[str]:
    return [str(one.data["reason"]) for one in runtime.journal.replay() if one.type == kind]


def test_the_first_checkpoint_is_taken_up_and_on_record_but_not_signed(witness, runtime):
    assert ask(witness, runtime, asked(0, 7)) is None
    assert told(runtime, BEGAN) == ["no_memory"]
    held = ask(witness, runtime, asked(0, 7))
    assert held == note(7)
    assert not signed(held)

    assert signed(ask(witness, runtime, asked(7, 20)))
    assert signed(ask(witness, runtime, asked(20, 21)))
    assert told(runtime, BEGAN) == ["no_memory"]


def test_a_lost_answer_comes_again_with_its_signature(witness, runtime):
    ask(witness, runtime, asked(0, 7))
    first = ask(witness, runtime, asked(7, 20))

    assert ask(witness, runtime, asked(7, 20)) == first
    assert ask(witness, runtime, asked(0, 9)) == first


def test_memory_outlives_a_restart_and_its_loss_is_a_first_use(witness, runtime):
    ask(witness, runtime, asked(0, 7))
    ask(witness, runtime, asked(7, 20))
    again = replace(witness)
    assert signed(ask(again, runtime, asked(20, 30)))

    for lost in (b"", b"rotten"):
        runtime.journal.append((), kv={KV_WITNESS: lost})
        assert ask(again, runtime, asked(30, 40)) is None
        assert not signed(ask(again, runtime, asked(30, 40)))
    assert told(runtime, BEGAN) == ["no_memory"] * 3
    assert signed(ask(again, runtime, asked(40, 41)))


def test_a_fork_is_refused_and_both_notes_are_on_record_once_a_minute(witness, runtime):
    ask(witness, runtime, asked(0, 7))
    held = ask(witness, runtime, asked(7, 20))
    for _ in range(3):
        assert ask(witness, runtime, asked(20, 30, OTHER)) == held
    (row,) = [one.data for one in runtime.journal.replay() if one.type == REFUSED]
    assert row["reason"] == "inconsistent"
    assert held is not None
    assert row["held"] == held.encode().decode()
    assert parse_note(row["note"].encode()) == note(30, OTHER)

    witness.mono_ms = lambda: REFUSED_MS + 5
    ask(witness, runtime, asked(7, 20, OTHER))
    assert told(runtime, REFUSED) == ["inconsistent", "fork"]
    assert signed(ask(witness, runtime, asked(20, 30)))


def test_a_new_origin_is_a_first_use_that_is_on_record_and_the_old_one_is_over(witness, runtime):
    ask(witness, runtime, asked(0, 7))
    ask(witness, runtime, asked(7, 20))
    assert ask(witness, runtime, asked(0, 5, n=2)) is None
    assert told(runtime, BEGAN) == ["no_memory", "new_origin"]
    assert not signed(ask(witness, runtime, asked(20, 30)))
    assert told(runtime, REFUSED) == ["older_log"]
    assert signed(ask(witness, runtime, asked(5, 30, n=2)))


def test_a_retained_question_and_one_of_others_are_none(witness, runtime):
    with pytest.raises(RemoteError):
        witness.asked(asked(0, 7).encode(), retained=True)
    with pytest.raises(RemoteError):
        witness.asked(asked(0, 7, key=ROOM).encode(), retained=False)
    assert told(runtime, BEGAN) == []


def test_the_largest_notes_fit_into_one_event(witness, runtime):
    many = joined(note(7), note(7).signatures)
    full = Note(many.checkpoint, many.signatures * 16)
    assert ask(witness, runtime, Question(0, (), full)) is None
    assert told(runtime, BEGAN) == ["no_memory"]


def test_the_answer_goes_out_on_its_topic_and_rubbish_is_refused_by_name(bench: Bench):
    bench.uplink.witness = Witness(
        ctl=CTL,
        hub=HubKey(HUB, HUB_KEY.kid, HUB_KEY.pub.hex()),
        journal=bench.journal,
        public=ROOM.pub,
        sign=ROOM.private.sign,
        wall_s=lambda: 1_800_000_000,
        mono_ms=lambda: 5,
    )
    question = Question(7, tuple(consistency_proof(7, 20, Tree(LEAVES).node)), note(20))
    bench.journal.append((), kv={KV_WITNESS: note(7).encode()})

    assert bench.uplink.arrived(DOWN_CHECKPOINT, question.encode(), retained=False) == []
    assert signed(parse_note(bench.cable.take(UP_COSIGN)[0]))
    assert bench.uplink.trouble() == ""
    bench.uplink.arrived(DOWN_CHECKPOINT, asked(20, 30, OTHER).encode(), retained=False)
    assert bench.uplink.trouble() == "log_refused"
    bench.uplink.arrived(DOWN_CHECKPOINT, asked(20, 30).encode(), retained=False)
    assert bench.uplink.trouble() == ""
    (turn,) = bench.uplink.arrived(DOWN_CHECKPOINT, b"rubbish", retained=False)
    assert (turn.data["type"], turn.data["data"]["leaf"]) == ("wire.refused", DOWN_CHECKPOINT)
