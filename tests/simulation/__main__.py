"""`python -m tests.simulation SEED…` plays histories again; `--count N` plays N from SEED on."""

from __future__ import annotations

import argparse
import shutil
import sys

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
    options = parser.parse_args()
    if options.count or not options.seeds:
        first = options.seeds[0] if options.seeds else 1
        seeds = range(first, first + options.count) if options.count else corpus()
        tally = many(seeds, options.processes)
        sys.stdout.write("\n".join([*lines(tally), f"n = {tally.held}"]) + "\n")
        if options.count and idle(tally):
            sys.stdout.write(
                f"too few histories: nothing judged {', '.join(sorted(idle(tally)))}\n"
            )
        return 1 if tally.failed else 0
    return max(_one(seed, only=options.only, loud=options.log) for seed in options.seeds)


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
