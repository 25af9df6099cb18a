"""The hub's use of keys: sign, check, wrap under a secret, seal to a room's key.

Formats: wrapped key = scrypt (N = 2^17) + AES-256-GCM; sealed box = X25519 + HKDF-SHA256 +
AES-256-GCM; member tag = scrypt (N = 2^15) of the ID number. Everything fails closed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import Signer

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 16
PASSWORD_BYTES: Final = 18
SEAL_INFO: Final = b"er1/seal"
WRAP_AAD: Final = b"er1/wrap"
WRAP_N: Final = 2**17
"""WIRE §1: what a person's secret costs to try, about half a second and 128 MiB."""
TAG_N: Final = 2**15
FIELD: Final = 2**255 - 19  # the field of Curve25519
SCRYPT_BYTES_MAX: Final = 160 * 1024 * 1024
KEY_FILE_MODE: Final = 0o600


class CryptoError(Exception):
    """A key, box or secret cannot be opened; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one guess costs: scrypt's N for wrapped keys and for tags of ID numbers.

    The product knows one, `FULL`. It is an argument and no setting, so that nothing in a hub's
    folder or surroundings can make guessing cheaper; a wrapping of another cost is refused.
    """

    wrap_n: int = WRAP_N
    tag_n: int = TAG_N


FULL: Final = Stretch()


@dataclass(frozen=True, slots=True)
class Derived:
    """The wrapping key of one secret and the salt it was derived with; for one act."""

    key: bytes
    salt: bytes


def new_seed() -> bytes:
    """A fresh Ed25519 seed."""
    return secrets.token_bytes(KEY_BYTES)


def public_of(seed: bytes) -> bytes:
    """Raw public key of an Ed25519 seed."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def signer(seed: bytes, role: str) -> Signer:
    """A signer with this seed in this role."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return Signer(kid=kid_of(public_of(seed)), role=role, sign=private.sign)


def derived_from(seed: bytes, purpose: str) -> bytes:
    """A symmetric key for one purpose, that tells nothing of the seed it is made of."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(seed)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Ed25519 check, RFC 8032; any malformed key or signature is simply False."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def derive(secret: str, salt: bytes, stretch: Stretch = FULL) -> Derived:
    """The wrapping key of a secret; half a second by intention."""
    key = hashlib.scrypt(
        secret.encode("utf-8"),
        salt=salt,
        n=stretch.wrap_n,
        r=8,
        p=1,
        maxmem=SCRYPT_BYTES_MAX,
        dklen=KEY_BYTES,
    )
    return Derived(key, salt)


def wrap_with(derived: Derived, seed: bytes, stretch: Stretch = FULL) -> dict[str, Any]:
    """Wraps a seed under a key derived at this cost."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return {
        "kdf": "scrypt",
        "n": stretch.wrap_n,
        "r": 8,
        "p": 1,
        "salt": derived.salt.hex(),
        "nonce": nonce.hex(),
        "ct": AESGCM(derived.key).encrypt(nonce, seed, WRAP_AAD).hex(),
    }


def wrap_key(seed: bytes, secret: str, stretch: Stretch = FULL) -> dict[str, Any]:
    """Wraps a seed under a secret, with a salt of its own."""
    derived = derive(secret, secrets.token_bytes(SALT_BYTES), stretch)
    return wrap_with(derived, seed, stretch)


def unwrap_key(
    wrapped: Mapping[str, Any],
    secret: str,
    stretch: Stretch = FULL,
    *,
    known: Derived | None = None,
) -> tuple[bytes, Derived]:
    """The seed behind a secret, and the key that opened it.

    Args:
        wrapped: as `wrap_key` made it.
        secret: its holder's.
        stretch: the one cost that is accepted.
        known: derived from the same secret before in this act; spares the half second where the
            salt is the same.

    Raises:
        CryptoError: another secret, or a wrapping this program does not know.
    """
    try:
        got = {name: wrapped[name] for name in ("kdf", "n", "r", "p")}
        if got != {"kdf": "scrypt", "n": stretch.wrap_n, "r": 8, "p": 1}:
            raise CryptoError(
                f"wrapped key: expected scrypt with n={stretch.wrap_n} r=8 p=1, got {got}; "
                "have the key made again"
            )
        salt = bytes.fromhex(wrapped["salt"])
        if known is not None and known.salt == salt:
            derived = known
        else:
            derived = derive(secret, salt, stretch)
        nonce, sealed = bytes.fromhex(wrapped["nonce"]), bytes.fromhex(wrapped["ct"])
        return AESGCM(derived.key).decrypt(nonce, sealed, WRAP_AAD), derived
    except (KeyError, ValueError, InvalidTag) as error:
        raise CryptoError("secret: expected the holder's secret, got another; try again") from error


def seal(public: bytes, plain: bytes) -> str:
    """A sealed box for one X25519 key: base64(ephemeral key 32 ‖ nonce 12 ‖ ciphertext)."""
    ephemeral = X25519PrivateKey.generate()
    own = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    kdf = HKDF(hashes.SHA256(), KEY_BYTES, salt=own + public, info=SEAL_INFO)
    nonce = secrets.token_bytes(NONCE_BYTES)
    box = own + nonce + AESGCM(kdf.derive(shared)).encrypt(nonce, plain, None)
    return base64.b64encode(box).decode("ascii")


def open_box(private: bytes, box: str) -> bytes:
    """Opens a sealed box.

    Raises:
        CryptoError: damaged, or sealed to another key.
    """
    try:
        raw = base64.b64decode(box, validate=True)
        key = X25519PrivateKey.from_private_bytes(private)
        own, nonce = raw[:KEY_BYTES], raw[KEY_BYTES : KEY_BYTES + NONCE_BYTES]
        shared = key.exchange(X25519PublicKey.from_public_bytes(own))
        recipient = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        kdf = HKDF(hashes.SHA256(), KEY_BYTES, salt=own + recipient, info=SEAL_INFO)
        return AESGCM(kdf.derive(shared)).decrypt(nonce, raw[KEY_BYTES + NONCE_BYTES :], None)
    except (ValueError, InvalidTag) as error:
        raise CryptoError("sealed box: expected one for this key, got another") from error


def new_seal_key() -> tuple[bytes, bytes]:
    """A fresh X25519 key: (private, public), raw."""
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return private.private_bytes_raw(), public


def seal_key_of(public: bytes) -> bytes:
    """The X25519 public key that belongs to an Ed25519 one (RFC 7748 §4.1, u = (1 + y)/(1 - y)).

    So a box can be sealed to a venue while its private half stays wrapped by its managers.
    """
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    return ((1 + y) * pow(1 - y, -1, FIELD) % FIELD).to_bytes(KEY_BYTES, "little")


def open_key_of(seed: bytes) -> bytes:
    """The private half of `seal_key_of`, from the Ed25519 seed (RFC 8032 §5.1.5; not clamped)."""
    return hashlib.sha512(seed).digest()[:KEY_BYTES]


def member_tag(number: str, salt: str, stretch: Stretch = FULL) -> str:
    """The tag of an ID number for one session (64 hex digits); about 80 ms by intention."""
    return hashlib.scrypt(
        number.encode("utf-8"),
        salt=bytes.fromhex(salt),
        n=stretch.tag_n,
        r=8,
        p=1,
        maxmem=SCRYPT_BYTES_MAX,
        dklen=KEY_BYTES,
    ).hex()


def broker_password(hub_seed: bytes, name: str) -> str:
    """Password of a name at the broker: derived, so that a restored hub still lets its rooms in."""
    kdf = HKDF(hashes.SHA256(), PASSWORD_BYTES, salt=None, info=b"er1/mqtt\x00" + name.encode())
    return base64.urlsafe_b64encode(kdf.derive(hub_seed)).decode("ascii")


def write_private(path: Path, raw: bytes) -> None:
    """Writes a raw key as hex, readable by its owner alone; an existing file is not overwritten.

    Raises:
        FileExistsError: there is a key already.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(raw.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> bytes:
    """Reads a raw 32-byte key written as hex.

    Raises:
        CryptoError: no file, or not 32 bytes of hex.
    """
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise CryptoError(f"{path}: expected 64 hex digits, got {error}; run hub init") from error
    if len(raw) != KEY_BYTES:
        raise CryptoError(f"{path}: expected {KEY_BYTES} bytes, got {len(raw)}; run hub init")
    return raw
