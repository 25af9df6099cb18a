"""The Merkle tree of RFC 6962 §2.1: hashes, proofs, and a tree that grows.

`MTH({}) = SHA-256()`, leaf `SHA-256(00 ‖ entry)`, node `SHA-256(01 ‖ left ‖ right)`; a tree of two
or more leaves is split at the largest power of two below. Whoever grows a tree keeps a
`CompactRange` (one hash per bit of its size) and, to prove things, the hashes of complete subtrees.
A complete subtree is named (level, index): it covers leaves `index·2^level` to
`(index+1)·2^level - 1` and its hash never changes again. The package's verifier has its own reading
of these rules.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
SIZE_MAX: Final = 2**53 - 1
"""Largest tree: what every JSON reader keeps exactly."""
PROOF_HASHES_MAX: Final = 63
"""RFC 6962: no proof in a tree of 2^62 leaves is longer; C2SP tlog-witness names the same bound."""

NodeAt = Callable[[int, int], bytes]
"""(level, index) -> hash of that complete subtree."""
Completed = tuple[int, int, bytes]
"""(level, index, hash) of a subtree that has just become complete."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry, told apart from a node's by its first byte."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees, the left one complete."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class CompactRange:
    """A tree that only grows: its size, and the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def extend(self, leaves: Iterable[bytes]) -> list[Completed]:
        """Append leaf hashes; the inner nodes that became complete, in that order.

        One leaf costs as many hashes as its index has trailing ones: one on average, log2 at most.
        """
        size, peaks, done = self.size, self.peaks, list[Completed]()
        for leaf in leaves:
            made, level, rest = leaf, 0, size
            while rest & 1:
                made = node_hash(peaks.pop(), made)
                level, rest = level + 1, rest >> 1
                done.append((level, rest, made))
            peaks.append(made)
            size += 1
        self.size = size
        return done

    def root(self) -> bytes:
        """The tree head."""
        return _fold(self.peaks)


def root_at(size: int, node: NodeAt) -> bytes:
    """The head that a tree had when it held `size` leaves."""
    return _range_hash(0, size, node)


def inclusion_proof(index: int, size: int, node: NodeAt) -> list[bytes]:
    """RFC 6962 §2.1.1: the siblings on the way from a leaf to the head, the nearest first."""
    if not 0 <= index < size:
        raise ValueError(f"inclusion proof: expected 0 <= index < {size}, got {index}")
    first, end, proof = 0, size, list[bytes]()
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            proof.append(_range_hash(middle, end, node))
            end = middle
        else:
            proof.append(_range_hash(first, middle, node))
            first = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: NodeAt) -> list[bytes]:
    """RFC 6962 §2.1.2: what shows that the tree of `new` leaves begins with that of `old`.

    Empty where `old` is 0 or `new`: nothing has to be shown.
    """
    if not 0 <= old <= new:
        raise ValueError(f"consistency proof: expected 0 <= old <= {new}, got {old}")
    first, end, proof = 0, new, list[bytes]()
    while 0 < old < end:
        middle = first + _split(end - first)
        if old <= middle:
            proof.append(_range_hash(middle, end, node))
            end = middle
        else:
            proof.append(_range_hash(first, middle, node))
            first = middle
    if first and old:
        proof.append(_range_hash(first, end, node))
    return proof[::-1]


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the leaf stands at that index of the tree with this head (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size <= SIZE_MAX or len(proof) > PROOF_HASHES_MAX:
        return False
    at, last, made = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = node_hash(sibling, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = node_hash(made, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(
    *, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the tree of `new` leaves begins with that of `old` (RFC 9162 §2.1.4.2).

    Every tree begins with the empty one; equal sizes need equal heads; neither takes a proof.
    """
    if not 0 <= old <= new <= SIZE_MAX or len(proof) > PROOF_HASHES_MAX:
        return False
    if old in (0, new):
        return not proof and old_root == (EMPTY_ROOT if old == 0 else new_root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


def joint_proof(indexes: Iterable[int], size: int, node: NodeAt) -> list[bytes]:
    """What, beside the leaves at these indexes, is needed to work out the head, left to right.

    One proof for many leaves: a subtree with none of them is one hash, whatever its size, and no
    hash stands twice.
    """
    known = sorted(set(indexes))
    if known and not 0 <= known[0] <= known[-1] < size:
        raise ValueError(f"joint proof: expected indexes below {size}, got {known[-1]}")
    proof, waiting = list[bytes](), [(0, size)]
    while waiting:
        first, end = waiting.pop()
        if not _holds(known, first, end):
            proof.append(_range_hash(first, end, node))
        elif end - first > 1:
            middle = first + _split(end - first)
            waiting += [(middle, end), (first, middle)]
    return proof


def joint_root(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes]) -> bytes | None:
    """The head that these leaves and a joint proof give; None if they do not fit together."""
    known, rest = sorted(leaves), list(reversed(proof))
    if size < 1 or (known and not 0 <= known[0] <= known[-1] < size <= SIZE_MAX):
        return None

    def made(first: int, end: int) -> bytes:
        if not _holds(known, first, end):
            return rest.pop()
        if end - first == 1:
            return leaves[first]
        middle = first + _split(end - first)  # as deep as a size has bits
        return node_hash(made(first, middle), made(middle, end))

    try:
        root = made(0, size)
    except IndexError:
        return None
    return None if rest else root


def _holds(known: Sequence[int], first: int, end: int) -> bool:
    at = bisect.bisect_left(known, first)
    return at < len(known) and known[at] < end


def _split(size: int) -> int:
    """The largest power of two below a size of 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def _range_hash(first: int, end: int, node: NodeAt) -> bytes:
    """`MTH(D[first:end])` where the rules above split there."""
    peaks, at = list[bytes](), first
    for level in range((end - first).bit_length() - 1, -1, -1):
        if (end - first) >> level & 1:
            peaks.append(node(level, at >> level))
            at += 1 << level
    return _fold(peaks)


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    made = peaks[-1]
    for peak in reversed(peaks[:-1]):
        made = node_hash(peak, made)
    return made
