"""A witness signs what begins with what it holds, and nothing else."""

from __future__ import annotations

import random

import pytest

from protocols.evidence.checkpoint import Checkpoint, Note, Question, origin_name, sign_checkpoint
from protocols.evidence.merkle import consistency_proof, leaf_hash, root_at
from protocols.evidence.witness import REFUSALS, Answer, judge
from protocols.messages.errors import RemoteError
from tests.protocols.evidence.test_merkle import Tree
from tests.protocols.messages.wire_keys import HUB, HUB_KEY, ROOM, Key, verify

SIZE = 200
LEAVES = [leaf_hash(b"%d" % n) for n in range(SIZE)]
TREE = Tree(LEAVES)


def note(size: int, tree: Tree = TREE, *, key: Key = HUB_KEY, n: int = 1, hub: str = HUB) -> Note:
    point = Checkpoint(origin_name(hub, n), size, root_at(size, tree.node))
    return sign_checkpoint(point, public=key.pub, sign=key.private.sign)


def asked(old: int, new: int, tree: Tree = TREE, **more) -> Question:
    return Question(old, tuple(consistency_proof(old, new, tree.node)), note(new, tree, **more))


def answer(held: Note | None, question: Question) -> Answer:
    return judge(held, question, hub=HUB, public=HUB_KEY.pub, verify=verify)


@pytest.mark.parametrize(
    ("held", "question", "expected"),
    [
        (None, asked(0, 7), Answer.BEGIN),
        (None, asked(3, 7), Answer.BEGIN),
        (note(7), asked(7, 9), Answer.COSIGN),
        (note(7), asked(7, SIZE), Answer.COSIGN),
        (note(7), asked(7, 7), Answer.HELD),
        (note(7), asked(3, 5), Answer.HELD),
        (note(7), asked(0, 9), Answer.HELD),
        (note(7), asked(5, 9), Answer.HELD),
        (note(7), asked(0, 3, n=2), Answer.BEGIN),
        (note(7, n=2), asked(7, 9), Answer.OLDER_LOG),
    ],
)
def test_each_case_has_its_answer(held, question, expected):
    assert answer(held, question) is expected


def test_a_proof_from_nothing_never_makes_a_signature():
    held = note(7)

    for old in range(1, 40):
        question = Question(0, (), note(old + 7))
        assert answer(held, question) is Answer.HELD
        assert answer(None, question) is Answer.BEGIN


def test_every_fork_is_refused():
    chance = random.Random(6)  # noqa: S311 - a replayable test
    for _ in range(200):
        at = chance.randrange(1, SIZE)
        old = chance.randrange(at, SIZE + 1)
        new = chance.randrange(old, SIZE + 1)
        other = Tree([*LEAVES[: at - 1], leaf_hash(b"other"), *LEAVES[at:]])
        assert answer(note(old), asked(old, new, other)) in REFUSALS


def test_a_question_of_others_is_no_question():
    for question in (
        asked(0, 7, key=ROOM),
        asked(0, 7, hub="h-ffffffffffff"),
        Question(0, (), note(0)),
        Question(0, (), sign_checkpoint(
            Checkpoint("example.com/log", 5, bytes(32)),
            public=HUB_KEY.pub,
            sign=HUB_KEY.private.sign,
        )),
    ):  # fmt: skip
        with pytest.raises(RemoteError):
            answer(None, question)
