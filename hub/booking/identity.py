"""Identities of members: checked at entry, sealed at once, elsewhere only a tag and a mask.

A number's form is GB 11643-1999: 17 digits and a check character (ISO 7064 MOD 11-2). The name
and number are sealed with AES-256-GCM under a key of their own; that key is wrapped to the hub and
to the home venue, and `hub.booking.erasure` destroys it. A room learns only the scrypt tag of a
number and compares it with the card it reads; tags and salt go when the session is closed.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from datetime import date
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NUMBER_CHARS: Final = 18
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"
BIRTH_YEAR_MIN: Final = 1900

NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


def number_fault(number: str, today: date) -> str:  # noqa: PLR0911 - one return per fault
    """What is wrong with an identity number ('' if nothing); never quotes the number."""
    if len(number) != NUMBER_CHARS:
        return f"{len(number)} characters"
    digits, check = number[:17], number[17]
    if not (digits.isascii() and digits.isdigit()) or check not in "0123456789X":
        return "characters other than 17 digits and a digit or X"
    if digits[0] == "0":
        return "an area code that begins with 0"
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return "a date of birth that does not exist"
    if born.year < BIRTH_YEAR_MIN or born >= today:
        return "a date of birth outside 1900 to yesterday"
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    if _CHECK[total % 11] != check:
        return "a check character that does not fit"
    return ""


def mask(name: str, number: str) -> dict[str, str]:
    """What may be shown to the venue's own staff: first character, first and last two digits.

    Enough to tell five people apart and to find a slip of the pen; the area code stays hidden,
    because with it and a tag twenty million numbers would be all there is to try.
    """
    hidden = "*" * max(1, len(name) - 1)
    return {"name": f"{name[:1]}{hidden}", "id_number": f"{number[:1]}{'*' * 15}{number[-2:]}"}


def seal_identity(name: str, number: str, *, bound_to: str) -> tuple[str, bytes]:
    """Seal one identity.

    Args:
        name: as on the document.
        number: checked by `number_fault`.
        bound_to: session and member, so that a sealed text cannot stand for another member.

    Returns:
        The sealed text (base64 of nonce and ciphertext) and the 32-byte key to be wrapped.
    """
    key = secrets.token_bytes(KEY_BYTES)
    nonce = secrets.token_bytes(NONCE_BYTES)
    plain = json.dumps({"name": name, "id_number": number}, ensure_ascii=False).encode()
    sealed = nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())
    return b64encode(sealed).decode("ascii"), key


def open_identity(sealed: str, key: bytes, *, bound_to: str) -> dict[str, str]:
    """Open what `seal_identity` made. `cryptography.exceptions.InvalidTag` if altered."""
    raw = b64decode(sealed)
    plain = AESGCM(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode())
    found: dict[str, str] = json.loads(plain)
    return found
