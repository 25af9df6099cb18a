"""Where recorded picture is in time: what is missing, and how old the last of it is.

Durations come from the monotonic clock, which no time server steps; the wall clock dates them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from edge.clock import iso_ms
from edge.media import ffmpeg

GAP_MS = 1_000  # shorter is jitter of a camera, longer is missing picture


class ClockPort(Protocol):
    """What the recorder needs of a clock."""

    def mono_ms(self) -> int:
        """Milliseconds that only go forward."""
        ...

    def wall(self) -> datetime:
        """UTC."""
        ...


@dataclass(slots=True)
class Timeline:
    """Where a stream's picture is in time: finds what is missing between two segments."""

    clock: ClockPort
    anchor_ms: int | None = None
    end_ms: int | None = None

    def new_run(self) -> None:
        """The next segment begins at a time of its own."""
        self.anchor_ms = None

    def place(self, closed: ffmpeg.Closed) -> tuple[int, int, int]:
        """Puts a segment that has just been closed on the monotonic clock.

        Returns:
            first and last instant in mono ms, and how much was missing before it, ms.
        """
        now = self.clock.mono_ms()
        drift = 0 if self.anchor_ms is None else now - (self.anchor_ms + closed.end_ms)
        if self.anchor_ms is None or abs(drift) > GAP_MS:
            self.anchor_ms = now - closed.end_ms
        first, last = self.anchor_ms + closed.start_ms, self.anchor_ms + closed.end_ms
        missing = 0 if self.end_ms is None else first - self.end_ms
        self.end_ms = last
        return first, last, missing if missing >= GAP_MS else 0

    def at(self, mono_ms: int) -> str:
        """The wall time of an instant on the monotonic clock, by the present wall clock."""
        return iso_ms(self.clock.wall() - timedelta(milliseconds=self.clock.mono_ms() - mono_ms))


def whole_seconds(ms: int) -> int:
    """Milliseconds as seconds for a record: never 0 for something that was missing."""
    return max(1, round(ms / 1000))


@dataclass(slots=True)
class Growth:
    """Whether the file being written grows."""

    folder: Path
    run: str
    clock: ClockPort
    last: tuple[str, int] = ("", 0)
    at_ms: int = field(init=False)

    def __post_init__(self) -> None:
        """Counts from now."""
        self.at_ms = self.clock.mono_ms()

    def grew(self) -> bool:
        """Whether there are more bytes than at the last look."""
        names = sorted(self.folder.glob(f"{self.run}-*.m[pk][4v]"))
        try:
            now = (names[-1].name, names[-1].stat().st_size) if names else self.last
        except FileNotFoundError:
            return False
        if now == self.last or not now[1]:
            return False
        self.last, self.at_ms = now, self.clock.mono_ms()
        return True

    def age_s(self) -> float:
        """Seconds since it last grew."""
        return (self.clock.mono_ms() - self.at_ms) / 1000


def age_s(path: Path) -> float:
    """Seconds since a file last grew, by the file system's own clock."""
    probe = path.with_suffix(".age")
    probe.touch()
    try:
        return probe.stat().st_mtime - path.stat().st_mtime
    finally:
        probe.unlink()
