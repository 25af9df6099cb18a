"""What happens in a history: the day of its rooms, and what goes wrong."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import apsw

from edge.journal import PRUNED_MAX
from edge.turn import Turn
from hub.crypto import signer
from protocols.messages.acks import Ack
from protocols.messages.topics import DOWN_ACK, UP_EV, UP_ST, topic
from tests.simulation.broker import HUB, Habits
from tests.simulation.ledger import KEEP
from tests.simulation.room import Room
from tests.simulation.template import seed_of
from tests.simulation.world import World

FAULTS = (
    "room_crash",
    "hub_crash",
    "broker_killed",
    "room_cut_off",
    "hub_cut_off",
    "half_open",
    "hub_half_open",
    "clock",
    "card_restored",
    "clone",
    "hub_restored",
    "failover",
    "poison",
    "rot",
    "prune",
    "false_ack",
    "plan",
)
OFTEN = 0.3  # each kind is in three of ten histories
WEATHER = ("drop", "twice", "reorder", "stale", "cap", "late_will")


class Faults:
    """The seed draws which kinds there are and how often; nothing begins once it is quiet."""

    def __init__(self, world: World, only: Sequence[str] | None = None) -> None:
        self.world = world
        self.chance = world.chance
        self.quiet = False
        self.backups: list[Path] = []
        self.recent: list[Path] = []
        self.images: dict[str, list[Path]] = {}
        self.clones: list[Room] = []
        drawn = [one for one in (*FAULTS, *WEATHER) if self.chance.random() < OFTEN]
        self.enabled = tuple(one for one in FAULTS if one in (drawn if only is None else only))
        self.weather = tuple(one for one in WEATHER if one in (drawn if only is None else only))

    def habits(self) -> Habits:
        on, chance = set(self.weather), self.chance
        return Habits(
            drop=chance.uniform(0.01, 0.3) if "drop" in on else 0.0,
            twice=chance.uniform(0.05, 0.5) if "twice" in on else 0.0,
            reorder_ms=chance.randrange(10, 3_000) if "reorder" in on else 0,
            stale=chance.uniform(0.01, 0.2) if "stale" in on else 0.0,
            stale_ms=chance.randrange(2_000, 60_000) if "stale" in on else 0,
            cap=chance.randrange(2, 20) if "cap" in on else 1 << 30,
            will_late_ms=chance.randrange(1, 30_000) if "late_will" in on else 0,
        )

    # What happens in the rooms

    def next_event(self, room: Room) -> None:
        self.world.later(
            int(self.chance.expovariate(1 / 6_000)) + 1, "life", lambda: self._life(room)
        )

    def _life(self, room: Room) -> None:
        if self.quiet:
            return
        chance = self.chance
        count = (
            chance.choice((1, 1, 1, 2, 5)) if chance.random() < 0.97 else chance.randrange(70, 150)
        )
        room.happens([self._turn() for _ in range(count)])
        self.next_event(room)

    def _turn(self) -> Turn:
        chance = self.chance
        kind = chance.random()
        if kind < 0.2:
            return Turn("mains", {"device": "gpio", "present": chance.random() < 0.5})
        if kind < 0.25 and "poison" in self.enabled:
            data = {"fault": chance.randrange(9), "at": [None], "to": {}}
            word = chance.choice(("fault.raised", "fault.cleared", "phase.changed", "new.word"))
            return Turn("system", {"type": word, "session": "", "data": data})
        size = chance.randrange(200) if kind < 0.97 else chance.randrange(8_000)
        data = {"n": chance.randrange(1_000_000), "x": "x" * size}
        return Turn("system", {"type": "help.called", "session": "", "data": data})

    # Faults

    def fault(self, name: str) -> Callable[[], None]:
        act: Callable[[], None] = getattr(self, f"_{name}")
        return lambda: None if self.quiet else act()

    def _room(self) -> Room:
        return self.chance.choice([*self.world.rooms, *self.clones])

    def _room_crash(self) -> None:
        room = self._room()
        if not room.alive:
            return
        room.remember()
        assert room.plate is not None
        plate = room.plate
        plate.left = self.chance.randrange(0, 25)
        power, wait = self.chance.random() < 0.7, self.chance.randrange(500, 40_000)

        def gone() -> None:
            if room.plate is plate:
                room.fall(power=power)
            if self.chance.random() < 0.3 and "clock" in self.enabled:
                self._boot_without_time(room)
            self.world.later(wait, f"{room.name} back", lambda: self._back(room))

        self.world.later(2_000, f"{room.name} gone", gone)

    def _back(self, room: Room) -> None:
        if room.plate is None and (room in self.world.rooms or room in self.clones):
            room.start()

    def _boot_without_time(self, room: Room) -> None:
        room.clock.trusted = "none"
        room.clock.offset = timedelta(days=-20_780)

        def told() -> None:
            room.clock.trusted, room.clock.offset = "ntp", timedelta()

        self.world.later(self.chance.randrange(5_000, 90_000), f"{room.name} ntp", told)

    def _hub_crash(self) -> None:
        hub = self.world.hub
        if not hub.alive:
            return
        assert hub.plate is not None
        plate = hub.plate
        plate.left = self.chance.randrange(0, 40)
        power = self.chance.random() < 0.7

        def gone() -> None:
            if hub.plate is plate:
                hub.fall(power=power)
            self._hub_back(self.chance.randrange(500, 20_000))

        self.world.later(3_000, "hub gone", gone)

    def _hub_back(self, wait_ms: int) -> None:
        def back() -> None:
            if self.world.hub.plate is None:
                self.world.hub.start()

        self.world.later(wait_ms, "hub back", back)

    def _broker_killed(self) -> None:
        self.world.broker.forget_everything()

    def _room_cut_off(self) -> None:
        self._cut_off(self._room().ctl, self.chance.randrange(2_000, 90_000))

    def _hub_cut_off(self) -> None:
        self._cut_off(HUB, self.chance.randrange(2_000, 60_000))

    def _cut_off(self, client: str, wait_ms: int) -> None:
        broker = self.world.broker
        broker.cut_off.add(client)
        broker.leave(client)
        self.world.later(wait_ms, f"{client} joined", lambda: broker.cut_off.discard(client))

    def _half_open(self) -> None:
        self._deaf(self._room().ctl)

    def _hub_half_open(self) -> None:
        self._deaf(HUB)

    def _deaf(self, client: str) -> None:
        line = self.world.broker.lines.get(client)
        if line is None:
            return
        line.half_open = True
        wait = self.chance.randrange(5_000, 25_000)
        self.world.later(wait, f"{client} noticed", lambda: self.world.broker.drop(line))

    def _clock(self) -> None:
        machine = self.chance.choice([self._room(), self.world.hub])
        jump = self.chance.choice((-50 * 365, 50 * 365, -1, 1, 0))
        machine.clock.offset += timedelta(days=jump, seconds=self.chance.randrange(-900, 900))
        machine.clock.trusted = self.chance.choice(("ntp", "ntp", "rtc", "none"))

    def take_images(self) -> None:
        for room in self.world.rooms:
            if room.alive:
                to = room.path.with_name(f"image-{self.world.now}.sqlite")
                source, target = apsw.Connection(str(room.path)), apsw.Connection(str(to))
                with target.backup("main", source, "main") as copy:
                    copy.step()
                target.close()
                source.close()
                self.images.setdefault(room.ctl, []).append(to)
        self.world.later(self.chance.randrange(20_000, 60_000), "image", self.take_images)

    def _card_restored(self) -> None:
        room = self.chance.choice(self.world.rooms)
        images = self.images.get(room.ctl)
        if not images:
            return
        room.fall(power=False)
        self._put_image(room, self.chance.choice(images))
        self.world.later(self.chance.randrange(500, 9_000), "back", lambda: self._back(room))

    def _put_image(self, room: Room, image: Path) -> None:
        for tail in ("-wal", "-shm"):
            room.path.with_name(room.path.name + tail).unlink(missing_ok=True)
        shutil.copyfile(image, room.path)
        room.rows = {}
        self.world.ledger.branched.add(room.ctl)

    def _clone(self) -> None:
        room = self.chance.choice(self.world.rooms)
        images = self.images.get(room.ctl)
        if not images or self.clones:
            return
        place = room.path.parent / f"clone-{self.world.now}"
        place.mkdir()
        clone = Room(self.world, room.ctl, place / "journal.sqlite", name=f"{room.ctl}'")
        clone.spoilt = set(room.spoilt)
        self._put_image(clone, self.chance.choice(images))
        self.clones.append(clone)
        clone.start()
        self.next_event(clone)

    def back_up(self) -> None:
        hub = self.world.hub
        if hub.alive:
            to = hub.path.with_name(f"backup-{self.world.now}.sqlite")
            hub.back_up(to)
            self.backups.append(to)
        self.world.later(self.chance.randrange(15_000, 60_000), "backup", self.back_up)

    def _hub_restored(self) -> None:
        if not self.backups:
            return
        self.world.hub.fall(power=False)
        self.world.hub.put_back(self.chance.choice(self.backups), restored=True)
        self._hub_back(self.chance.randrange(500, 9_000))

    def _failover(self) -> None:
        hub = self.world.hub
        if not hub.alive:
            return
        to = hub.path.with_name(f"standby-{self.world.now}.sqlite")
        hub.back_up(to)

        def over() -> None:
            if self.quiet:
                return
            hub.fall(power=False)
            hub.put_back(to, restored=False)
            self._hub_back(self.chance.randrange(300, 3_000))

        self.world.later(self.chance.randrange(200, 15_000), "over", over)

    def _poison(self) -> None:
        ctl = self._room().ctl
        line = self.world.broker.lines.get(ctl)
        if line is None:
            return
        leaf = self.chance.choice((UP_EV, UP_EV, UP_ST, "up/notice", "up/tm"))
        raw = self.chance.choice(
            (
                b"\xff\xfe nothing",
                b"{}\n{}\n",
                b'{"ctx":"er1/batch","suite":"INTL","ctl":"' + ctl.encode() + b'"}\n{"sigs":[]}\n',
                self.chance.randbytes(self.chance.randrange(1, 3_000)),
                b"x" * 200_000,
            )
        )
        self.world.broker.publish(line, topic(ctl, leaf), raw)

    def _rot(self) -> None:
        room = self._room()
        if not room.alive or room.journal is None:
            return
        port = room.journal.port
        rows = port.execute(
            "SELECT epoch, seq FROM event JOIN epoch USING (n) ORDER BY id DESC LIMIT 40"
        )
        if not rows:
            return
        epoch, seq = self.chance.choice(rows)
        for one in range(seq, seq + self.chance.choice((1, 1, 3))):
            place = "n = (SELECT n FROM epoch WHERE epoch = ?) AND seq = ?"
            if self.chance.random() < 0.5:
                sql = f"UPDATE event SET line = CAST('rot' || line AS BLOB) WHERE {place}"  # noqa: S608
            else:
                sql = f"DELETE FROM  event WHERE {place}"  # noqa: S608 - two blanks: not the product's
            room.do("rot", lambda sql=sql, one=one: port.execute(sql, (epoch, one)))
            room.spoilt.add((epoch, one))
            self.world.ledger.spoilt.add((room.ctl, epoch, one))

    def _prune(self) -> None:
        """Weeks pass, and what is old and acknowledged may go."""
        self.world.leap += timedelta(days=self.chance.choice((0, 10, 40)))
        for room in self.world.rooms:
            if room.alive and room.journal is not None:
                room.do("prune", partial(_keeping_round, room))

    def _false_ack(self) -> None:
        """Signed by the hub's own key and wrong: another hash, too far, or of long ago."""
        room = self._room()
        if not room.alive or room.journal is None:
            return
        journal = room.journal
        upto = self.chance.randrange(1, journal.seq + 3)
        ack = Ack(
            ctl=room.ctl,
            generation=room.uplink.state.generation,
            run=room.uplink.state.run or "00" * 16,
            n=room.uplink.state.n + 1,
            epoch=journal.epoch,
            upto=min(upto, journal.seq),
            hash=hashlib.sha256(b"another").hexdigest(),
            re=room.uplink.state.ask,
        )
        seed = seed_of("hub") if self.chance.random() < 0.7 else seed_of("nobody")
        raw = ack.seal([signer(seed, "hub")])
        if seed == seed_of("hub"):
            self.world.ledger.false_words.add((room.ctl, ack.epoch, ack.upto))
        self.world.broker.route(room.ctl, topic(room.ctl, DOWN_ACK), raw)

    def _plan(self) -> None:
        self.world.hub.publish_plan(self.chance.choice(self.world.rooms).ctl)


def _keeping_round(room: Room) -> None:
    """As the room's daily round does it; here no session stands in its way."""
    runtime, before = room.runtime, room.clock.wall() - KEEP
    ids = runtime.journal.prunable(done=(), idle=(), older_than=before)
    for at in range(0, len(ids), PRUNED_MAX):
        runtime.prune(ids[at : at + PRUNED_MAX], before)
