"""`python -m tests.fuzz TARGET --runs N --seed S`: fuzzes one target, or a group of them.

A long run is made of shards, each a process of its own with its own seed, all on one corpus. The
first ones are guided by the coverage they count, which costs much of the speed; the others change
what those found. What was done on these sources is kept in `out/fuzz`, so that an interrupted run
goes on. An input that breaks a target is kept in `tests/fuzz/found`, where a test replays it for
ever.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from tests.bench.kept import UNFINISHED
from tests.bench.sections import PRODUCT, SECTIONS
from tests.bench.source_state import digest
from tests.fuzz.targets import FOUND, TARGETS

OUT: Final = Path("out/fuzz")
SHARDS: Final = 20
"""A proof is cut into so many: a shard ends within minutes, so that little is lost with one."""
COUNTED_RUNS: Final = 25_000
COUNTED_PART: Final = 50
"""One input in so many is guided by coverage, at least `COUNTED_RUNS` of them."""
SAID_CHARS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Shard:
    """One process: so many inputs from this seed on."""

    target: str
    runs: int
    seed: int
    counted: bool

    @property
    def out(self) -> Path:
        """Where its figures are; there only if it held."""
        return OUT / self.target / f"{self.seed}-{self.runs}.json"

    def run(self) -> str:
        """Runs it; '' if it held, else what it said."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        words = [
            sys.executable, "-m", "tests.fuzz.engine", self.target, "--runs", str(self.runs),
            "--seed", str(self.seed), "--corpus", str(OUT / "corpus" / self.target),
            "--out", str(self.out), *(["--counted"] if self.counted else []),
        ]  # fmt: skip
        done = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode == 0 and self.out.exists():
            return ""
        broke = self.out.with_suffix(".bin")
        kept = ""
        if broke.exists():
            raw = broke.read_bytes()
            place = FOUND / self.target / f"{hashlib.sha256(raw).hexdigest()[:12]}.bin"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(raw)
            broke.unlink()
            kept = f"kept: {place}\n"
        return f"{self.target} seed {self.seed}: FAILED\n{kept}{done.stdout[-SAID_CHARS:]}"


def shards(names: Sequence[str], runs: int, seed: int) -> list[Shard]:
    """The work, in an order that serves all targets alike; `runs` 0: as many as the proof asks."""
    found = []
    for name in names:
        wanted, at = runs or TARGETS[name].proof_runs, seed
        counted = min(wanted, max(wanted // COUNTED_PART, COUNTED_RUNS))
        for size, left, guided in (
            (COUNTED_RUNS, counted, True),
            (TARGETS[name].proof_runs // SHARDS, wanted - counted, False),
        ):
            for begun in range(0, left, size):
                found.append(Shard(name, min(left - begun, size), at, guided))
                at += 1
    return sorted(found, key=lambda one: one.seed)


def keep_or_forget(group: str) -> None:
    """Figures count for the sources they were made on; the corpus serves all."""
    section = next((one for one in SECTIONS if one.name == group), None)
    now = digest(section.sources if section else [*PRODUCT, "tests/fuzz"])
    for name in [name for name, one in TARGETS.items() if group in (name, one.group)]:
        stamp = OUT / name / "sources"
        if not now or not stamp.exists() or stamp.read_text(encoding="ascii") != now:
            for path in stamp.parent.glob("*.json"):
                path.unlink()
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(now, encoding="ascii")


def said(names: Sequence[str], work: Sequence[Shard]) -> int:
    """Prints a line for each target, and the number of inputs last; returns that number."""
    total = 0
    for name in names:
        rows = [
            json.loads(one.out.read_text(encoding="utf-8"))
            for one in work
            if one.target == name and one.out.exists()
        ]
        runs = sum(int(row["runs"]) for row in rows)
        seconds = sum(float(row["seconds"]) for row in rows)
        total += runs
        print(
            f"{name:<16}{runs:>12} inputs, {sum(int(row['counted']) for row in rows):>8} guided"
            f"{runs / max(seconds, 0.1):>9.0f} a CPU second  slowest "
            f"{max((row['slowest_ms'] for row in rows), default=0):>6} ms  grown "
            f"{max((row['mib_grown'] for row in rows), default=0):>6} MiB"
        )
    print(f"n = {total}")
    return total


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 if all inputs held, 1 if one did not, 75 if the time was up before."""
    groups = sorted({one.group for one in TARGETS.values()})
    words = argparse.ArgumentParser(prog="python -m tests.fuzz")
    words.add_argument("target", help=f"one of {', '.join([*TARGETS, *groups])}")
    words.add_argument("--runs", type=int, default=0, help="inputs per target; 0: as in the proof")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    words.add_argument("--minutes", type=float, default=0, help="no new shard after these")
    told = words.parse_args(argv)
    names = [name for name, one in TARGETS.items() if told.target in (name, one.group)]
    if not names:
        words.error(f"expected one of {', '.join([*TARGETS, *groups])}, got {told.target}")
    keep_or_forget(TARGETS[names[0]].group)
    work, begun = shards(names, told.runs, told.seed), monotonic()
    failed: list[str] = []

    def one(shard: Shard) -> None:
        late = told.minutes and monotonic() - begun > 60 * told.minutes
        if not shard.out.exists() and not late and not failed:
            failed.extend(filter(None, [shard.run()]))

    with ThreadPoolExecutor(told.jobs) as pool:
        list(pool.map(one, work))
    said(names, work)
    sys.stderr.write("\n".join(failed))
    if failed:
        return 1
    return 0 if all(shard.out.exists() for shard in work) else UNFINISHED


if __name__ == "__main__":
    sys.exit(main())
