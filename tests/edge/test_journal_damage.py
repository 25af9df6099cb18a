"""Whatever became of its files, the room starts and serves no row that was changed."""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.journal import Journal
from protocols.messages.event import decode_event

ROWS = 300
ROUNDS = 4
START_S = 10.0  # a room that does not come back by itself in this time is a room without record
FILE, LOG = "journal.db", "journal.db-wal"
Damage = Callable[[Path, random.Random], None]


@dataclass
class Note:
    type: str = "fault.acked"
    session: str = ""
    data: dict[str, Any] = field(default_factory=lambda: {"fault": "power-1", "by": "i"})


@dataclass(frozen=True)
class Written:
    """A journal as a room leaves it that was killed: its files, and what it said was written."""

    folder: Path
    lines: dict[tuple[str, int], bytes]


def open_in(folder: Path) -> Journal:
    numbers = itertools.count(time.monotonic_ns())
    return Journal.open(
        folder / FILE,
        ctl="c-0123456789ab",
        boot="boot",
        clock=Clock(),
        entropy=lambda n: next(numbers).to_bytes(n, "big"),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    live, killed = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")
    lines: dict[tuple[str, int], bytes] = {}
    for _ in range(2):
        journal = open_in(live)
        for _ in range(ROWS // 10):
            journal.append([Note()] * 10)
        lines |= {
            (journal.epoch, row.seq): row.line
            for row in journal.rows(journal.epoch, 1, 2 * ROWS, 10**9)
        }
        # Copied while it is open: the log beside the file is not empty, as after a kill.
        shutil.copytree(live, killed, dirs_exist_ok=True)
        journal.close()
    assert (killed / LOG).stat().st_size > 0
    return Written(killed, lines)


def flip(path: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(chance.choice((1, 1, 3, 64))):
            file.seek(chance.randrange(size))
            file.write(chance.randbytes(1))


def truncate(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(chance.randrange(path.stat().st_size))


def blot(path: Path, chance: random.Random) -> None:
    """A block of the disk comes back as something else."""
    with path.open("r+b") as file:
        file.seek(chance.randrange(path.stat().st_size) // 4096 * 4096)
        file.write(chance.choice((bytes(4096), b"\xff" * 4096, chance.randbytes(4096))))


@pytest.mark.parametrize("name", [FILE, LOG])
@pytest.mark.parametrize("damage", [flip, truncate, blot])
def test_a_room_starts_from_damaged_files_and_serves_no_row_that_was_changed(
    written: Written, tmp_path: Path, damage: Damage, name: str
) -> None:
    lost = 0
    for seed in range(ROUNDS):
        folder = tmp_path / str(seed)
        shutil.copytree(written.folder, folder)
        chance = random.Random(f"{damage.__name__} {name} {seed}")  # noqa: S311 - to be repeated
        damage(folder / name, chance)
        began = time.monotonic()
        with closing(open_in(folder)) as journal:
            journal.append([Note()])
            assert time.monotonic() - began < START_S, f"seed {seed}"
            lost += judge(journal, written, f"seed {seed}")
    assert lost, "damage that costs nothing proves nothing"


def judge(journal: Journal, written: Written, seed: str) -> int:
    """What is served is what was written; what is not is a hole that can be named. How many."""
    known = {one.epoch: one for one in journal.epochs()}
    missing = 0
    for (epoch, seq), line in written.lines.items():
        row = journal.read_back(epoch, seq)
        if row is not None:
            assert row.line == line, seed
            continue
        missing += 1
        if epoch in known and seq <= known[epoch].last:
            assert journal.hole(epoch, seq) is not None, f"{seed}: row {seq} has no name"
    first = decode_event(journal.rows(journal.epoch, 1)[0].line)
    if journal.salvaged_as is not None:
        assert first.data["cause"] == "salvage", seed
    return missing


def test_a_row_in_the_place_of_another_is_a_hole(tmp_path: Path) -> None:
    """What a damaged index gives: sound bytes with a sound hash, but not those of this number."""
    journal = open_in(tmp_path)
    journal.append([Note()] * 5)
    epoch = journal.epoch
    journal.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as disk, disk:
        disk.execute(
            "UPDATE event SET (line, hash) = (SELECT line, hash FROM event WHERE seq = 3)"
            " WHERE seq = 4"
        )

    with closing(open_in(tmp_path)) as again:
        assert [row.seq for row in again.rows(epoch, 1)] == [1, 2, 3]
        assert again.read_back(epoch, 4) is None
        assert again.hole(epoch, 4) == (4, "rotten")
        assert [row.seq for row in again.rows(epoch, 5)] == [5, 6]


def test_pages_of_two_moments_are_damage_although_each_is_sound(
    written: Written, tmp_path: Path
) -> None:
    shutil.copytree(written.folder, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / FILE)) as base:
        base.execute("DELETE FROM epoch WHERE n = (SELECT max(n) FROM epoch)")
        base.commit()

    journal = open_in(tmp_path)

    assert journal.salvaged_as is not None
    for (epoch, seq), line in written.lines.items():
        row = journal.read_back(epoch, seq)
        assert row is not None
        assert row.line == line
    journal.close()
