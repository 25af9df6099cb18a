"""A room's journal on a disk whose power is cut, some times in one history."""

from __future__ import annotations

import contextlib
import shutil
from functools import cache
from pathlib import Path
from random import Random

import apsw

from edge.clock import Clock
from edge.journal import Journal, Own, StorageError
from edge.journal_file import CorruptError, migrate
from protocols.messages.event import GENESIS, decode_event
from tests.edge.crash_disk import ApswPort
from tests.power_cuts.outcome import CUT_AFTER_MAX, CUTS, Outcome
from tests.simulation.disk import Plate

CTL, BOOT = "c-0123456789ab", "boot"
CLOCK = Clock()
COMMITS, ROWS_MAX, ROW_BYTES_MAX = 200, 3, 2_000
WAL_PAGES = 8  # small, so that the log is folded into the file many times in one history
Said = dict[tuple[str, int], str]


@cache
def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    migrate(folder / "journal.db")
    return folder / "journal.db"


def history(home: Path, seed: int, synchronous: str) -> Outcome:
    """One history: what `append` has returned is said to be written, and must be there."""
    chance = Random(seed)  # noqa: S311 - a seed must play the same history again
    folder, said, outcome = home / "journal", Said(), Outcome(histories=1)
    path = folder / "journal.db"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(_empty(home / "empty"), path)
    while outcome.cuts < CUTS and outcome.sound:
        plate = Plate()
        plate.left = chance.randrange(CUT_AFTER_MAX)
        _write_until_cut(path, plate, chance, synchronous, said)
        plate.settle(path, chance, power=True)
        outcome.cuts += 1
        try:
            outcome.lost += _missing(path, chance, said)
        except (CorruptError, AssertionError):
            outcome.corrupt += 1
    outcome.said, outcome.losing = len(said), int(not outcome.sound)
    return outcome


def _write_until_cut(
    path: Path, plate: Plate, chance: Random, synchronous: str, said: Said
) -> None:
    journal = None
    with contextlib.suppress(StorageError, apsw.Error):
        journal = Journal.open(
            path,
            ctl=CTL,
            boot=BOOT,
            clock=CLOCK,
            entropy=chance.randbytes,
            connect=lambda where: ApswPort(
                apsw.Connection(str(where), vfs=plate.name), synchronous
            ),
        )
        journal.port.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        for n in range(COMMITS):
            body = {"n": n, "x": "x" * chance.randrange(ROW_BYTES_MAX)}
            rows = journal.append([Own("help.called", "", body)] * chance.randint(1, ROWS_MAX))
            said.update({(row.epoch, row.seq): row.hash for row in rows})
    if journal is not None:
        journal.lock.release()
        with contextlib.suppress(StorageError, apsw.Error):
            journal.port.close()


def _missing(path: Path, chance: Random, said: Said) -> int:
    """How many said rows are not there. Raises AssertionError for a hole or half a row."""
    journal = Journal.open(path, ctl=CTL, boot=BOOT, clock=CLOCK, entropy=chance.randbytes)
    try:
        assert journal.salvaged_as is None, "a cut never makes a sound file corrupt"
        there: Said = {}
        prev: dict[str, str] = {}
        for event in journal.replay():
            row = journal.read_back(event.epoch, event.seq)
            assert row is not None
            assert event.seq == 1 or event.prev == prev[event.epoch], "no hole, nothing half there"
            prev[event.epoch] = there[event.epoch, event.seq] = row.hash
        rows = journal.rows(journal.epochs()[0].epoch, 1)
        assert rows
        assert decode_event(rows[0].line).prev == GENESIS
        return sum(there.get(key) != digest for key, digest in said.items())
    finally:
        journal.close()
