"""A dry contact on a pin: it bounces, so it is only what it has been for long enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gpiozero import DigitalInputDevice
from gpiozero.exc import GPIOZeroError

from edge.devices import DeviceError
from edge.drivers.gpio_pins import Pins


@dataclass(slots=True)
class Debounce:
    """A contact is what it has been for long enough; the first value needs two equal polls.

    Args:
        on_ms: how long it must be on to be on.
        off_ms: how long it must be off to be off.
    """

    on_ms: int
    off_ms: int
    state: bool | None = None
    _raw: bool | None = field(default=None, repr=False)
    _since_ms: int = field(default=0, repr=False)

    def forget(self) -> None:
        """What was known is old: the next two equal polls are told again."""
        self.state = self._raw = None

    def poll(self, *, raw: bool, mono_ms: int) -> bool:
        """Takes one poll; returns whether it changed the state."""
        if raw is not self._raw:
            self._raw, self._since_ms = raw, mono_ms
            return False
        steady_ms = 0 if self.state is None else self.on_ms if raw else self.off_ms
        if raw is self.state or mono_ms - self._since_ms < steady_ms:
            return False
        self.state = raw
        return True


@dataclass(frozen=True, slots=True)
class Wiring:
    """What one pin means: a reading of this kind, with `word` true or false."""

    pin: int
    kind: str
    data: Mapping[str, object]
    word: str


@dataclass(slots=True)
class Contact:
    """One opened pin."""

    input: Any
    wiring: Wiring
    debounce: Debounce

    def poll(self, mono_ms: int) -> dict[str, object] | None:
        """Reads the pin once; the data of a reading when it changed for long enough."""
        if not self.debounce.poll(raw=bool(self.input.is_active), mono_ms=mono_ms):
            return None
        return {**self.wiring.data, self.wiring.word: self.debounce.state}


def open_contact(pins: Pins, wiring: Wiring, debounce: Debounce, device: str) -> Contact:
    """Opens a pin as a pulled-up, active-low input.

    Raises:
        DeviceError: the pin is taken or not there.
    """
    try:
        opened = DigitalInputDevice(wiring.pin, pull_up=True, pin_factory=pins.factory)
    except (GPIOZeroError, OSError) as error:
        raise DeviceError(
            f"{device} pin {wiring.pin} ({wiring.kind}): expected a free input pin, got {error}"
        ) from error
    return Contact(opened, wiring, debounce)
