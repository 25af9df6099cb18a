"""`python -m tests.power_cuts journal|hub --count N`: plays N histories, and careless ones beside.

A disk that says it has synced and has not must be noticed by the same histories: as long as OFF or
NORMAL lose nothing, nothing is shown of FULL.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

import apsw

from tests.power_cuts.runner import HISTORIES, many

CARELESS_PART: Final = 20  # one history in so many is played with OFF, and one with NORMAL


def main() -> int:
    """Exit code 0 if FULL lost nothing and the careless ones lost something."""
    words = argparse.ArgumentParser(prog="python -m tests.power_cuts", description=__doc__)
    words.add_argument("of", choices=list(HISTORIES))
    words.add_argument("--count", type=int, default=1_000)
    words.add_argument("--seed", type=int, default=1)
    told = words.parse_args()
    sys.stdout.write(f"SQLite {apsw.sqlite_lib_version()}\n")
    good, n = True, 0
    for synchronous, count in (
        ("FULL", told.count),
        ("NORMAL", told.count // CARELESS_PART),
        ("OFF", told.count // CARELESS_PART),
    ):
        tally, lines = many(told.of, synchronous, range(told.seed, told.seed + count))
        sys.stdout.write(
            f"{synchronous:<7}{tally.histories:>7} histories {tally.cuts:>7} cuts "
            f"{tally.said:>9} rows said to be written {tally.lost:>6} lost "
            f"{tally.corrupt:>5} files corrupt {tally.broken:>3} failures; {tally.losing} "
            "histories lost something\n"
        )
        if synchronous == "FULL":
            n, good = tally.histories, tally.losing == 0
            sys.stdout.writelines(f"{line}\n" for line in lines)
        else:
            good = good and (tally.losing > 0 or count == 0)
    sys.stdout.write(f"n = {n}\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
