"""`python -m tests.simulation SEED…` plays histories again; `--count N` plays N from SEED on."""

from __future__ import annotations

import argparse
import shutil
import sys

from tests.bench.kept import UNFINISHED
from tests.simulation.history import folder, play
from tests.simulation.ledger import Violation
from tests.simulation.runner import corpus, idle, line_of, lines, many


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, help="none: the seeds of corpus.txt")
    parser.add_argument("--count", type=int, default=0, help="this many from the first seed on")
    parser.add_argument("--processes", type=int, default=0, help="0: one per core")
    parser.add_argument("--only", nargs="*", help="these faults instead of those the seed draws")
    parser.add_argument("--log", action="store_true", help="every step of the history")
    parser.add_argument("--minutes", type=float, default=0, help="begin no more after these")
    options = parser.parse_args()
    if options.count:
        first = options.seeds[0] if options.seeds else 1
        return _many(range(first, first + options.count), options.processes, options.minutes)
    seeds = options.seeds or corpus()
    return max(_one(seed, only=options.only, loud=options.log) for seed in seeds)


def _many(seeds: range, processes: int, minutes: float) -> int:
    tally = many(seeds, processes, minutes)
    sys.stdout.write("\n".join([*lines(tally), f"n = {tally.held}"]) + "\n")
    if idle(tally):
        sys.stdout.write(f"too few histories: nothing judged {', '.join(sorted(idle(tally)))}\n")
    if tally.failed:
        return 1
    return 0 if tally.held == len(seeds) else UNFINISHED


def _one(seed: int, *, only: list[str] | None, loud: bool) -> int:
    home, log, code = folder(), [] if loud else None, 0
    sys.unraisablehook = lambda _: None
    try:
        result = play(seed, home, only=only, log=log)
        said = f"seed {seed} held, trace {result.trace}, faults: {' '.join(result.faults)}"
    except Violation as found:
        said, code = line_of(seed, found), 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.stdout.write("\n".join([*(log or []), said]) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
