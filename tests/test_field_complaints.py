"""Every test that the table of complaints names is there; a complaint without one is not built."""

from __future__ import annotations

import pytest

from tests.named_tests import NAMED, missing, rows
from tests.source import ROOT

TABLE = ROOT / "docs" / "field-complaints.md"
COMPLAINTS = [f"C{n}" for n in range(1, 19)]
COLUMNS = 4


def test_every_complaint_has_its_row_and_every_named_test_is_there() -> None:
    found = rows(TABLE.read_text(encoding="utf-8"), r"C\d+")

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
