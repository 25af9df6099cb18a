"""Dry contacts on GPIO pins: mains-present opto-coupler and seat mats.

All inputs are pulled up and active low: a conducting opto-coupler (mains there) and a mat somebody
sits on both pull their pin to 0. Levels are polled and debounced here, since gpiozero's bounce_time
loses edges and its mock ignores it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from gpiozero.exc import GPIOZeroError

from edge.devices import DeviceError, Mono, Reading, Sink
from edge.drivers.contact import Contact, Debounce, Wiring, open_contact
from edge.drivers.gpio_pins import HeaderPins, Pins, SimulatedPins

POLL_MS = 25
MAINS_LOST_MS, MAINS_BACK_MS = 200, 5_000
MAT_ON_MS, MAT_OFF_MS = 300, 2_000
CLOSE_S = 5.0
FRESH_MS = 1_000


class GpioInputs:
    """The contacts of a room; readings `mains` and `mat`.

    Args:
        device: name in the room's configuration.
        mains_pin: BCM number, None for none.
        mat_pins: station -> BCM number.
        backend: `lgpio` for the header, `mock` for pins moved through `control`.
        control: unix socket of the mock backend. Its mains contact begins as present.
        mains_lost_ms: absent so long is lost (10 half-cycles are 100 ms).
        mains_back_ms: present so long is restored.

    Raises:
        DeviceError: a pin cannot be opened, or an option does not fit.
    """

    def __init__(
        self,
        *,
        device: str,
        sink: Sink,
        mono: Mono,
        mains_pin: int | None = None,
        mat_pins: Mapping[int, int] | None = None,
        backend: str = "lgpio",
        control: Path | None = None,
        mains_lost_ms: int = MAINS_LOST_MS,
        mains_back_ms: int = MAINS_BACK_MS,
    ) -> None:
        self.device, self._sink, self._mono = device, sink, mono
        self._stop, self._polled = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lost = ""
        self._polled_ms: int | None = None
        self._contacts: list[Contact] = []
        self._mains = Debounce(on_ms=mains_back_ms, off_ms=mains_lost_ms)
        self._mains_pin, self._mat_pins = mains_pin, dict(mat_pins or {})
        self._backend, self._control = backend, control
        self._owned: ExitStack | None = None
        self._open()

    def __repr__(self) -> str:
        state = "open" if self._thread else "closed"
        pins = ", ".join(str(contact.wiring.pin) for contact in self._contacts)
        return f"<{type(self).__name__} {self.device} on pins {pins}, {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def set_mains_back(self, back_ms: int) -> None:
        """How long mains must be present to be restored, milliseconds, from the next poll on."""
        self._mains.on_ms = back_ms

    def start(self) -> None:
        """Starts the polling thread; opens the pins again after a close.

        Raises:
            DeviceError: a pin cannot be opened again; the device is told lost.
        """
        if self._owned is None:
            try:
                self._open()
            except DeviceError as error:
                self._lose(error)
                raise
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name=f"gpio[{self.device}]")
            self._thread.daemon = True
            self._thread.start()

    def close(self) -> None:
        """Stops polling and frees the pins; may be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None
        if self._owned is not None:
            self._owned.close()
            self._owned = None

    def selftest(self) -> dict[str, object]:
        """Whether the pins can be read now: {"ok", "detail"}, also put as a reading."""
        self._polled.wait(FRESH_MS / 1000)
        result: dict[str, object] = {"ok": False, "detail": self._lost or "not polled yet"}
        if self._polled_ms is not None and not self._lost:
            age_ms = self._mono() - self._polled_ms
            result = {"ok": age_ms <= FRESH_MS, "detail": f"last poll {age_ms} ms ago"}
        self._report("selftest", result)
        return result

    def poll(self) -> None:
        """Reads every contact once; tells what changed for long enough."""
        now = self._mono()
        for contact in self._contacts:
            told = contact.poll(now)
            if told is not None:
                self._report(contact.wiring.kind, told)
        self._polled_ms = now
        if self._lost:
            self._lost = ""
            self._report("device", {"state": "back", "reason": "answers"})
        self._polled.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self.poll()
                except (GPIOZeroError, OSError) as error:
                    self._lose(error)
                self._stop.wait(POLL_MS / 1000)
        except Exception as error:
            # The loop's edge: a fault of ours must not look like wires that are as they were.
            self._lose(error, "driver_fault")
            raise

    def _lose(self, error: Exception, reason: str = "pins") -> None:
        if not self._lost:
            self._lost = f"{reason}: {error}"
            for contact in self._contacts:
                contact.debounce.forget()
            self._report("device", {"state": "lost", "reason": reason})

    def _report(self, kind: str, data: Mapping[str, object]) -> None:
        self._sink(Reading(self.device, kind, data, self._mono()))

    def _open(self) -> None:
        self._contacts = []
        with ExitStack() as stack:
            pins = self._pins()
            stack.callback(pins.close)
            if self._mains_pin is not None:
                wiring = Wiring(self._mains_pin, "mains", {}, "present")
                self._add(stack, pins, wiring, self._mains)
            for station, pin in sorted(self._mat_pins.items()):
                mat = Debounce(on_ms=MAT_ON_MS, off_ms=MAT_OFF_MS)
                self._add(stack, pins, Wiring(pin, "mat", {"station": station}, "on"), mat)
            pins.settle()
            self._owned = stack.pop_all()

    def _pins(self) -> Pins:
        control, mains_pin = self._control, self._mains_pin
        if self._backend == "lgpio":
            return HeaderPins()
        if self._backend == "mock" and control is not None:
            return SimulatedPins(control, levels={} if mains_pin is None else {mains_pin: 0})
        raise DeviceError(
            f"{self.device}: expected backend lgpio, or mock with a control socket, "
            f"got {self._backend} with {control}"
        )

    def _add(self, stack: ExitStack, pins: Pins, wiring: Wiring, debounce: Debounce) -> None:
        contact = open_contact(pins, wiring, debounce, self.device)
        stack.callback(contact.input.close)
        self._contacts.append(contact)
