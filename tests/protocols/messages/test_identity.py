"""Golden vectors: another implementation must give exactly these."""

from __future__ import annotations

import pytest

from protocols.messages import identity
from protocols.messages.errors import LocalError, RemoteError


@pytest.mark.parametrize(
    ("ctl", "expected"),
    [
        ("c-000000000000", "22"),
        ("c-0123456789ab", "59"),
        ("c-ffffffffffff", "51"),
        ("h-0123456789ab", "19"),
    ],
)
def test_shard_golden_vectors(ctl, expected):
    assert identity.shard(ctl) == expected


def test_shards_are_two_digits_below_64():
    shards = {identity.shard(f"c-{n:012x}") for n in range(2000)}

    assert shards == {f"{n:02d}" for n in range(64)}


def test_kid_golden_vector():
    """RFC 8032 §7.1 test 1's public key."""
    pub = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    assert identity.kid(pub) == "21fe31dfa154a261"
    assert identity.is_kid(identity.kid(pub))
    assert not identity.is_kid("KID")
    assert not identity.is_kid(7)


def test_a_client_s_id_is_its_own_name_and_what_only_its_key_tells():
    mine = identity.client_id("c-0123456789ab", bytes(32))

    assert mine == "c-0123456789ab-5e610b62159f5480b004794f28ee04b3"
    assert identity.client_id("c-0123456789ab", bytes(31) + b"\1") != mine


def test_a_key_id_needs_a_raw_key():
    with pytest.raises(LocalError, match="32 bytes"):
        identity.kid(b"short")


def test_ids_are_made_from_the_first_six_bytes():
    entropy = bytes(range(16))

    assert identity.controller_id(entropy) == "c-000102030405"
    assert identity.hub_id(entropy) == "h-000102030405"
    assert identity.person_id(entropy) == "p-000102030405"


def test_too_little_entropy_is_our_bug():
    with pytest.raises(LocalError, match="entropy"):
        identity.controller_id(b"12345")


@pytest.mark.parametrize(
    ("text", "recorder"),
    [
        ("c-0123456789ab", True),
        ("h-0123456789ab", True),
        ("p-0123456789ab", False),
        ("c-0123456789AB", False),
        ("c-0123456789ab\n", False),
        ("c-0123456789abc", False),
        (b"c-0123456789ab", False),
        (None, False),
    ],
)
def test_recorders_are_controllers_and_hubs(text, recorder):
    assert identity.is_ctl(text) is recorder


def test_persons_have_their_own_letter():
    assert identity.is_person("p-0123456789ab")
    assert not identity.is_person("c-0123456789ab")
    assert not identity.is_person(None)


def test_no_shard_without_a_recorder():
    with pytest.raises(LocalError):
        identity.shard("p-0123456789ab")


def test_errors_say_what_where_expected_got_do_and_quote_little():
    error = RemoteError("wrong", where="here", expected="a", got="x" * 500, do="look")

    assert str(error).startswith("wrong (where: here; expected: a; got: xxx")
    assert str(error).endswith("…; do: look)")
    assert len(error.got) == 121
    assert str(RemoteError("wrong")) == "wrong"
    assert RemoteError("wrong", got=5).got == "5"
