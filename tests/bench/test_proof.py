"""What `make proof` reads out of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.bench.proof import EXAMPLES, OUT, README, SHORT, STATES, TABLE, short, stale, table
from tests.bench.sections import README_ROWS, SECTIONS, Section
from tests.bench.source_state import digest


@pytest.mark.parametrize(
    "said",
    [
        "    - 30 passing, 0 failing, and 5 invalid test cases",
        "    - 30 passing examples, 0 failing examples, 5 invalid examples",
    ],
)
def test_examples_are_counted_in_the_words_of_either_hypothesis(said: str) -> None:
    assert EXAMPLES.findall(said) == ["30"]


def test_states_are_counted_with_their_transitions() -> None:
    said = "4826 states, 87138 transitions, 0 violations"
    assert STATES.findall(said) == [("4826", "87138")]


def test_the_page_is_the_record() -> None:
    assert TABLE.read_text(encoding="utf-8") == table(list(json.loads(OUT.read_text()).values()))


def test_the_readme_shows_the_record() -> None:
    rows = list(json.loads(OUT.read_text(encoding="utf-8")).values())
    shown = SHORT.findall(README.read_text(encoding="utf-8"))

    assert shown == [short(rows)]
    assert shown[0].count("\n") > len(README_ROWS) // 2


@pytest.mark.parametrize("name", sorted(README_ROWS))
def test_a_row_of_the_readme_is_a_section(name: str) -> None:
    assert name in {one.name for one in SECTIONS}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda one: one.name)
def test_a_section_rests_on_files_that_are_there(section: Section) -> None:
    for name in section.sources:
        assert Path(name).exists(), name


@pytest.mark.parametrize("name", sorted({one.command[0] for one in SECTIONS if one.command}))
def test_a_command_says_how_often_in_a_line_of_its_own(name: str) -> None:
    """Else it counts as nothing: n is read from a line that says nothing else."""
    path = Path(*name.split("."))
    found = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    said = re.compile(r'(?:"|\\n)n = \{[^{}]+(?:\{[^{}]*\}[^{}]*)?\}(?:\\n)?"')

    assert said.search(found.read_text(encoding="utf-8")), found


def test_what_held_on_the_same_files_is_not_run_again() -> None:
    section = Section("one", "a claim", ("tests/bench/test_proof.py",), rests_on=("LICENSE",))
    now = digest(["LICENSE"])
    asked = Section("one", "a claim", command=("LICENSE",), rests_on=())

    assert now, "the licence is committed and unchanged"
    assert not stale(asked, {"held": True, "sources": now})
    assert stale(asked, {"held": True, "sources": "of other files"})
    assert stale(asked, {"held": False, "sources": now})
    assert stale(section, {})
