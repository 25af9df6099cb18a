"""`python -m tests.detect faults`: 50 rooms over 90 days; `life`: 1 000 lives of alarms.

The work is cut into parts, each played by a process of its own. What was played on these
sources is kept in `out/detect`, so that an interrupted run goes on; exit code 75: the time was up
before.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.bench.kept import UNFINISHED
from tests.detect import judge, parts
from tests.detect.played import Size


def faults(sizes: Sequence[Size], folder: Path, jobs: int, minutes: float) -> int:
    """Rooms, their hubs, and the few of it stepped in full."""
    todo = parts.stages(sizes, folder)
    if not parts.play(todo, folder, jobs, minutes):
        return UNFINISHED
    runs = [parts.played(one, folder) for one in sizes]
    findings, calls = judge.Findings(), Counter[str]()
    for run in runs:
        findings.add(judge.of_run(run))
        calls.update(one.kind for one in run.pages)
    bad = judge.broken(runs, findings)
    bad += [one for name in todo[-1] for one in parts.kept(folder, name)]
    sys.stdout.write(f"{judge.table(findings)}\n")
    sys.stdout.write(
        f"recall {findings.recall:.5f}, missed {len(findings.missed)}, "
        f"false {len(findings.false)}, not over {len(findings.stuck)}\n"
        f"called: {dict(calls)}\n"
    )
    sys.stdout.writelines(f"BROKEN: {one}\n" for one in bad)
    sys.stdout.write(f"n = {findings.found() + len(findings.missed)}\n")
    return 1 if bad else 0


def lives(count: int, seed: int, folder: Path, jobs: int, minutes: float) -> int:
    """Lives with restarts, each against the same one without."""
    todo = parts.life_stages(count, seed)
    done = parts.play(todo, folder, jobs, minutes)
    there = [name for name in todo[0] if (folder / f"{name}.json").exists()]
    found = [parts.kept(folder, name) for name in there]
    bad = [one for tally in found for one in tally["broken"]]
    told = (sum(tally[key] for tally in found) for key in ("calls", "late", "restarts"))
    sys.stdout.writelines(f"BROKEN: {one}\n" for one in bad)
    sys.stdout.write("{} calls, {} looks at one that is late, {} restarts\n".format(*told))
    sys.stdout.write(f"n = {sum(tally['held'] for tally in found)}\n")
    return 1 if bad else 0 if done else UNFINISHED


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 if all held, 1 if not, 75 if the time was up before."""
    words = argparse.ArgumentParser(prog="python -m tests.detect", description=__doc__)
    words.add_argument("what", choices=("faults", "life"))
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--rooms", type=int, default=50)
    words.add_argument("--days", type=int, default=90)
    words.add_argument("--count", type=int, default=1_000, help="lives of alarms")
    words.add_argument("--jobs", type=int, default=2)
    words.add_argument("--minutes", type=float, default=0, help="no new part after these")
    told = words.parse_args(argv)
    if told.what == "life":
        return lives(told.count, told.seed, parts.folder_of("life"), told.jobs, told.minutes)
    name = f"{told.rooms}x{told.days}-{told.seed}"
    sizes = parts.stretches(told.rooms, told.days, told.seed)
    return faults(sizes, parts.folder_of(name), told.jobs, told.minutes)


if __name__ == "__main__":
    sys.exit(main())
