"""What recording costs: a signed batch checked and recorded, against inserting the same rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hub import crypto
from hub.app import Hub, build
from hub.config import load
from hub.store.tables_core import events
from protocols.messages.bodies import decode_batch
from protocols.messages.event import decode_event, event_hash
from protocols.messages.recording import StreamHead, judge_batch
from protocols.messages.signed import check_signatures, parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX
from tests.bench.measure import ROUNDS, Figure
from tests.hub.booking.town import CHEAP
from tests.hub.enrolled_hub import ROOM, make_folder
from tests.hub.scripted_room import ScriptedRoom, Stream
from tests.hub.store.cluster import cluster, programs

BATCH = 64  # events: what a live room sends at once at most (WIRE §6)
BATCHES = 40  # per round: some tenths of a second
PEER = "c-ffffffffffff"  # whose rows the bare insertion writes
COLUMNS = ("ctl", "epoch", "seq", "hash", "session", "type", "raw", "recorded_at", "late")
COPY = f"COPY events ({', '.join(COLUMNS)}) FROM STDIN"
EXTRA = 10  # batches that are recorded before the rounds, to see what costs how much
Rows = list[dict[str, object]]


class Backlog:
    """Signed batches of one room, made before anything is timed."""

    def __init__(self, folder: Path, count: int) -> None:
        room = ScriptedRoom(folder)
        self.ctl = room.ctl
        self.public = crypto.public_of(crypto.read_private(folder / "sign.key"))
        stream: Stream = room.open()
        self.epoch = stream.epoch
        while len(stream.lines) < count * BATCH:
            room.write(stream)
        self.lines = [stream.lines[at : at + BATCH] for at in range(0, count * BATCH, BATCH)]
        self.sealed = [
            room.seal(stream.epoch, at * BATCH + 1, lines) for at, lines in enumerate(self.lines)
        ]


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Events per second into the hub's own database, as they come and as bare rows."""
    with ExitStack() as stack:
        made = [_figure(stack, folder / "sqlite", "", _insert, "insert the same rows", 0.6)]
        if programs() is not None:
            url = stack.enter_context(cluster(synced=True))
            named = _figure(stack, folder / "served", f"{url}/postgres", _copy, "COPY them", 0.5)
            made.append(named)
        yield made


def _figure(
    stack: ExitStack,
    data: Path,
    database: str,
    bare: Callable[[Hub, Rows], None],
    limit: str,
    floor: float,
) -> Figure:
    make_folder(data, database=database)
    backlog = Backlog(data / ROOM, ROUNDS * BATCHES + 2 * EXTRA)
    hub = build(load(data), services=False, stretch=CHEAP)
    stack.callback(hub.close)
    checked, lines = iter(backlog.sealed), iter(backlog.lines)
    why = _shares(hub, backlog, checked, lines, bare)
    return Figure(
        name=f"recording, {BATCH} per batch, {'PostgreSQL' if database else 'SQLite'}",
        limit=limit,
        unit="events/s",
        floor=floor,
        ours=lambda: _recorded(hub, backlog.ctl, checked),
        reference=lambda: _bare(hub, lines, bare),
        why=why,
    )


def _shares(
    hub: Hub,
    backlog: Backlog,
    checked: Iterator[bytes],
    lines: Iterator[list[bytes]],
    bare: Callable[[Hub, Rows], None],
) -> str:
    """Where the CPU time of an event goes, measured before the rounds."""
    signed = parse_message(backlog.sealed[0], limit=MESSAGE_BYTES_MAX)
    batch, start = decode_batch(signed), StreamHead(ctl=backlog.ctl, epoch=backlog.epoch)
    now = datetime.now(UTC)
    ready = iter([[_row(line, now) for line in next(lines)] for _ in range(2 * EXTRA)])
    public = backlog.public
    whole = _cpu_us(lambda: hub.ingest.recorder.batch(backlog.ctl, next(checked)))
    parts = {
        "insertion and commit, as the peer's": _cpu_us(lambda: bare(hub, next(ready))),
        "taking the message apart": _cpu_us(
            lambda: decode_batch(parse_message(signed.raw, limit=MESSAGE_BYTES_MAX))
        ),
        "hashing and its Ed25519 signature": _cpu_us(
            lambda: check_signatures(signed, lambda _: public, crypto.verify)
        ),
        "order and hash chain": _cpu_us(lambda: judge_batch(start, batch, lambda _: None)),
        "strict decoding": _cpu_us(lambda: [decode_event(line) for line in batch.lines]),
    }
    parts["head by compare-and-set, seal, lineage, notices"] = whole - sum(parts.values())
    said = "; ".join(f"{share:.1f} {what}" for what, share in parts.items())
    waits = [
        _waited_us(lambda: hub.ingest.recorder.batch(backlog.ctl, next(checked))),
        _waited_us(lambda: bare(hub, next(ready))),
    ]
    return (
        f"Of {whole:.0f} µs CPU per event: {said}. Beside that it waits {waits[0]:.0f} µs for disk "
        f"and server, the peer {waits[1]:.0f}: a batch is one transaction of some ten statements."
    )


def _cpu_us(work: Callable[[], object]) -> float:
    """CPU microseconds per event of doing this for a batch, the least of some."""
    found = []
    for _ in range(EXTRA):
        begun = time.thread_time()
        work()
        found.append(time.thread_time() - begun)
    return min(found) / BATCH * 1e6


def _waited_us(work: Callable[[], object]) -> float:
    """Microseconds per event in which this thread did nothing, the median of some."""
    found = []
    for _ in range(EXTRA):
        wall, own = time.perf_counter(), time.thread_time()
        work()
        found.append(time.perf_counter() - wall - (time.thread_time() - own))
    return statistics.median(found) / BATCH * 1e6


def _recorded(hub: Hub, ctl: str, batches: Iterator[bytes]) -> float:
    begun = time.perf_counter()
    for _ in range(BATCHES):
        outcome = hub.ingest.recorder.batch(ctl, next(batches))
        if outcome.recorded != BATCH:
            raise ValueError(f"a batch: expected {BATCH} rows recorded, got {outcome}")
    return BATCHES * BATCH / (time.perf_counter() - begun)


def _bare(hub: Hub, batches: Iterator[list[bytes]], write: Callable[[Hub, Rows], None]) -> float:
    """The least a database does for the same rows: one insertion, one commit per batch."""
    now = datetime.now(UTC)
    ready = [[_row(line, now) for line in next(batches)] for _ in range(BATCHES)]
    begun = time.perf_counter()
    for rows in ready:
        write(hub, rows)
    return BATCHES * BATCH / (time.perf_counter() - begun)


def _insert(hub: Hub, rows: Rows) -> None:
    with hub.store.write() as conn:
        conn.execute(events.insert(), rows)


def _copy(hub: Hub, rows: Rows) -> None:
    with hub.store.write() as conn:
        raw: Any = conn.connection.cursor()
        with raw.copy(COPY) as copy:
            for row in rows:
                copy.write_row([row[name] for name in COLUMNS])


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
