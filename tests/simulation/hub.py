"""The hub of a history: the real recording and projections; its services where they follow rows."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
from sqlalchemy import Engine, event

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
from protocols.messages.signed import parse_message
from protocols.messages.status import decode_status
from protocols.messages.topics import DOWN_ACK, MESSAGE_BYTES_MAX, UP_ST
from tests.simulation.broker import HUB, Line
from tests.simulation.disk import Dbapi, Plate
from tests.simulation.ledger import unsafe
from tests.simulation.machine import TICK_MS, WAL_PAGES, Machine, MachineClock, WorldPort
from tests.simulation.template import HUB as HUB_ID
from tests.simulation.template import policy, seed_of

SELDOM = 4  # the clocks of cases are counted at every fourth tick


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
