"""What the things in a room can do, whatever board does it, and what they tell.

Every driver puts `Reading`s into a sink it was given; the kinds and their data are these:

    card          {"layout", "name", "number", "sex", "nation", "birth", "valid_to"}
    card_error    {"reason"}                        card_removed  {}
    lockers       {"states": {"1": ["open|closed|unknown", "absent|present|unknown"], ...}}
    pulse         {"lock", "outcome": "opened|still_closed|no_answer|unknown"}
    radar         {"station", "target": "none|moving|still|both"}
    mat           {"station", "on"}                 mains         {"present"}
    ups           {"utility_fail", "battery_low", "charge_pct", "battery_v", "load_pct", "input_v"}
    device        {"state": "lost|back", "reason"}  selftest      {"ok", "detail"}

A thing that cannot be heard is lost: its last value is old, not true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, Self, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing a device told.

    Args:
        device: the device's name in the room's configuration.
        kind: which shape `data` has, see the module.
        data: JSON values only.
        mono_ms: when it was heard, on the room's monotonic clock.
    """

    device: str
    kind: str
    data: Mapping[str, object]
    mono_ms: int


Sink = Callable[[Reading], None]
Mono = Callable[[], int]


class DeviceError(Exception):
    """A device was asked for something it cannot do: says what, where, expected, got."""


class Device(Protocol):
    """Anything with a thread of its own and a name in the configuration."""

    device: str

    def start(self) -> None:
        """Starts listening; readings arrive from another thread."""

    def close(self) -> None:
        """Stops and frees the port; may be called twice."""

    def selftest(self) -> dict[str, object]:
        """What is known of the device's health now, also put as a reading `selftest`."""

    def __enter__(self) -> Self:
        """Starts."""

    def __exit__(self, *exc: object) -> None:
        """Closes."""


class LockBoard(Device, Protocol):
    """Lockers: doors that spring open on one pulse, and what lies behind them."""

    def open(self, lock: int) -> None:
        """Queues one pulse on one lock, from 1; its outcome comes as a reading `pulse`.

        Raises:
            DeviceError: no such lock, or too many pulses waiting.
        """


class IdReader(Device, Protocol):
    """Reads identity cards: readings `card`, `card_error`, `card_removed`."""


class SeatSensor(Device, Protocol):
    """Watches a station: readings `radar` or `mat`."""


class PowerFeed(Device, Protocol):
    """Watches the supply: readings `mains` or `ups`."""


@dataclass(slots=True)
class TwoReads(Generic[Value]):
    """Believes a value only when two reads in a row agree.

    One-byte checks can be fooled once in 256 times and contacts bounce; a single read is never an
    event.
    """

    confirmed: Value | None = None
    _last: Value | None = field(default=None, repr=False)

    def read(self, value: Value) -> bool:
        """Takes one read; returns whether it changed what is confirmed."""
        agreed = value == self._last
        self._last = value
        if not agreed or value == self.confirmed:
            return False
        self.confirmed = value
        return True

    def forget(self) -> None:
        """The device was lost: nothing is confirmed any more."""
        self.confirmed = self._last = None
