"""One history: a seed, three rooms, a hub, a broker, faults, a quiet tail, and the verdict.

Everything happens in one thread on a virtual clock. The seed draws which faults there are and how
often (swarm), so that no history is an average of all.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import apsw

from tests.simulation.broker import Habits
from tests.simulation.faults import Faults
from tests.simulation.ledger import Violation
from tests.simulation.room import Room
from tests.simulation.world import World

ACTIVE_MS = (30_000, 150_000)
TAIL_MS = 900_000
LOOK_MS = 5_000


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


class History(Faults):
    """Plays a world from its first start to the verdict."""

    def play(self) -> Result:
        world = self.world
        world.hub.start()
        for room in world.rooms:
            room.start()
            self.next_event(room)
        world.broker.habits = self.habits()
        active = self.chance.randrange(*ACTIVE_MS)
        for fault in self.enabled:
            for _ in range(self.chance.choice((1, 1, 2, 3, 5))):
                world.later(self.chance.randrange(active), fault, self.fault(fault))
        if {"card_restored", "clone"} & set(self.enabled):
            world.later(self.chance.randrange(active), "image", self.take_images)
        if {"hub_restored"} & set(self.enabled):
            world.later(self.chance.randrange(active), "backup", self.back_up)
        world.run_until(active)
        self._tail()
        return Result(
            world.seed,
            world.trace(),
            world.ledger.checks,
            (*self.enabled, *self.weather),
            world.steps,
        )

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
