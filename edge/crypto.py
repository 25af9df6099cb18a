"""The room's use of keys: sign, check, open what was sealed to it, unlock a person's key by PIN.

Formats are those of the plan (ARCHITECTURE.md, "Keys"): sealed box = X25519 + HKDF-SHA256 +
AES-256-GCM; wrapped key = scrypt + AES-256-GCM. Everything fails closed with `CryptoError`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY_BYTES = 32
NONCE_BYTES = 12
SEAL_INFO = b"er1/seal"
WRAP_AAD = b"er1/wrap"
WRAP_N = 2**17  # WIRE §1: scrypt of a person's secret
TAG_N = 2**15  # DESIGN §6.1: tag of an ID number
SCRYPT_BYTES_MAX = 160 * 1024 * 1024  # N = 2^17, r = 8 needs 128 MiB


class CryptoError(Exception):
    """A box, key or secret cannot be opened; the text says which and what to do."""


def read_private(path: Path) -> bytes:
    """Reads a raw 32-byte private key written as hex.

    Raises:
        CryptoError: no file, or not 32 bytes of hex.
    """
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise CryptoError(f"{path}: expected 64 hex digits, got {error}; enrol again") from error
    if len(raw) != KEY_BYTES:
        raise CryptoError(f"{path}: expected {KEY_BYTES} bytes, got {len(raw)}; enrol again")
    return raw


def signer(seed: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Returns the raw public key and the sign function of an Ed25519 seed (32 bytes)."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return public, private.sign


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Ed25519 check, RFC 8032; any malformed key or signature is simply False."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def open_box(private: bytes, box: str) -> bytes:
    """Opens a sealed box (base64 of ephemeral key 32, nonce 12, AES-256-GCM ciphertext).

    Raises:
        CryptoError: damaged, or sealed to another controller.
    """
    try:
        raw = base64.b64decode(box, validate=True)
        key = X25519PrivateKey.from_private_bytes(private)
        ephemeral, nonce = raw[:KEY_BYTES], raw[KEY_BYTES : KEY_BYTES + NONCE_BYTES]
        shared = key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        kdf = HKDF(hashes.SHA256(), KEY_BYTES, salt=ephemeral + recipient, info=SEAL_INFO)
        return AESGCM(kdf.derive(shared)).decrypt(nonce, raw[KEY_BYTES + NONCE_BYTES :], None)
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise CryptoError(
            "sealed part of the plan: expected a box for this controller, got one it cannot open; "
            "publish the plan again"
        ) from error


def unwrap_key(wrapped: Mapping[str, Any], secret: str, n: int = WRAP_N) -> bytes:
    """Returns the 32-byte Ed25519 seed behind a PIN.

    Args:
        wrapped: as it came in the plan.
        secret: the PIN.
        n: the one cost of a guess that is accepted; an argument and no setting, so that nothing in
            a plan or on the disk can make guessing cheaper.

    Raises:
        CryptoError: wrong PIN, or a wrapping this room does not know.
    """
    got = {name: wrapped.get(name) for name in ("kdf", "n", "r", "p")}
    if got != {"kdf": "scrypt", "n": n, "r": 8, "p": 1}:
        raise CryptoError(
            f"wrapped key: expected scrypt with n={n} r=8 p=1, got {got}; publish the plan again"
        )
    try:
        key = hashlib.scrypt(
            secret.encode("utf-8"),
            salt=bytes.fromhex(wrapped["salt"]),
            n=n,
            r=8,
            p=1,
            maxmem=SCRYPT_BYTES_MAX,
            dklen=KEY_BYTES,
        )
        nonce, sealed = bytes.fromhex(wrapped["nonce"]), bytes.fromhex(wrapped["ct"])
        return AESGCM(key).decrypt(nonce, sealed, WRAP_AAD)
    except (KeyError, ValueError, InvalidTag) as error:
        raise CryptoError("PIN: expected this person's PIN, got another; try again") from error


def member_tag(number: str, salt: str, n: int = TAG_N) -> str:
    """The tag of an ID number for one session (64 hex digits); about 80 ms by intention."""
    return hashlib.scrypt(
        number.encode("utf-8"),
        salt=bytes.fromhex(salt),
        n=n,
        r=8,
        p=1,
        maxmem=SCRYPT_BYTES_MAX,
        dklen=KEY_BYTES,
    ).hex()
