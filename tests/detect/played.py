"""A run: rooms, the hub over them, what was broken; and a few of it stepped in full beside it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.detect.hub_line import HubLine, Page, ctl_of, session_of
from tests.detect.labels import DAY, HOUR, Label, S, labels
from tests.detect.room_line import PING_MS, RoomLine, Row

MEMORY = Path("/dev/shm")  # noqa: S108 - a disk is not what is looked at, and many times slower


@dataclass(frozen=True, slots=True)
class Size:
    """How much is played, from which seed."""

    rooms: int
    days: float
    seed: int

    @property
    def span_ms(self) -> int:
        """Its length."""
        return round(self.days * DAY)

    def faults(self) -> list[Label]:
        """What is broken in it."""
        every = labels(self.seed, rooms=self.rooms, days=max(1, round(self.days)))
        return [one for one in every if one.to_ms < self.span_ms - HOUR]


@dataclass
class Played:
    """What a run left.

    Args:
        journals: of each room.
        pages: whom the hub called, when.
        seen: every alarm that came up, quiet or not.
        cases: moment and session of each that was opened.
    """

    size: Size
    faults: Sequence[Label]
    journals: Sequence[Sequence[Row]]
    pages: Sequence[Page]
    seen: Sequence[Page]
    cases: Sequence[tuple[int, str]]

    def mine(self, room: int) -> list[Label]:
        """What is broken in a room or for it."""
        return [one for one in self.faults if one.room in (room, -1)]

    def of(self, kind: str) -> list[Label]:
        """Faults of a kind that come alone."""
        return [one for one in self.faults if one.kind == kind and not one.flap]


@contextmanager
def memory() -> Iterator[Path]:
    """A folder for thousands of small commits."""
    made = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def journal(size: Size, room: int, *, full: bool = False) -> list[Row]:
    """What one room wrote."""
    mine = [one for one in size.faults() if one.room in (room, -1)]
    line = RoomLine(ctl_of(room), mine, size.seed, size.span_ms, session_of(room), full)
    return line.run()


def watched(size: Size, journals: Sequence[Sequence[Row]], *, full: bool = False) -> Played:
    """The hub over these rooms."""
    faults = size.faults()
    with memory() as folder:
        hub = HubLine(folder, size.rooms, faults, size.seed, size.span_ms, full)
        hub.run(journals)
        cases = hub.cases()
        hub.town.store.close()
    return Played(size, faults, journals, hub.pages, hub.seen, cases)


def skipped_room(size: Size, room: int) -> list[str]:
    """How a room's findings differ when every tick and every missed answer is stepped."""
    quick, full = (_found(journal(size, room, full=full)) for full in (False, True))
    if quick == full and quick:
        return []
    differ = sorted(set(quick) ^ set(full))
    return [f"room {room} of seed {size.seed} stepped in full: {differ[:6] or 'nothing found'}"]


def skipped_hub(size: Size) -> list[str]:
    """How a hub's calls differ when it looks each second; only its pings begin elsewhere."""
    journals = [journal(size, room) for room in range(size.rooms)]
    quick, full = (watched(size, journals, full=full).pages for full in (False, True))
    if not quick or [one[1:] for one in map(_call, quick)] != [one[1:] for one in map(_call, full)]:
        return [f"hub of seed {size.seed} stepped in full: {len(full)} calls, not {len(quick)}"]
    return [
        f"hub of seed {size.seed} stepped in full: {one} at {other.at_ms}"
        for one, other in zip(quick, full, strict=True)
        if abs(one.at_ms - other.at_ms) > PING_MS + S
    ]


def _call(page: Page) -> tuple[int, int, str]:
    return page.at_ms, page.room, page.kind


def _found(rows: Sequence[Row]) -> list[tuple[int, str, str]]:
    kinds = ("fault.raised", "fault.cleared")
    return [(one.at_ms, one.type, one.data["fault"]) for one in rows if one.type in kinds]
