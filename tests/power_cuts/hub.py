"""The hub's database on a disk whose power is cut, some times in one history.

What an acknowledgement of the hub says is recorded, must be there: an acknowledged row is one that
a room may delete.
"""

from __future__ import annotations

import contextlib
import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import apsw
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from hub import crypto
from hub.bus import Bus
from hub.facts import Facts
from hub.fleet.outbound import Fleet
from hub.fleet.rooms import LiveRooms
from hub.keys.keyring import Keys
from hub.recording.ingest import Ingest
from hub.store.engine import Store, make_engine
from protocols.messages.event import event_hash
from protocols.messages.topics import UP_EV
from tests.hub.scripted_room import ScriptedRoom, Stream, Wire
from tests.power_cuts.outcome import CUT_AFTER_MAX, CUTS, Outcome
from tests.simulation.disk import Dbapi, Plate
from tests.simulation.template import BEGIN, CTLS, HUB, policy, seed_of, templates

BATCHES, ROWS_MAX, NOTE_BYTES_MAX = 60, 6, 1_000
WAL_PAGES = 64  # several batches: with fewer, each commit is folded into the file at once
Said = dict[tuple[str, str, int], str]


class Clock:
    """The hub's clock, which goes on by a second at each look."""

    def __init__(self) -> None:
        self.at = 0

    def mono_ms(self) -> int:
        self.at += 1_000
        return self.at

    def wall(self) -> datetime:
        return (BEGIN + timedelta(milliseconds=self.mono_ms())).astimezone(UTC)

    def trust(self) -> str:
        return "ntp"


class Room(ScriptedRoom):
    """A room of the template, which sends again what was not acknowledged."""

    def __init__(self, ctl: str, chance: Random) -> None:
        self.ctl, self.mqtt = ctl, {}
        self.signer = crypto.signer(seed_of(ctl), "controller")
        self.streams: dict[str, Stream] = {}
        self.ask = chance.randbytes(8).hex()
        self.at, self.at_trust = "2026-11-23T09:00:00.000Z", "ntp"
        self.stream = Stream(chance.randbytes(16).hex())
        self.acked = 0
        data = {"pred_epoch": "", "pred_seq": 0, "pred_hash": self.stream.tip, "cause": "start"}
        self.write(self.stream, "epoch.opened", data, prev=self.stream.tip)

    def more(self, chance: Random) -> bytes:
        """A batch of all that is not acknowledged, and some rows more."""
        for _ in range(chance.randint(1, ROWS_MAX)):
            note = {"station": 1, "state": "vacant", "note": "x" * chance.randrange(NOTE_BYTES_MAX)}
            self.write(self.stream, "seat.state", note)
        return self.batch(self.stream, self.acked + 1)


@cache
def _engine() -> tuple[Engine, list[Any]]:
    """One engine per process: its compiled statements are what makes a start of the hub cheap."""
    engine, source = make_engine("sqlite:////power-cuts"), []

    @event.listens_for(engine, "do_connect")
    def _connect(*_: object) -> Dbapi:
        made: Dbapi = source[-1]()
        return made

    return engine, source


class CarelessDbapi(Dbapi):
    """Says FULL and does less: what a test of power cuts has to notice."""

    synchronous = "OFF"

    def run(self, sql: str, parameters: Any) -> tuple[list[Any], tuple[Any, ...] | None]:
        return super().run(
            sql.replace("synchronous=FULL", f"synchronous={self.synchronous}"), parameters
        )


def _started(path: Path, plate: Plate, chance: Random, synchronous: str) -> tuple[Ingest, Wire]:
    """The recording part of a hub on this disk."""

    def connect() -> Dbapi:
        made = CarelessDbapi(apsw.Connection(str(path), vfs=plate.name), lambda _: None)
        made.synchronous = synchronous
        made.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        return made

    engine, source = _engine()
    source[:] = [connect]
    store, clock, bus, wire = Store("sqlite:////power-cuts"), Clock(), Bus(), Wire()
    store.engine = engine
    keys = Keys(store=store, clock=clock, hub=HUB, hub_seed=seed_of("hub"))
    base: dict[str, Any] = {"store": store, "clock": clock}
    bytes_of = chance.randbytes
    facts = Facts(**base, hub=HUB, signer=keys.hub_signer(), entropy=bytes_of)
    live = LiveRooms(**base, bus=bus)
    plain = policy().plain
    fleet = Fleet(**base, keys=keys, facts=facts, rooms=live, policy=plain, entropy=bytes_of)
    fleet.transport = wire
    ingest = Ingest(**base, keys=keys, facts=facts, rooms=live, fleet=fleet, bus=bus)
    ingest.begin()
    return ingest, wire


def history(home: Path, seed: int, synchronous: str) -> Outcome:
    """One history: what an acknowledgement names must be there after the cut."""
    chance = Random(seed)  # noqa: S311 - a seed must play the same history again
    folder, said, outcome = home / "hub", Said(), Outcome(histories=1)
    path = folder / "hub.sqlite"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(templates(home / "templates")[0], path)
    rooms = {ctl: Room(ctl, chance) for ctl in CTLS}
    while outcome.cuts < CUTS and outcome.sound:
        plate = Plate()
        plate.left = chance.randrange(CUT_AFTER_MAX)
        _record_until_cut(path, plate, chance, synchronous, rooms, said)
        plate.settle(path, chance, power=True)
        outcome.cuts += 1
        lost, corrupt = _missing(path, said)
        outcome.lost += lost
        outcome.corrupt += corrupt
    outcome.said, outcome.losing = len(said), int(not outcome.sound)
    return outcome


def _record_until_cut(
    path: Path,
    plate: Plate,
    chance: Random,
    synchronous: str,
    rooms: dict[str, Room],
    said: Said,
) -> None:
    with contextlib.suppress(SQLAlchemyError, apsw.Error):
        ingest, wire = _started(path, plate, chance, synchronous)
        for _ in range(BATCHES):
            if plate.dead:
                break
            room = rooms[chance.choice(CTLS)]
            ingest.take(room.topic(UP_EV), room.more(chance))
            for ack in wire.acks():
                _hear(rooms[ack.ctl], ack.upto, ack.hash, said)
    plate.stop()
    _engine()[0].dispose()


def _hear(room: Room, upto: int, digest: str, said: Said) -> None:
    """The room deletes what is acknowledged, so each of these rows counts from now on."""
    lines = room.stream.lines
    for seq in range(room.acked + 1, upto + 1):
        said[room.ctl, room.stream.epoch, seq] = event_hash(lines[seq - 1])
    room.acked = max(room.acked, upto)
    assert said[room.ctl, room.stream.epoch, upto] == digest


def _missing(path: Path, said: Said) -> tuple[int, int]:
    """Rows that are not there, and 1 if the file is no sound database any more."""
    plain = apsw.Connection(str(path))
    try:
        corrupt = list(plain.execute("PRAGMA integrity_check")) != [("ok",)]
        rows = plain.execute("SELECT ctl, epoch, seq, hash FROM events")
        there = {(ctl, epoch, seq): digest for ctl, epoch, seq, digest in rows}
    except apsw.Error:
        return 0, 1
    finally:
        plain.close()
    return sum(there.get(key) != digest for key, digest in said.items()), int(corrupt)
