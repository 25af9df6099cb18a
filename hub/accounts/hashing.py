"""Passwords and PINs: what may be one, and how a password is kept.

argon2id with 19 MiB (OWASP's floor): a hub of two cores stays alive under a storm of sign-ins.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.problems import bad_request

PASSWORD_CHARS_MIN: Final = 12
PASSWORD_CHARS_MAX: Final = 256
HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """argon2id hash of a password.

    Raises:
        Problem: 422 too short or too long.
    """
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise bad_request(
            "password_length",
            what="the password cannot be used",
            where="user.password",
            expected=f"{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters",
            got=f"{len(password)} characters",
            do="choose a longer one: three or four words do",
        )
    return HASHER.hash(password)


def check_pin(pin: str, digits_min: int) -> None:
    """Refuses a PIN that is too short or not of digits.

    Raises:
        Problem: 422.
    """
    if not (pin.isascii() and pin.isdigit() and len(pin) >= digits_min):
        raise bad_request(
            "pin_invalid",
            what="the PIN cannot be used",
            where="user.pin",
            expected=f"at least {digits_min} digits",
            got=f"{len(pin)} characters",
            do="choose another",
        )


@cache
def unknown_password() -> str:
    """The hash of a password nobody knows; one for the life of the process."""
    return HASHER.hash(secrets.token_urlsafe())


def matches(stored: str, password: str) -> bool:
    """Whether the password is the one that was hashed; never of a hash that cannot be read."""
    try:
        return HASHER.verify(stored, password[:PASSWORD_CHARS_MAX])
    except (VerificationError, InvalidHashError):
        return False
