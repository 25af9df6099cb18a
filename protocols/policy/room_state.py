"""The state of a room as a fold of its recorded events.

`apply` is total over decodable events: unknown types leave the state as it is (a newer program
wrote them), events of a session that is not known are passed over, data that cannot be used raises
`UnreadableEvent`. The hub folds the rooms of a platform with the same function.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protocols.policy.room_fields import Fact
from protocols.policy.room_folds import FOLDS
from protocols.policy.room_model import (
    Device,
    DeviceConfig,
    Locker,
    RoomConfig,
    RoomState,
    Seat,
    Sensing,
    Stream,
    UnreadableEvent,
)
from protocols.policy.state_codec import from_value, to_value

__all__ = [
    "DeviceConfig",
    "RoomConfig",
    "RoomState",
    "UnreadableEvent",
    "apply",
    "from_json",
    "initial",
    "recorded",
    "steady_ms",
    "to_json",
]


def initial(config: RoomConfig) -> RoomState:
    """Return the state before the first event: everything unknown."""
    return RoomState(
        config=config,
        lockers={number: Locker(number) for number in config.lockers},
        seats={station: Seat(station) for station in config.stations},
        devices={one.name: Device(one.name, one.kind) for one in config.devices},
        streams={name: Stream(name) for name in config.streams},
    )


def steady_ms(state: RoomState, mono_ms: int, at: str) -> int:
    """Return a moment on the state's steady clock, which goes on across restarts.

    A monotonic clock that went back means another boot: then the wall clock says how long the
    pause was, but never less than nothing.
    """
    if mono_ms >= state.mono_ms or not state.at:
        return state.base_ms + mono_ms
    return state.base_ms + state.mono_ms + _pause_ms(state.at, at)


def _pause_ms(before: str, after: str) -> int:
    try:
        gone = datetime.fromisoformat(after) - datetime.fromisoformat(before)
    except (ValueError, TypeError):
        return 0
    return max(0, round(gone.total_seconds() * 1000))


def apply(
    state: RoomState,
    event_type: str,
    session: str,
    data: Mapping[str, Any],
    *,
    seq: int,
    mono_ms: int,
    at: str,
    epoch: str = "",
) -> RoomState:
    """Return the state after one recorded event. Raises UnreadableEvent, nothing else.

    `epoch` is the stream the event stands in; revisions of objects are (epoch, seq).
    """
    now_ms = steady_ms(state, mono_ms, at)
    moved = state.evolve(epoch=epoch, seq=seq, mono_ms=mono_ms, base_ms=now_ms - mono_ms, at=at)
    fold = FOLDS.get(event_type)
    if fold is None:
        return moved
    return fold(moved, Fact(event_type, session, data, now_ms, at, (epoch, seq)))


def recorded(state: RoomState) -> RoomState:
    """Return the part that is the record's fold: without raw readings."""
    return state.evolve(sensing=Sensing())


def to_json(state: RoomState) -> dict[str, Any]:
    """Return the state as JSON values."""
    value: dict[str, Any] = to_value(state)
    return value


def from_json(value: object) -> RoomState:
    """Return the state that `to_json` wrote. Raises PolicyError with the path."""
    return from_value(RoomState, value)
