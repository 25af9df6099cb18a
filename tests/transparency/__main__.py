"""`python -m tests.transparency`: the whole search; the figures, `n = …` last."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

from hub.transparency.tree import leaf_of
from protocols.evidence.merkle import CompactRange
from tests.transparency import search
from tests.transparency.attacks import ENTRIES, truth

FORKS = 1_000
READ_ROWS = 200_000
PORTION = 2_000


def hashed_per_s() -> float:
    """Rows a second through the leaves and the tree of the log's reader, on one core."""
    rows = [
        SimpleNamespace(ctl="c-0123456789ab", epoch="e" * 32, seq=n, hash=f"{n:064x}")
        for n in range(READ_ROWS)
    ]
    tree, begun = CompactRange(), time.process_time()
    for first in range(0, READ_ROWS, PORTION):
        tree.extend([leaf_of(row) for row in rows[first : first + PORTION]])
    return READ_ROWS / (time.process_time() - begun)


def main() -> int:
    """0 if everything was found."""
    every = range(ENTRIES)
    print(f"{hashed_per_s():.0f} rows/s hashed on one core, n = {READ_ROWS}", flush=True)
    total, missed = 0, list[str]()
    for name, run in {
        "head of a changed log": lambda: search.heads(every),
        "changed log shown to a witness": lambda: search.witnessed(every),
        "fork shown to a witness": lambda: search.forks(FORKS, seed=6),
        "package minted with fresh keys": search.minted,
        "package over a rewritten record": lambda: search.packages(range(len(truth().rows))),
    }.items():
        found = run()
        total, missed = total + found.tried, [*missed, *found.missed]
        print(f"{name}: {found.tried - len(found.missed)} of {found.tried} found", flush=True)
    for one in missed[:20]:
        print(f"  not found: {one}")
    print(f"found {total - len(missed)} of {total}; n = {total}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
