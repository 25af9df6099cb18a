"""The Merkle tree: published vectors, and every size against RFC 6962's own words."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.evidence.merkle import (
    EMPTY_ROOT,
    PROOF_HASHES_MAX,
    SIZE_MAX,
    CompactRange,
    consistency_proof,
    inclusion_proof,
    joint_proof,
    joint_root,
    leaf_hash,
    node_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)

SIZES = 130
ENTRIES = [
    bytes.fromhex(one)
    for one in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
"""The eight entries of certificate-transparency's merkle_tree_test.cc, and its heads."""
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip
PROOFS = [
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip


class Tree:
    """Every complete subtree of a tree, grown leaf by leaf."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.range, self.nodes = CompactRange(), dict[tuple[int, int], bytes]()
        for index, leaf in enumerate(leaves):
            self.nodes[0, index] = leaf
            self.nodes.update({(level, at): made for level, at, made in self.range.extend([leaf])})

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


LEAVES = [leaf_hash(b"%d" % n) for n in range(SIZES)]
TREE = Tree(LEAVES)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1 word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1 word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2 word for word."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def test_the_heads_of_certificate_transparency():
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    tree, grown = Tree(leaves), CompactRange()
    assert grown.root().hex() == EMPTY_ROOT.hex()
    for size, (leaf, root) in enumerate(zip(leaves, ROOTS, strict=True), start=1):
        grown.extend([leaf])
        assert grown.root().hex() == root == root_at(size, tree.node).hex()


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_audit_paths_of_certificate_transparency(index, size, path):
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    proof = inclusion_proof(index, size, Tree(leaves).node)

    assert [one.hex() for one in proof] == path
    root = bytes.fromhex(ROOTS[size - 1])
    assert verify_inclusion(index=index, size=size, leaf=leaves[index], proof=proof, root=root)


@pytest.mark.parametrize(("old", "new", "hashes"), PROOFS)
def test_the_consistency_proofs_of_certificate_transparency(old, new, hashes):
    proof = consistency_proof(old, new, Tree([leaf_hash(entry) for entry in ENTRIES]).node)
    roots = [bytes.fromhex(ROOTS[size - 1]) for size in (old, new)]

    assert [one.hex() for one in proof] == hashes
    assert verify_consistency(old=old, new=new, old_root=roots[0], new_root=roots[1], proof=proof)


def test_every_size_has_the_head_of_the_definition():
    assert [root_at(size, TREE.node) for size in range(SIZES + 1)] == [
        naive_root(LEAVES[:size]) for size in range(SIZES + 1)
    ]


@pytest.mark.slow
def test_every_inclusion_proof_is_that_of_the_definition_and_proves_its_leaf_alone():
    for size in range(1, SIZES + 1):
        root = naive_root(LEAVES[:size])
        for index in range(size):
            proof = inclusion_proof(index, size, TREE.node)
            assert proof == naive_path(index, LEAVES[:size])
            held = [
                at
                for at in {index, (index + 1) % size, index ^ 1, size - 1}
                if verify_inclusion(index=at, size=size, leaf=LEAVES[index], proof=proof, root=root)
            ]
            assert held == [index]


@pytest.mark.slow
def test_every_consistency_proof_is_that_of_the_definition_and_proves_no_other_tree():
    roots = [naive_root(LEAVES[:size]) for size in range(SIZES + 1)]
    for new in range(1, SIZES + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, TREE.node)
            assert proof == naive_subproof(old, LEAVES[:new], whole=True)
            assert [
                verify_consistency(old=a, new=b, old_root=roots[c], new_root=roots[d], proof=proof)
                for a, b, c, d in (
                    (old, new, old, new),
                    (old, new, old - 1, new),
                    (old, new, old, new - 1),
                )
            ] == [True, False, False]


@given(st.integers(1, SIZES), st.data())
def test_one_proof_serves_many_leaves(size, data):
    indexes = data.draw(st.sets(st.integers(0, size - 1), max_size=size))
    proof, root = joint_proof(indexes, size, TREE.node), root_at(size, TREE.node)
    leaves = {index: LEAVES[index] for index in indexes}

    assert joint_root(leaves, size, proof) == root
    assert joint_root(leaves, size, [*proof, root]) is None
    if proof:
        assert joint_root(leaves, size, proof[:-1]) is None
    for index in indexes:
        assert joint_root({**leaves, index: leaf_hash(b"other")}, size, proof) != root


def test_one_proof_for_neighbours_is_hardly_longer_than_one_for_one():
    one, all_there = (
        joint_proof([40], SIZES, TREE.node),
        joint_proof(range(SIZES), SIZES, TREE.node),
    )

    assert len(joint_proof(range(40, 60), SIZES, TREE.node)) <= len(one) + 2
    assert all_there == []


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 2**32))
def test_a_changed_proof_proves_nothing(size, more, seed):
    chance, new = random.Random(seed), size + more  # noqa: S311 - a replayable test
    proof = consistency_proof(size, new, TREE.node)
    old_root, new_root = root_at(size, TREE.node), root_at(new, TREE.node)
    changed = [*proof]
    if changed and chance.random() < 0.7:
        at = chance.randrange(len(changed))
        changed[at] = leaf_hash(changed[at])
    else:
        changed.append(new_root)

    assert not verify_consistency(
        old=size, new=new, old_root=old_root, new_root=new_root, proof=changed
    )


def test_what_cannot_be_is_refused():
    root = root_at(8, TREE.node)
    proof = inclusion_proof(3, 8, TREE.node)

    for index, size in ((-1, 8), (8, 8), (3, SIZE_MAX + 1)):
        assert not verify_inclusion(index=index, size=size, leaf=LEAVES[3], proof=proof, root=root)
    long = [root] * (PROOF_HASHES_MAX + 1)
    assert not verify_inclusion(index=3, size=8, leaf=LEAVES[3], proof=long, root=root)
    assert not verify_inclusion(index=0, size=1, leaf=LEAVES[0], proof=[root], root=root)
    for old, new in ((-1, 8), (9, 8), (4, SIZE_MAX + 1)):
        assert not verify_consistency(old=old, new=new, old_root=root, new_root=root, proof=[])
    assert not verify_consistency(old=3, new=8, old_root=root, new_root=root, proof=[])
    assert not verify_consistency(old=4, new=5, old_root=root, new_root=root, proof=[root] * 9)
    assert verify_consistency(old=0, new=8, old_root=EMPTY_ROOT, new_root=root, proof=[])
    assert not verify_consistency(old=0, new=8, old_root=root, new_root=root, proof=[])
    assert joint_root({}, 0, []) is None
    assert joint_root({9: root}, 8, []) is None
    assert joint_root({}, 8, [root]) == root


@pytest.mark.parametrize(
    "ask",
    [
        lambda: inclusion_proof(8, 8, TREE.node),
        lambda: consistency_proof(9, 8, TREE.node),
        lambda: joint_proof([8], 8, TREE.node),
    ],
)
def test_a_proof_of_what_is_not_there_is_our_mistake(ask):
    with pytest.raises(ValueError, match="expected"):
        ask()


def test_a_leaf_is_never_taken_for_a_node():
    left, right = LEAVES[:2]

    assert leaf_hash(left + right) != node_hash(left, right)
