"""A room that was cut off catches up: its journal, the broker and the hub's record, as they ship.

Each round has a room of its own with a backlog on its disk. Timed is from the hub's first commit to
the one that completes it: read back, signed, sent, checked (signature, chain), decoded, indexed,
committed, acknowledged. MQTT is in the clear on loopback, as the product has it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import Clock, boot_id
from edge.journal import Journal
from protocols.messages.event import Event, encode_chain, first_prev
from tests.bench import peers
from tests.bench.journal import DRAFT
from tests.bench.line import running
from tests.bench.measure import ROUNDS, Figure
from tests.bench.recorder import own_ns
from tests.bench.site import HubProcess, broker_name, enrolled, write_room

BACKLOG = 10_000  # events: a day of a room
GROUP = 200
PROMISED = 20_000.0
Round = Callable[[], float]


@dataclass(slots=True)
class Rooms:
    """One room per round, each with its backlog on the disk."""

    hub: HubProcess
    waiting: list[tuple[str, Path]]
    last: float = 0.0

    def run(self) -> float:
        """Events per second of one room."""
        ctl, path = self.waiting.pop()
        with running(path):
            commits = self.hub.wait(
                lambda all_: sum(one.rows for one in all_ if one.ctl == ctl) >= BACKLOG,
                "the backlog at the hub",
            )
        rows = [(one.rows, one.ns) for one in commits if one.ctl == ctl]
        self.last = peers.between(rows)
        return self.last


@dataclass(slots=True)
class Lines:
    """The same lines for the peers, of another recorder each round."""

    epochs: int = 0
    found: list[bytes] = field(default_factory=list)

    def next(self) -> list[bytes]:
        self.epochs += 1
        first = Event(
            v=1,
            ctl="c-ffffffffffff",
            epoch=f"{self.epochs:032x}",
            seq=1,
            prev=first_prev(),
            session="",
            boot=boot_id(),
            mono_ms=1,
            at="2026-11-23T09:00:00.000Z",
            at_trust="ntp",
            type="",
            data={},
        )
        return [line for line, _ in encode_chain(first, [DRAFT] * BACKLOG)]


def fill(path: Path, ctl: str) -> None:
    """Puts a backlog into the room's journal."""
    state = path.parent / "state"
    state.mkdir(mode=0o700)
    journal = Journal.open(
        state / "journal.sqlite", ctl=ctl, boot=boot_id(), clock=Clock(), entropy=os.urandom
    )
    for _ in range(BACKLOG // GROUP):
        journal.append([DRAFT] * GROUP)
    journal.close()


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Against what was promised, a Mosquitto bridge and a NATS leaf node."""
    with ExitStack() as stack:
        data = folder / "hub"
        credentials = enrolled(data, ROUNDS + 1)
        hub = stack.enter_context(HubProcess(data))
        waiting = []
        for number, one in enumerate(credentials):
            ctl = json.loads((one / "id.json").read_text(encoding="utf-8"))["ctl"]
            path = write_room(folder / f"room-{number}", one, hub, {})
            fill(path, ctl)
            waiting.append((ctl, path))
        rooms, lines = Rooms(hub, waiting), Lines()
        bridge = stack.enter_context(peers.bridge(folder / "bridge"))
        leaf = stack.enter_context(peers.leaf(folder / "leaf"))

        # One room before the rounds: what of the hub's one core an event takes.
        before = own_ns(hub.pid)
        rooms.run()
        spent_us = (own_ns(hub.pid) - before) / BACKLOG / 1000
        why = (
            f"The hub spends {spent_us:.0f} µs of one core per event: recording with signature, "
            "hash chain and strict decoding (see there), the live state of the room folded from "
            "each row, projections, signed acks. The peers' subscriber parses, hashes and inserts; "
            "nothing is signed, checked, folded or acknowledged back after its commit."
        )

        def figure(limit: str, floor: float, ours: Round, reference: Round) -> Figure:
            return Figure(
                name=f"catch-up over {broker_name()}",
                limit=limit,
                unit="events/s",
                floor=floor,
                ours=ours,
                reference=reference,
                why=why,
            )

        yield [
            figure("promised", 1.0, rooms.run, lambda: PROMISED),
            figure(
                "Mosquitto bridge + subscriber",
                2.0,
                lambda: rooms.last,
                lambda: bridge.run(lines.next()),
            ),
            figure(
                "NATS leaf node + subscriber",
                1.0,
                lambda: rooms.last,
                lambda: leaf.run(lines.next()),
            ),
        ]
