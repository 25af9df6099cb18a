"""Days on which processes die, and on which the hub comes back from an old backup."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.day_runner import DayProcess, Killer, assert_good, run

pytestmark = [pytest.mark.system, pytest.mark.slow]

KILLS = 12
BETWEEN_S = (4.0, 9.0)

StartDay = Callable[..., DayProcess]


@pytest.fixture
def start_day(tmp_path: Path) -> Iterator[StartDay]:
    started: list[DayProcess] = []

    def start(*options: str, seed: int) -> DayProcess:
        started.append(DayProcess(tmp_path / "day", options, seed).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_a_day_on_which_anything_is_killed_at_any_moment(start_day: StartDay) -> None:
    day = start_day(seed=11)
    day.wait_for("评标日")
    killer = Killer(day, seed=11, count=KILLS, every_s=BETWEEN_S)
    killer.start()
    try:
        end = day.finish()
    finally:
        killer.stop()
    assert {"hub", "broker", "hubei-301-controller"} <= set(killer.killed), killer.killed
    assert_good(end, day)
    again = run("verify", end["package"], "--trust", end["trust"])
    assert again.returncode == 0, again.stdout
    assert day.said().count("started again") >= len(set(killer.killed)) - 1  # the hub's own broker


def test_a_hub_restored_from_a_backup_of_midday_with_three_guest_rooms(
    start_day: StartDay, tmp_path: Path
) -> None:
    day = start_day("--rooms", "3", seed=23)
    day.wait_for("评标开始指令已在各场地生效")
    made = run("hub", "backup", day.data, tmp_path / "backup")
    assert made.returncode == 0, made.stderr
    day.wait_for("市电恢复")
    _restore(day, tmp_path / "backup")
    end = day.finish()
    assert_good(end, day)
    assert len(end["recorded"]) == 4
    rewound = _controllers_with(day.data / "hub.sqlite", "hub.rollback")
    assert rewound == set(end["recorded"])
    assert _controllers_with(day.data / "hub.sqlite", "hub.restored")


def _restore(day: DayProcess, backup: Path) -> None:
    """The hub stops dead, its folder comes from the backup and its mirror, it starts again."""
    pids = day.pids()
    # Stopped, not ended: whoever keeps it running must not start it before the folder is there.
    os.kill(pids["hub"], signal.SIGSTOP)
    try:
        done = run("hub", "restore", backup, day.data)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["lost"] == [], told
        assert told["transactions"] > 0, told
    finally:
        os.kill(pids["hub"], signal.SIGKILL)


def _controllers_with(base: Path, kind: str) -> set[str]:
    with closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True)) as conn:
        rows = conn.execute("SELECT DISTINCT ctl FROM events WHERE type = ?", (kind,))
        return {str(row[0]) for row in rows}
