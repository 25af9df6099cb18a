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
from tests.simulation.runner import Tally, corpus, idle, lines, some

HISTORIES = 25


def _held(tally: Tally) -> bool:
    assert not tally.failed, "\n" + "\n".join(lines(tally))
    return tally.held > 0


def test_a_few_histories_hold() -> None:
    assert _held(some(range(1, 9)))


@pytest.mark.slow
def test_seeds_that_once_showed_a_fault_hold() -> None:
    assert _held(some(corpus()))


@pytest.mark.slow
def test_many_histories_hold_and_every_oracle_had_something_to_judge() -> None:
    tally = some(range(1, HISTORIES + 1))

    assert _held(tally)
    assert idle(tally) == set()


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
