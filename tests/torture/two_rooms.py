"""A hub with its broker, a room whose journal holds thirty days, and another room that works.

Everything is a process of its own, started from folders as they are handed out at enrolment.
"""

from __future__ import annotations

import json
import random
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.journal import RECORDS_MAX, Journal, Own
from hub.app import build
from hub.cli.enroll import enroll
from hub.cli.initialise import init, new_hub_id
from hub.config import Config, load
from tests.hub.booking.town import CHEAP
from tests.system.room_rig import evalroom, free_port, until

DAYS = 30
STOP_S = 60
FAULTY = 100  # of so many records one is a fault, and the next says that it is over


@dataclass
class PastClock:
    """The clock of a day that is over; each look at it is a moment later."""

    at: datetime
    step: timedelta
    looks: int = 0

    def mono_ms(self) -> int:
        return 1000 + self.looks * int(self.step.total_seconds() * 1000)

    def wall(self) -> datetime:
        self.looks += 1
        return self.at + self.looks * self.step

    def trust(self) -> str:
        return "ntp"


def day(count: int, number: int, chance: random.Random) -> Iterator[Own]:
    """So many records of one day: seats, the line, now and then a fault."""
    for n in range(count):
        if n % FAULTY < 2 and n + 1 < count:
            name = f"network-{number}-{n // FAULTY}"
            yield fault(name) if n % FAULTY == 0 else over(name)
        else:
            state = chance.choice(("vacant", "occupied", "unknown"))
            yield Own("seat.state", "", {"station": chance.randrange(1, 7), "state": state})


def fault(name: str) -> Own:
    about = {"fault": name, "kind": "network", "device": "", "what": "wan", "p": "unset"}
    return Own("fault.raised", "", {**about, "consequence": "", "cause": ""})


def over(name: str) -> Own:
    return Own("fault.cleared", "", {"fault": name, "kind": "network", "duration_ms": 1000})


def write_backlog(path: Path, ctl: str, events: int, seed: int) -> None:
    """The journal of a room that was started once a day and never reached its hub."""
    chance = random.Random(seed)  # noqa: S311 - the same backlog for the same seed
    path.parent.mkdir(parents=True)
    begun = datetime.now(UTC) - timedelta(days=DAYS)
    for number in range(DAYS):
        count = events // DAYS - 1 + (events % DAYS if number == 0 else 0)
        clock = PastClock(begun + timedelta(days=number), timedelta(days=1) / (count + 2))
        journal = Journal.open(
            path, ctl=ctl, boot=f"boot-{number}", clock=clock, entropy=secrets.token_bytes
        )
        records = list(day(count, number, chance))
        for at in range(0, count, RECORDS_MAX):
            journal.append(records[at : at + RECORDS_MAX])
        journal.close()


@dataclass
class Room:
    """A controller's process and the folder it works in."""

    folder: Path
    ctl: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def journal(self) -> Path:
        return self.folder / "state" / "journal.sqlite"

    def write_file(self) -> None:
        """No board is there; the room says so and works on."""
        lines = [
            '[controller]\ncredentials = "credentials"\nstate_dir = "state"',
            f"[screen]\nport = {free_port()}",
            '[id_reader]\nport = "none/idcard"',
            '[locker]\nboard = "cu16"\nport = "none/locker"\naddress = 0\ncount = 4',
            '[power]\nmains_pin = 17\nups_port = "none/ups"',
            '[gpio]\nbackend = "mock"\ncontrol = "pins.sock"',
            '[media]\ndir = "media"',
            '[[camera]]\nstream = "cam1"\nname = "全景"\nsource = "test:1"',
            '[[seat]]\nstation = 1\nradar_port = "none/radar"\nmat_pin = 5',
        ]
        (self.folder / "room.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        self.write_file()
        words = [sys.executable, "-m", "tests.torture.acting_room", str(self.folder / "room.toml")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def record(self, what: Own) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        line = json.dumps({"type": what.type, "data": dict(what.data)})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def runs(self) -> bool:
        """True, or fails with the last words of the process."""
        assert self.process is not None
        said = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        assert self.process.poll() is None, said[-800:]
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


@dataclass
class Town:
    """The hub's data folder, its process, and both rooms."""

    data: Path
    late: Room
    other: Room
    hub: subprocess.Popen[bytes] | None = None

    def start_hub(self) -> None:
        with (self.data.parent / "hub.log").open("ab") as log:
            words = evalroom("hub", "serve", self.data)
            self.hub = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log_file = self.data.parent / "hub.log"
        until("the hub", lambda: "hub: http" in log_file.read_text("utf-8"), within_s=60)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.data / 'hub.sqlite'}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()

    def stop(self) -> None:
        self.late.stop()
        self.other.stop()
        if self.hub is not None:
            self.hub.terminate()
            self.hub.wait(STOP_S)


@contextmanager
def town(folder: Path, broker: str) -> Iterator[Town]:
    """A hub and two enrolled rooms; nothing runs yet."""
    data, port = folder / "hub", free_port()
    config = Config(
        data=data,
        hub=new_hub_id(),
        url=f"http://127.0.0.1:{port}",
        port=port,
        broker=broker,
        demo=True,
        pack="demo.yaml",
    )
    init(config, demo_orgs=("hubei", "changsha", "hunan"), stretch=CHEAP)
    people = json.loads((data / "demo-accounts.json").read_text(encoding="utf-8"))
    words = {one["login"]: one["password"] for one in people}
    hub = build(load(data), services=False, stretch=CHEAP)
    rooms = []
    for org in ("changsha", "hunan"):
        out = folder / org / "credentials"
        secret = words[f"{org}.home_manager"]
        made = enroll(hub, org=org, room="2", name="二室", secret=secret, out=out)
        rooms.append(Room(folder / org, made.ctl))
    hub.close()
    made_town = Town(data, late=rooms[0], other=rooms[1])
    try:
        yield made_town
    finally:
        made_town.stop()
