"""Codes of a telephone beside the password: RFC 6238 with six digits, 30 s, SHA-1 (as the apps do).

Pure but for sealing: secrets lie in the database only under a key of the hub. Time is an argument.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

DIGITS: Final = 6
STEP_S: Final = 30
STEPS_ASIDE: Final = 1
"""A telephone may be half a minute wrong, and a person needs time to type (RFC 6238 §5.2)."""
SECRET_BYTES: Final = 20
"""The length of the hash, RFC 4226 §4 R6."""
NONCE_BYTES: Final = 12
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
"""80 bit: too many to guess, so a plain hash of it may be stored."""


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET_BYTES)


def step_of(at_s: float) -> int:
    """The step of an instant, in seconds since 1970."""
    return int(at_s // STEP_S)


def code_of(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of one step, RFC 4226 §5.3."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = digest[-1] & 0x0F
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def matching_step(secret: bytes, code: str, *, at_s: float, after: int) -> int | None:
    """The step this code is of, later than `after`, or None; a code counts once."""
    now = step_of(at_s)
    found = None
    for step in range(now - STEPS_ASIDE, now + STEPS_ASIDE + 1):
        same = hmac.compare_digest(code_of(secret, step).encode(), code.encode())
        if same and step > after:
            found = step
    return found


def shown(secret: bytes) -> str:
    """The secret as a person types it into the telephone: base32 in groups of four."""
    text = base64.b32encode(secret).decode("ascii").rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def uri(secret: bytes, *, login: str, hub: str) -> str:
    """`otpauth://…`, which the telephone's app opens."""
    query = {
        "secret": shown(secret).replace(" ", ""),
        "issuer": hub,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_S,
    }
    return f"otpauth://totp/{quote(f'{hub}:{login}')}?{urlencode(query)}"


def seal(key: bytes, person: str, secret: bytes) -> str:
    """The secret under the hub's key, bound to its person."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return (nonce + AESGCM(key).encrypt(nonce, secret, person.encode())).hex()


def unseal(key: bytes, person: str, sealed: str) -> bytes | None:
    """The secret, or None: sealed by another hub's key, for another person, or damaged."""
    try:
        raw = bytes.fromhex(sealed)
        return AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], person.encode())
    except (ValueError, InvalidTag):
        return None


def new_recovery_codes() -> list[str]:
    """Ten codes for paper, `k7qd-…`; each opens once."""
    made = []
    for _ in range(RECOVERY_CODES):
        text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode("ascii").lower()
        made.append("-".join(text[at : at + 4] for at in range(0, len(text), 4)))
    return made


def recovery_hash(person: str, code: str) -> str:
    """What is stored of a recovery code, however it is typed."""
    plain = "".join(code.lower().split()).replace("-", "")
    return hashlib.sha256(f"{person}\x00{plain}".encode("utf-8", "surrogatepass")).hexdigest()
