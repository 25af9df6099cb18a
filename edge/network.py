"""Finds the lowest failing rung between this room and the hub, by the ladder of DESIGN §6.3.

`diagnose` is pure: each rung is judged only if those below it hold. `Prober` does the looking in a
thread of its own and reports changes; whether a change is a fault is the room's rule.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROBE_S = 2.0  # healthy and failing alike: one TCP connect on a LAN costs nothing
CONNECT_S = 2.0
ECHO_MS_MAX = 15_000  # three of the hub's five-second pings (WIRE §3)
ROUTES = Path("/proc/net/route")
LINKS = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Probe:
    """What was seen, lowest rung first; None = could not be judged."""

    carrier: bool | None
    route: bool | None
    dns: bool | None
    tcp: bool | None
    mqtt: bool
    echo_age_ms: int | None


def diagnose(probe: Probe) -> str:
    """Returns the lowest failing rung: carrier, route, dns, tcp, mqtt, echo or `ok`."""
    for name in ("carrier", "route", "dns", "tcp"):
        if getattr(probe, name) is False:
            return name
    if not probe.mqtt:
        return "mqtt"
    if probe.echo_age_ms is None or probe.echo_age_ms > ECHO_MS_MAX:
        return "echo"
    return "ok"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def look(
    host: str, port: int, source: str = ""
) -> tuple[bool | None, bool | None, bool | None, bool | None]:
    """Looks at carrier, route, DNS and TCP towards the broker; blocks at most about 4 s.

    Args:
        host: the broker's.
        port: the broker's.
        source: the address to leave from, '' for any.
    """
    carrier, route = (None, None) if _is_loopback(host) else _local_rungs()
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return carrier, route, False, None
    try:
        leave = (source, 0) if source else None
        with socket.create_connection((host, port), timeout=CONNECT_S, source_address=leave):
            return carrier, route, True, True
    except OSError:
        return carrier, route, True, False


def _local_rungs() -> tuple[bool | None, bool | None]:
    """Carrier and default route of this machine; None where it does not tell."""
    try:
        lines = ROUTES.read_text(encoding="ascii").splitlines()[1:]
        route = any(line.split()[1] == "00000000" for line in lines if line.strip())
        links = [path for path in LINKS.iterdir() if path.name != "lo"]
        states = [(link / "operstate").read_text(encoding="ascii").strip() for link in links]
    except (OSError, IndexError):
        return None, None
    return any(state == "up" for state in states) if states else None, route


@dataclass(slots=True)
class Prober:
    """Looks every `PROBE_S` and tells `report` each changed diagnosis.

    Args:
        where: host and port of the broker on the line in use, and the address to leave from.
        mqtt_up: whether the MQTT connection stands.
        echo_age_ms: age of the hub's last ping, None before the first.
        report: called with (rung, detail) from the prober's thread.
    """

    where: Callable[[], tuple[str, int, str]]
    mqtt_up: Callable[[], bool]
    echo_age_ms: Callable[[], int | None]
    report: Callable[[str, str], None]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts looking."""
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * CONNECT_S)

    def _run(self) -> None:
        last = ""
        while not self._stop.is_set():
            host, port, carrier, route, dns, tcp = self._look()
            rung = diagnose(Probe(carrier, route, dns, tcp, self.mqtt_up(), self.echo_age_ms()))
            if rung != last:
                self.report(rung, f"{host}:{port}")
                last = rung
            self._stop.wait(PROBE_S)

    def _look(self) -> tuple[str, int, bool | None, bool | None, bool | None, bool | None]:
        host, port, source = "", 0, ""
        try:
            host, port, source = self.where()
        except OSError:
            # The interface of the line in use is gone or has no address: its own lowest rung.
            return host, port, False, None, None, None
        return (host, port, *look(host, port, source))
