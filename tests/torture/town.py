"""A town of real processes that can be killed, cut off, robbed of its store and set back in time.

A hub process, a broker process, three controllers with the boards that make their events, a line
(`evalroom sim link`) for each room and one between hub and broker. The broker is the hub's own
child, or stands apart on a line of its own; `seat` moves it from one to the other.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final

from edge.simulators.bench import control
from hub.app import build
from hub.broker import Broker, EmbeddedBroker, MosquittoBroker
from hub.cli.enroll import enroll
from hub.cli.initialise import init, new_hub_id
from hub.cli.serving import read_broker_users
from hub.config import Config, load
from hub.demo.supervise import Supervisor, evalroom, until
from hub.demo.town import RoomSite, free_port
from tests.hub.booking.town import CHEAP

BROKERS: Final[dict[str, type[Broker]]] = {"embedded": EmbeddedBroker, "mosquitto": MosquittoBroker}
ROOMS: Final = (("hubei", "301", "301"), ("changsha", "2", "二室"), ("hunan", "1", "一室"))
BOARDS: Final = ("idcard", "locker")
NO_CAMERA: Final = "rtsp://127.0.0.1:9/none"  # pictures would cost more than all the rest
UP_S: Final = 60.0
COMMAND_S: Final = 120
DEAD_S: Final = 2.0  # a hub that got hold of its folder before the restore is killed again
HUB_LINE: Final = "hub"


@dataclass
class Town:
    """Everything of one run.

    Args:
        folder: a new folder.
        kind: `embedded` or `mosquitto`, in the hub's hands.
        seed: of the lines.
        apart_kind: of the broker that stands apart; '' is the same.
        size: how many rooms.
    """

    folder: Path
    kind: str
    seed: int = 0
    apart_kind: str = ""
    size: int = len(ROOMS)
    apart: bool = False
    rooms: list[RoomSite] = field(default_factory=list)
    restores: int = 0
    lost_facts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        # A unix socket's path may have 107 characters.
        self.run = Path(tempfile.mkdtemp(prefix="torture-"))
        self.said = self.folder / "said.txt"
        self.supervisor = Supervisor(self.folder, self._say)
        self.http_port, self.mqtt_port, self.hub_line = free_port(), free_port(), free_port()
        self.broker = self._make_broker()

    @property
    def data(self) -> Path:
        """The hub's data folder."""
        return self.folder / "hub"

    @property
    def base(self) -> Path:
        """The hub's database."""
        return self.data / "hub.sqlite"

    def journal(self, site: RoomSite) -> Path:
        """A room's journal."""
        return site.folder / "state" / "journal.sqlite"

    # -- begin and end -----------------------------------------------------------------------
    def open(self) -> None:
        """Makes and starts everything; returns when every room is connected."""
        self._make_hub()
        for site in self.rooms:
            self._start_boards(site)
        self._start_line(HUB_LINE, [(self.hub_line, self.mqtt_port)])
        self._start_hub()
        for site in self.rooms:
            words = ["edge", "run", str(site.folder / "room.toml")]
            self.supervisor.start(site.place, evalroom(*words))
        for site in self.rooms:
            until(f"{site.place} is there", partial(self._linked, site), within_s=UP_S)

    def close(self) -> None:
        """Ends every process; the files stay."""
        for site in self.rooms:
            # Before its boards: else it would write down that they are gone, for nobody to hear.
            if site.place in self.supervisor.children:
                self.supervisor.end(site.place)
        self.supervisor.stop()
        self.broker.stop()
        self._own_broker().end_left()
        for site in self.rooms:
            site.close()
        shutil.rmtree(self.run, ignore_errors=True)

    def seat(self, *, apart: bool) -> list[str]:
        """Puts the broker beside the hub, or back into its hands; returns who died for it."""
        died = [name for name in ("hub", "broker") if self.kill(name)]
        self.supervisor.end("hub")
        if self.apart:
            self.broker.stop()
            self.broker = self._make_broker()
        self._own_broker().end_left()
        self.apart = apart
        if apart:
            self.broker.users = tuple(read_broker_users(load(self.data)))
            self.broker.start()
        self._start_hub()
        return died

    # -- what is done to it ------------------------------------------------------------------
    def victims(self) -> list[str]:
        """Whoever can be killed."""
        return ["hub", "broker", *(site.place for site in self.rooms)]

    def kill(self, name: str) -> bool:
        """`kill -9`; False when it was dead already."""
        pid = self.broker_pid() if name == "broker" else self.supervisor.children[name].pid()
        if not pid:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def lose_store(self) -> bool:
        """The broker dies, and what it kept is gone when it starts again."""
        pid = self.broker_pid()
        store = self._broker_now().folder / "store"
        if not pid or not store.exists():
            return False
        gone = Path(tempfile.mkdtemp(prefix="gone-", dir=self.folder)) / "store"
        with suppress(ProcessLookupError):
            dying = os.pidfd_open(pid)
            try:
                # It stands still while its store is taken, so that its next start finds none.
                signal.pidfd_send_signal(dying, signal.SIGSTOP)
                store.rename(gone)
                store.mkdir(mode=0o700)
            finally:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(dying, signal.SIGKILL)
                select.select([dying], [], [], DEAD_S)
                os.close(dying)
        lost = gone.exists()
        shutil.rmtree(gone.parent)
        return lost

    def backup(self) -> Path:
        """`evalroom hub backup` of the running hub; the new folder."""
        target = self.folder / f"backup-{self.restores + 1}"
        shutil.rmtree(target, ignore_errors=True)
        words = evalroom("hub", "backup", str(self.data), str(target))
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, check=False)
        self._told("backup", done.returncode, done.stdout, done.stderr)
        return target

    def restore(self, backup: Path) -> None:
        """The hub comes back as it was when the backup was made, plus its mirror.

        The restore waits for the hub to die at last; whoever starts it again is told to wait.
        """
        before = self._facts()
        words = evalroom("hub", "restore", str(backup), str(self.data), "--wait", str(COMMAND_S))
        with subprocess.Popen(words, stdout=PIPE, stderr=PIPE, text=True) as command:
            out, err = "", ""
            while command.returncode is None:
                self.kill("hub")
                with suppress(subprocess.TimeoutExpired):
                    out, err = command.communicate(timeout=DEAD_S)
        told = self._told("restore", command.returncode, out, err)
        self.lost_facts += told["lost"] + sorted(before - self._facts())
        shutil.rmtree(told["moved_aside"])
        shutil.rmtree(backup)
        self.restores += 1

    def line(self, name: str, kind: str, way: str = "up") -> None:
        """Makes a line bad (`cut` pulls the cable), or good again with `none`."""
        path = self.run / f"{name}-link.sock"
        if kind == "cut":
            control(path, {"do": "cut"})
            return
        control(path, {"do": "fault", "kind": kind, "way": way})
        if kind == "none":
            control(path, {"do": "restore"})

    def lines(self) -> list[str]:
        """The legs that can be bad now."""
        return [*(site.place for site in self.rooms), *([HUB_LINE] if self.apart else [])]

    def broker_pid(self) -> int:
        """0 when it does not run."""
        return self._broker_now().pid

    # -- making ------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        with self.said.open("a", encoding="utf-8") as said:
            said.write(f"{text}\n")

    def _make_broker(self) -> Broker:
        kind = BROKERS[self.apart_kind or self.kind]
        return kind(self.folder / "broker", port=self.mqtt_port)

    def _own_broker(self) -> Broker:
        """The one in the hub's hands, as its folder tells of it."""
        return BROKERS[self.kind](self.data / "broker")

    def _broker_now(self) -> Broker:
        return self.broker if self.apart else self._own_broker()

    def _make_hub(self) -> None:
        orgs = tuple(org for org, _, _ in ROOMS[: self.size])
        config = Config(
            data=self.data,
            hub=new_hub_id(),
            demo=True,
            pack="demo.yaml",
            port=self.http_port,
            url=f"http://127.0.0.1:{self.http_port}",
            broker=self.kind,
            mqtt_port=self.mqtt_port,
        )
        init(config, demo_orgs=orgs, stretch=CHEAP)
        rows = json.loads((self.data / "demo-accounts.json").read_text(encoding="utf-8"))
        secrets = {row["login"]: row["password"] for row in rows}
        hub = build(load(self.data), services=False, stretch=CHEAP)
        for org, room, name in ROOMS[: self.size]:
            site = self._site(org, room, name)
            secret = secrets[f"{org}.home_manager"]
            out = site.folder / "credentials"
            site.ctl = enroll(hub, org=org, room=room, name=name, secret=secret, out=out).ctl
            offset = self.folder / "clock-offset.txt"
            offset.write_text("0\n", encoding="ascii")
            text = site.toml(offset.absolute()).replace("test:1", NO_CAMERA)
            (site.folder / "room.toml").write_text(text, encoding="utf-8")
            self.rooms.append(site)
        hub.close()

    def _site(self, org: str, room: str, name: str) -> RoomSite:
        return RoomSite(
            org=org,
            room=room,
            name=name,
            board="cu16",
            seats=2,
            folder=self.folder / f"{org}-{room}",
            run=self.run,
            screen_port=free_port(),
            mqtt_port=free_port(),
            http_port=free_port(),
            system_port=9,
        )

    def _start_boards(self, site: RoomSite) -> None:
        (site.folder / "boards").mkdir(parents=True)
        boards = site.boards()
        for name in BOARDS:
            self.supervisor.start(f"{site.place}-{name}", boards[name])
        routes = [(site.mqtt_port, self.mqtt_port), (site.http_port, self.http_port)]
        self._start_line(site.place, routes)
        for name in BOARDS:
            path = site.socket(name)
            until(f"{path.name} answers", partial(control, path, {"do": "state"}))

    def _start_line(self, name: str, routes: list[tuple[int, int]]) -> None:
        words: list[str] = ["--seed", str(self.seed)]
        for listen, to in routes:
            words += ["--route", f"{listen}:127.0.0.1:{to}"]
        path = self.run / f"{name}-link.sock"
        words += ["--control", str(path), "--state", str(self.folder / f"{name}-link.txt")]
        self.supervisor.start(f"{name}-link", evalroom("sim", "link", *words))
        until(f"{path.name} answers", partial(control, path, {"do": "state"}))

    def _start_hub(self) -> None:
        words = ["--broker", self.kind, "--mqtt-port", str(self.mqtt_port)]
        if self.apart:
            words = ["--external-mqtt", f"127.0.0.1:{self.hub_line}"]
        self.supervisor.start("hub", evalroom("hub", "serve", str(self.data), *words))

    def _linked(self, site: RoomSite) -> bool:
        return bool(site.screen().state()["link"]["up"])

    def _facts(self) -> set[str]:
        """The hub's own rows, by hash."""
        with closing(sqlite3.connect(f"file:{self.base}?mode=ro", uri=True)) as conn:
            rows = conn.execute("SELECT hash FROM events WHERE ctl LIKE 'h-%'")
            return {str(row[0]) for row in rows}

    @staticmethod
    def _told(what: str, code: int, out: str, err: str) -> dict[str, Any]:
        if code:
            raise RuntimeError(f"{what}: exit {code}\n{err[-800:]}")
        told: dict[str, Any] = json.loads(out)
        return told
