"""Where the input pins come from: the real header, or pins moved through a control socket.

The simulated pins are gpiozero's own mock factory. A unix socket takes one JSON object per line,
`{"pin":17,"level":0}`, and answers `{"ok":true}`; `{"do":"state"}` tells all levels. Levels are
kept in a file beside the socket: a controller that is killed finds the wires as they were.
"""

from __future__ import annotations

import importlib
import json
import select
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from gpiozero.exc import GPIOZeroError
from gpiozero.pins.mock import MockFactory

from edge.devices import DeviceError

LINE_BYTES_MAX = 1024
CLIENTS_MAX = 8
CLOSE_S = 5.0
PIN_MAX = 27  # BCM numbering of the 40-pin header ends at GPIO27


class Pins(Protocol):
    """A source of input pins."""

    factory: Any

    def settle(self) -> None:
        """Called once, after the pins were opened as inputs."""

    def close(self) -> None:
        """Frees the pins; may be called twice."""


def _no_header(error: Exception) -> DeviceError:
    return DeviceError(
        f"gpio backend: expected a header that lgpio can open, got {type(error).__name__}: "
        f'{error}; do: install python3-lgpio, or set backend = "mock"'
    )


class HeaderPins:
    """The pins of this machine's header.

    Raises:
        DeviceError: no such header here.
    """

    def __init__(self) -> None:
        try:
            module = importlib.import_module("gpiozero.pins.lgpio")
        except (ImportError, OSError) as error:
            raise _no_header(error) from error
        try:
            self.factory = module.LGPIOFactory()
        except (OSError, GPIOZeroError, module.lgpio.error) as error:
            raise _no_header(error) from error

    def settle(self) -> None:
        """Real wires are where they are."""

    def close(self) -> None:
        """Frees the pins."""
        self.factory.close()


class SimulatedPins:
    """A mock header whose pins a program moves through a unix socket.

    Args:
        control: the socket; an old one is replaced.
        levels: pins that do not float high at the first start: pin -> 0 or 1.

    Raises:
        DeviceError: the levels file is damaged.
        OSError: the socket cannot be made.
    """

    def __init__(self, control: Path, *, levels: Mapping[int, int] | None = None) -> None:
        self.factory = MockFactory()
        self._file = control.with_name(control.name + ".levels.json")
        self._levels = dict(levels or {}) | self._kept()
        with ExitStack() as stack:
            stack.callback(self.factory.close)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.callback(self._listener.close)
            control.parent.mkdir(parents=True, exist_ok=True)
            control.unlink(missing_ok=True)
            self._listener.bind(str(control))
            stack.callback(control.unlink, missing_ok=True)
            self._listener.listen(CLIENTS_MAX)
            self._stop, self._wake = socket.socketpair()
            stack.callback(self._stop.close)
            stack.callback(self._wake.close)
            self._owned = stack.pop_all()
        self._thread = threading.Thread(target=self._serve, name="pins", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Puts the pins at their kept levels; call after they were opened as inputs."""
        for pin, level in self._levels.items():
            self._drive(pin, level)

    def close(self) -> None:
        """Stops listening; may be called twice."""
        if self._thread.is_alive():
            self._wake.send(b"x")
            self._thread.join(CLOSE_S)
        self._owned.close()

    def _kept(self) -> dict[int, int]:
        if not self._file.exists():
            return {}
        text = self._file.read_text(encoding="utf-8")
        try:
            return {int(pin): int(level) for pin, level in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise DeviceError(
                f"{self._file}: expected pin levels as this program wrote them, got {text[:40]!r}; "
                "do: delete the file"
            ) from error

    def _drive(self, pin: int, level: int) -> None:
        if level:
            self.factory.pin(pin).drive_high()
        else:
            self.factory.pin(pin).drive_low()

    def _serve(self) -> None:
        clients: dict[socket.socket, bytes] = {}
        while True:
            ready = select.select([self._stop, self._listener, *clients], [], [])[0]
            if self._stop in ready:
                break
            if self._listener in ready and len(clients) < CLIENTS_MAX:
                clients[self._listener.accept()[0]] = b""
            for client in set(ready) & set(clients):
                self._hear(client, clients)
        for client in clients:
            client.close()

    def _hear(self, client: socket.socket, clients: dict[socket.socket, bytes]) -> None:
        try:
            data = client.recv(LINE_BYTES_MAX)
            *lines, rest = (clients[client] + data).split(b"\n")
            for line in lines:
                client.sendall(json.dumps(self.obey(line)).encode() + b"\n")
        except OSError:
            data, rest = b"", b""
        clients[client] = rest
        if not data or len(rest) > LINE_BYTES_MAX:
            client.close()
            del clients[client]

    def obey(self, line: bytes) -> dict[str, object]:
        """Answers one control line; never raises on what it says."""
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if fields == {"do": "state"}:
            return {"ok": True, "levels": {str(pin): lv for pin, lv in self._levels.items()}}
        pin, level = _move(fields)
        if pin is None or level is None:
            problem = {
                "what": "line",
                "where": "gpio control",
                "expected": f'{{"pin":0..{PIN_MAX},"level":0 or 1}} or {{"do":"state"}}',
                "got": line[:80].decode("utf-8", "replace"),
            }
            return {"ok": False, "error": problem}
        self._levels[pin] = level
        beside = self._file.with_name(self._file.name + ".new")
        beside.write_text(json.dumps(self._levels), encoding="utf-8")
        beside.replace(self._file)
        self._drive(pin, level)
        return {"ok": True}


def _move(fields: object) -> tuple[int | None, int | None]:
    """Pin and level of a well-formed line, else two None."""
    if not isinstance(fields, dict) or set(fields) != {"pin", "level"}:
        return None, None
    pin, level = fields["pin"], fields["level"]
    if type(pin) is not int or type(level) is not int or not 0 <= pin <= PIN_MAX:
        return None, None
    return (pin, level) if level in {0, 1} else (None, None)
