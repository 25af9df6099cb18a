"""A text as a QR code: the squares that the page draws; nothing leaves the machine for it."""

from __future__ import annotations

import segno


def qr_rows(text: str) -> list[str]:
    """Rows of the code, `1` where it is dark, without the margin that the page puts round it.

    A quarter of it may be covered or blurred (error correction Q): it is read off a screen or off
    paper that went by fax.
    """
    made = segno.make_qr(text, error="q", boost_error=False)
    return ["".join("1" if dark else "0" for dark in row) for row in made.matrix]
