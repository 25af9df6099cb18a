"""What goes into the room and what comes out: inputs, drafts of events, effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that happened. `mono_ms` steady milliseconds, `at` RFC 3339 UTC; kinds: `KINDS`."""

    kind: str
    data: Mapping[str, Any]
    mono_ms: int
    at: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be journalled before any effect runs; `session` '' for shared facts."""

    type: str
    session: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pulse:
    """Send one opening pulse to a lock; the intent is journalled."""

    lock: int
    intent: str


@dataclass(frozen=True, slots=True)
class Record:
    """Start or stop recording for a session."""

    on: bool
    session: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Run the self-test of every device; the result comes back as input `selftest`."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Close and reopen one device's port."""

    device: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the asker is told.

    `result` is {ok, reason, …}; `id` that of the order, statement or command, '' of a staff act.
    """

    id: str
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sound:
    """Play a sound: ok, refused, door, alarm, notice, help."""

    name: str


@dataclass(frozen=True, slots=True)
class Clip:
    """Mark the recording around now as evidence: seconds before and after."""

    reason: str
    session: str
    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True)
class WipeSecrets:
    """Forget the session's identification tags and wrapped keys."""

    session: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """Begin a new epoch of the journal; the result comes back as `command_result`."""

    command: str


@dataclass(frozen=True, slots=True)
class SwitchUplink:
    """Use another line to the hub, on trial; the result comes back as `command_result`."""

    command: str
    to: str


@dataclass(frozen=True, slots=True)
class FetchClip:
    """Offer these contents to the hub before all others."""

    command: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApplyConfig:
    """Put options in force, on trial; the result comes back as `command_result`.

    `values`: all that differs from the room's file, `section.option` to value.
    """

    command: str
    version: int
    values: Mapping[str, Any]


Remote = Reopen | SwitchUplink | FetchClip | ApplyConfig
"""What only the running program can carry out (`edge.remote`)."""

Effect = Remote | Pulse | Record | SelfTest | Reset | Answer | Sound | Clip | WipeSecrets
