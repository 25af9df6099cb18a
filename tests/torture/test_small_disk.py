"""A real file system of a few MiB that journal and pictures share, filled by each in turn."""

from __future__ import annotations

import os
import queue
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.journal import DiskFullError, Journal
from edge.keeping import Keeping
from edge.media import recorder as recording
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool
from tests.torture.full_disk import FullRoom, NarrowDisk, loop_over

MIB = 1024**2
DISK_MIB, RESERVE_MIB, CONTENTS = 48, 12, 8
DONE, GOING_ON = "s-00000000000a", "s-00000000000b"
WAIT_S = 30.0
TICKS_MAX = 400
pytestmark = pytest.mark.system


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "disk"
    where.mkdir()
    words = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "evalroom-test", str(where)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system of our own without root: {done.stderr.strip()}")
    yield where
    subprocess.run(["/bin/umount", "--lazy", str(where)], check=True)


def open_journal(disk: Path) -> Journal:
    return Journal.open(
        disk / "journal.sqlite",
        ctl="c-0123456789ab",
        boot="boot",
        clock=Clock(),
        entropy=os.urandom,
    )


@pytest.fixture
def room(disk: Path) -> Iterator[FullRoom]:
    journal = open_journal(disk)
    made = FullRoom(NarrowDisk(), loop_over(journal))
    made.runtime.open()
    yield made
    journal.close()


def fill(disk: Path) -> Path:
    """Another program takes every byte there is."""
    path = disk / "other"
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def keep(spool: Spool, number: int, session: str, *, uploaded: bool) -> str:
    path = spool.folder / "new"
    path.write_bytes(number.to_bytes(4, "big") + os.urandom(2 * MIB))
    kept = spool.take(path, {"stream": "table"}, [session])
    if uploaded:
        spool.uploaded(kept.sha256)
    return kept.sha256


def test_evidence_of_a_full_disk_is_on_the_record_when_it_has_room(
    disk: Path, room: FullRoom
) -> None:
    room.see()
    other = fill(disk)
    while room.runtime.storage()["state"] == "ok":
        room.see()
    for _ in range(5):
        room.see()
        room.runtime.tick()
    assert room.runtime.storage()["held"] == 6
    assert not room.runtime.journal_ok(), "the hub hears of it with the next pong"

    other.unlink()
    room.runtime.tick()

    assert room.runtime.storage()["state"] == "ok"
    assert room.wrong() == []


def test_a_start_on_a_full_disk_can_be_tried_for_ever(disk: Path) -> None:
    open_journal(disk).close()
    other = fill(disk)
    before = open_files()
    for _ in range(20):
        with pytest.raises(DiskFullError):
            open_journal(disk)
    assert open_files() == before
    other.unlink()
    open_journal(disk).close()


def test_pictures_leave_the_journal_its_space_and_come_back_when_handed_over_ones_go(
    disk: Path, room: FullRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "BACKOFF_S", (0.2,))
    spool, told = Spool(disk / "spool"), queue.Queue[dict[str, Any]]()
    over = [keep(spool, n, DONE, uploaded=True) for n in range(CONTENTS)]
    needed = [keep(spool, n, GOING_ON, uploaded=n > 0) for n in range(CONTENTS)]
    recorder = Recorder(
        [Source("table", "test:table")],
        folder=disk,
        spool=spool,
        sink=lambda kind, data: told.put({"kind": kind, **data}),
        clock=Clock(),
        segment_s=1,
        mark="c-0123456789ab",
        free_bytes_min=RESERVE_MIB * MIB,
    )
    recorder.start(GOING_ON)
    try:
        filler = []
        while (said := told.get(timeout=WAIT_S)).get("reason") != "disk_full":
            if said["kind"] == "segment":
                filler.append(keep(spool, 100 + len(filler), GOING_ON, uploaded=False))
        assert filler, "it ran before the disk was full"
        assert spool.free() > RESERVE_MIB * MIB // 2, "one look, two segments"
        for _ in range(20):
            room.see()
        assert room.runtime.storage()["state"] == "ok"

        go_round(room, spool, {DONE: "pk-000000000001"})
        assert [spool.has(one) for one in over] == [False] * CONTENTS
        assert all(spool.sound(one) for one in (*needed, *filler)), "never what is needed"
        (released,) = (
            one.data for one in room.runtime.journal.replay() if one.type == "spool.released"
        )
        assert (released["session"], released["segments"]) == (DONE, CONTENTS)
        while told.get(timeout=WAIT_S).get("state") != "on":
            pass
    finally:
        recorder.halt()
    assert room.wrong() == []


def go_round(room: FullRoom, spool: Spool, receipted: dict[str, str]) -> None:
    """A round of the keeping, begun because the disk is low, to its end."""
    keeping = Keeping(
        room.runtime, spool, lambda: receipted, lambda _: True, lambda _what, act: act()
    )
    for _ in range(20):
        room.runtime.feed(keeping.tick())
