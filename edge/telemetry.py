"""What the room tells of itself beside the record: newest wins, never journalled (WIRE §3, up/tm).

The hub may lose every one of these and still know all that was recorded. Sent at each connect, on
each change of what a person would act on, and once a minute; figures that move by themselves ride
along and cause nothing. No floats: seconds, bytes and per cent are whole numbers, unknown is null.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from edge.journal import Journal
from edge.media.spool import Spool
from protocols.messages.errors import RemoteError
from protocols.messages.event import decode_event
from protocols.messages.status import Telemetry
from protocols.policy.room_model import RoomState

EVERY_MS = 60_000  # WIRE §3


class RuntimePort(Protocol):
    """What is asked of the loop; see `edge.runtime`."""

    state: RoomState
    loop_ms: int

    def storage(self) -> dict[str, Any]: ...  # noqa: D102


class ClockPort(Protocol):
    """The clocks of `edge.clock`."""

    def mono_ms(self) -> int: ...  # noqa: D102
    def wall(self) -> datetime: ...  # noqa: D102
    def trust(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Gauges:
    """Where the values come from.

    Args:
        waiting: rows of all epochs the hub has not acknowledged.
        lines: which line to the hub is in use, and how the other one looks.
    """

    runtime: RuntimePort
    journal: Journal
    spool: Spool
    clock: ClockPort
    waiting: Callable[[], int]
    software: str
    lines: Callable[[], dict[str, str]]

    def facts(self) -> dict[str, Any]:
        """What a person would act on; a change of it is told at once."""
        state = self.runtime.state
        power = state.power
        return {
            "power": {"mains": power.mains, "ups": power.ups, "charge_pct": power.charge_pct},
            "network": state.network.state,
            "lines": self.lines(),
            "streams": {name: one.state for name, one in sorted(state.streams.items())},
            "devices_lost": sum(one.state == "lost" for one in state.devices.values()),
            "storage": self.runtime.storage()["state"],
            "clock": self.clock.trust(),
            "software": self.software,
        }

    def figures(self) -> dict[str, Any]:
        """What moves by itself."""
        streams = self.runtime.state.streams
        waiting = sum(not (one.uploaded or one.gone) for one in self.spool.all())
        return {
            "outbox": {"rows": self.waiting(), "oldest_s": self._oldest_s()},
            "journal": {
                "free_bytes": _free(self.journal.path.parent),
                "held": self.runtime.storage()["held"],
            },
            "media": {"free_bytes": self.spool.free(), "segments_waiting": waiting},
            "segment_age_s": {name: self._age_s(one.last_at) for name, one in streams.items()},
            "loop_ms": self.runtime.loop_ms,
        }

    def _oldest_s(self) -> int | None:
        epoch, acked = self.journal.cursor()
        row = self.journal.read_back(epoch, acked + 1)
        if row is None:
            return None
        try:
            return self._age_s(decode_event(row.line).at)
        except RemoteError:
            return None

    def _age_s(self, at: str) -> int | None:
        """By the wall clock, as the moment comes from before a restart; never below nothing."""
        try:
            return max(0, int((self.clock.wall() - datetime.fromisoformat(at)).total_seconds()))
        except (ValueError, TypeError):
            return None


@dataclass(slots=True)
class Reporter:
    """When to tell.

    Args:
        facts: a change of these is told at once.
        figures: asked only when something is told.
        mono_ms: monotonic time.
    """

    facts: Callable[[], Mapping[str, Any]]
    figures: Callable[[], Mapping[str, Any]]
    mono_ms: Callable[[], int]
    _told: Mapping[str, Any] | None = None
    _told_ms: int = 0

    def again(self) -> None:
        """A new connection: nothing has been told on it."""
        self._told = None

    def due(self) -> bytes | None:
        """The message to send now, None while the last one still says it."""
        facts, now = self.facts(), self.mono_ms()
        if facts == self._told and now - self._told_ms < EVERY_MS:
            return None
        return Telemetry(mono_ms=now, values={**facts, **self.figures()}).encode()

    def told(self) -> None:
        """What was due has gone out."""
        self._told, self._told_ms = self.facts(), self.mono_ms()


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
