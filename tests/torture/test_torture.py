"""A short torture of a whole town in every suite; the long one is `python -m tests.torture`."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.torture.judge import judge, reading
from tests.torture.rounds import Torture
from tests.torture.script import KINDS, LEGS, Amounts, draw
from tests.torture.town import HUB_LINE, Town

SEED, ROOMS = 5, 2
AMOUNTS = Amounts(kills=8, store_losses=2, restores=1, faults=len(KINDS) * len(LEGS))


@pytest.mark.parametrize("amounts", [AMOUNTS, Amounts(130, 12, 5, 33), Amounts(0, 0, 0, 0)])
@pytest.mark.parametrize("seed", range(3))
def test_every_blow_is_dealt_and_the_same_seed_deals_the_same(amounts: Amounts, seed: int) -> None:
    rounds = draw(amounts, seed)
    assert rounds == draw(amounts, seed) != draw(amounts, seed + 3) or not amounts.kills
    steps = [step for one in rounds for step in one.steps]
    dealt = Counter(step.what for step in steps)
    assert dealt["kill"] == amounts.kills
    assert dealt["store"] == amounts.store_losses
    assert dealt["restore"] == amounts.restores
    assert dealt["fault"] == amounts.faults
    for one in rounds:
        on_hub = [step for step in one.steps if step.what == "fault" and step.name == HUB_LINE]
        assert one.apart or not on_hub
    bad = {(step.kind, step.name == HUB_LINE) for step in steps if step.what == "fault"}
    assert len(bad) == min(amounts.faults, len(KINDS) * len(LEGS))


@pytest.fixture(scope="module")
def tortured(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    """Two rounds: Mosquitto in the hub's hands, then the embedded broker on a line of its own."""
    town = Town(tmp_path_factory.mktemp("torture") / "t", "mosquitto", SEED, "embedded", ROOMS)
    torture = Torture(town, SEED)
    try:
        town.open()
        torture.start()
        for one in draw(AMOUNTS, SEED, rooms=ROOMS, brief=True):
            torture.play(one)
    finally:
        torture.stop()
        town.close()
    return torture


@pytest.mark.system
@pytest.mark.slow
def test_whatever_dies_every_row_arrives_once_as_it_was_written(tortured: Torture) -> None:
    figures = tortured.figures
    assert figures.late == []
    assert figures.verdict.findings == []
    assert all(one.moved > 0 for one in tortured.hands)
    assert figures.verdict.rollbacks > 0  # the restored hub did ask for what it had had before
    with reading(tortured.town.base) as hub:
        told = hub.execute("SELECT COUNT(*) FROM events WHERE type = 'hub.restored'").fetchone()
    assert told == (AMOUNTS.restores,)
    done = figures.done
    assert sum(done[f"kill {one}"] for one in ("room", "hub", "broker")) >= AMOUNTS.kills
    assert min(done[f"kill {one}"] for one in ("room", "hub", "broker")) > 1
    assert (done["store"], done["restore"]) == (AMOUNTS.store_losses, AMOUNTS.restores)
    assert all(done[f"fault {leg} {kind}"] == 1 for leg in LEGS for kind in KINDS)


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("DELETE FROM events WHERE id = :id", "1 rows lost"),
        ("UPDATE events SET raw = CAST(raw || ' ' AS BLOB) WHERE id = :id", "other bytes"),
        ("UPDATE events SET seq = seq + 100000 WHERE id = :id", "a row the room never wrote"),
        (
            "INSERT INTO events (ctl, epoch, seq, hash, session, type, raw, recorded_at, late) "
            "SELECT ctl, epoch, 100000, hash, session, type, raw, recorded_at, late "
            "FROM events WHERE id = :id",
            "1 rows twice",
        ),
    ],
)
def test_the_judge_sees_a_single_row_that_is_wrong(
    tortured: Torture, harm: str, named: str
) -> None:
    town = tortured.town
    with closing(sqlite3.connect(town.base)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = town.base.read_bytes()
    words = "SELECT id FROM events WHERE ctl = ? ORDER BY id LIMIT 1 OFFSET 7"
    try:
        with closing(sqlite3.connect(town.base)) as conn:
            (row,) = conn.execute(words, (town.rooms[1].ctl,)).fetchone()
            guards = conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (guard,) in guards.fetchall():
                conn.execute(f"DROP TRIGGER {guard}")
            assert conn.execute(harm, {"id": row}).rowcount == 1
            conn.commit()
        found = judge(town).findings
    finally:
        town.base.write_bytes(before)
    assert any(named in one for one in found), found


def test_the_folder_of_a_town_is_new(tmp_path: Path) -> None:
    """A second town in the same folder would be judged by the first one's rows."""
    (tmp_path / "t").mkdir()
    with pytest.raises(FileExistsError):
        Town(tmp_path / "t", "embedded")
