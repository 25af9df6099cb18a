"""The machines of a history: rooms and the hub, each the real program on a disk that can fail.

A machine's clock, chance, line and disk come from the world; everything else is the product.
"""

from __future__ import annotations

import contextlib
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol

import apsw
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from edge.crypto import signer
from edge.duty import DutyRoster
from edge.identify import Identifier
from edge.inbox import Arrived, Inbox, LinkChanged
from edge.intake import Intake
from edge.journal import Journal, StorageError
from edge.runtime import Runtime
from edge.turn import Turn
from edge.uplink import Identity, Uplink, Vitals
from hub.bus import Bus
from hub.contingency.service import Contingency
from hub.facts import Facts
from hub.fleet.outbound import Fleet
from hub.fleet.rooms import LiveRooms
from hub.guard import Guard
from hub.keys.keyring import Keys
from hub.projection import Projector
from hub.recording.ingest import Ingest
from hub.session.service import Sessions
from hub.store.engine import Store, make_engine, set_meta
from hub.store.tables_core import cursors, events
from protocols.messages.acks import Ack
from protocols.messages.identity import kid
from protocols.messages.signed import Signer, parse_message
from protocols.messages.status import RoomKeys, Will, decode_status
from protocols.messages.topics import DOWN_ACK, MESSAGE_BYTES_MAX, UP_ST, parse_topic, topic
from protocols.policy.room_model import RoomConfig
from tests.simulation.broker import HUB, Broker, Line
from tests.simulation.disk import Dbapi, Plate
from tests.simulation.ledger import Ledger, WatchedPort, journal_rows, unsafe
from tests.simulation.template import BEGIN, STATIONS, policy, seed_of, trust
from tests.simulation.template import HUB as HUB_ID

TICK_MS = 2_500
RECONNECT_MS = (1_000, 5_000)
SELDOM = 4  # the clocks of cases are counted at every fourth tick
WAL_PAGES = 24  # small, so that the log is folded into the file many times in one history


class WorldPort(Protocol):
    """What a machine needs of the world around it."""

    now: int
    chance: Random
    ledger: Ledger
    broker: Broker
    leap: timedelta

    def later(self, wait_ms: int, what: str, act: Callable[[], None]) -> None: ...
    def note(self, *words: object) -> None: ...


@dataclass
class MachineClock:
    """One machine's clocks: steady since its start, and what it believes the time to be."""

    world: WorldPort
    booted: int = 0
    offset: timedelta = timedelta()
    trusted: str = "ntp"

    def mono_ms(self) -> int:
        return self.world.now - self.booted + 1_000

    def wall(self) -> datetime:
        passed = timedelta(milliseconds=self.world.now)
        return BEGIN + passed + self.world.leap + self.offset

    def trust(self) -> str:
        return self.trusted


@dataclass
class Machine:
    """What rooms and the hub have in common: a disk, a line, and that they fall and start again."""

    world: WorldPort
    name: str
    path: Path
    clock: MachineClock
    plate: Plate | None = None
    line: Line | None = None
    starts: int = 0

    @property
    def alive(self) -> bool:
        return self.plate is not None and not self.plate.dead

    def connection(self) -> apsw.Connection:
        assert self.plate is not None
        return apsw.Connection(str(self.path), vfs=self.plate.name)

    def wait(self, wait_ms: int, what: str, act: Callable[[], None]) -> None:
        """Something of this start: a fall ends it."""
        start = self.starts

        def due() -> None:
            if self.alive and self.starts == start:
                self.do(what, act)

        self.world.later(wait_ms, f"{self.name} {what}", due)

    def do(self, what: str, act: Callable[[], object]) -> None:
        """One step; a disk that stops in it stops the machine."""
        if not self.alive:
            return
        try:
            act()
        except (StorageError, SQLAlchemyError, apsw.Error):
            if self.alive:
                raise
        if not self.alive:
            self.world.note(self.name, "stopped in", what)
            self.fall(power=True)

    def fall(self, *, power: bool) -> None:
        """The machine stops: what was open is left as it is, the line goes with it."""
        plate, self.plate = self.plate, None
        if plate is None:
            return
        plate.stop()
        self.starts += 1
        self.world.note(self.name, "fell, power" if power else "fell")
        self.let_go()
        plate.settle(self.path, self.world.chance, power=power)
        if self.line is not None:
            self.world.broker.drop(self.line, tell=False)
            self.line = None

    def let_go(self) -> None:
        raise NotImplementedError

    def reconnect(self) -> None:
        self.line = None
        self.wait(self.world.chance.randrange(*RECONNECT_MS), "connect", self.connect)

    def connect(self) -> None:
        raise NotImplementedError


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


@cache
def _engine() -> tuple[Engine, list[Callable[[], Dbapi]]]:
    """One engine per process: its compiled statements are what makes a start of the hub cheap."""
    engine = make_engine("sqlite:////simulation")
    source: list[Callable[[], Dbapi]] = []

    @event.listens_for(engine, "do_connect")
    def _connect(*_: object) -> Dbapi:
        return source[-1]()

    return engine, source


@dataclass
class Parts:
    """The hub's parts as its services want them."""

    store: Store
    clock: MachineClock
    keys: Keys
    facts: Facts
    bus: Bus
    rooms: LiveRooms
    fleet: Fleet
    projector: Projector
    ingest: Ingest
    data: Path
    demo: bool = True
    guard: Guard = field(default_factory=Guard)
    pack: Any = field(default_factory=lambda: policy().pack)
    calendar: Any = field(default_factory=lambda: policy().calendar)
    media: Any = None
    sessions: Sessions = field(init=False)
    contingency: Contingency = field(init=False)


class Hub(Machine):
    """The hub: recording and projections over a database on a disk that can fail."""

    def __init__(self, world: WorldPort, path: Path) -> None:
        super().__init__(world, HUB, path, MachineClock(world))
        self.parts: Parts
        self.went_back = False
        self._woken = False
        self._ticks = 0

    def start(self) -> None:
        self.plate, self.starts = Plate(), self.starts + 1
        self.clock.booted = self.world.now
        self.world.note(self.name, "starts")
        self.do("start", self._start)

    def _dbapi(self) -> Dbapi:
        made = Dbapi(self.connection(), self.world.ledger.hub_committed)
        made.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        return made

    def _start(self) -> None:
        plain = apsw.Connection(str(self.path))
        self.world.ledger.hub_restarted(plain, went_back=self.went_back)
        self.world.ledger.hub_holes(plain)
        plain.close()
        self.went_back = False
        _, source = _engine()
        source[:] = [self._dbapi]
        self.parts = self._assemble()
        self.parts.rooms.rebuild()
        self.parts.projector.run_pending()
        self.parts.ingest.begin()
        self.wait(TICK_MS, "tick", self._tick)
        self.wait(self.world.chance.randrange(100, 1_000), "connect", self.connect)

    def _assemble(self) -> Parts:
        store = Store("sqlite:////simulation")
        store.engine, _ = _engine()
        clock: Any = self.clock
        bytes_of = self.world.chance.randbytes
        keys = Keys(store=store, clock=clock, hub=HUB_ID, hub_seed=seed_of("hub"))
        facts = Facts(
            store=store, clock=clock, hub=HUB_ID, signer=keys.hub_signer(), entropy=bytes_of
        )
        bus = Bus()
        live = LiveRooms(store=store, clock=clock, bus=bus)
        fleet = Fleet(
            store=store,
            clock=clock,
            keys=keys,
            facts=facts,
            rooms=live,
            policy=policy().plain,
            entropy=bytes_of,
        )
        parts = Parts(
            store=store,
            clock=self.clock,
            keys=keys,
            facts=facts,
            bus=bus,
            rooms=live,
            fleet=fleet,
            projector=Projector(store=store, clock=clock, bus=bus),
            ingest=Ingest(
                store=store, clock=clock, keys=keys, facts=facts, rooms=live, fleet=fleet, bus=bus
            ),
            data=self.path.parent,
        )
        services: Any = parts
        parts.sessions, parts.contingency = Sessions(services), Contingency(services)
        for service in (parts.fleet, parts.sessions, parts.contingency):
            register = getattr(service, "register", None)
            if register is not None:
                register(parts.projector)
        live.on_link(parts.contingency.on_link)
        parts.projector.before_turn(live.refresh)
        parts.ingest.on_recorded(self._wake)
        facts.on_append(self._wake)
        fleet.transport = self
        return parts

    def _wake(self) -> None:
        self._woken = True

    def let_go(self) -> None:
        engine, _ = _engine()
        engine.dispose()

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        """The transport's port; the ledger looks at each acknowledgement."""
        del qos
        if not self.alive:
            return
        if name.endswith(DOWN_ACK):
            ack = Ack.read(parse_message(payload, limit=MESSAGE_BYTES_MAX))
            self.world.ledger.hub_said(ack.ctl, ack.epoch, ack.upto, ack.hash)
            word = "resend" if ack.resend else ""
            self.world.note("ack", ack.ctl, ack.generation, ack.n, ack.epoch, ack.upto, word)
        self.world.note("hub says", name, zlib.crc32(payload))
        if self.line is not None:
            self.world.broker.publish(self.line, name, payload)

    def connect(self) -> None:
        start = self.starts

        def deliver(name: str, payload: bytes, retained: bool) -> None:
            del retained
            if self.starts == start:
                self.do("hears", lambda: self._hears(name, payload))

        line = Line(HUB, deliver, lambda: self._lost(line))
        if not self.world.broker.connect(line):
            self.reconnect()
            return
        self.line = line

    def _lost(self, line: Line) -> None:
        if self.line is line and self.alive:
            self.reconnect()

    def _hears(self, name: str, payload: bytes) -> None:
        before = self._reachable(name, payload)
        self.parts.ingest.take(name, payload)
        if not self.alive:
            return
        if self.parts.ingest.counts.failed:
            raise unsafe(f"the hub's program failed on a message of {name}")
        if before is not None and self._reachable(name, payload) is not before:
            raise unsafe(f"{name}: a will changed what is known of a room")

    def _reachable(self, name: str, payload: bytes) -> SimpleNamespace | None:
        """What a will must not change: the link as it is known."""
        if not name.endswith(UP_ST) or not payload.startswith(b'{"kind":"will"'):
            return None
        self.world.ledger.counted("will")
        return self.parts.rooms.link(decode_status(payload).ctl)  # type: ignore[return-value]

    def _tick(self) -> None:
        parts = self.parts
        self._ticks += 1
        seldom = () if self._ticks % SELDOM else (parts.contingency.tick,)
        for act in (parts.ingest.tick, parts.fleet.tick, *seldom):
            parts.guard.run(act)
        if self.alive and parts.guard.failing():
            raise unsafe(f"timers of the hub failed: {parts.guard.failing()}")
        if self._woken:
            self._woken = False
            parts.projector.run_pending()
        self.wait(TICK_MS, "tick", self._tick)

    def publish_plan(self, ctl: str) -> None:
        """A plan for one room."""

        def make() -> None:
            with self.parts.store.write() as conn:
                self.parts.fleet.publish_plan(conn, ctl)

        self.do("plan", make)

    def projected(self) -> bool:
        """Whether every projection has read every row."""
        with self.parts.store.read() as conn:
            newest = conn.execute(events.select().order_by(events.c.id.desc()).limit(1)).first()
            after = [int(row.after_id) for row in conn.execute(cursors.select())]
        return newest is None or (bool(after) and min(after) == newest.id)

    def back_up(self, to: Path) -> None:
        """The hub's own way: a consistent copy of the database while it runs."""
        source, target = apsw.Connection(str(self.path)), apsw.Connection(str(to))
        with target.backup("main", source, "main") as copy:
            copy.step()
        target.close()
        source.close()

    def put_back(self, copy: Path, *, restored: bool) -> None:
        """Another database lies where the hub's was; `restored`: the hub is told so."""
        self.path.with_name(self.path.name + "-wal").unlink(missing_ok=True)
        shutil.copyfile(copy, self.path)
        self.went_back = True
        if restored:
            store = Store(f"sqlite:///{self.path}")
            with store.write() as conn:
                set_meta(conn, "restored", "1")
            store.close()
