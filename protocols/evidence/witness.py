"""What a witness makes of a checkpoint it is asked to co-sign (DESIGN §7).

A witness holds one note: the largest consistent checkpoint it has seen. It co-signs a larger one
only if a proof shows that the log it holds is where that one begins. At first use, after its memory
was lost and at a new origin it has nothing to compare with: it takes the checkpoint up, says so in
its own record, and signs nothing until the next one comes with a proof. What it answers instead of
a signature is the note it holds, so that whoever asked knows from which size to prove, or that two
checkpoints of one log contradict each other.
"""

from __future__ import annotations

from enum import Enum

from protocols.evidence.checkpoint import Note, Question, read_origin, signed_by_log
from protocols.evidence.merkle import verify_consistency
from protocols.messages.errors import RemoteError
from protocols.messages.signed import Verify


class Answer(Enum):
    """What the witness does: co-sign, take up without a signature, show what it holds, refuse."""

    COSIGN = "cosign"
    BEGIN = "begin"
    HELD = "held"
    FORK = "fork"
    INCONSISTENT = "inconsistent"
    OLDER_LOG = "older_log"


REFUSALS = frozenset((Answer.FORK, Answer.INCONSISTENT, Answer.OLDER_LOG))
"""Answers to a log that does not do what it signed: recorded, alarmed, never signed."""


def judge(
    held: Note | None, question: Question, *, hub: str, public: bytes, verify: Verify
) -> Answer:
    """The answer to one question. `held`: None at first use or when it was lost.

    Raises:
        RemoteError: not a checkpoint that this hub signed, or one of an empty log.
    """
    note = question.note
    asked = note.checkpoint
    name, number = read_origin(asked.origin)
    if name != hub or not signed_by_log(note, public, verify):
        raise RemoteError(
            "not a checkpoint of our hub",
            where="down/checkpoint",
            expected=f"signed by the hub {hub} of the trust file",
            got=asked.origin,
        )
    if asked.size == 0:
        raise RemoteError("an empty log", where="down/checkpoint", expected="size 1 or more")
    if held is None:
        return Answer.BEGIN
    known = held.checkpoint
    if asked.origin != known.origin:
        return Answer.BEGIN if number > read_origin(known.origin)[1] else Answer.OLDER_LOG
    if asked.size == known.size:
        return Answer.HELD if asked.root == known.root else Answer.FORK
    if asked.size < known.size or question.old != known.size:
        return Answer.HELD  # late, or proven from elsewhere: the note held tells from where
    holds = verify_consistency(
        old=known.size,
        new=asked.size,
        old_root=known.root,
        new_root=asked.root,
        proof=question.proof,
    )
    return Answer.COSIGN if holds else Answer.INCONSISTENT
