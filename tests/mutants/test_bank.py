"""Each planted fault is killed by the test that is named for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.mutants.bank import BANK, Planted
from tests.mutants.mutate import Mutant, survives
from tests.simulation.mutants import FAULTS

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


def test_each_fault_is_a_program_that_somebody_could_have_written(tmp_path: Path) -> None:
    """A name that is not there fails every test: it would say nothing of the one that is named."""
    for n, planted in enumerate(BANK):
        text = _source(planted).replace(planted.before, planted.after)
        (tmp_path / f"{n:03}_{planted.module}.py").write_text(text, encoding="utf-8")
    for n, (name, text) in enumerate(_played()):
        (tmp_path / f"played_{n:03}_{name}").write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", str(tmp_path)]

    found = subprocess.run(ruff, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout


def _played() -> Iterator[tuple[str, str]]:
    """Each file of each fault that the simulation plants, as it is with the fault in it."""
    for fault in FAULTS:
        for name in {one.file for one in fault.changes}:
            text = (ROOT / name).read_text(encoding="utf-8")
            for one in fault.changes:
                text = text.replace(one.before, one.after) if one.file == name else text
            yield Path(name).name, text


@pytest.mark.parametrize("planted", CHOSEN, ids=lambda one: one.name)
def test_a_planted_fault_is_noticed(planted: Planted) -> None:
    assert _pass(planted.tests), "the tests must pass where nothing was planted"

    assert not _lives(planted, _source(planted).replace(planted.before, planted.after))
