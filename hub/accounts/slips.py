"""Slips the hub gives a browser to bring back: signed, dated, of one kind, stored nowhere."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

CONTEXT: Final = b"er1/slip\x00"
SLIP_CHARS_MAX: Final = 2_048


class Slips:
    """Makes and reads slips of one kind.

    Args:
        secret: of this hub; whoever has it can make slips.
        kind: a slip of another kind does not count.
        wall: the machine's own wall clock.
        good_s: how long a slip counts, seconds.
    """

    def __init__(
        self, secret: bytes, *, kind: str, wall: Callable[[], datetime], good_s: int
    ) -> None:
        self._secret, self._kind, self._wall, self._good_s = secret, kind, wall, good_s

    def make(self, data: Mapping[str, str]) -> str:
        """A slip with this on it."""
        body = json.dumps({**data, "at": int(self._wall().timestamp())}).encode()
        text = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{text}.{self._mac(text)}"

    def read(self, slip: str) -> dict[str, Any] | None:
        """What is on a slip of ours that still counts, else None."""
        text, _, mac = slip.partition(".")
        if len(slip) > SLIP_CHARS_MAX or not slip.isascii():
            return None
        if not hmac.compare_digest(mac, self._mac(text)):
            return None
        try:
            found: dict[str, Any] = json.loads(
                base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            )
        except (ValueError, binascii.Error):
            return None
        age_s = self._wall().timestamp() - found["at"]
        return found if -1 <= age_s <= self._good_s else None

    def derived(self, word: str, data: Mapping[str, str]) -> str:
        """A word that only this hub can make of a slip, 43 characters."""
        message = CONTEXT + f"{self._kind}\x00{word}\x00{data['r']}".encode()
        digest = hmac.new(self._secret, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _mac(self, text: str) -> str:
        message = CONTEXT + f"{self._kind}\x00\x00{text}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
