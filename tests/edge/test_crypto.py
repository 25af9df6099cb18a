"""What a room signs, opens and unlocks; whatever is wrong fails closed and says so."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.crypto import (
    CryptoError,
    member_tag,
    open_box,
    read_private,
    signer,
    unwrap_key,
    verify,
)

ROOM = bytes(range(32))
SEED = bytes(range(32, 64))


def seal_for(private: bytes, text: bytes) -> str:
    """A box as the plan carries it."""
    recipient = X25519PrivateKey.from_private_bytes(private).public_key()
    raw = recipient.public_bytes(Encoding.Raw, PublicFormat.Raw)
    ephemeral = X25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
    public = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kdf = HKDF(hashes.SHA256(), 32, salt=public + raw, info=b"er1/seal")
    sealed = AESGCM(kdf.derive(ephemeral.exchange(recipient))).encrypt(bytes(12), text, None)
    return base64.b64encode(public + bytes(12) + sealed).decode("ascii")


Wrap = Callable[[str], dict[str, object]]


def test_a_box_opens_only_for_its_controller() -> None:
    """Another room's key, a flipped byte and rubbish are refused alike."""
    box = seal_for(ROOM, b"tags")
    assert open_box(ROOM, box) == b"tags"
    with pytest.raises(CryptoError, match="publish the plan again"):
        open_box(SEED, box)
    flipped = base64.b64encode(base64.b64decode(box)[:-1] + b"\x00").decode("ascii")
    for bad in (flipped, "rubbish", "", "AAAA"):
        with pytest.raises(CryptoError):
            open_box(ROOM, bad)


@pytest.mark.slow
def test_a_pin_opens_its_key_and_no_other_pin_does(wrapped_with: Wrap) -> None:
    """A wrapping of unknown strength is refused, not tried."""
    wrapped = wrapped_with("20261124")
    assert unwrap_key(wrapped, "20261124") == SEED
    with pytest.raises(CryptoError, match="PIN"):
        unwrap_key(wrapped, "20261125")
    with pytest.raises(CryptoError, match="scrypt"):
        unwrap_key({**wrapped, "n": 2}, "20261124")
    with pytest.raises(CryptoError, match="scrypt"):
        unwrap_key({**wrapped, "r": 1}, "20261124")
    with pytest.raises(CryptoError):
        unwrap_key({"kdf": "scrypt", "n": 2**17}, "20261124")


def test_a_signature_holds_for_its_message_only() -> None:
    """Malformed keys are False, not an error."""
    public, sign = signer(SEED)
    signature = sign(b"message")
    assert verify(public, signature, b"message")
    assert not verify(public, signature, b"messagf")
    assert not verify(b"short", signature, b"message")


def test_a_key_file_must_hold_thirty_two_bytes(tmp_path: Path) -> None:
    """Missing, short and unreadable files name themselves."""
    path = tmp_path / "sign.key"
    path.write_text(SEED.hex() + "\n", encoding="ascii")
    assert read_private(path) == SEED
    path.write_text("abcd", encoding="ascii")
    with pytest.raises(CryptoError, match=r"sign\.key.*32 bytes"):
        read_private(path)
    with pytest.raises(CryptoError, match="enrol again"):
        read_private(tmp_path / "none.key")


def test_a_tag_depends_on_number_and_salt() -> None:
    """The same person has different tags in different sessions."""
    one = member_tag("11010519491231002X", "00" * 16)
    assert one == member_tag("11010519491231002X", "00" * 16)
    assert one != member_tag("11010519491231002X", "01" * 16)
    assert len(one) == 64
