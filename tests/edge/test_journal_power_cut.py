"""What the journal said is written survives a power cut at any write, and nothing is half there."""

from __future__ import annotations

import random
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Clock
from edge.journal import Journal, Own, StorageError
from protocols.messages.event import GENESIS, decode_event
from tests.edge.crash_disk import ApswPort, CarelessPort, Disk

# After the cut SQLite's own clean-up fails too, where no caller can hear of it.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CTL, BOOT = "c-0123456789ab", "boot"
CLOCK = Clock()


def open_plain(path: Path, chance: random.Random) -> Journal:
    return Journal.open(path, ctl=CTL, boot=BOOT, clock=CLOCK, entropy=chance.randbytes)


def write_until_cut(
    path: Path, port: type[ApswPort], chance: random.Random, cut_after: int
) -> tuple[Disk, list[tuple[str, int, str]]]:
    """Writes until the power goes; returns the disk and every row that was said to be written."""
    disk = Disk(f"crash-{id(chance)}-{cut_after}", cut_after)
    said: list[tuple[str, int, str]] = []

    def connect(where: Path) -> ApswPort:
        return port(apsw.Connection(str(where), vfs=disk.name))

    journal = None
    try:
        journal = Journal.open(
            path, ctl=CTL, boot=BOOT, clock=CLOCK, entropy=chance.randbytes, connect=connect
        )
        # Small, so that the log is folded into the file many times in one history.
        journal.port.execute("PRAGMA wal_autocheckpoint = 8")
        for n in range(200):
            size = chance.randrange(2_000)
            drafts = [Own("help.called", "", {"n": n, "x": "x" * size})] * chance.randrange(1, 4)
            said += [(row.epoch, row.seq, row.hash) for row in journal.append(drafts)]
    except (StorageError, apsw.Error):
        pass
    finally:
        if journal is not None:
            journal.lock.release()
    return disk, said


def losses(folder: Path, port: type[ApswPort], seed: int, cut_after: int) -> int:
    """Plays one history; returns how many acknowledged rows are missing after the cut."""
    chance = random.Random(seed)  # noqa: S311 - a seed must play the same history again
    before, after = folder / f"{seed}-{cut_after}-a", folder / f"{seed}-{cut_after}-b"
    before.mkdir()
    after.mkdir()
    open_plain(before / "journal.db", chance).close()
    disk, said = write_until_cut(before / "journal.db", port, chance, cut_after)
    disk.cut(after, chance)

    journal = open_plain(after / "journal.db", chance)
    missing = sum(
        (row := journal.read_back(epoch, seq)) is None or row.hash != digest
        for epoch, seq, digest in said
    )
    if port is ApswPort:
        assert journal.salvaged_as is None, "a cut never makes a sound file corrupt"
        prev: dict[str, str] = {}
        for event in journal.replay():
            assert event.seq == 1 or event.prev == prev[event.epoch], "no hole, nothing half there"
            row = journal.read_back(event.epoch, event.seq)
            assert row is not None
            prev[event.epoch] = row.hash
        first = decode_event(journal.rows(journal.epochs()[0].epoch, 1)[0].line)
        assert first.prev == GENESIS
    journal.close()
    disk.unregister()
    return missing


@given(st.integers(0, 2**32), st.integers(0, 300))
def test_no_acknowledged_row_is_lost_by_a_power_cut_at_any_write(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cut_after: int
) -> None:
    assert losses(tmp_path_factory.mktemp("cut"), ApswPort, seed, cut_after) == 0


def test_the_test_above_notices_a_disk_that_is_not_synced(tmp_path: Path) -> None:
    lost = [losses(tmp_path, CarelessPort, seed, 40 + seed * 7) for seed in range(8)]

    assert sum(lost) > 0
