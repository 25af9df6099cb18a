"""One input on its way to the room core: what the loop feeds into `edge.room.decide`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Turn:
    """Kind and data of an `edge.room.Input`; the loop adds the time."""

    kind: str
    data: dict[str, Any]
