"""An open serial port and the one question at a time that is asked on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import serial

from edge.devices import Mono

Event = TypeVar("Event")
Wanted = TypeVar("Wanted")

READ_BYTES_MAX = 4096
# A board that dribbles may take so many times its timeout, then it has not answered.
DRIBBLE_FACTOR = 8


class Decoder(Protocol[Event]):
    """The host's side of a codec."""

    def receive_data(self, data: bytes) -> list[Event]:
        """Adds bytes; returns events."""

    def flush(self) -> list[Event]:
        """The line went quiet; returns events."""


class PortAgainError(OSError):
    """The port is to be opened afresh."""


class Line:
    """An open port, used by its owner thread only."""

    def __init__(self, port: serial.Serial, mono: Mono, stopped: Callable[[], bool]) -> None:
        self._port, self._mono, self._stopped = port, mono, stopped

    def send(self, frame: bytes) -> None:
        """Writes a frame.

        Raises:
            OSError: the port is gone.
        """
        self._port.write(frame)

    def receive(self, wait_ms: int) -> bytes:
        """What comes within the wait, as soon as something comes; empty for silence.

        Raises:
            OSError: the port is gone.
        """
        self._port.timeout = wait_ms / 1000
        first: bytes = self._port.read(1)
        waiting = min(self._port.in_waiting, READ_BYTES_MAX) if first else 0
        return first + self._port.read(waiting) if waiting else first

    def exchange(
        self,
        frame: bytes,
        decoder: Decoder[Event],
        fits: Callable[[Event], Wanted | None],
        *,
        timeout_ms: int,
        quiet_ms: int,
        spoilt_ms: int | None = None,
    ) -> Wanted | None:
        """Sends a frame and waits for the answer to it.

        Args:
            frame: what to send.
            decoder: the line's codec.
            fits: the answer looked for in an event, None for one that answers something else.
            timeout_ms: since the frame or the last byte heard.
            quiet_ms: a pause that ends a frame.
            spoilt_ms: instead of `timeout_ms`, since the last byte of what came and was no answer.

        Returns:
            What `fits` found, None when no answer came.

        Raises:
            OSError: the port is gone.
        """
        self._port.reset_input_buffer()
        decoder.flush()
        self._port.write(frame)
        begun = heard = self._mono()
        wait_ms = timeout_ms
        while not self._stopped():
            now = self._mono()
            left = min(heard + wait_ms, begun + DRIBBLE_FACTOR * timeout_ms) - now
            data = self.receive(min(left, quiet_ms)) if left > 0 else b""
            heard = self._mono() if data else heard
            events = decoder.receive_data(data) if data else decoder.flush()
            if spoilt_ms is not None and (data or events):
                wait_ms = timeout_ms if events else spoilt_ms
            wanted = next((found for found in map(fits, events) if found is not None), None)
            if wanted is not None or left <= 0:
                return wanted
        return None
