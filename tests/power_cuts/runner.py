"""Plays many histories and says which lost something, each with the line that plays it again."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from tests.bench.source_state import commit
from tests.power_cuts import hub, journal
from tests.power_cuts.outcome import Outcome

HISTORIES: Final[dict[str, Callable[[Path, int, str], Outcome]]] = {
    "journal": journal.history,
    "hub": hub.history,
}
CHUNK: Final = 100
SHM: Final = Path("/dev/shm")  # noqa: S108 - the disk is played; the one below must only be fast


def some(of: str, synchronous: str, seeds: range) -> tuple[Outcome, list[str]]:
    """Plays these in this process; returns the counts and a line for each that lost something."""
    tally, lines = Outcome(), []
    home = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))
    # After a cut SQLite's own clean-up fails too, where no caller can hear of it.
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    logging.disable(logging.CRITICAL)  # the hub complains of each cut
    try:
        for seed in seeds:
            try:
                one = HISTORIES[of](home, seed, synchronous)
            except Exception as error:  # noqa: BLE001 - each is a line, the next goes on
                one = Outcome(histories=1, broken=1, losing=1)
                lines.append(_line(of, seed, f"{type(error).__name__}: {error}"))
            tally.add(one)
            if not one.sound and not one.broken:
                lines.append(_line(of, seed, f"{one.lost} lost, {one.corrupt} corrupt"))
    finally:
        sys.unraisablehook = hook
        logging.disable(logging.NOTSET)
        shutil.rmtree(home, ignore_errors=True)
    return tally, lines


def _line(of: str, seed: int, what: str) -> str:
    """What a person needs to see it again."""
    again = f"python -m tests.power_cuts {of} --seed {seed} --count 1"
    return f"SEED={seed} COMMIT={commit()} {again}   # {what}"


def many(of: str, synchronous: str, seeds: range) -> tuple[Outcome, list[str]]:
    """Plays these in all cores' processes."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    tally, lines = Outcome(), list[str]()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for outcome, failed in pool.map(partial(some, of, synchronous), chunks):
            tally.add(outcome)
            lines += failed
    return tally, lines
