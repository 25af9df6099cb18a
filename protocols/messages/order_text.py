"""A signed order as a text that a QR code holds and a scanner types (WIRE §7).

`ER1` and base32 of the compressed bytes: capital letters and digits only, which every keyboard
layout types alike. What was typed wrongly is found by the compression's own check sum; whether the
order holds is judged by its signature, as of any order that comes.
"""

from __future__ import annotations

import base64
import unicodedata
import zlib
from typing import Final

from protocols.messages.signed import HEADER_BYTES_MAX

MARK: Final = "ER1"
CODE_CHARS_MAX: Final = 40
"""An offline code is far shorter, an order's text far longer."""
TEXT_CHARS_MAX: Final = 4096
"""An order is half a kilobyte, its text below 700 characters; a QR code holds 4 296."""
ORDER_BYTES_MAX: Final = 2 * HEADER_BYTES_MAX + 2
"""A header and its signatures, no body: what a hostile text may become at most."""


class OrderTextError(ValueError):
    """The text is no order: scanned in part, or typed by a keyboard of another kind."""


def order_text(raw: bytes) -> str:
    """The text of an order's signed bytes."""
    packed = zlib.compress(raw, level=9)
    return MARK + base64.b32encode(packed).decode("ascii").rstrip("=")


def is_order_text(text: str) -> bool:
    """Whether this is meant to be a whole order and not a code, which may begin alike."""
    typed = _typed(text)
    return typed.startswith(MARK) and len(typed) > CODE_CHARS_MAX


def order_bytes(text: str) -> bytes:
    """The order's signed bytes. `OrderTextError` if the text holds none."""
    typed = _typed(text)
    if not typed.startswith(MARK) or len(typed) > TEXT_CHARS_MAX:
        raise OrderTextError("not an order's text")
    body = typed.removeprefix(MARK)
    try:
        packed = base64.b32decode(body + "=" * (-len(body) % 8))
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, ORDER_BYTES_MAX)
    except (ValueError, zlib.error):
        raise OrderTextError("not an order's text") from None
    if not unpacker.eof or unpacker.unused_data:
        raise OrderTextError("a part of an order's text")
    return raw


def _typed(text: str) -> str:
    # An input method that was left on types letters of another width.
    return "".join(unicodedata.normalize("NFKC", text).upper().split())
