"""A simulated uplink: a TCP forwarder whose cable can be pulled, and whose line can be bad.

A room reaches broker and hub through one of these in the demo, so that a network cut is a real one:
open connections die, new ones are not taken, and both come back when the cable is plugged in again.
Control socket: `{"do":"cut"}`, `{"do":"restore"}`, `{"do":"state"}`, one JSON object per line; and
`{"do":"fault","kind":KIND,"way":"up|down"}` with a kind of `Fault`, which lasts until another.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.simulators.link_faults import Crossing, Fault, Way, Weather

CONNECTIONS_MAX = 64  # a room holds one MQTT and a few HTTP connections; more is a loop
WAIT_S = 0.2  # how soon a stop is noticed
ANSWER_S = 2.0  # an answer waits for the loop's next turn, which comes ten times sooner
LINE_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Route:
    """One forwarded port: where it listens (loopback) and where it leads."""

    listen: int
    host: str
    port: int


@dataclass(slots=True)
class Link:
    """Forwards `routes` until stopped; `cut` kills what is open and lets nothing new through."""

    routes: tuple[Route, ...]
    control: Path
    state_file: Path
    weather: Weather = field(default_factory=Weather)
    _up: bool = True
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[Crossing] = field(default_factory=set)
    _plugged: bool | None = None
    _turned: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """Takes up the state it had before: a pulled cable stays pulled over a restart."""
        if self.state_file.exists():
            self._up = self.state_file.read_text(encoding="ascii").strip() != "cut"

    def run(self) -> None:
        """Serves routes and control socket until `stop`."""
        self.control.unlink(missing_ok=True)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        control.bind(str(self.control))
        listeners: dict[socket.socket, Route | None] = {control: None}
        try:
            # Who reaches the control socket reaches the lines too.
            self._plug(listeners)
            control.listen()
            while not self._stop.is_set():
                self._plug(listeners)
                for ready in select.select(list(listeners), [], [], WAIT_S)[0]:
                    peer, _ = ready.accept()
                    route_of = listeners[ready]
                    target, args = (
                        (self._control, (peer,))
                        if route_of is None
                        else (self._forward, (peer, route_of))
                    )
                    threading.Thread(target=target, args=args, daemon=True).start()
        finally:
            for listener in listeners:
                listener.close()

    def _plug(self, listeners: dict[socket.socket, Route | None]) -> None:
        """Listens where the cable is in; where it is out, nobody is there to take a connection."""
        up, there = self._up, {route for route in listeners.values() if route}
        if not up:
            for listener in [one for one, route in listeners.items() if route]:
                del listeners[listener]
                listener.close()
        for route in set(self.routes) - there if up else ():
            # A port in somebody's passing use is tried again at the next turn.
            with contextlib.suppress(OSError):
                listeners[socket.create_server(("127.0.0.1", route.listen), backlog=16)] = route
        with self._turned:
            self._plugged = up
            self._turned.notify_all()

    def stop(self) -> None:
        """Ends `run` and every forwarded connection."""
        self._stop.set()
        self._drop_all()

    def command(self, line: bytes) -> dict[str, Any]:
        """Answers one control line."""
        acts: dict[str, Callable[[dict[str, Any]], None]] = {
            "cut": lambda _: self._plug_in(up=False),
            "restore": lambda _: self._plug_in(up=True),
            "state": lambda _: None,
            "fault": lambda asked: self._turn(Fault(asked["kind"]), Way(asked.get("way", Way.UP))),
        }
        try:
            asked = json.loads(line)
            acts[asked["do"]](asked)
        except (ValueError, KeyError, TypeError):
            return {
                "ok": False,
                "error": "link control: expected do = cut, restore, state or fault with kind = "
                f"{', '.join(Fault)} and way = {', '.join(Way)}, got {line[:80]!r}",
            }
        fault = str(self.weather.fault)
        return {"ok": True, "up": self._up, "open": len(self._open), "fault": fault}

    def _plug_in(self, *, up: bool) -> None:
        self._up = up
        self.state_file.write_text("up" if up else "cut", encoding="ascii")
        with self._turned:
            self._turned.wait_for(lambda: self._plugged is up, timeout=ANSWER_S)
        if not up:
            self._drop_all()

    def _turn(self, fault: Fault, way: Way) -> None:
        self.weather.turn(fault, way)
        if fault is Fault.RESET:
            with self._lock:
                for crossing in self._open:
                    crossing.reset()

    def _drop_all(self) -> None:
        with self._lock:
            for crossing in self._open:
                crossing.end()

    def _control(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rwb") as stream:
            while line := stream.readline(LINE_BYTES_MAX):
                stream.write(json.dumps(self.command(line)).encode() + b"\n")
                stream.flush()

    def _forward(self, near: socket.socket, route: Route) -> None:
        if not self._up or len(self._open) >= CONNECTIONS_MAX:
            near.close()
            return
        try:
            far = socket.create_connection((route.host, route.port), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        crossing = Crossing(near, far, self.weather)
        with self._lock:
            self._open.add(crossing)
        crossing.run()
        with self._lock:
            self._open.discard(crossing)
