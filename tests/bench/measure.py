"""What `make bench` times: our way and the limit of the same machine, in the same rounds."""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock, boot_id
from edge.journal import Journal, Own
from protocols.evidence.verifier import MemoryFiles, verify_package
from protocols.messages.event import GENESIS
from tests.protocols.evidence import sample_package as sample
from tests.protocols.messages.wire_keys import trust_file

ROUNDS = 7  # at least five; odd, so that a median is a run that was
LIMIT_BYTES = 4096  # one block: the least a durable write of an event costs
COMMITS = {1: 150, 10: 60, 100: 20}  # commits per round: some tenths of a second each
SEGMENT_BYTES = 2 * 1024 * 1024  # ten seconds of one 1080p camera
SEGMENTS = 128
DATA = {"station": 3, "state": "occupied", "reason": "mat and radar agree", "n": 12}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: two ways of doing the same, and what their ratio has to be."""

    name: str
    limit: str
    unit: str
    floor: float | None
    ours: Callable[[], float]
    reference: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Result:
    """A figure after its rounds; every ratio is of one round."""

    figure: Figure
    ours: list[float]
    reference: list[float]

    @property
    def ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.reference, strict=True)]

    @property
    def verdict(self) -> str:
        """`tie` where the floor lies within the middle half of the rounds: not resolved here."""
        floor = self.figure.floor
        if floor is None:
            return "-"
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        if low <= floor <= high:
            return f"tie ({'above' if middle >= floor else 'below'})"
        return "met" if middle >= floor else "NOT met"


def rate(count: int, work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - begun)


def journal_figures(folder: Path) -> list[Figure]:
    """The room's journal, per second: commits against one durable block write each."""
    journal = Journal.open(
        folder / "journal.db",
        ctl="c-0123456789ab",
        boot=boot_id(),
        clock=Clock(),
        entropy=os.urandom,
    )
    drafts = [Own("seat.state", "s-00000000abcd", DATA)] * 100
    for _ in range(400):  # the write-ahead log has its size, as on any day but the first
        journal.append(drafts[:1])
    blocks = Blocks(folder / "blocks")
    chain = Chain(folder / "chain")

    def figure(size: int) -> Figure:
        commits = COMMITS[size]
        grouped = size == 100
        return Figure(
            f"journal, {size} per commit",
            "hash chain in a file" if grouped else "pwrite + fdatasync",
            "commits/s",
            {1: 0.6, 10: None, 100: 0.5}[size],
            lambda: rate(commits, lambda: journal.append(drafts[:size])),
            lambda: rate(commits, (lambda: chain.append(size)) if grouped else blocks.write),
        )

    return [figure(size) for size in COMMITS]


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


def verifier_figure() -> Figure:
    """A package with ten-second segments, in memory: the whole check against hashing alone."""
    chance = random.Random(7)  # noqa: S311 - the same bytes in every run
    sample.SEGMENTS[:] = [chance.randbytes(SEGMENT_BYTES) for _ in range(SEGMENTS)]
    files = sample.bag(sample.payload())
    trust = trust_file().encode()
    mebibytes = sum(map(len, files.values())) / 2**20

    def check() -> None:
        report = verify_package(MemoryFiles(files), trust)
        if report.code:
            raise ValueError(f"the sample package: expected sound, got {report.lines()}")

    def hashing() -> None:
        for content in files.values():
            hashlib.sha256(content).digest()

    return Figure(
        f"package verify, {mebibytes:.0f} MiB",
        "sha256 of its bytes",
        "MiB/s",
        0.8,
        lambda: mebibytes * rate(1, check),
        lambda: mebibytes * rate(1, hashing),
    )


def measure(figures: list[Figure], rounds: int = ROUNDS) -> list[Result]:
    """All figures in every round, so that what else the machine does falls on all of them."""
    found = [(figure, [], []) for figure in figures]
    for _ in range(rounds):
        for figure, ours, reference in found:
            ours.append(figure.ours())
            reference.append(figure.reference())
    return [Result(*one) for one in found]
