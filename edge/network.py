"""Finds the lowest failing rung between this room and the hub, by the ladder of DESIGN §6.3.

`diagnose` is pure: each rung is judged only if those below it hold. `Prober` does the looking in a
thread of its own and reports changes; whether a change is a fault is the room's rule.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

PROBE_S = 2.0  # healthy and failing alike: one TCP connect on a LAN costs nothing
CONNECT_S = 2.0
ECHO_MS_MAX = 15_000  # three of the hub's five-second pings (WIRE §3)
LOOKED_AT = ("carrier", "route", "gateway", "dns", "tcp")
HELD = dict.fromkeys(LOOKED_AT, True)
FAILED_MIN = 2  # at 2 % loss one look in 600 fails for nothing, two in a row ten times in 90 days
ROUTES = Path("/proc/net/route")
LINKS = Path("/sys/class/net")
NEIGHBOURS = Path("/proc/net/arp")
EVERYWHERE, NOWHERE = "00000000", "00000000"
# Modems and tunnels never say "up", see the kernel's operstates.
CARRIES = frozenset({"up", "unknown"})


@dataclass(frozen=True, slots=True)
class Probe:
    """What was seen, lowest rung first; None = could not be judged."""

    carrier: bool | None
    route: bool | None
    gateway: bool | None
    dns: bool | None
    tcp: bool | None
    mqtt: bool
    echo_age_ms: int | None


def diagnose(probe: Probe) -> str:
    """Returns the lowest failing rung: carrier, route, gateway, dns, tcp, mqtt, echo or `ok`."""
    for name in LOOKED_AT:
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


Rungs = tuple[bool | None, bool | None, bool | None, bool | None, bool | None]
"""Carrier, route, gateway, DNS and TCP."""


def look(host: str, port: int, source: str = "") -> Rungs:
    """Looks at the rungs up to TCP towards the broker; blocks at most about 4 s.

    Who can connect has a carrier and a way, whatever the tables of this machine say: a network
    without a default route, or with IPv6 only, is none the worse.

    Args:
        host: the broker's.
        port: the broker's.
        source: the address to leave from, '' for any.
    """
    dns = False
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        dns = True
        leave = (source, 0) if source else None
        with socket.create_connection((host, port), timeout=CONNECT_S, source_address=leave):
            return True, True, True, True, True
    except OSError:
        below = (None, None, None) if _is_loopback(host) else local_rungs()
        return (*below, dns, False if dns else None)


def local_rungs(
    routes: Path = ROUTES, links: Path = LINKS, neighbours: Path = NEIGHBOURS
) -> tuple[bool | None, bool | None, bool | None]:
    """Carrier, default route and gateway of this machine; None where it does not tell."""
    try:
        rows = [line.split() for line in routes.read_text(encoding="ascii").splitlines()[1:]]
        ways = [row[2] for row in rows if row and row[1] == EVERYWHERE]
        found = [path for path in links.iterdir() if path.name != "lo"]
        states = [(link / "operstate").read_text(encoding="ascii").strip() for link in found]
        gateway = _gateway_answers(ways, neighbours.read_text(encoding="ascii"))
    except (OSError, IndexError, ValueError):
        return None, None, None
    return (bool(CARRIES & set(states)) if states else None), bool(ways), gateway


def _gateway_answers(ways: list[str], table: str) -> bool | None:
    """Whether a gateway has told its hardware address; many answer no ping, but all answer that."""
    wanted = {socket.inet_ntoa(bytes.fromhex(way)[::-1]) for way in ways if way != NOWHERE}
    rows = [line.split() for line in table.splitlines()[1:]]
    flags = [int(row[2], 16) for row in rows if row and row[0] in wanted]
    return any(flags) if flags else None


@dataclass(slots=True)
class Steadied:
    """What of many looks is to be told: a change, but no lone lost packet.

    While the connection stands and the hub is heard on it, a look that fails proves nothing before
    the next one fails too.
    """

    told: str = ""
    _failed: int = 0

    def take(self, probe: Probe) -> bool:
        """Whether the diagnosis of this look is news; `told` has it then."""
        rung = diagnose(probe)
        self._failed = 0 if rung == "ok" else self._failed + 1
        lone = rung in LOOKED_AT and diagnose(replace(probe, **HELD)) == "ok"
        if rung == self.told or (lone and self.told == "ok" and self._failed < FAILED_MIN):
            return False
        self.told = rung
        return True


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
        steadied = Steadied()
        while not self._stop.is_set():
            host, port, rungs = self._look()
            probe = Probe(*rungs, mqtt=self.mqtt_up(), echo_age_ms=self.echo_age_ms())
            if steadied.take(probe):
                self.report(steadied.told, f"{host}:{port}")
            self._stop.wait(PROBE_S)

    def _look(self) -> tuple[str, int, Rungs]:
        host, port, source = "", 0, ""
        try:
            host, port, source = self.where()
        except OSError:
            # The interface of the line in use is gone or has no address: its own lowest rung.
            return host, port, (False, None, None, None, None)
        return host, port, look(host, port, source)
