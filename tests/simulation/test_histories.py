"""Seeded histories of the real room and hub.

Nothing is lost, doubled or branched unseen, and after the faults everything comes together.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.simulation import mutants
from tests.simulation.runner import Tally, corpus, lines, many, some

LONG = os.environ.get("EVALROOM_PROPERTIES") == "long"
HISTORIES = 10_000 if LONG else 50
ORACLES = frozenset(
    (
        "ack",
        "branch",
        "cursor",
        "hub restart",
        "pruned",
        "recorded",
        "rewind",
        "room restart",
        "stream",
        "will",
        "wrote",
    )
)


def _held(tally: Tally) -> bool:
    assert not tally.failed, "\n" + "\n".join(lines(tally))
    return tally.held > 0


def test_a_few_histories_hold() -> None:
    assert _held(some(range(1, 9)))


@pytest.mark.slow
def test_seeds_that_once_showed_a_fault_hold() -> None:
    assert _held(some(corpus()))


@pytest.mark.slow
def test_many_histories_hold_and_every_oracle_had_something_to_judge(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeds = range(1, HISTORIES + 1)
    tally = many(seeds) if LONG else some(seeds)

    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines(tally)) + "\n")
    assert _held(tally)
    assert {what for what, n in tally.checks.items() if n} >= ORACLES


def _traces(hash_seed: str) -> Iterator[str]:
    words = [sys.executable, "-m", "tests.simulation", "3", "18"]
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    return iter(done.stdout.splitlines())


@pytest.mark.slow
def test_the_same_seed_is_the_same_history_whatever_python_hashes_by() -> None:
    first, second = list(_traces("1")), list(_traces("2"))

    assert first == second
    assert len(first) == 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", mutants.FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: mutants.Fault) -> None:
    assert _held(some(fault.seeds[:1], only=fault.under)), "without the fault it must hold"

    assert mutants.noticed(fault, fault.seeds)
