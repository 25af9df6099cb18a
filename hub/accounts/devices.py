"""Browsers that have signed somebody in before: known again by a word of the hub's, not by address.

The word opens nothing. It only keeps the failures of strangers apart from those of the person.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from typing import Final

DEVICE_COOKIE: Final = "er_device"
DEVICE_KNOWN: Final = timedelta(days=180)
NONCE_BYTES: Final = 12
CONTEXT: Final = b"er1/device\x00"
WORD: Final = re.compile(r"([0-9a-f]{24})\.([0-9a-f]{64})\Z")


class Devices:
    """Makes and knows the words.

    Args:
        secret: of this hub; whoever has it can make words.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def word(self, login: str) -> str:
        """A new word for a browser in which this login has just signed in."""
        nonce = secrets.token_bytes(NONCE_BYTES).hex()
        return f"{nonce}.{self._mac(nonce, login)}"

    def knows(self, word: str, login: str) -> bool:
        """Whether this hub gave the word to a browser of this login."""
        found = WORD.match(word)
        return found is not None and hmac.compare_digest(found[2], self._mac(found[1], login))

    def _mac(self, nonce: str, login: str) -> str:
        message = CONTEXT + nonce.encode() + b"\x00" + login.encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
