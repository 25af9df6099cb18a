"""What catching up is held against: brokers that store and forward, and a subscriber that commits.

Both peers carry the same lines, one event per message as they are used, from an edge that could not
reach its hub to the hub's broker, where the same subscriber commits what has arrived. Neither
signs, checks a chain or acknowledges to the edge after the commit; neither syncs the edge's store.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hub.broker import EmbeddedBroker
from tests.bench.nats_client import Nats
from tests.bench.site import WAIT_S
from tests.bench.subscriber import DOMAIN, STREAM
from tests.system.room_rig import free_port

TOPIC = "room/ev"
SUBJECT = "room.ev"
IN_FLIGHT = 1_000  # measured: what suits Mosquitto best without a pause between
CHUNK = 500  # messages sent before their acknowledgements are read


@dataclass(slots=True)
class Subscriber:
    """The far end; `commits` are (rows, monotonic ns)."""

    process: subprocess.Popen[str]
    ready: bool = False
    commits: list[tuple[int, int]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self, lines: IO[str]) -> None:
        for line in lines:
            with self.changed:
                if line == "ready\n":
                    self.ready = True
                else:
                    rows, ns = line.split()
                    self.commits.append((int(rows), int(ns)))
                self.changed.notify_all()

    def rate(self, count: int) -> float:
        """Rows per second between the first commit and the one that completes `count`."""
        with self.changed:
            whole = self.changed.wait_for(
                lambda: sum(rows for rows, _ in self.commits) >= count, WAIT_S
            )
            commits, self.commits = self.commits, []
        if not whole:
            raise TimeoutError(f"expected {count} rows, got {sum(rows for rows, _ in commits)}")
        return between(commits)


def between(commits: Sequence[tuple[int, int]]) -> float:
    """Rows per second behind the first commit."""
    rows = sum(rows for rows, _ in commits[1:])
    return rows / (commits[-1][1] - commits[0][1]) * 1e9


@contextmanager
def subscriber(kind: str, port: int, folder: Path) -> Iterator[Subscriber]:
    """Runs until the block ends; listens when it begins."""
    words = [sys.executable, "-m", "tests.bench.subscriber", kind, str(port)]
    with (folder / "subscriber.log").open("wb") as log:
        process = subprocess.Popen(
            [*words, str(folder / "rows.sqlite")], stdout=subprocess.PIPE, stderr=log, text=True
        )
    one = Subscriber(process)
    if process.stdout is None:
        raise RuntimeError("the subscriber has no output")
    reader = threading.Thread(target=one.read, args=(process.stdout,))
    reader.start()
    try:
        with one.changed:
            if not one.changed.wait_for(lambda: one.ready, WAIT_S):
                raise TimeoutError(f"the subscriber does not listen: see {folder}")
        yield one
    finally:
        process.kill()
        process.wait()
        reader.join()


def start(words: Sequence[str], port: int, log: Path) -> subprocess.Popen[bytes]:
    """A server that answers on its port."""
    with log.open("ab") as said:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    until = time.monotonic() + WAIT_S
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return process
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            raise RuntimeError(f"{words[0]} does not answer: {log.read_text()[-400:]}")


@contextmanager
def program(words: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """The same, until the block ends."""
    process = start(words, port, log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@dataclass(slots=True)
class Bridge:
    """A Mosquitto that bridges to the hub's, which is away while the backlog grows.

    The hub's broker keeps the subscriber's session over its restart: whichever of the two is
    connected first, nothing is lost.
    """

    words: list[str]
    near: int
    port: int
    log: Path
    hub: subprocess.Popen[bytes] | None = None
    far: Subscriber | None = None

    def run(self, lines: Sequence[bytes]) -> float:
        """Rows per second of one backlog."""
        if self.far is None:
            raise RuntimeError("nobody subscribes")
        self.end()
        publish(self.near, lines)
        self.begin()
        return self.far.rate(len(lines))

    def begin(self) -> None:
        self.hub = start(self.words, self.port, self.log)

    def end(self) -> None:
        if self.hub is not None:
            self.hub.terminate()
            self.hub.wait()
            self.hub = None


@contextmanager
def bridge(folder: Path) -> Iterator[Bridge]:
    """Two Mosquitto brokers and the subscriber."""
    for name in ("hub", "edge"):
        (folder / name).mkdir(parents=True)
    near, far = free_port(), free_port()
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "mosquitto"
    both = [
        "allow_anonymous true",
        f"user {pwd.getpwuid(os.getuid()).pw_name}",
        "persistence true",
        f"max_inflight_messages {IN_FLIGHT}",
        "max_queued_messages 0",
        "set_tcp_nodelay true",
        "log_type error",
    ]
    to_hub = [
        "connection hub",
        f"address 127.0.0.1:{far}",
        "topic # out 1",
        "cleansession false",
        "restart_timeout 1",
        "notifications false",
        "try_private false",
    ]
    for name, port, more in (("hub", far, []), ("edge", near, to_hub)):
        store = f"persistence_location {folder / name}/"
        lines = [f"listener {port} 127.0.0.1", *both, store, *more, ""]
        (folder / f"{name}.conf").write_text("\n".join(lines))
    made = Bridge([mosquitto, "-c", str(folder / "hub.conf")], near, far, folder / "hub.log")
    made.begin()
    try:
        with (
            subscriber("mqtt", far, folder) as one,
            program([mosquitto, "-c", str(folder / "edge.conf")], near, folder / "edge.log"),
        ):
            made.far = one
            yield made
    finally:
        made.end()


@dataclass(slots=True)
class Leaf:
    """A NATS leaf node whose stream waits for the hub's subscriber."""

    near: int
    far: int
    folder: Path

    def run(self, lines: Sequence[bytes]) -> float:
        """Rows per second of one backlog: stored first, then pulled."""
        nats = Nats(self.near)
        nats.stream(STREAM, SUBJECT)
        nats.send(b"".join(Nats.frame(SUBJECT, line) for line in lines))
        until = time.monotonic() + WAIT_S
        while nats.stored(STREAM) < len(lines):
            if time.monotonic() > until:
                raise TimeoutError("the leaf node did not store the backlog")
        nats.close()
        with subscriber("nats", self.far, self.folder) as one:
            return one.rate(len(lines))


@contextmanager
def leaf(folder: Path) -> Iterator[Leaf]:
    """Two NATS servers: the hub's, and the edge's with JetStream, joined as leaf node."""
    folder.mkdir()
    near, far, joint = free_port(), free_port(), free_port()
    hub = {
        "server_name": "hub",
        "listen": f"127.0.0.1:{far}",
        "leafnodes": {"listen": f"127.0.0.1:{joint}"},
        "jetstream": {"store_dir": str(folder / "hub"), "domain": "hub"},
    }
    edge = {
        "server_name": "edge",
        "listen": f"127.0.0.1:{near}",
        "leafnodes": {"remotes": [{"url": f"nats://127.0.0.1:{joint}"}]},
        "jetstream": {"store_dir": str(folder / "edge"), "domain": DOMAIN},
    }
    for name, config in (("hub", hub), ("edge", edge)):
        (folder / f"{name}.conf").write_text(json.dumps(config))
    server = str(EmbeddedBroker(folder / "none").program())
    with (
        program([server, "-c", str(folder / "hub.conf")], far, folder / "hub.log"),
        program([server, "-c", str(folder / "edge.conf")], near, folder / "edge.log"),
    ):
        yield Leaf(near, far, folder)


def publish(port: int, lines: Sequence[bytes]) -> None:
    """Hands lines to a broker, MQTT 3.1.1, QoS 1, each acknowledged by it."""
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as line:
        name = b"backlog"
        about = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack("!H", len(name)) + name
        line.sendall(b"\x10" + _length(len(about)) + about)
        _receive(line, 4)
        topic = struct.pack("!H", len(TOPIC)) + TOPIC.encode()
        for at in range(0, len(lines), CHUNK):
            chunk = lines[at : at + CHUNK]
            for number, payload in enumerate(chunk, start=1):
                body = topic + struct.pack("!H", number) + payload
                line.sendall(b"\x32" + _length(len(body)) + body)
            _receive(line, 4 * len(chunk))


def _length(size: int) -> bytes:
    """MQTT's remaining length."""
    found = bytearray()
    while True:
        size, digit = divmod(size, 128)
        found.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(found)


def _receive(line: socket.socket, size: int) -> None:
    while size:
        data = line.recv(size)
        if not data:
            raise ConnectionError("the broker closed the connection")
        size -= len(data)
