"""The lines to the hub: one in use, perhaps a second one a person may switch to.

A line is where the broker and the hub are asked and which interface the packets leave from. Both
lead to the same hub; nothing here chooses by itself.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

SIOCGIFADDR = 0x8915  # linux/sockios.h: the IPv4 address of an interface
IFREQ = struct.Struct("256s")
ADDRESS = slice(20, 24)  # struct ifreq: 16 bytes of name, sockaddr_in's family and port, address
KV_UPLINK = "uplink"
FIRST, SECOND = "first", "second"


@dataclass(frozen=True, slots=True)
class Line:
    """One way to the hub. `interface` '' = the system chooses; `url` is the hub's."""

    name: str
    mqtt_host: str
    mqtt_port: int
    url: str
    interface: str = ""

    def source(self) -> str:
        """The address to leave from, '' for any.

        Raises:
            OSError: the interface is not there or has no address.
        """
        return address_of(self.interface) if self.interface else ""


def address_of(interface: str) -> str:
    """The IPv4 address of an interface of this machine.

    Raises:
        OSError: no such interface, or it has none.
    """
    asked = IFREQ.pack(interface.encode("utf-8")[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        return socket.inet_ntoa(fcntl.ioctl(end.fileno(), SIOCGIFADDR, asked)[ADDRESS])


@dataclass(slots=True)
class Lines:
    """Which lines there are and which one is in use.

    Args:
        lines: the first, and the second where the room's file has one.
        use: puts a line in use and returns at once; calls back when the other one is left.
        kept: the last one that was confirmed.
        seen: lowest failing rung of the line that is not in use, `ok`, or `unknown`; set by the
            thread that looks at it, so that a person can know before he switches.
    """

    lines: tuple[Line, ...]
    use: Callable[[Line, Callable[[], None]], None] = lambda _line, _left: None
    kept: str = FIRST
    seen: str = "unknown"

    def names(self) -> list[str]:
        """Names of all lines."""
        return [line.name for line in self.lines]

    def line(self, name: str) -> Line:
        """A line by its name; the first one for a name that is no longer in the room's file."""
        return next((line for line in self.lines if line.name == name), self.lines[0])

    def other(self) -> Line | None:
        """The line that is not in use, None where there is one only."""
        return next((line for line in self.lines if line.name != self.kept), None)

    def standing(self) -> dict[str, str]:
        """What is told of the lines: the one in use, and how the other one looks."""
        return {"in_use": self.kept, "other": "none" if self.other() is None else self.seen}

    def recall(self, kept: bytes | None) -> None:
        """Takes up the line that was in use before a restart."""
        self.kept = self.line((kept or b"").decode("utf-8", "replace")).name

    def switch(self, name: str, left: Callable[[], None]) -> None:
        """Puts a line in use, on trial; `left` is called once nothing goes over the other one."""
        self.use(self.line(name), left)

    def keep(self, name: str) -> None:
        """The line in use has been confirmed; the other one has not been looked at as such."""
        self.kept, self.seen = name, "unknown"

    def revert(self) -> None:
        """Goes back to the line that was confirmed last."""
        self.use(self.line(self.kept), lambda: None)
