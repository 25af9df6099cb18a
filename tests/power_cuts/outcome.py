"""What power cuts did to a database, and how often its power is cut."""

from __future__ import annotations

from dataclasses import dataclass

CUTS = 3  # in one history: a file that survived one cut must survive the next
CUT_AFTER_MAX = (
    240  # writes and syncs of a start at most: some tens of commits, several checkpoints
)


@dataclass
class Outcome:
    """Counts of one history, or of many."""

    histories: int = 0
    cuts: int = 0
    said: int = 0
    lost: int = 0
    corrupt: int = 0
    broken: int = 0
    """Histories in which the program itself failed on what it found."""
    losing: int = 0
    """Histories in which a row was lost, a file was corrupt or the program failed."""

    @property
    def sound(self) -> bool:
        return not (self.lost or self.corrupt or self.broken)

    def add(self, other: Outcome) -> None:
        for name in ("histories", "cuts", "said", "lost", "corrupt", "broken", "losing"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
