"""A day on which processes die, and on which the hub comes back from an old backup."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.system.day_runner import DayProcess, Killer, assert_good, evalroom, run

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("EVALROOM_PROPERTIES") != "long",
        reason="a whole day of deaths: make proof; each kind of death is in tests/torture",
    ),
]

KILLS = 12
BETWEEN_S = (4.0, 9.0)
WAIT_S = 60
EX_USAGE = 64


@pytest.fixture
def day(tmp_path: Path) -> Iterator[DayProcess]:
    started = DayProcess(tmp_path / "day").start()
    yield started
    started.stop()


def test_a_day_of_deaths_on_which_the_hub_also_comes_back_from_an_old_backup(
    day: DayProcess, tmp_path: Path
) -> None:
    """Anything is killed at any moment; at midday the hub's folder is lost and restored."""
    day.wait_for("评标日")
    killer = Killer(day, seed=11, count=KILLS, every_s=BETWEEN_S)
    killer.start()
    try:
        day.wait_for("评标开始指令已在各场地生效")
        made = run("hub", "backup", day.data, tmp_path / "backup")
        assert made.returncode == 0, made.stderr
        day.wait_for("市电恢复")
        with killer.paused:
            _restore(day, tmp_path / "backup")
        end = day.finish()
    finally:
        killer.stop()
    assert_good(end, day)
    assert {"hub", "broker", "hubei-301-controller"} <= set(killer.killed), killer.killed
    assert len(killer.killed) >= KILLS - 2, killer.killed  # a short day may end before the last
    again = run("verify", end["package"], "--trust", end["trust"])
    assert again.returncode == 0, again.stdout
    base = day.data / "hub.sqlite"
    assert _controllers_with(base, "hub.rollback") == set(end["recorded"])
    assert _controllers_with(base, "hub.restored")


def _restore(day: DayProcess, backup: Path) -> None:
    """A running hub is not restored over; one that dies at last is, before it is started again."""
    refused = run("hub", "restore", backup, day.data)
    assert refused.returncode == EX_USAGE, refused.stdout
    assert "a hub runs from this folder already" in refused.stderr
    words = evalroom("hub", "restore", backup, day.data, "--wait", str(WAIT_S))
    waiting = subprocess.Popen(words, stdout=PIPE, stderr=PIPE, text=True)
    try:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("waiting for the hub"), waiting.poll()
        assert day.kill("hub")
        out, err = waiting.communicate(timeout=WAIT_S)
    finally:
        waiting.kill()
    assert waiting.returncode == 0, err
    told = json.loads(out)
    assert told["lost"] == [], told
    assert told["transactions"] > 0, told


def _controllers_with(base: Path, kind: str) -> set[str]:
    with closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True)) as conn:
        rows = conn.execute("SELECT DISTINCT ctl FROM events WHERE type = ?", (kind,))
        return {str(row[0]) for row in rows}
