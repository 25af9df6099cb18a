"""Plays many histories and says which did not hold, each with the line that plays it again."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from math import inf
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Final

import apsw

from tests.bench.kept import Kept
from tests.bench.sections import PRODUCT
from tests.bench.source_state import commit, digest
from tests.simulation.history import folder, play
from tests.simulation.ledger import Violation

CORPUS: Final = Path(__file__).with_name("corpus.txt")
CHUNK: Final = 25
"""Seeds one process plays before it says how they went."""
ORACLES: Final = frozenset(
    (
        "ack",
        "branch",
        "cursor",
        "hub restart",
        "pruned",
        "recorded",
        "rewind",
        "room restart",
        "stream",
        "will",
        "wrote",
    )
)


@dataclass
class Tally:
    """How many held, what the oracles judged, and the lines of those that failed."""

    held: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.held += other.held
        self.checks += other.checks
        self.failed += other.failed


def corpus() -> list[int]:
    """Seeds that once showed a fault; a line is a seed and what it showed."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]


def line_of(seed: int, what: object) -> str:
    """What a person needs to see it again."""
    return f"SEED={seed} COMMIT={commit()} python -m tests.simulation {seed}   # {what}"


def some(seeds: Iterable[int], *, only: Sequence[str] | None = None) -> Tally:
    """Plays these in this process; `only` these faults instead of those a seed draws."""
    tally, home = Tally(), folder()
    # After a cut SQLite's own clean-up fails too, where no caller can hear of it.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.freeze()
    try:
        for seed in seeds:
            try:
                tally.checks.update(play(seed, home, only=only).checks)
                tally.held += 1
            except (Violation, Exception) as found:  # noqa: BLE001 - each is a line, the next goes on
                tally.failed.append(line_of(seed, f"{type(found).__name__}: {found}"))
    finally:
        sys.unraisablehook = hook
        shutil.rmtree(home, ignore_errors=True)
    return tally


def many(seeds: range, processes: int = 0, minutes: float = 0) -> Tally:
    """Plays these in all cores' processes; what held on these sources is not played again.

    No chunk of seeds begins after `minutes`, so that some may be left; 0: all are played.
    """
    kept = Kept("simulation", digest([*PRODUCT, "tests/simulation"]))
    parts = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    chunks = {f"{part[0]}-{part[-1]}": part for part in parts}
    tally, ends = Tally(), monotonic() + 60 * minutes if minutes else inf
    context = get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=context) as pool:
        asked = {pool.submit(_until, ends, chunks[name]): name for name in kept.missing([*chunks])}
        for done in as_completed(asked):
            one = done.result()
            if one.held == len(chunks[asked[done]]):
                kept.put(asked[done], one.checks)
            else:
                tally.add(one)
    for name, part in chunks.items():
        checks = kept.get(name)
        tally.add(Tally(0 if checks is None else len(part), Counter(checks or {})))
    return tally


def _until(ends: float, seeds: range) -> Tally:
    """Plays these, or none of them if the time is up."""
    return some(seeds) if monotonic() < ends else Tally()


def idle(tally: Tally) -> set[str]:
    """Oracles that had nothing to judge: what they promise was not shown."""
    return {what for what in ORACLES if not tally.checks[what]}


def lines(tally: Tally) -> Iterator[str]:
    """The report: failures first, then what was judged, by which SQLite."""
    yield from tally.failed
    judged = ", ".join(f"{what} {n}" for what, n in sorted(tally.checks.items()))
    yield f"judged: {judged}"
    sqlite = f"SQLite {apsw.sqlite_lib_version()}"
    yield f"{tally.held} histories held, {len(tally.failed)} did not ({sqlite})"
