"""What several tests of the room share: wrapped keys as a plan carries them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.crypto import WRAP_N

CHEAP_N = 2**6
"""For tests in which a wrapped key only has to be there; those of the crypto take the real cost."""
SEED = bytes(range(32, 64))


@pytest.fixture(scope="session")
def wrapped_with() -> Callable[..., dict[str, object]]:
    """Wraps `SEED` with a PIN, as a person's session key comes in the plan."""

    @cache
    def wrap(pin: str, n: int = WRAP_N) -> dict[str, object]:
        salt = bytes(16)
        key = hashlib.scrypt(pin.encode(), salt=salt, n=n, r=8, p=1, maxmem=2**28, dklen=32)
        sealed = AESGCM(key).encrypt(bytes(12), SEED, b"er1/wrap")
        return {
            "kdf": "scrypt",
            "n": n,
            "r": 8,
            "p": 1,
            "salt": salt.hex(),
            "nonce": bytes(12).hex(),
            "ct": sealed.hex(),
        }

    return wrap
