"""Running a hub: catch up, listen to rooms, keep the timers, serve the pages, stop in order."""

from __future__ import annotations

import json
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn

from hub.app import Hub
from hub.broker import Broker, BrokerTls, BrokerUser, EmbeddedBroker, MosquittoBroker
from hub.config import Config, ConfigError
from hub.crypto import read_private
from hub.fleet.broker_users import drop_expired, write_broker_users
from hub.fleet.renewal import relearn
from hub.keys.admission import HUB_USER
from hub.transport import MqttTransport, certified
from hub.web.limits import PatientHttp
from protocols.messages.identity import client_id

TICK_S: Final = 1.0
"""Pings, silence and timers are looked at each second; none is finer than five."""
EXPIRY_TICKS: Final = 60
"""So often is looked whether a certificate has run out: a minute is nothing to one of 90 days."""
SHUTDOWN_S: Final = 3
"""Live streams never end by themselves; a stopping hub waits this long for them."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """A hub that listens to its rooms: threads and line, without the web server."""

    hub: Hub
    transport: MqttTransport | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _timer: threading.Thread | None = None
    _users_stamp: int = 0
    _ticks: int = 0
    _shut: frozenset[str] = frozenset()

    def start(self) -> None:
        """Reads what is stored, starts the projector, broker, line and timers."""
        hub = self.hub
        if hub.config.mqtt_tls:
            relearn(hub, [hub.config.revoked_certs])
        hub.rooms.rebuild()
        hub.projector.run_pending()
        hub.projector.reread()
        for begin in hub.beginnings:
            begin()
        hub.projector.start()
        hub.ingest.begin()
        hub.ingest.start()
        self._connect()
        self._timer = threading.Thread(target=self._tick, name="timers", daemon=True)
        self._timer.start()

    def stop(self, *, leave_broker: bool = False) -> None:
        """Ends everything in the order in which it depends on each other."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.join()
        if self.transport is not None:
            self.transport.stop()
        self.hub.ingest.stop()
        self.hub.projector.stop()
        if self.hub.broker is not None:
            (self.hub.broker.leave if leave_broker else self.hub.broker.stop)()
        self.hub.close()

    def _connect(self) -> None:
        hub, config = self.hub, self.hub.config
        if config.broker == "none":
            return
        if config.mqtt_tls:
            write_broker_users(hub)
        self._users_stamp = _stamp(config)
        users = read_broker_users(config)
        port = config.mqtt_port
        if config.broker != "external":
            hub.broker = make_broker(config, users)
            hub.broker.start()
            port = hub.broker.port
        password = next((one.password for one in users if one.name == HUB_USER), "")
        self.transport = MqttTransport(
            host=config.mqtt_host,
            port=port,
            user=HUB_USER if password else "",
            password=password,
            tls=certified(config.authority_cert, config.hub_cert) if config.mqtt_tls else None,
            client_id=client_id(config.hub, read_private(config.hub_key)),
            on_message=hub.ingest.offer,
        )
        hub.fleet.transport = self.transport
        self.transport.start()

    def _tick(self) -> None:
        while not self._stopping.wait(TICK_S):
            for act in (
                self._expired,
                self._new_users,
                self.hub.ingest.tick,
                self.hub.fleet.tick,
                *self.hub.timers,
            ):
                self.hub.guard.run(act)

    def _expired(self) -> None:
        self._ticks += 1
        if self._ticks % EXPIRY_TICKS == 0:
            drop_expired(self.hub)

    def _new_users(self) -> None:
        """`hub enroll` may have added a controller while we run; a room may have begun to flood."""
        before, self._users_stamp = self._users_stamp, _stamp(self.hub.config)
        open_before, self._shut = self._shut, self.hub.ingest.floods.shut(self.hub.clock.mono_ms())
        for ctl in sorted(self._shut - open_before):
            log.warning("%s floods: its topics are closed for a minute", ctl)
        if self._users_stamp == before and self._shut == open_before:
            return
        # In this order: whoever is let in is known to the hub when he says his first word.
        self.hub.rooms.refresh()
        if self.hub.broker is not None:
            users = read_broker_users(self.hub.config)
            self.hub.broker.set_users([one for one in users if one.name not in self._shut])


def _stamp(config: Config) -> int:
    """When the list of broker users was written, 0 where there is none."""
    path = config.broker_users
    return path.stat().st_mtime_ns if path.exists() else 0


def make_broker(config: Config, users: list[BrokerUser]) -> Broker:
    """The broker this configuration names."""
    kind: Any = EmbeddedBroker if config.broker == "embedded" else MosquittoBroker
    tls = BrokerTls(config.authority_cert, config.broker_cert, config.revoked_certs)
    broker: Broker = kind(
        config.broker_folder,
        users,
        host=config.mqtt_host,
        port=config.mqtt_port,
        tls=tls if config.mqtt_tls else None,
        on_restart=lambda text: log.warning("broker: %s", text),
    )
    return broker


def read_broker_users(config: Config) -> list[BrokerUser]:
    """Everyone who may connect to the broker."""
    if not config.broker_users.exists():
        return []
    table = json.loads(config.broker_users.read_text(encoding="utf-8"))
    return [
        BrokerUser(name, entry) if isinstance(entry, str) else BrokerUser(name, "", tuple(entry))
        for name, entry in sorted(table.items())
    ]


def serve(hub: Hub, application: Any, *, ready: Callable[[str], None]) -> None:
    """Runs until a signal ends it.

    Args:
        hub: of `build`.
        application: the ASGI application.
        ready: gets the address when it answers.

    Raises:
        ConfigError: the certificate cannot be used, or the address is taken.
    """
    config = hub.config
    _check_tls(config)
    with _listener(config) as listener:
        _run(hub, application, listener, ready)


def _run(hub: Hub, application: Any, listener: socket.socket, ready: Callable[[str], None]) -> None:
    config = hub.config
    # The web server raises the signal again when it is done; then what runs besides ends in order.
    signal.signal(signal.SIGTERM, _end)
    running = Running(hub)
    running.start()
    scheme = "https" if config.tls_cert else "http"
    settings = uvicorn.Config(
        application,
        http=PatientHttp,
        log_level="warning",
        access_log=False,
        ssl_certfile=config.tls_cert or None,
        ssl_keyfile=config.tls_key or None,
        timeout_graceful_shutdown=SHUTDOWN_S,
        lifespan="off",
        server_header=False,
    )
    port = listener.getsockname()[1]
    ready(f"{scheme}://{config.host}:{port}")
    try:
        uvicorn.Server(settings).run(sockets=[listener])
    finally:
        running.stop()


def _check_tls(config: Config) -> None:
    """Before anything is started: a certificate and the key that belongs to it."""
    if not config.tls_cert:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_cert, config.tls_key)
    except OSError as error:
        raise ConfigError(
            f"the certificate cannot be used\n  where: {config.tls_cert}, {config.tls_key}\n"
            f"  expected: PEM files of a certificate and its key\n  got: {error}\n"
            "  do: check both paths, their rights, and that they belong together"
        ) from error


@contextmanager
def _listener(config: Config) -> Iterator[socket.socket]:
    with socket.socket(_family(config.host)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, config.port))
        except OSError as error:
            raise ConfigError(
                f"the console cannot listen there\n  where: {config.host} port {config.port}\n"
                f"  expected: a free port of this machine\n  got: {error.strerror}\n"
                "  do: end what listens there (another hub?), or give --port"
            ) from error
        yield listener


def _end(_signal: int, _frame: object) -> None:
    # Said twice, it would break into the closing that the first word has begun.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
