"""What recording costs: a signed batch checked and recorded, against inserting the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hub.app import Hub, build
from hub.config import load
from hub.store.tables_core import events
from protocols.messages.event import decode_event, event_hash
from tests.bench.measure import ROUNDS, Figure
from tests.hub.booking.town import CHEAP
from tests.hub.enrolled_hub import ROOM, make_folder
from tests.hub.scripted_room import ScriptedRoom, Stream

BATCH = 64  # events: what a live room sends at once at most (WIRE §6)
BATCHES = 40  # per round: some tenths of a second
PEER = "c-ffffffffffff"  # whose rows the bare insertion writes


class Backlog:
    """Signed batches of one room, made before anything is timed."""

    def __init__(self, folder: Path, count: int) -> None:
        room = ScriptedRoom(folder)
        self.ctl = room.ctl
        stream: Stream = room.open()
        while len(stream.lines) < count * BATCH:
            room.write(stream)
        self.lines = [stream.lines[at : at + BATCH] for at in range(0, count * BATCH, BATCH)]
        self.sealed = [
            room.seal(stream.epoch, at * BATCH + 1, lines) for at, lines in enumerate(self.lines)
        ]


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Events per second into the hub's own database, as they come and as bare rows."""
    data = folder / "hub"
    make_folder(data)
    backlog = Backlog(data / ROOM, ROUNDS * BATCHES)
    hub = build(load(data), services=False, stretch=CHEAP)
    try:
        checked = iter(backlog.sealed)
        bare = iter(backlog.lines)
        yield [
            Figure(
                name="recording, 64 per batch",
                limit="insert the same rows",
                unit="events/s",
                floor=0.6,
                ours=lambda: _recorded(hub, backlog.ctl, checked),
                reference=lambda: _inserted(hub, bare),
            )
        ]
    finally:
        hub.close()


def _recorded(hub: Hub, ctl: str, batches: Iterator[bytes]) -> float:
    begun = time.perf_counter()
    for _ in range(BATCHES):
        outcome = hub.ingest.recorder.batch(ctl, next(batches))
        if outcome.recorded != BATCH:
            raise ValueError(f"a batch: expected {BATCH} rows recorded, got {outcome}")
    return BATCHES * BATCH / (time.perf_counter() - begun)


def _inserted(hub: Hub, batches: Iterator[list[bytes]]) -> float:
    """The least a database does for the same rows: one insert, one commit per batch."""
    now = datetime.now(UTC)
    ready = [[_row(line, now) for line in next(batches)] for _ in range(BATCHES)]
    begun = time.perf_counter()
    for rows in ready:
        with hub.store.write() as conn:
            conn.execute(events.insert(), rows)
    return BATCHES * BATCH / (time.perf_counter() - begun)


def _row(line: bytes, now: datetime) -> dict[str, object]:
    event = decode_event(line)
    return {
        "ctl": PEER,
        "epoch": event.epoch,
        "seq": event.seq,
        "hash": event_hash(line),
        "session": event.session,
        "type": event.type,
        "raw": line,
        "recorded_at": now,
        "late": False,
    }
