"""The thread that owns a serial port: opens it, loses it once, finds it again, gives it back.

Theory of operation. Only the owner thread touches the port. It calls `turn` again and again; a turn
asks the board something or listens a little, and says `answered` or `missed`. Three misses in a row
or a vanished port make the device lost: one reading, however long it lasts. The first answer after
that makes it back: one reading. The port is opened again as long as it is lost, since USB adapters
come back under the same link with a new device behind it.
"""

from __future__ import annotations

import logging
import termios
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

import serial

from edge.devices import DeviceError, Mono, Reading, Sink
from edge.drivers.line import Line, PortAgainError

log = logging.getLogger("evalroom.edge.device")

MISSES_MAX = 3
# A silent board behind a port that still opens: every so many misses the port is opened afresh.
MISSES_REOPEN = 12
REOPEN_S = 0.5
WRITE_S = 1.0
# Longer than any single wait of a turn.
CLOSE_S = 10.0
SELFTEST_WAIT_S = 2.0


class PortDriver(ABC):
    """Base of all serial drivers.

    Args:
        device: name in the room's configuration.
        port: path of the port, a stable link.
        baud: speed of the line.
        sink: takes readings, called from the owner thread.
        mono: the room's monotonic clock, milliseconds.

    Raises:
        DeviceError: the board has no such speed.
    """

    bauds: tuple[int, ...] = ()
    # An answer older than this proves nothing in a self-test.
    fresh_ms = 5_000

    def __init__(self, *, device: str, port: str, baud: int, sink: Sink, mono: Mono) -> None:
        if baud not in self.bauds:
            expected = ", ".join(map(str, self.bauds))
            raise DeviceError(f"{device} on {port}: baud: expected one of {expected}, got {baud}")
        self.device, self.port, self.baud = device, port, baud
        self._sink, self._mono = sink, mono
        self._stop, self._wake, self._known = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )
        self._thread: threading.Thread | None = None
        self._misses = 0
        self._lost = ""
        self._answered_ms: int | None = None

    def __repr__(self) -> str:
        state = (
            "closed" if self._thread is None else f"lost: {self._lost}" if self._lost else "open"
        )
        return f"<{type(self).__name__} {self.device} on {self.port} {self.baud} baud, {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the owner thread."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name=f"port[{self.device}]")
            self._thread.daemon = True
            self._thread.start()

    def close(self) -> None:
        """Stops the owner thread and frees the port; may be called twice."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
            self._thread = None

    def selftest(self) -> dict[str, object]:
        """Whether the board answers now: {"ok", "detail"}, also put as a reading.

        Waits up to two seconds for the first answer of a driver that has just started.
        """
        self._known.wait(SELFTEST_WAIT_S)
        result: dict[str, object] = {"ok": False, "detail": "no answer yet"}
        if self._lost:
            result["detail"] = f"lost: {self._lost}"
        elif self._answered_ms is not None:
            age_ms = self._mono() - self._answered_ms
            result = {"ok": age_ms <= self.fresh_ms, "detail": f"last answer {age_ms} ms ago"}
        self.report("selftest", result)
        return result

    @abstractmethod
    def turn(self, line: Line) -> None:
        """One question or one listen; must come back within a few seconds."""

    def opened(self) -> None:  # noqa: B027 - most drivers need none
        """The port was opened; for what a driver has to forget then."""

    def silenced(self) -> None:  # noqa: B027 - most drivers need none
        """The device is about to be lost; for what becomes unknown with it."""

    def offline(self) -> None:  # noqa: B027 - most drivers need none
        """Called again and again while the port cannot be used."""

    def report(self, kind: str, data: Mapping[str, object]) -> None:
        """Puts a reading into the sink."""
        self._sink(Reading(self.device, kind, data, self._mono()))

    def answered(self) -> None:
        """The board spoke sensibly: it is there."""
        self._misses = 0
        self._answered_ms = self._mono()
        if self._lost:
            log.info("%s is back (was lost: %s)", self.device, self._lost)
            self._lost = ""
            self.report("device", {"state": "back", "reason": "answers"})
        self._known.set()

    def missed(self, reason: str = "no_answer") -> None:
        """The board did not answer, or said nothing sensible.

        Raises:
            PortAgainError: so often that the port is to be opened afresh.
        """
        self._misses += 1
        if self._misses >= MISSES_MAX:
            self.lose(reason)
        if self._misses % MISSES_REOPEN == 0:
            raise PortAgainError(f"{self.device}: {self._misses} questions without an answer")

    def lose(self, reason: str, detail: object = "") -> None:
        """The device is lost; said once."""
        if self._lost:
            return
        self._lost = reason
        log.warning("%s on %s is lost: %s %s", self.device, self.port, reason, detail)
        self.silenced()
        self.report("device", {"state": "lost", "reason": reason})
        self._known.set()

    @property
    def stopping(self) -> bool:
        """Whether `close` was called."""
        return self._stop.is_set()

    def pause(self, wait_ms: int) -> None:
        """Waits between turns; `wake` and `close` end the wait."""
        self._wake.wait(wait_ms / 1000)
        if not self._stop.is_set():
            self._wake.clear()

    def wake(self) -> None:
        """Ends a pause, from any thread."""
        self._wake.set()

    def rest(self, wait_ms: int) -> None:
        """Waits inside a turn; only `close` ends the wait."""
        self._stop.wait(wait_ms / 1000)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._own()
        except Exception as error:
            # The loop's edge: a fault of ours must not look like a healthy device.
            self.lose("driver_fault", error)
            raise

    def _own(self) -> None:
        """Opens the port and takes turns until it is gone or no longer wanted."""
        try:
            with serial.Serial(
                self.port, self.baud, timeout=0, write_timeout=WRITE_S, exclusive=True
            ) as port:
                self.opened()
                line = Line(port, self._mono, self._stop.is_set)
                while not self._stop.is_set():
                    self.turn(line)
        except PortAgainError:
            self.offline()
        except (OSError, termios.error) as error:
            self.lose("port", error)
            self.offline()
            self._stop.wait(REOPEN_S)
