"""A broker's process: found, configured, watched, started again when it dies.

A broker outlives the hub that started it: rooms stay connected while a hub restarts. The next hub
finds it by its process id and its configuration, and goes on watching it.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from protocols.messages.identity import is_controller, shard

READY_S = 10.0  # NATS takes 10 ms, Mosquitto 30 ms; a loaded machine a second
PROBE_S = 0.02  # between two looks whether the port answers
WATCH_S = 0.2  # a death wakes the watcher at once; only `leave` waits for this
STOP_S = 5.0  # a broker asked to stop writes its store; then it is ended
BACKOFF_S = (0.05, 0.2, 1.0, 5.0)  # a killed broker is back within 2 s; a broken one does not spin
STEADY_S = 30.0  # having run this long, the next death starts the back-off afresh
PORT_TRIES = 5  # another program may take a port between our choosing and the broker's; or it dies
PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")  # no character either configuration reads
CERTIFICATE = re.compile(r"urn:er1:[a-z0-9-]{1,64}:[0-9a-f]{1,40}\Z")


class BrokerError(Exception):
    """The broker cannot run; the text says what, where, expected, got, do."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Who may connect: a controller sees only its own topics, the hub sees all.

    Args:
        name: the controller's id, or any name for the hub.
        password: 16–128 characters of `A-Z a-z 0-9 _ -`, random; nobody's where TLS is spoken.
        certificates: where TLS is spoken, the names (`urn:er1:…`) of this user's certificates that
            count now.
    """

    name: str
    password: str = ""
    certificates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what would mean something else in a configuration file."""
        if not self.certificates and not PASSWORD.match(self.password):
            raise BrokerError(
                f"broker user {self.name}: expected a password of 16-128 characters "
                "A-Z a-z 0-9 _ -, got another. do: draw it with secrets.token_urlsafe"
            )
        if not re.match(r"[a-z][a-z0-9-]{0,63}\Z", self.name):
            raise BrokerError(f"broker user: expected a-z 0-9 -, got {self.name[:80]!r}")
        if not all(CERTIFICATE.match(one) for one in self.certificates):
            raise BrokerError(f"broker user {self.name}: expected urn:er1:…, got another name")

    @property
    def own_topics(self) -> str:
        """The prefix of a controller's topics without a wildcard; empty for the hub."""
        return f"er/1/{shard(self.name)}/{self.name}" if is_controller(self.name) else ""


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """Files (PEM) of a broker that lets in certificates only.

    Args:
        ca: whose certificates count.
        cert: the broker's own certificate and key.
        crl: which certificates count no more.
    """

    ca: Path
    cert: Path
    crl: Path


class Broker(ABC):
    """A broker process in a folder: configuration, store, log, port and process id live there.

    Args:
        folder: made if need be, for this user only.
        users: who may connect; `set_users` changes them without a restart.
        host: address to listen on; loopback unless the operator decides otherwise.
        port: 0 chooses a free one at the first start and keeps it.
        tls: certificates on both sides; None is names and passwords in the clear, for loopback.
        on_restart: called with a sentence when a dead broker has been started again.
    """

    kind = "broker"

    def __init__(
        self,
        folder: Path,
        users: Sequence[BrokerUser] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: BrokerTls | None = None,
        on_restart: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder.absolute()
        self.users = tuple(users)
        self.host = host
        self.port = port
        self.tls = tls
        self.restarts = 0
        self._on_restart = on_restart
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._stopping = threading.Event()
        self._leaving = threading.Event()
        self._watcher: threading.Thread | None = None

    def __repr__(self) -> str:
        """Kind, address and whether it runs."""
        state = "running" if self.pid else "stopped"
        return f"{type(self).__name__}({self.host}:{self.port}, {state})"

    def __enter__(self) -> Broker:
        """Starts it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it."""
        self.stop()

    @property
    def config(self) -> Path:
        """The file the broker reads."""
        return self.folder / f"{self.kind}.conf"

    @property
    def pid(self) -> int:
        """The broker's process id; 0 when it does not run."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / "pid").read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if str(self.config).encode() in words:
                return pid
        return 0

    @abstractmethod
    def program(self) -> Path:
        """The program to run.

        Raises:
            BrokerError: it is not installed.
        """

    @abstractmethod
    def command(self) -> list[str]:
        """The program with its arguments; the configuration's path is one of them."""

    @abstractmethod
    def write_config(self) -> None:
        """Writes the configuration for the present port and users."""

    def start(self) -> None:
        """Starts the broker, or takes over the one that still runs, and watches it.

        Raises:
            BrokerError: not installed, or not ready in time.
        """
        if self._watcher is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.program()
        port = self.port or self._kept_port()
        self._use_port(port)
        running = self.pid or self._unwritten()
        if running:
            self._pidfd = os.pidfd_open(running)
            self.reread(running)
        else:
            self._spawn_and_wait(fixed=bool(port))
        self._stopping.clear()
        self._leaving.clear()
        self._watcher = threading.Thread(target=self._watch, name=f"{self.kind}.watch", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Stops watching and ends the broker; twice is once."""
        self._stopping.set()
        if self._watcher is None:
            return
        pid = self.pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._watcher.join(STOP_S)
        if self._watcher.is_alive() and pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._watcher.join(STOP_S)
        self._watcher = None

    def end_left(self) -> bool:
        """Ends a broker that a hub left behind here and that nobody watches; True if there was one.

        At once: it has nothing to save, for the rooms' journals and the hub keep the record.
        """
        pid = self.pid or self._unwritten()
        if not pid:
            return False
        with suppress(ProcessLookupError):
            ending = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            select.select([ending], [], [], STOP_S)
            os.close(ending)
        return True

    def leave(self) -> None:
        """Stops watching and leaves the broker running for the next hub."""
        self._leaving.set()
        if self._watcher is not None:
            self._watcher.join(STOP_S)
        self._watcher = None

    def set_users(self, users: Sequence[BrokerUser]) -> None:
        """Lets exactly these users connect from now on, and ends whoever is in and is not one."""
        self.users = tuple(users)
        self.write_config()
        pid = self.pid
        if pid:
            self.reread(pid)

    def reread(self, pid: int) -> None:
        """Makes the running broker read what was written."""
        os.kill(pid, signal.SIGHUP)

    def write_private(self, name: str, text: str) -> Path:
        """Writes a file of the folder whole or not at all, readable by this user only."""
        path = self.folder / name
        half = path.with_name(f".{name}.new")
        half.write_text(text, encoding="utf-8")
        half.chmod(0o600)
        return half.replace(path)

    def _unwritten(self) -> int:
        """The broker of a hub that died before it had written down the id; 0 when there is none.

        It has the port, so a hub that did not find it could never start again.
        """
        config = str(self.config).encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                program, *words = path.read_bytes().split(b"\0")
                if config in words and Path(os.fsdecode(program)).name == self.program().name:
                    self.write_private("pid", f"{path.parent.name}\n")
                    return int(path.parent.name)
        return 0

    def _kept_port(self) -> int:
        with suppress(OSError, ValueError):
            return int((self.folder / "port").read_text(encoding="ascii"))
        return 0

    def _use_port(self, port: int) -> None:
        port = port or free_port(self.host)
        self.port = port
        self.write_private("port", f"{port}\n")
        self.write_config()

    def _spawn_and_wait(self, *, fixed: bool) -> None:
        """Tries again with one that died, and on another port if it may; a silent one is ended."""
        for _ in range(PORT_TRIES):
            died = False
            if not self._port_is_taken():
                self._spawn()
                if self._ready():
                    return
                died = self._gone(0)
                self._end_child()
            if not fixed:
                self._use_port(0)
            elif not died:
                break
        raise BrokerError(
            f"{self.kind} on {self.host}:{self.port}: expected an answer within {READY_S:.0f} s, "
            f"got none. do: read {self.folder / 'log'} and see who has the port"
        )

    def _port_is_taken(self) -> bool:
        # Without this look, another program's answer on the port would pass for our broker's.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError:
                return True
        return False

    def _spawn(self) -> None:
        # A group of its own: an interrupt typed at the hub is not meant for the broker.
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.write_private("pid", f"{self._process.pid}\n")
        self._pidfd = os.pidfd_open(self._process.pid)

    def _ready(self) -> bool:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection((self.host, self.port), PROBE_S * 10):
                # Somebody answers; if ours has died meanwhile, it was another program on its port.
                return not self._gone(0)
            if self._gone(PROBE_S):
                return False
        return False

    def _gone(self, wait_s: float) -> bool:
        """Waits for the broker's end; True when it ended, and its remains are taken away."""
        if not select.select([self._pidfd], [], [], wait_s)[0]:
            return False
        if self._process is not None:
            self._process.wait()
        return True

    def _end_child(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._pidfd)

    def _watch(self) -> None:
        """Runs until `stop` or `leave`: one restart per death, with back-off."""
        deaths = 0
        since = time.monotonic()
        while self._died():
            if time.monotonic() - since > STEADY_S:
                deaths = 0
            wait_s = BACKOFF_S[min(deaths, len(BACKOFF_S) - 1)]
            deaths += 1
            if self._stopping.wait(wait_s):
                return
            self._spawn()
            since = time.monotonic()
            if self._ready():
                self.restarts += 1
                self._on_restart(f"{self.kind} on {self.host}:{self.port} was started again")

    def _died(self) -> bool:
        """Waits for the broker's death; False when it was wanted or is no longer ours to watch."""
        while not self._leaving.is_set():
            if self._gone(WATCH_S):
                break
        os.close(self._pidfd)
        return not (self._stopping.is_set() or self._leaving.is_set())


def free_port(host: str) -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
