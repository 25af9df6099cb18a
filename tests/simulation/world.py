"""One history: a seed, three rooms, a hub, a broker, faults, a quiet tail, and the verdict.

Everything happens in one thread on a virtual clock. The seed draws which faults there are and how
often (swarm), so that no history is an average of all.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

import apsw

from edge.turn import Turn
from hub.crypto import signer
from protocols.messages.acks import Ack
from protocols.messages.topics import DOWN_ACK, UP_EV, UP_ST, topic
from tests.simulation.broker import HUB, Broker, Habits
from tests.simulation.ledger import KEEP, Ledger, Violation
from tests.simulation.nodes import Hub, Room
from tests.simulation.template import CTLS, seed_of, templates

ACTIVE_MS = (30_000, 150_000)
TAIL_MS = 900_000
LOOK_MS = 5_000
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


@dataclass
class Result:
    """A finished history."""

    seed: int
    trace: str
    checks: dict[str, int]
    faults: tuple[str, ...]
    steps: int


def folder() -> Path:
    """Memory where there is some: the disk below is only played."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of this run's own is made in it
    return Path(tempfile.mkdtemp(prefix="evalroom-", dir=shared if shared.is_dir() else None))


@dataclass
class World:
    """The virtual clock and what stands under it."""

    seed: int
    home: Path
    now: int = 0
    leap: timedelta = timedelta()
    chance: Random = field(init=False)
    ledger: Ledger = field(default_factory=Ledger)
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311 - a seed must play the same history again
        self._heap: list[tuple[int, int, str, Callable[[], None]]] = []
        self._count = itertools.count()
        self._trace = hashlib.sha256()
        self.log: list[str] | None = None
        self.broker = Broker(self.later, self.chance)
        hub, journal = templates(self.home / "template")
        self.here = self.home / f"history-{self.seed}"
        self.here.mkdir()
        (self.here / "hub").mkdir()
        shutil.copyfile(hub, self.here / "hub" / "hub.sqlite")
        self.hub = Hub(self, self.here / "hub" / "hub.sqlite")
        self.rooms: list[Room] = []
        for ctl in CTLS[: self.chance.choice((1, 1, 2, 3))]:
            (self.here / ctl).mkdir()
            shutil.copyfile(journal, self.here / ctl / "journal.sqlite")
            self.rooms.append(Room(self, ctl, self.here / ctl / "journal.sqlite"))

    def later(self, wait_ms: int, what: str, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + wait_ms, next(self._count), what, act))

    def note(self, *words: object) -> None:
        text = f"{self.now} {' '.join(map(str, words))}"
        self._trace.update(text.encode())
        if self.log is not None:
            self.log.append(text)

    def run_until(self, end: int) -> None:
        while self._heap and self._heap[0][0] <= end:
            self.now, _, what, act = heapq.heappop(self._heap)
            self.steps += 1
            self.note(what)
            act()
        self.now = end

    def trace(self) -> str:
        for place in sorted(self.ledger.held):
            self._trace.update(f"{place} {self.ledger.held[place]}".encode())
        return self._trace.hexdigest()


class History:
    """Plays a world from its first start to the verdict."""

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

    def play(self) -> Result:
        world = self.world
        world.hub.start()
        for room in world.rooms:
            room.start()
            self._next_event(room)
        world.broker.habits = self._habits()
        active = self.chance.randrange(*ACTIVE_MS)
        for fault in self.enabled:
            for _ in range(self.chance.choice((1, 1, 2, 3, 5))):
                world.later(self.chance.randrange(active), fault, self._fault(fault))
        if {"card_restored", "clone"} & set(self.enabled):
            world.later(self.chance.randrange(active), "image", self._take_images)
        if {"hub_restored"} & set(self.enabled):
            world.later(self.chance.randrange(active), "backup", self._back_up)
        world.run_until(active)
        self._tail()
        return Result(
            world.seed,
            world.trace(),
            world.ledger.checks,
            (*self.enabled, *self.weather),
            world.steps,
        )

    def _habits(self) -> Habits:
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

    def _next_event(self, room: Room) -> None:
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
        self._next_event(room)

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

    def _fault(self, name: str) -> Callable[[], None]:
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

    def _take_images(self) -> None:
        for room in self.world.rooms:
            if room.alive:
                to = room.path.with_name(f"image-{self.world.now}.sqlite")
                source, target = apsw.Connection(str(room.path)), apsw.Connection(str(to))
                with target.backup("main", source, "main") as copy:
                    copy.step()
                target.close()
                source.close()
                self.images.setdefault(room.ctl, []).append(to)
        self.world.later(self.chance.randrange(20_000, 60_000), "image", self._take_images)

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
        self._put_image(clone, self.chance.choice(images))
        self.clones.append(clone)
        clone.start()
        self._next_event(clone)

    def _back_up(self) -> None:
        hub = self.world.hub
        if hub.alive:
            to = hub.path.with_name(f"backup-{self.world.now}.sqlite")
            hub.back_up(to)
            self.backups.append(to)
        self.world.later(self.chance.randrange(15_000, 60_000), "backup", self._back_up)

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

    def _prune(self) -> None:
        """Weeks pass, and what is old and acknowledged may go."""
        self.world.leap += timedelta(days=self.chance.choice((0, 10, 40)))
        for room in self.world.rooms:
            if room.alive and room.journal is not None:
                journal = room.journal
                room.do("prune", lambda j=journal, r=room: j.prune((), r.clock.wall() - KEEP))

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
        self.world.broker.route(room.ctl, topic(room.ctl, DOWN_ACK), raw)

    def _plan(self) -> None:
        self.world.hub.publish_plan(self.chance.choice(self.world.rooms).ctl)

    # The quiet tail

    def _tail(self) -> None:
        world = self.world
        self.quiet = True
        world.note("quiet")
        world.broker.habits = Habits()
        world.broker.cut_off.clear()
        for clone in self.clones:
            clone.fall(power=False)
        self.clones.clear()
        for machine in (world.hub, *world.rooms):
            machine.clock.offset, machine.clock.trusted = timedelta(), "ntp"
            if machine.plate is not None and machine.plate.left < 1 << 40:
                if isinstance(machine, Room):
                    machine.remember()
                machine.fall(power=True)
            if machine.plate is None:
                machine.start()
        for line in list(world.broker.lines.values()):
            if line.half_open:
                world.broker.drop(line)
        end = world.now + TAIL_MS
        while world.now < end:
            world.run_until(world.now + LOOK_MS)
            missing = self._missing()
            if not missing:
                break
        if missing:
            raise Violation("convergence", missing)
        with contextlib.closing(apsw.Connection(str(world.hub.path))) as port:
            world.ledger.hub_holes(port)
            world.ledger.hub_forks(port)

    def _missing(self) -> str:
        """What the quiet tail has not mended yet, '' when nothing."""
        if not all(one.alive for one in (self.world.hub, *self.world.rooms)):
            return "a machine is still down"
        with contextlib.closing(apsw.Connection(str(self.world.hub.path))) as port:
            found = [self._missing_of(room, port) for room in self.world.rooms]
        if not self.world.hub.projected():
            found.append("a projection did not read everything")
        return next((one for one in found if one), "")

    def _missing_of(self, room: Room, port: apsw.Connection) -> str:
        assert room.journal is not None, "every room runs in the tail"
        heads = dict(port.execute("SELECT epoch, head FROM epochs WHERE ctl = ?", (room.ctl,)))
        state = room.uplink.state
        for one in room.journal.epochs():
            if heads.get(one.epoch, 0) < one.last:
                return f"{room.ctl} {one.epoch}: the hub has {heads.get(one.epoch)} of {one.last}"
            # Of an epoch that goes on at the hub nothing is sent any more, and nothing is proven.
            if one.acked != one.last and one.epoch not in state.lost_reported:
                return f"{room.ctl} {one.epoch}: the cursor is at {one.acked} of {one.last}"
        if room.uplink.waiting():
            return f"{room.ctl}: {room.uplink.waiting()} rows wait"
        return ""


def play(
    seed: int, home: Path, *, only: Sequence[str] | None = None, log: list[str] | None = None
) -> Result:
    """Plays one history; `only`: faults and weather instead of those the seed would draw.

    Raises:
        Violation: a promise was broken.
    """
    logging.disable(logging.CRITICAL)
    world = World(seed, home)
    world.log = log
    try:
        return History(world, only).play()
    finally:
        for machine in (*world.rooms, world.hub):
            machine.fall(power=False)
        shutil.rmtree(world.here, ignore_errors=True)
        logging.disable(logging.NOTSET)
