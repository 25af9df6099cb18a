"""A site for figures that need one: a hub with its broker as processes, and enrolled rooms."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hub.app import build
from hub.broker import EmbeddedBroker, MosquittoBroker
from hub.cli.enroll import enroll
from hub.config import load
from tests.hub.booking.town import CHEAP
from tests.hub.enrolled_hub import ROOM, make_folder
from tests.system.room_rig import free_port

WAIT_S = 60.0
ORG = "changsha"


def broker_kind() -> str:
    """What one site runs, where it is installed; else the broker that comes with the program."""
    found = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    return MosquittoBroker.kind if found else "embedded"


def broker_name() -> str:
    return MosquittoBroker.kind if broker_kind() == MosquittoBroker.kind else EmbeddedBroker.kind


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the hub that recorded `rows` rows, the last of them `upto`."""

    ctl: str
    epoch: str
    upto: int
    rows: int
    ns: int


def enrolled(data: Path, count: int) -> list[Path]:
    """A hub's data folder with `count` rooms; the folders of their credentials.

    Made in memory where the system has a place for that: hundreds of enrolments are as many syncs.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        made = Path(name) / "hub"
        make_folder(made)
        accounts = json.loads((made / "demo-accounts.json").read_text(encoding="utf-8"))
        secret = next(one["password"] for one in accounts if one["login"] == f"{ORG}.home_manager")
        hub = build(load(made), services=False, stretch=CHEAP)
        names = [ROOM, *(f"room-{number}" for number in range(1000, 1000 + count - 1))]
        try:
            for one in names[1:]:
                room = one.removeprefix("room-")
                enroll(hub, org=ORG, room=room, name=one, secret=secret, out=made / one)
        finally:
            hub.close()
        shutil.rmtree(made / "broker", ignore_errors=True)
        shutil.copytree(made, data)
    return [data / one for one in names]


@dataclass(slots=True)
class HubProcess:
    """The real hub and its broker; `commits` in the order in which they happened."""

    data: Path
    commits: list[Commit] = field(default_factory=list)
    url: str = ""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _process: subprocess.Popen[str] | None = None
    _reader: threading.Thread | None = None

    def __enter__(self) -> HubProcess:
        words = [sys.executable, "-m", "tests.bench.hub_process", str(self.data), broker_kind()]
        with (self.data / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        if self._process.stdout is None:
            raise RuntimeError("the hub has no output")
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self._process.kill()
            said = (self.data / "serve.log").read_text(encoding="utf-8")[-800:]
            raise RuntimeError(f"the hub did not start: {said}")
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WAIT_S)
        if self._reader is not None:
            self._reader.join()
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def mqtt_port(self) -> int:
        return int((self.data / "broker" / "port").read_text(encoding="ascii"))

    def password(self, user: str) -> str:
        users = json.loads((self.data / "keys" / "mqtt-users.json").read_text(encoding="utf-8"))
        return str(users[user])

    def wait(self, done: Callable[[list[Commit]], bool], what: str) -> list[Commit]:
        """All commits, as soon as they are what was waited for."""
        until = time.monotonic() + WAIT_S
        with self._changed:
            while not done(self.commits):
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"{what}: not within {WAIT_S:.0f} s")
            return list(self.commits)

    def committed(self, epoch: str, seq: int) -> int:
        """When the commit that holds this row stood, monotonic ns."""

        def found(commits: list[Commit]) -> bool:
            return any(one.epoch == epoch and one.upto >= seq for one in reversed(commits))

        commits = self.wait(found, f"row {seq} of {epoch} at the hub")
        return next(one.ns for one in commits if one.epoch == epoch and one.upto >= seq)

    def count(self, table: str) -> int:
        """Rows of one of the hub's tables."""
        with closing(sqlite3.connect(f"file:{self.data / 'hub.sqlite'}?mode=ro", uri=True)) as conn:
            return int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            ctl, epoch, upto, rows, ns = line.split()
            with self._changed:
                self.commits.append(Commit(ctl, epoch, int(upto), int(rows), int(ns)))
                self._changed.notify_all()


def write_room(folder: Path, credentials: Path, hub: HubProcess, ports: dict[str, Path]) -> Path:
    """A room's file: a board without a port here is not plugged in."""
    folder.mkdir(parents=True, exist_ok=True)
    nowhere = folder / "unplugged"
    lines = [
        "[controller]",
        f'credentials = "{credentials.absolute()}"',
        'state_dir = "state"',
        "[screen]",
        f"port = {free_port()}",
        "[hub]",
        'mqtt_host = "127.0.0.1"',
        f"mqtt_port = {hub.mqtt_port}",
        f'url = "{hub.url}"',
        "[id_reader]",
        f'port = "{ports.get("idcard", nowhere.with_suffix(".idcard"))}"',
        "[locker]",
        'board = "cu16"',
        f'port = "{ports.get("locker", nowhere.with_suffix(".locker"))}"',
        "address = 0",
        "count = 4",
        "[power]",
        "mains_pin = 17",
        f'ups_port = "{ports.get("ups", nowhere.with_suffix(".ups"))}"',
        "[gpio]",
        'backend = "mock"',
        'control = "pins.sock"',
        "[media]",
        'dir = "media"',
        "[[seat]]",
        "station = 1",
        f'radar_port = "{nowhere.with_suffix(".radar")}"',
        "mat_pin = 5",
        "[[camera]]",
        'stream = "cam1"',
        'name = "全景"',
        'source = "test:1"',
    ]
    path = folder / "room.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
