"""`python -m tests.transparency`: the whole search; the figures, `n = …` last."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from hub.store.bulk import insert_rows
from hub.store.engine import Store
from hub.store.migrate import upgrade
from hub.store.tables_core import events
from hub.transparency import tree
from hub.transparency.tree import leaf_of
from protocols.evidence.merkle import CompactRange
from tests.transparency import search
from tests.transparency.attacks import ENTRIES, truth

FORKS = 1_000
READ_ROWS = 200_000
STORED_ROWS = 100_000
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


def read_per_s(folder: Path, rows: int = STORED_ROWS) -> float:
    """Rows a second of the reader's whole turns over a real database, its commits included."""
    store = Store(f"sqlite:///{folder}/hub.sqlite")
    upgrade(store)
    shared = {"ctl": "c-0123456789ab", "epoch": "e" * 32, "recorded_at": datetime.now(UTC)}
    names = ("seq", "hash", "session", "type", "raw", "late")
    with store.write() as conn:
        every = [(n, f"{n:064x}", "", "seat.state", b"x" * 400, False) for n in range(rows)]
        insert_rows(conn, events, shared, names, every)
        tree.begin(conn, 1)
    done, begun = 0, time.process_time()
    while True:
        with store.read() as conn:
            log = tree.load(conn)
            assert log is not None
            found = tree.next_rows(conn, log, PORTION)
            portion = tree.grow(conn, log, found)
        if not found:
            break
        with store.write(mirrored=False) as conn:
            tree.save(conn, log, portion)
        done += portion.rows
    took = time.process_time() - begun
    store.close()
    assert done == rows
    return rows / took


def main() -> int:
    """0 if everything was found."""
    every = range(ENTRIES)
    print(f"{hashed_per_s():.0f} rows/s hashed on one core, n = {READ_ROWS}", flush=True)
    with TemporaryDirectory() as folder:
        print(
            f"{read_per_s(Path(folder)):.0f} rows/s read and stored, n = {STORED_ROWS}", flush=True
        )
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
    print(f"found {total - len(missed)} of {total}\nn = {total}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
