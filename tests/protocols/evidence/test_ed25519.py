"""The pure Ed25519 check: RFC 8032's vectors, the edges, and agreement with the fast one."""

from __future__ import annotations

import hashlib
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.evidence.verifier import IDENTITY, ORDER, P, _encode_point, verify_ed25519
from tests.protocols.messages.wire_keys import HOME, Key, verify

# RFC 8032 §7.1: public key, message, signature (tests 1, 2, 3 and SHA(abc)).
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("pub", "msg", "sig"), VECTORS)
def test_rfc_8032_vectors(pub, msg, sig):
    public, message, signature = (bytes.fromhex(part) for part in (pub, msg, sig))

    assert verify_ed25519(public, signature, message)
    assert verify(public, signature, message)
    assert not verify_ed25519(public, signature, message + b"x")


@given(st.binary(max_size=200), st.text(max_size=4))
def test_agrees_with_the_fast_check(message, name):
    key = Key(name)
    signature = key.private.sign(message)

    assert verify_ed25519(key.pub, signature, message)


@given(st.integers(0, 511), st.integers(0, 255))
def test_no_flipped_bit_survives(sig_bit, pub_bit):
    signature, message = HOME.private.sign(b"m"), b"m"
    bad_sig = bytearray(signature)
    bad_sig[sig_bit // 8] ^= 1 << sig_bit % 8
    bad_pub = bytearray(HOME.pub)
    bad_pub[pub_bit // 8] ^= 1 << pub_bit % 8

    assert not verify_ed25519(HOME.pub, bytes(bad_sig), message)
    assert not verify_ed25519(bytes(bad_pub), signature, message)


def test_the_second_form_of_s_is_refused():
    """Adding the order to S gives the same point: only S below the order is canonical."""
    signature = HOME.private.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + ORDER

    assert not verify_ed25519(HOME.pub, signature[:32] + s.to_bytes(32, "little"), b"m")


IDENTITY_BYTES = _encode_point(IDENTITY)
LOW_ORDER = [
    IDENTITY_BYTES,
    (P - 1).to_bytes(32, "little"),
    bytes(32),
    bytes(31) + b"\x80",
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


@pytest.mark.parametrize("public", LOW_ORDER)
def test_keys_of_small_order_sign_everything_and_are_refused(public):
    """With such a key R = [S]B holds for every message whose k is a multiple of its order."""
    for number in range(16):
        message = bytes([number])
        assert not verify_ed25519(public, IDENTITY_BYTES + bytes(32), message)


def test_a_small_order_r_is_refused():
    """R = identity and S = k·a is a valid equation under the key's own secret: still refused."""
    digest = bytearray(hashlib.sha512(hashlib.sha256(b"home").digest()).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    secret = int.from_bytes(digest, "little")
    k = hashlib.sha512(IDENTITY_BYTES + HOME.pub + b"m").digest()
    s = int.from_bytes(k, "little") * secret % ORDER

    assert not verify_ed25519(HOME.pub, IDENTITY_BYTES + s.to_bytes(32, "little"), b"m")


@pytest.mark.parametrize(
    "public",
    [
        b"",
        HOME.pub + b"x",
        (P + 3).to_bytes(32, "little"),
        (2).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),
    ],
)
def test_what_is_no_key_is_refused(public):
    """Wrong length, y not below p, no point with that y, x = 0 with a sign."""
    assert not verify_ed25519(public, HOME.private.sign(b"m"), b"m")


def test_a_signature_of_another_length_is_refused():
    assert not verify_ed25519(HOME.pub, HOME.private.sign(b"m")[:63], b"m")


def test_one_check_takes_a_few_milliseconds():
    """A day has some thousand seals; the bound leaves room for a slow, shared machine."""
    signature = HOME.private.sign(b"m")

    best = min(timeit.repeat(lambda: verify_ed25519(HOME.pub, signature, b"m"), number=5, repeat=5))

    assert best / 5 < 0.02
