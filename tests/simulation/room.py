"""A room of a history: the real journal, loop and uplink, without boards."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import Any

import apsw

from edge.crypto import signer
from edge.duty import DutyRoster
from edge.identify import Identifier
from edge.inbox import Arrived, Inbox, LinkChanged
from edge.intake import Intake
from edge.journal import Journal, StorageError
from edge.runtime import Runtime
from edge.turn import Turn
from edge.uplink import Identity, Uplink, Vitals
from protocols.messages.identity import kid
from protocols.messages.signed import Signer
from protocols.messages.status import RoomKeys, Will
from protocols.messages.topics import UP_ST, parse_topic, topic
from protocols.policy.room_model import RoomConfig
from tests.simulation.broker import Line
from tests.simulation.disk import Plate
from tests.simulation.ledger import WatchedPort, journal_rows, unsafe
from tests.simulation.machine import TICK_MS, WAL_PAGES, Machine, MachineClock, WorldPort
from tests.simulation.template import STATIONS, policy, seed_of, trust


class Room(Machine):
    """A room controller: journal, loop and uplink, without boards."""

    def __init__(self, world: WorldPort, ctl: str, path: Path, *, name: str = "") -> None:
        super().__init__(world, name or ctl, path, MachineClock(world))
        self.ctl = ctl
        self.rows: dict[tuple[str, int], str] = {}
        self.spoilt: set[tuple[str, int]] = set()
        self.damaged = False
        self.runtime: Runtime
        self.journal: Journal | None = None
        self.uplink: Uplink

    def start(self) -> None:
        """As after power-up: the journal is opened, folded, and goes on in a new epoch."""
        self.plate, self.starts = Plate(), self.starts + 1
        self.clock.booted = self.world.now
        self.world.note(self.name, "starts")
        self.do("start", self._start)

    def _start(self) -> None:
        boot = f"boot-{self.name.replace(chr(39), 'x')}-{self.starts}"
        before = journal_rows(self.path) if not self.damaged else {}
        self._found(before)
        self.journal = Journal.open(
            self.path,
            ctl=self.ctl,
            boot=boot,
            clock=self.clock,
            entropy=self.world.chance.randbytes,
            connect=self._port,
        )
        self.damaged = False
        self.journal.port.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        self.runtime = Runtime(
            config=RoomConfig(
                ctl=self.ctl, place="hubei-1", stations=tuple(range(1, STATIONS + 1))
            ),
            pack=policy().pack,
            journal=self.journal,
            clock=self.clock,
            inbox=Inbox(),
            run_effect=lambda _effect: None,
            on_change=lambda: None,
            heartbeat=lambda: None,
            software="simulation",
            config_hash="0" * 64,
        )
        self.uplink = self._uplink(self.journal, boot)
        self.runtime.uplink = self.uplink
        self.runtime.feed(self.uplink.intake.resume())  # type: ignore[attr-defined]
        self.runtime.open()
        self.boot = boot
        self.wait(TICK_MS, "tick", self._tick)
        self.wait(self.world.chance.randrange(200, 2_000), "connect", self.connect)

    def _port(self, _path: Path) -> WatchedPort:
        return WatchedPort(self.connection(), self.ctl, self.world.ledger, self.clock.wall)

    def _found(self, rows: dict[tuple[str, int], str]) -> None:
        """What is on the disk at a start: every row that was told of."""
        ledger = self.world.ledger
        if self.damaged:
            self.rows = {}
            return
        ledger.counted("room restart")
        for (epoch, seq), digest in self.rows.items():
            gone = (epoch, seq) in self.spoilt or (self.ctl, epoch, seq) in ledger.pruned
            if rows.get((epoch, seq)) != digest and not gone:
                raise unsafe(f"{self.name} lost {epoch} {seq}, which it was told is on the disk")
        # A commit that the power cut may stand all the same; nobody was told, it counts from now.
        with apsw.Connection(str(self.path)) as port:
            for epoch, seq, line in list(
                port.execute("SELECT epoch, seq, line FROM event JOIN epoch USING (n) ORDER BY id")
            ):
                if (self.ctl, epoch, seq) not in ledger.wrote:
                    ledger.room_wrote(self.ctl, line)
        port.close()

    def _uplink(self, journal: Journal, boot: str) -> Uplink:
        public, sign = signer(seed_of(self.ctl))
        runtime = self.runtime

        def use(pack: Any) -> None:
            runtime.pack = pack

        intake = Intake(
            ctl=self.ctl,
            trust=trust(),
            seal_key=seed_of("seal"),
            journal=journal,
            identifier=Identifier(lambda number, salt: number + salt),
            roster=DutyRoster(self.clock.mono_ms),
            at_trust=self.clock.trust,
            order_numbers=lambda _session: (0, ""),
            closed=lambda _session: False,
            use_pack=use,
            trial=runtime.plan_trial,
        )
        return Uplink(
            me=Identity(
                self.ctl,
                boot,
                "simulation",
                RoomKeys(public.hex()),
                (Signer(kid(public), "controller", sign),),
            ),
            journal=journal,
            pipe=self,
            intake=intake,
            mono_ms=self.clock.mono_ms,
            entropy=self.world.chance.randbytes,
            vitals=lambda: Vitals(runtime.journal_ok(), runtime.take_loop_ms()),
        )

    def let_go(self) -> None:
        if self.journal is None:
            return
        self.journal.lock.release()
        with contextlib.suppress(apsw.Error, StorageError):
            self.journal.close()
        self.journal = None

    def remember(self) -> None:
        """Everything this machine was told is on its disk; asked for before it falls."""
        if self.journal is None:
            return
        self.rows = {
            (epoch, seq): digest
            for epoch, seq, digest in self.journal.port.execute(
                "SELECT epoch, seq, hash FROM event JOIN epoch USING (n)"
            )
        }

    def send(self, name: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """The pipe's port: False without a connection; what the broker takes may be lost."""
        del qos
        if self.line is None or not self.alive:
            return False
        self.world.note(self.name, "says", name, zlib.crc32(payload))
        self.world.broker.publish(self.line, name, payload, retain=retain)
        return True

    def connect(self) -> None:
        if self.line is not None:
            return
        start = self.starts

        def deliver(name: str, payload: bytes, retained: bool) -> None:
            where = parse_topic(name)
            if where is not None and self.starts == start:
                item = Arrived(where.leaf, payload, retained)
                self.do(f"hears {where.leaf}", lambda: self.runtime.take(item))

        line = Line(
            self.ctl,
            deliver,
            lambda: self._lost(line),
            will=(topic(self.ctl, UP_ST), Will(self.ctl, self.boot).encode()),
        )
        if not self.world.broker.connect(line):
            self.reconnect()
            return
        self.line = line
        self.runtime.take(LinkChanged(up=True))

    def _lost(self, line: Line) -> None:
        if self.line is line:
            self.do("line lost", lambda: self.runtime.take(LinkChanged(up=False)))
            self.reconnect()

    def _tick(self) -> None:
        self.runtime.tick()
        self.wait(TICK_MS, "tick", self._tick)

    def happens(self, turns: list[Turn]) -> None:
        """Something in the room."""
        self.do("event", lambda: self.runtime.feed(turns))
