"""Each planted fault is killed by the test that is named for it."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.bank import BANK, Planted
from tests.mutants.mutate import Mutant, survives

ROOT: Final = Path(__file__).resolve().parents[2]
LONG: Final = os.environ.get("EVALROOM_PROPERTIES") == "long"
CHOSEN: Final = BANK if LONG else BANK[18::40]
"""`make proof` plants every fault, other runs a few: each costs seconds of a core."""

pytestmark = pytest.mark.slow


def _source(planted: Planted) -> str:
    return (ROOT / planted.path).read_text(encoding="utf-8")


def _lives(planted: Planted, source: str) -> bool:
    return survives(
        Mutant(0, planted.before, planted.after, source),
        module=planted.module,
        path=ROOT / planted.path,
        tests=[ROOT / name for name in planted.tests],
        program=planted.program,
    )


@cache
def _pass(tests: tuple[str, ...]) -> bool:
    """Whether these tests pass where nothing was planted; asked once of each."""
    planted = next(one for one in BANK if one.tests == tests)
    return _lives(planted, _source(planted))


@pytest.mark.parametrize("planted", BANK, ids=lambda one: one.name)
def test_the_place_of_each_fault_is_there_once(planted: Planted) -> None:
    assert _source(planted).count(planted.before) == 1


@pytest.mark.parametrize("planted", CHOSEN, ids=lambda one: one.name)
def test_a_planted_fault_is_noticed(planted: Planted) -> None:
    assert _pass(planted.tests), "the tests must pass where nothing was planted"

    assert not _lives(planted, _source(planted).replace(planted.before, planted.after))
