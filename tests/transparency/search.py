"""Every single change of a log of a thousand rows, and a thousand forks: who finds it.

Three find it, each alone: whoever works out the head of all rows again with the package's own
verifier, a witness that is asked to go on from what it holds, and the program on a whole package.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protocols.evidence import verifier
from protocols.evidence.checkpoint import Checkpoint, Note, Question, origin_name, sign_checkpoint
from protocols.evidence.merkle import CompactRange, consistency_proof, leaf_hash
from protocols.evidence.witness import Answer, judge
from tests.protocols.messages.wire_keys import HUB, HUB_KEY, Key, verify
from tests.transparency.attacks import KINDS, WAYS, Forger, changed, truth, verdict

NEXT = 7
"""Rows that are recorded after a change before the witness is asked again."""


@dataclass(slots=True)
class Tally:
    """What was tried and what nobody found."""

    tried: int = 0
    missed: tuple[str, ...] = ()

    def add(self, what: str, *, found: bool) -> None:
        """One attempt."""
        self.tried += 1
        if not found:
            self.missed = (*self.missed, what)


class Grown:
    """A tree with its inner nodes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        tree, self.size = CompactRange(), len(leaves)
        self._nodes = {(0, at): leaf for at, leaf in enumerate(leaves)}
        self._nodes |= {(level, at): made for level, at, made in tree.extend(leaves)}
        self.root = tree.root()

    def node(self, level: int, index: int) -> bytes:
        """A complete subtree."""
        return self._nodes[level, index]

    @property
    def note(self) -> Note:
        """Its checkpoint, signed by the hub."""
        point = Checkpoint(origin_name(HUB, 1), self.size, self.root)
        return sign_checkpoint(point, public=HUB_KEY.pub, sign=HUB_KEY.private.sign)


def _leaf_changes(leaves: tuple[bytes, ...], at: int) -> Iterator[tuple[str, list[bytes]]]:
    other, found = leaf_hash(b"other"), list(leaves)
    yield "edit", [*found[:at], other, *found[at + 1 :]]
    yield "delete", [*found[:at], *found[at + 1 :]]
    yield "insert", [*found[:at], other, *found[at:]]
    if at + 1 < len(found):
        yield "swap", [*found[:at], found[at + 1], found[at], *found[at + 2 :]]
    yield "cut", found[:at]


def heads(indexes: Sequence[int]) -> Tally:
    """Changes of the log itself, against its co-signed head."""
    true, found = truth(), Tally()
    assert _head(true.leaves) == true.note.checkpoint.root
    for at in indexes:
        for kind, leaves in _leaf_changes(true.leaves, at):
            found.add(f"head {kind} {at}", found=_head(leaves) != true.note.checkpoint.root)
    return found


def _head(leaves: Sequence[bytes]) -> bytes:
    return verifier.log_head(dict(enumerate(leaves)), len(leaves), []) if leaves else b""


def witnessed(indexes: Sequence[int]) -> Tally:
    """The same, shown to a witness that holds the true head, as the past of a longer log."""
    true, found = truth(), Tally()
    held, more = true.note, [leaf_hash(b"next %d" % n) for n in range(NEXT)]
    size = held.checkpoint.size
    whole = Grown([*true.leaves, *more])
    asked = Question(size, tuple(consistency_proof(size, whole.size, whole.node)), whole.note)
    assert _answer(held, asked) is Answer.COSIGN
    for at in indexes:
        for kind, leaves in _leaf_changes(true.leaves, at):
            grown = Grown([*leaves, *more * (1 + size // NEXT)][: size + NEXT])
            own = tuple(consistency_proof(size, grown.size, grown.node))
            for proof in (own, asked.proof, ()):
                answer = _answer(held, Question(size, proof, grown.note))
                found.add(f"witness {kind} {at}", found=answer is not Answer.COSIGN)
    return found


def forks(count: int, seed: int) -> Tally:
    """Two histories that part at a random size; the witness holds one and is shown the other."""
    true, found, chance = truth(), Tally(), random.Random(seed)  # noqa: S311 - replayable
    for n in range(count):
        parts = chance.randrange(len(true.leaves))
        old = chance.randrange(parts + 1, len(true.leaves) + 1)
        held = Grown(true.leaves[:old])
        other = [leaf_hash(b"fork %d %d" % (n, at)) for at in range(chance.randrange(1, 400))]
        grown = Grown([*true.leaves[:parts], *other])
        proof = consistency_proof(old, grown.size, grown.node) if grown.size >= old else []
        answer = _answer(held.note, Question(old, tuple(proof), grown.note))
        found.add(f"fork {n} at {parts} held {old}", found=answer is not Answer.COSIGN)
    return found


def _answer(held: Note, question: Question) -> Answer:
    return judge(held, question, hub=HUB, public=HUB_KEY.pub, verify=verify)


def packages(indexes: Sequence[int]) -> Tally:
    """The room's stream rewritten from a place on, with every key but the witnesses'."""
    rows, found = truth().rows, Tally()
    assert verdict(Forger(WAYS[0]).package(rows)).code == verifier.SOUND
    for at in indexes:
        for n, kind in enumerate(KINDS):
            forged = changed(rows, kind, at)
            if forged == list(rows):
                continue  # nothing is cut or swapped at the very end
            way = WAYS[(at + n) % len(WAYS)]
            code = verdict(Forger(way).package(forged)).code
            found.add(f"package {kind} {at} {way}", found=code in (2, 3))
    return found


def minted() -> Tally:
    """Packages made whole with fresh keys, of everybody or of some."""
    rows, found = truth().rows, Tally()
    for way in WAYS:
        for n, keys in enumerate(({"key": Key("fresh venue")}, {"room": Key("fresh room")})):
            code = verdict(Forger(way, **keys).package(rows)).code
            found.add(f"minted {way} {n}", found=code == verifier.ALTERED)
    return found
