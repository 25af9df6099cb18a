"""The room's journal against the disk it lies on, and against the least that could be a record."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.clock import Clock, boot_id
from edge.journal import Journal, Own
from protocols.messages.event import GENESIS
from tests.bench.measure import Figure, rate

LIMIT_BYTES = 4096  # one block: the least a durable write of an event costs
COMMITS = {1: 150, 10: 60, 100: 20}  # commits per round: some tenths of a second each
DATA = {"station": 3, "state": "occupied", "reason": "mat and radar agree", "n": 12}
DRAFT = Own("seat.state", "s-00000000abcd", DATA)
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
    for _ in range(400):  # the write-ahead log has its size, as on any day but the first
        journal.append(drafts[:1])
    blocks = Blocks(folder / "blocks")
    chain = Chain(folder / "chain")

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
        )

    try:
        yield [figure(size) for size in COMMITS]
    finally:
        journal.close()
        blocks.close()
        chain.file.close()


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
