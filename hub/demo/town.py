"""Builds the world of the demonstration: data folder, rooms, boards, cables; then starts it all.

Everything lies under one folder a person can look into. Only ptys and control sockets live in a
short temporary folder beside it, for a socket's path may have no more than 107 characters.
"""

from __future__ import annotations

import json
import shutil
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hub.clock import Clock
from hub.demo.clients import Board, HubUser, Screen
from hub.demo.supervise import Supervisor, evalroom, until

LOCKERS = 12
HOME_SEATS = 3
GUEST_SEATS = 2
MAINS_PIN = 17
FIRST_MAT_PIN = 5
SEGMENT_S = 2  # short, so that a day of two minutes has many; a real room uses 10


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        port: int = end.getsockname()[1]
        return port


@dataclass(slots=True)
class RoomSite:
    """One room of the demonstration with everything that stands in it."""

    org: str
    room: str
    name: str
    board: str
    seats: int
    folder: Path
    run: Path
    screen_port: int
    mqtt_port: int
    http_port: int
    system_port: int
    ctl: str = ""
    _screen: Screen | None = None

    @property
    def place(self) -> str:
        """The room's id."""
        return f"{self.org}-{self.room}"

    def socket(self, name: str) -> Path:
        """Path of a board's control socket."""
        return self.run / f"{self.place}-{name}.sock"

    def pty(self, name: str) -> Path:
        """Stable path of a board's serial port."""
        return self.run / f"{self.place}-{name}.tty"

    def hand(self, name: str) -> Board:
        """The hand on one board: idcard, locker, ups, radar1…, pins, link."""
        return Board(self.socket(name))

    def screen(self) -> Screen:
        """The room's screen; one pool of connections, for it is looked at ten times a second."""
        if self._screen is None:
            self._screen = Screen(self.screen_port)
        return self._screen

    def close(self) -> None:
        """Gives the screen's connections back."""
        if self._screen is not None:
            self._screen.close()

    def toml(self, offset_file: Path) -> str:
        """The room's configuration file."""
        lines = [
            "[controller]",
            'credentials = "credentials"',
            'state_dir = "state"',
            "[clock]",
            f'offset_file = "{offset_file}"',
            "[screen]",
            f"port = {self.screen_port}",
            "[hub]",
            'mqtt_host = "127.0.0.1"',
            f"mqtt_port = {self.mqtt_port}",
            f'url = "http://127.0.0.1:{self.http_port}"',
            "[system]",
            f'url = "http://127.0.0.1:{self.system_port}/"',
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
            "mains_back_s = 2",
            "ups_table = [[1.67, 0], [1.97, 50], [2.27, 100]]",
            "[gpio]",
            'backend = "mock"',
            f'control = "{self.socket("pins")}"',
            "[media]",
            'dir = "media"',
            f"segment_s = {SEGMENT_S}",
            "[[camera]]",
            f'stream = "{self.room}-room"',
            f'name = "{self.name}全景"',
            'source = "test:1"',
        ]
        for station in range(1, self.seats + 1):
            lines += [
                "[[seat]]",
                f"station = {station}",
                f'radar_port = "{self.pty(f"radar{station}")}"',
                f"mat_pin = {FIRST_MAT_PIN + station - 1}",
            ]
        return "\n".join(lines) + "\n"

    def boards(self) -> dict[str, list[str]]:
        """Command lines of the room's simulated boards, by name."""
        kinds = {"idcard": "idcard", "locker": self.board_kind(), "ups": "megatec"}
        kinds |= {f"radar{n}": "ld2410" for n in range(1, self.seats + 1)}
        return {
            name: evalroom(
                "sim",
                kind,
                "--pty",
                str(self.pty(name)),
                "--control",
                str(self.socket(name)),
                "--state",
                str(self.folder / "boards" / f"{name}.json"),
                *(("--count", str(LOCKERS)) if name == "locker" else ()),
            )
            for name, kind in kinds.items()
        }

    def board_kind(self) -> str:
        """The simulator's name of this room's lock board."""
        return "cu16" if self.board == "cu16" else "lockboard"


@dataclass(slots=True)
class Town:
    """The whole demonstration: paths, ports, people, processes."""

    out: Path
    run: Path
    say: Callable[[str], None]
    supervisor: Supervisor
    clock: Clock
    rooms: list[RoomSite]
    http_port: int
    mqtt_port: int
    system_port: int
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: dict[str, HubUser] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The hub's data folder."""
        return self.out / "hub"

    @property
    def url(self) -> str:
        """The console's address."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def home(self) -> RoomSite:
        """The home venue's room."""
        return self.rooms[0]

    @property
    def guests(self) -> list[RoomSite]:
        """The guest venues' rooms."""
        return self.rooms[1:]

    def user(self, login: str) -> HubUser:
        """A signed-in person; kept, so that each signs in once."""
        if login not in self.users:
            about = self.accounts[login]
            made = HubUser(
                url=self.url,
                login=login,
                password=about["password"],
                pin=about["pin"],
                person=about["person"],
            )
            self.users.setdefault(login, made)
        return self.users[login]

    def close(self) -> None:
        """Ends every process and connection."""
        self.supervisor.stop()
        for user in self.users.values():
            user.close()
        for site in self.rooms:
            site.close()
        shutil.rmtree(self.run, ignore_errors=True)

    def by(self, *logins: str) -> list[tuple[str, str]]:
        """Persons and PINs as a room's screen wants them."""
        return [(self.accounts[one]["person"], self.accounts[one]["pin"]) for one in logins]

    def set_wall(self, moment: datetime) -> None:
        """Shifts everybody's wall clock so that it is `moment` now; durations stay real."""
        target = self.out / "clock-offset.txt"
        real = Clock(None).wall()
        fresh = target.with_suffix(".new")
        fresh.write_text(f"{(moment - real).total_seconds():.3f}\n", encoding="ascii")
        fresh.replace(target)

    def read_accounts(self) -> None:
        """Reads the sign-ins that `hub init --demo` made."""
        rows = json.loads((self.data / "demo-accounts.json").read_text(encoding="utf-8"))
        self.accounts = {row["login"]: row for row in rows}


def plan_town(out: Path, guests: list[str], say: Callable[[str], None]) -> Town:
    """Lays out folders and ports; starts nothing."""
    out.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix="evalroom-"))
    system_port = free_port()
    sites = [("hubei", "301", "301", "8a80", HOME_SEATS)]
    sites += [(guest, "2", "二室", "cu16", GUEST_SEATS) for guest in guests]
    rooms = [
        RoomSite(
            org=org,
            room=room,
            name=name,
            board=board,
            seats=seats,
            folder=out / "rooms" / f"{org}-{room}",
            run=run,
            screen_port=free_port(),
            mqtt_port=free_port(),
            http_port=free_port(),
            system_port=system_port,
        )
        for org, room, name, board, seats in sites
    ]
    offset = out / "clock-offset.txt"
    offset.write_text("0\n", encoding="ascii")
    return Town(
        out=out,
        run=run,
        say=say,
        supervisor=Supervisor(folder=out, say=say),
        clock=Clock(offset),
        rooms=rooms,
        http_port=free_port(),
        mqtt_port=free_port(),
        system_port=system_port,
    )


def wait_socket(path: Path) -> None:
    """Waits until a board answers on its control socket."""
    until(f"board {path.name}", lambda: Board(path).do(do="state"), within_s=20)
