"""Every test that the table of complaints names is there; a complaint without one is not built."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.source import ROOT

TABLE = ROOT / "docs" / "field-complaints.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
COMPLAINTS = [f"C{n}" for n in range(1, 19)]
COLUMNS = 4


def rows(text: str) -> list[list[str]]:
    """The cells of each complaint."""
    cells = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    return [row for row in cells if re.fullmatch(r"C\d+", row[0])]


@cache
def named_in(path: str) -> frozenset[str]:
    """Tests that pytest finds in a file, by name; none where there is no file."""
    if not (ROOT / path).is_file():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
    return frozenset(name for name in found if name.startswith("test_"))


def missing(cell: str) -> list[str]:
    """What a cell names and nobody wrote."""
    return [f"{path}::{name}" for path, name in NAMED.findall(cell) if name not in named_in(path)]


def test_every_complaint_has_its_row_and_every_named_test_is_there() -> None:
    found = rows(TABLE.read_text(encoding="utf-8"))

    assert [row[0] for row in found] == COMPLAINTS
    assert {len(row) for row in found} == {COLUMNS}
    assert [name for row in found for name in missing(row[3])] == []
    unnamed = [
        row[0] for row in found if not NAMED.search(row[3]) and "not built yet" not in row[2]
    ]
    assert unnamed == []


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("`tests/test_field_complaints.py::test_the_search_above_sees_what_it_should`", []),
        ("`tests/test_field_complaints.py::rows`", ["tests/test_field_complaints.py::rows"]),
        ("`tests/no_such_file.py::test_a`", ["tests/no_such_file.py::test_a"]),
        ("not built yet", []),
    ],
)
def test_the_search_above_sees_what_it_should(cell: str, names: list[str]) -> None:
    assert missing(cell) == names
