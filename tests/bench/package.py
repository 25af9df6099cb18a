"""A hand-over package: the whole check against hashing its bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocols.evidence.verifier import MemoryFiles, verify_package
from tests.bench.measure import Figure, rate
from tests.protocols.evidence import sample_package as sample
from tests.protocols.messages.wire_keys import trust_file

SEGMENT_BYTES = 2 * 1024 * 1024  # ten seconds of one 1080p camera
SEGMENTS = 128


@contextmanager
def figures(_folder: Path) -> Iterator[list[Figure]]:
    """A package with ten-second segments, in memory."""
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

    yield [
        Figure(
            name=f"package verify, {mebibytes:.0f} MiB",
            limit="sha256 of its bytes",
            unit="MiB/s",
            floor=0.8,
            ours=lambda: mebibytes * rate(1, check),
            reference=lambda: mebibytes * rate(1, hashing),
        )
    ]
