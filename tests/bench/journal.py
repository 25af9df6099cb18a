"""The room's journal against the disk it lies on, and against the least that could be a record."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.clock import Clock, boot_id
from edge.journal import Journal, Own
from protocols.messages.event import GENESIS, Event, encode_chain
from tests.bench.measure import Figure, rate

LIMIT_BYTES = 4096  # one block: the least a durable write of an event costs
COMMITS = {1: 150, 10: 60, 100: 20}  # commits per round: some tenths of a second each
DATA = {"station": 3, "state": "occupied", "reason": "mat and radar agree", "n": 12}
DRAFT = Own("seat.state", "s-00000000abcd", DATA)
FRAME_HEAD_BYTES = 24  # of a page in SQLite's write-ahead log
SAMPLE = Event(
    v=1,
    ctl="c-0123456789ab",
    epoch="0" * 32,
    seq=1,
    prev=GENESIS,
    session="",
    boot="b",
    mono_ms=1,
    at="2026-11-23T09:00:00.000Z",
    at_trust="ntp",
    type="",
    data={},
)
FLOORS = {1: 0.6, 10: None, 100: 0.5}


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """Commits per second against one durable block write each, or one synced group of lines."""
    journal = Journal.open(
        folder / "journal.db",
        ctl="c-0123456789ab",
        boot=boot_id(),
        clock=Clock(),
        entropy=os.urandom,
    )
    drafts = [DRAFT] * max(COMMITS)
    blocks = Blocks(folder / "blocks")
    chain = Chain(folder / "chain")
    why = _reason(journal, blocks)

    def figure(size: int) -> Figure:
        commits = COMMITS[size]
        grouped = size == max(COMMITS)
        return Figure(
            name=f"journal, {size} per commit",
            limit="hash chain in a file" if grouped else "pwrite + fdatasync",
            unit="commits/s",
            floor=FLOORS[size],
            ours=lambda: rate(commits, lambda: journal.append(drafts[:size])),
            reference=lambda: rate(
                commits, (lambda: chain.append(size)) if grouped else blocks.write
            ),
            why="" if grouped else why,
        )

    try:
        yield [figure(size) for size in COMMITS]
    finally:
        journal.close()
        blocks.close()
        chain.file.close()


def _reason(journal: Journal, blocks: Blocks) -> str:
    """What a commit of one event costs beyond its one sync, measured before the rounds."""
    ours = _cpu_us(lambda: journal.append([DRAFT]))
    bare = _cpu_us(blocks.write)
    encoded = _cpu_us(lambda: encode_chain(SAMPLE, [DRAFT]))
    pages = _pages(journal)
    return (
        f"A commit syncs once, as the block does, and takes {ours:.0f} µs of CPU where the block "
        f"takes {bare:.0f}: {encoded:.0f} for the event's bytes and hash, the rest SQLite's own. "
        f"It writes {pages:.1f} pages where the block is one: the row, its unique index, and the "
        "epoch's head, which is what names a row that is lost later."
    )


def _cpu_us(work: Callable[[], object], count: int = 100) -> float:
    """CPU microseconds, the system's part with it."""
    begun = time.thread_time()
    for _ in range(count):
        work()
    return (time.thread_time() - begun) / count * 1e6


def _pages(journal: Journal, count: int = 100) -> float:
    """Pages a commit of one event puts into the write-ahead log."""
    log = journal.path.with_name(f"{journal.path.name}-wal")
    journal.port.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(count):
        journal.append([DRAFT])
    pages = log.stat().st_size / (LIMIT_BYTES + FRAME_HEAD_BYTES) / count
    for _ in range(400):  # and the log has its size again
        journal.append([DRAFT])
    return pages


class Blocks:
    """The disk's own limit: a block written in place into a file that has its size already."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.count = 2_000
        os.pwrite(self.handle, b"\1" * (LIMIT_BYTES * self.count), 0)
        os.fsync(self.handle)
        self.at = 0

    def write(self) -> None:
        self.at = (self.at + 1) % self.count
        os.pwrite(self.handle, os.urandom(LIMIT_BYTES), self.at * LIMIT_BYTES)
        os.fdatasync(self.handle)

    def close(self) -> None:
        os.close(self.handle)


class Chain:
    """The least that could be called a record: JSON lines chained by hash, one sync per group."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("ab", buffering=0)
        self.prev = GENESIS

    def append(self, size: int) -> None:
        lines = []
        for n in range(size):
            about = {"prev": self.prev, "seq": n, "type": "seat.state", "data": DATA}
            line = json.dumps(about, sort_keys=True, separators=(",", ":")).encode()
            self.prev = hashlib.sha256(line).hexdigest()
            lines.append(line)
        self.file.write(b"\n".join(lines))
        os.fdatasync(self.file.fileno())
