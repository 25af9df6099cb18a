"""A real room for tests: controller process, simulated boards, broker, and a scripted hub.

Everything that happens is done by processes that ship with the product; tests only move hands,
press keys on the screen and read what was recorded. Nothing here sleeps: everything waits for
something it can see, and gives up in bounded time.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from edge.simulators.bench import control
from hub import crypto
from hub.broker import Broker, BrokerUser, EmbeddedBroker
from protocols.wire.idcard_text import check_character
from tests.system.room_hub import (
    PIN,
    Keys,
    Person,
    ScriptedHub,
    Wrapped,
    body_of,
    demo_pack,
    session_plan,
)

SESSION = "s-0123456789ab"
MAINS_PIN, FIRST_MAT_PIN = 17, 5
PRESSED, FREE = 0, 1
HAND_S = 0.8  # a hand that changes cards needs this long; the reader must see the card gone
NUMBERS = {1: "11010519491231002X", 2: "43230119350312901" + check_character("43230119350312901")}
LOCKERS = 4


def until(
    what: str, done: Callable[[], Any], *, within_s: float = 20.0, every_s: float = 0.05
) -> Any:
    """Asks until the answer is true; connection errors mean `not yet`."""
    end, pause, last = time.monotonic() + within_s, threading.Event(), None
    while True:
        try:
            last = done()
        except (OSError, httpx.TransportError) as error:
            last = repr(error)
        else:
            if last:
                return last
        assert time.monotonic() < end, f"{what}: not within {within_s} s, last {str(last)[:300]}"
        pause.wait(every_s)


def free_port() -> int:
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        port: int = end.getsockname()[1]
        return port


def evalroom(*words: object) -> list[str]:
    return [sys.executable, "-m", "evalroom", *map(str, words)]


@dataclass
class Child:
    """One process and its log."""

    argv: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """As the power cord does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, within_s: float = 10.0) -> int:
        """As the service manager does; returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"{self.argv[3:]}: did not end; {self.said()[-800:]}") from None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass
class Screen:
    """The room's screen over its HTTP interface."""

    port: int
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def state(self) -> dict[str, Any]:
        answer = self.client.get("/api/state")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def act(
        self, act: str, args: dict[str, Any], *by: Person, pin: str = PIN, session: str = SESSION
    ) -> httpx.Response:
        who = [{"person": one.person, "pin": pin} for one in by]
        body = {"act": act, "session": session, "args": args, "by": who}
        return self.client.post("/api/acts", json=body)

    def order(self, order: str, by: Person, *, pin: str = PIN, **more: Any) -> httpx.Response:
        body = {"session": SESSION, "order": order, "person": by.person, "pin": pin, **more}
        return self.client.post("/api/orders", json=body)


@dataclass
class Rig:
    """One room: `board` 8a80 or cu16, `org` hubei (home) or changsha (guest)."""

    folder: Path
    board: str = "cu16"
    org: str = "changsha"
    seats: int = 2
    cameras: int = 1
    broker_kind: type[Broker] = EmbeddedBroker
    without: frozenset[str] = frozenset()
    keys: Keys = field(default_factory=Keys)
    ctl: str = field(default_factory=lambda: f"c-{secrets.token_hex(6)}")
    children: dict[str, Child] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A unix socket's path may have 107 characters; pytest's own folders are longer.
        self.run = Path(tempfile.mkdtemp(prefix="room-"))
        words = {name: secrets.token_urlsafe(24) for name in ("hub", self.ctl)}
        users = [BrokerUser(name, word) for name, word in words.items()]
        self.broker = self.broker_kind(self.folder / "broker", users)
        self.mqtt_port, self.screen_port = free_port(), free_port()
        self.words = words
        self.screen = Screen(self.screen_port)
        self.seal_key, self.seal_public = crypto.new_seal_key()
        self.sign_key = crypto.new_seed()
        self.hub = ScriptedHub(self.keys, ctl=self.ctl, sign_public=crypto.public_of(self.sign_key))

    # -- files -------------------------------------------------------------------------------
    @property
    def toml(self) -> Path:
        return self.folder / "room.toml"

    def write_files(self) -> None:
        """The enrolment folder and the room's file."""
        folder = self.folder / "credentials"
        folder.mkdir(parents=True)
        about = {
            "ctl": self.ctl,
            "place": f"{self.org}-1",
            "org": self.org,
            "hub": "h-0123456789ab",
            "mqtt": {
                "host": "127.0.0.1",
                "port": self.mqtt_port,
                "user": self.ctl,
                "password": self.words[self.ctl],
            },
            "url": "http://127.0.0.1:9",
        }
        (folder / "id.json").write_text(json.dumps(about), encoding="utf-8")
        crypto.write_private(folder / "sign.key", self.sign_key)
        crypto.write_private(folder / "seal.key", self.seal_key)
        (folder / "trust.json").write_bytes(self.keys.trust().encode())
        self.toml.write_text(self.room_toml(), encoding="utf-8")

    def room_toml(self) -> str:
        lines = [
            "[controller]",
            'credentials = "credentials"',
            'state_dir = "state"',
            "[screen]",
            f"port = {self.screen_port}",
            "[id_reader]",
            f'port = "{self.pty("idcard")}"',
            "[locker]",
            f'board = "{self.board}"',
            f'port = "{self.pty("locker")}"',
            f"address = {0 if self.board == 'cu16' else 1}",
            f"count = {LOCKERS}",
            "[power]",
            f"mains_pin = {MAINS_PIN}",
            f'ups_port = "{self.pty("ups")}"',
            "mains_back_s = 1",
            "[gpio]",
            'backend = "mock"',
            f'control = "{self.sock("pins")}"',
            "[media]",
            'dir = "media"',
            "segment_s = 2",
        ]
        for at in range(1, self.seats + 1):
            port = self.pty(f"radar{at}")
            lines += ["[[seat]]", f"station = {at}", f'radar_port = "{port}"']
            lines += [f"mat_pin = {FIRST_MAT_PIN + at - 1}"]
        for at in range(1, self.cameras + 1):
            lines += ["[[camera]]", f'stream = "cam{at}"', f'name = "全景{at}"']
            lines += [f'source = "test:{at}"']
        return "\n".join(lines) + "\n"

    def pty(self, name: str) -> Path:
        return self.run / f"{name}.tty"

    def sock(self, name: str) -> Path:
        return self.run / f"{name}.sock"

    # -- processes ---------------------------------------------------------------------------
    def boards(self) -> dict[str, str]:
        kinds = {"idcard": "idcard", "ups": "megatec"}
        kinds["locker"] = "cu16" if self.board == "cu16" else "lockboard"
        kinds |= {f"radar{at}": "ld2410" for at in range(1, self.seats + 1)}
        return {name: kind for name, kind in kinds.items() if name not in self.without}

    def start_board(self, name: str) -> None:
        paths: list[object] = ["--pty", self.pty(name), "--control", self.sock(name)]
        paths += ["--state", self.folder / f"{name}.json"]
        more: list[object] = ["--count", LOCKERS] if name == "locker" else []
        argv = evalroom("sim", self.boards()[name], *paths, *more)
        self.children[name] = Child(argv, self.folder / f"{name}.log")
        self.children[name].start()

    def start(self, *, room: bool = True) -> None:
        """Everything at once, then waits until all of it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in self.boards():
            self.start_board(name)
        self.broker.start()
        link = evalroom(
            *("sim", "link", "--route", f"{self.mqtt_port}:127.0.0.1:{self.broker.port}"),
            *("--control", self.sock("link"), "--state", self.folder / "link.txt"),
        )
        self.children["link"] = Child(link, self.folder / "link.log")
        self.children["link"].start()
        self.write_files()
        self.hub.connect(self.broker.host, self.broker.port, self.words["hub"])
        for name in (*self.boards(), "link"):
            until(f"board {name}", lambda one=name: self.hand(one, "state"))
        if room:
            self.start_room()
            self.hand_pins(MAINS_PIN, PRESSED)

    def start_room(self) -> None:
        self.children["room"] = Child(evalroom("edge", "run", self.toml), self.folder / "room.log")
        self.children["room"].start()
        self.wait_room()

    def wait_room(self) -> None:
        until("the room's screen", self.screen.state, within_s=40)

    def kill_room(self) -> None:
        self.children["room"].kill()

    def stop(self) -> None:
        self.hub.close()
        for child in reversed(self.children.values()):
            if child.process is not None and child.process.poll() is None:
                child.kill()
        self.broker.stop()
        self.screen.client.close()
        shutil.rmtree(self.run, ignore_errors=True)

    # -- hands -------------------------------------------------------------------------------
    def hand(self, name: str, do: str, /, **fields: Any) -> dict[str, Any]:
        return control(self.sock(name), {"do": do, **fields})

    def hand_pins(self, pin: int, level: int) -> None:
        answer = control(self.sock("pins"), {"pin": pin, "level": level})
        assert answer["ok"], answer

    def present(self, no: int, *, first: Callable[[], object] = lambda: None) -> None:
        """Lifts whatever lies on the reader and lays this member's card there, after `first`."""
        self.hand("idcard", "remove")
        threading.Event().wait(HAND_S)
        first()
        self.hand("idcard", "insert", name="张三", number=NUMBERS[no])

    def sit(self, station: int, *, down: bool) -> None:
        self.hand(f"radar{station}", "target", value="both" if down else "none")
        self.hand_pins(FIRST_MAT_PIN + station - 1, PRESSED if down else FREE)

    def door(self, lock: int) -> dict[str, Any]:
        """What is behind the board really: open, item, jammed."""
        state = self.hand("locker", "state")["state"]
        found: dict[str, Any] = state["lockers"][str(lock)]
        return found

    # -- looks -------------------------------------------------------------------------------
    def session(self) -> dict[str, Any]:
        rows = [one for one in self.screen.state()["sessions"] if one["id"] == SESSION]
        return rows[0] if rows else {}

    def member(self, no: int) -> dict[str, Any]:
        return next((one for one in self.session().get("members", ()) if one["no"] == no), {})

    def step(self, no: int) -> str:
        return str(self.member(no).get("step", ""))

    def journal(self, type_: str = "") -> list[dict[str, Any]]:
        """What lies on the disk now, whatever process writes there."""
        path = self.folder / "state" / "journal.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT line FROM event ORDER BY id").fetchall()
        events = [json.loads(row[0]) for row in rows]
        return [one for one in events if type_ in ("", one["type"])]

    def rss_mib(self) -> int:
        pid = self.children["room"].process.pid  # type: ignore[union-attr]
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 2**20

    # -- plan --------------------------------------------------------------------------------
    def publish_plan(self, *, n: int = 1, members: int = 2, pack: Any = None) -> None:
        here = [one for one in self.keys.people if one.org == self.org]
        session = session_plan(
            self.keys,
            session=SESSION,
            org=self.org,
            members={no: NUMBERS[no] for no in range(1, members + 1)},
            seal_public=self.seal_public,
            wrapped=Wrapped().of(here),
        )
        self.hub.publish_plan(
            body_of(
                self.keys,
                place=f"{self.org}-1",
                org=self.org,
                sessions=[session],
                pack=pack or demo_pack(),
            ),
            n=n,
        )

    # -- the way of a member -----------------------------------------------------------------
    @property
    def staff(self) -> tuple[Person, Person]:
        if self.org == "hubei":
            return self.keys.home_staff, self.keys.witness
        return self.keys.staff, self.keys.coordinator

    def do(self, act: str, args: dict[str, Any], *, two: bool = False) -> dict[str, Any]:
        """A staff act that is meant to succeed."""
        answer = self.screen.act(act, args, *self.staff[: 2 if two else 1])
        assert answer.status_code == 200, answer.text
        done: dict[str, Any] = answer.json()
        return done

    def check_in(self, no: int) -> None:
        """Card, declaration, deposit, seat."""
        self.present(no)
        self.hub.wait("member.identified", no=no, method="card")
        self.do("deposit.declare", {"no": no, "items": ["phone"]})
        self.deposit(no)
        self.sit(no, down=True)
        self.hub.wait("member.seated", no=no)

    def deposit(self, no: int) -> None:
        """The open door: item in, door closed, and a person's word where the board has no beam."""
        self.hub.wait("locker.opened", locker=no)
        self.hand("locker", "put", lock=no)
        if self.board == "cu16":
            self.hub.wait("locker.state", locker=no, door="open", item="present")
        self.hand("locker", "close", lock=no)
        if self.board != "cu16":
            until("the confirmation is asked", lambda: self.member(no).get("confirm_due"))
            self.do("deposit.confirm", {"no": no})
        self.hub.wait("member.deposited", no=no)

    def collect(self, no: int) -> None:
        """Card at the locker, item out, door closed."""
        opened = len(self.hub.found("locker.opened", locker=no))
        self.present(no)
        self.hub.wait("locker.opened", locker=no, count=opened + 1)
        self.hand("locker", "take", lock=no)
        if self.board == "cu16":
            until("the board sees it", lambda: self.shown_door(no, "item") == "absent")
        self.hand("locker", "close", lock=no)
        self.hub.wait("member.released", no=no)

    def shown_door(self, number: int, key: str = "door") -> str:
        """What the screen says of a locker: `door` or `item`."""
        row = next(one for one in self.screen.state()["lockers"] if one["locker"] == number)
        return str(row[key])

    def healthy(self) -> None:
        """The plan is there, the self-test is good, the network is well."""
        self.publish_plan()
        self.hub.wait("plan.accepted")
        until("network", lambda: self.screen.state()["network"]["rung"] == "ok")
        until("mains", lambda: self.screen.state()["power"]["mains"] == "on")
