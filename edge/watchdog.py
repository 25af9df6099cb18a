"""Tells the service manager that the loop did proven work (sd_notify(3)); silent without one."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Sends READY, WATCHDOG and STOPPING to the socket of systemd's `NOTIFY_SOCKET`."""

    address: str

    @classmethod
    def from_environment(cls) -> Watchdog:
        """Reads the socket's name; an abstract one begins with @."""
        name = os.environ.get("NOTIFY_SOCKET", "")
        return cls("\0" + name[1:] if name.startswith("@") else name)

    def ready(self) -> None:
        """Everything that acts is ready."""
        self._send(b"READY=1")

    def beat(self) -> None:
        """One turn of the loop, journal write included, went well."""
        self._send(b"WATCHDOG=1")

    def waiting(self) -> None:
        """The start takes longer, for a reason that is told; it is not to be ended for that."""
        self._send(b"EXTEND_TIMEOUT_USEC=10000000")

    def stopping(self) -> None:
        """An orderly end."""
        self._send(b"STOPPING=1")

    def _send(self, text: bytes) -> None:
        if not self.address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            try:
                end.sendto(text, self.address)
            except OSError:
                return
