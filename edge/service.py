"""A room controller, built: starts its parts in order, runs and ends in order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvicorn

from edge.clock import Clock
from edge.clock_probe import ClockProbe
from edge.config import RoomFile
from edge.devices import Device
from edge.effects import Effects
from edge.inbox import Inbox, Observed
from edge.intake import Intake
from edge.journal import Journal
from edge.lines import Lines
from edge.media.recorder import Recorder
from edge.media.uploader import Uploader
from edge.network import Prober
from edge.pipe import Pipe
from edge.plan_fetch import PlanFetcher
from edge.renewal import Renewer
from edge.runtime import Runtime
from edge.screen.app import create_screen
from edge.screen_port import RoomDesk
from edge.space import SpaceProbe, reading
from edge.system_probe import SystemProbe
from edge.uplink import Uplink
from edge.watchdog import Watchdog
from protocols.policy.session import Phase


class StartError(Exception):
    """The room cannot start now; the text says what, where, expected, got, do."""


RECORDED = "media.segment"
SCREEN_BACKLOG = 64
SILENT = frozenset((Phase.IDLE, Phase.PREPARED, Phase.CLOSED))


@dataclass(slots=True)
class RoomService:
    """A whole room controller, wired by `edge.app.build`."""

    room: RoomFile
    clock: Clock
    journal: Journal
    inbox: Inbox
    runtime: Runtime
    intake: Intake
    devices: Sequence[Device]
    recorder: Recorder
    uploader: Uploader
    pipe: Pipe
    uplink: Uplink
    effects: Effects
    desk: RoomDesk
    watchdog: Watchdog
    fetcher: PlanFetcher
    lines: Lines
    renewer: Renewer | None = None
    _screen: uvicorn.Server | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

    def run(self) -> int:
        """Runs until `stop`; returns the exit code.

        Raises:
            StartError: something of this machine is in the way; a later start may go well.
        """
        door = self._screen_socket()
        recorded = {
            str(event.data["sha256"]): dict(event.data)
            for event in self.journal.replay()
            if event.type == RECORDED
        }
        self.recorder.recover(recorded)
        for device in self.devices:
            device.start()
        self.runtime.open()
        self.runtime.feed(self.intake.resume())
        self._resume_recording()
        self._start_screen(door)
        self.pipe.start()
        probes = self._probes()
        for one in probes:
            one.start()
        self.uploader.start()
        self.fetcher.start()
        if self.renewer is not None:
            self.renewer.start()
        self.watchdog.ready()
        try:
            self.runtime.run()
        finally:
            self.watchdog.stopping()
            for one in probes:
                one.stop()
            self.close()
        return 0

    def stop(self) -> None:
        """Ends `run` in order."""
        self.runtime.stop()

    def _resume_recording(self) -> None:
        """A session that was being recorded before the restart goes on being recorded."""
        for session in self.runtime.state.sessions.values():
            if session.phase not in SILENT:
                self.effects.record(session.id, on=True)

    def _probes(self) -> tuple[ClockProbe | Prober | SystemProbe | SpaceProbe, ...]:
        """Everything that looks outside by itself, each in a thread of its own."""
        system = SystemProbe(
            self.room.get("system", "url"),
            lambda ok: self.inbox.put(Observed("system_probe", {"ok": ok})),
        )
        clock = ClockProbe(
            lambda: self.uploader.target,
            self.clock.machine_ms,
            self._clock_offset,
            self.clock.mono_ms,
        )
        space = SpaceProbe(self.effects.spool.free, self._space)
        return (clock, self._prober(), system, space, *self._other_prober())

    def _prober(self) -> Prober:
        def where() -> tuple[str, int, str]:
            broker = self.pipe.broker
            return broker.host, broker.port, broker.source()

        return Prober(
            where=where,
            mqtt_up=self.pipe.up,
            echo_age_ms=self.uplink.echo_age_ms,
            report=self._network,
        )

    def _space(self, enough: bool) -> None:  # noqa: FBT001 - the probe's one word
        self.inbox.put(Observed("device", reading(enough=enough)))

    def _clock_offset(self, offset_ms: int, bound_ms: int) -> None:
        self.inbox.put(Observed("clock_offset", {"offset_ms": offset_ms, "bound_ms": bound_ms}))

    def _other_prober(self) -> tuple[Prober, ...]:
        """Looks at the line that is not in use, on its own interface, where there is one."""
        if self.lines.other() is None:
            return ()

        def where() -> tuple[str, int, str]:
            line = self.lines.other() or self.lines.lines[0]
            return line.mqtt_host, line.mqtt_port, line.source()

        def report(rung: str, _detail: str) -> None:
            self.lines.seen = rung

        # Nothing is sent over it: what a connection can tell is all there is to know.
        return (Prober(where, mqtt_up=lambda: True, echo_age_ms=lambda: 0, report=report),)

    def _network(self, rung: str, detail: str) -> None:
        if rung == "mqtt":
            self.pipe.hurry()
        self.inbox.put(Observed("network", {"rung": rung, "detail": detail}))

    def _screen_socket(self) -> socket.socket:
        port = self.room.get("screen", "port")
        try:
            return socket.create_server(("127.0.0.1", port), backlog=SCREEN_BACKLOG)
        except OSError as error:
            raise StartError(
                f"{self.room.path} [screen] port: expected 127.0.0.1:{port} to be free, "
                f"got {error.strerror}\n  do: end the program that has it, or choose another port"
            ) from error

    def _start_screen(self, door: socket.socket) -> None:
        config = uvicorn.Config(
            create_screen(self.desk),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._screen = uvicorn.Server(config)
        thread = threading.Thread(
            target=self._screen.run, args=([door],), name="screen", daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def close(self) -> None:
        """Frees everything that `build` opened; what runs is ended first."""
        self.inbox.close()
        self.desk.bell.close()
        self.fetcher.stop()
        if self.renewer is not None:
            self.renewer.stop()
        if self._screen is not None:
            self._screen.should_exit = True
        self.uploader.stop()
        # What an order has begun in the slow thread is done before what it touches is ended.
        self.effects.close()
        self.recorder.halt()
        for device in self.devices:
            device.close()
        self.pipe.stop()
        self.journal.close()
