"""Events of rows that were just recorded, decoded once.

Recording, the live fold and projections read the same bytes one after the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from protocols.messages.event import Event, decode_event

ROWS_KEPT: Final = 2_048
"""What projections may be behind (`ROWS_BEHIND_MAX`) and a batch; fewer, and each is read twice."""
LINE_BYTES_MAX: Final = 2_048
"""A longer line is decoded each time: with the rows kept that is some ten MiB at most."""


def decoded(line: bytes) -> Event:
    """The event in `line`; whoever gets it reads its data and changes nothing there.

    Raises:
        RemoteError: as `decode_event`.
    """
    return _kept(line) if len(line) <= LINE_BYTES_MAX else decode_event(line)


_kept = lru_cache(ROWS_KEPT)(decode_event)
