"""What several tests of the room share: wrapped keys as a plan carries them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.crypto import WRAP_N

SEED = bytes(range(32, 64))


@pytest.fixture(scope="session")
def wrapped_with() -> Callable[[str], dict[str, object]]:
    """Wraps `SEED` with a PIN, as a person's session key comes in the plan."""

    def wrap(pin: str) -> dict[str, object]:
        salt = bytes(16)
        key = hashlib.scrypt(pin.encode(), salt=salt, n=WRAP_N, r=8, p=1, maxmem=2**28, dklen=32)
        sealed = AESGCM(key).encrypt(bytes(12), SEED, b"er1/wrap")
        return {
            "kdf": "scrypt",
            "n": WRAP_N,
            "r": 8,
            "p": 1,
            "salt": salt.hex(),
            "nonce": bytes(12).hex(),
            "ct": sealed.hex(),
        }

    return wrap
