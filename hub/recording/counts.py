"""How many messages of rooms passed, and what became of them: said at `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Counts:
    """What passed since the start; shown at `/readyz`.

    Attributes:
        taken: messages of rooms that were looked at.
        dropped: messages the queue had no place for; rooms send them again.
        failed: messages that could not be taken for a reason of ours.
        notices_dropped: notices beyond what is kept for one controller; their rows come later.
        waiting: messages in the queue now.
    """

    taken: int = 0
    dropped: int = 0
    failed: int = 0
    notices_dropped: int = 0
    waiting: int = 0


class Counting(Protocol):
    """Whoever counts messages; all that pages may know of recording."""

    def counted(self) -> Counts:
        """The counts as they stand now."""
        ...
