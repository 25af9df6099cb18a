"""Tables of documents whose cells name tests: their rows, and names that nobody wrote."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Final

from tests.source import ROOT

NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of each row of a table whose first cell is of this form."""
    cells = [line.strip("| \n").split(" | ") for line in text.splitlines()]
    return [row for row in cells if re.fullmatch(first, row[0])]


@cache
def named_in(path: str) -> frozenset[str]:
    """Tests that pytest finds in a file, by name; none where there is no file."""
    if not (ROOT / path).is_file():
        return frozenset()
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [one.name for one in tree.body if isinstance(one, ast.FunctionDef)]
    return frozenset(name for name in found if name.startswith("test_"))


def missing(text: str) -> list[str]:
    """What a text names and nobody wrote."""
    return [f"{path}::{name}" for path, name in NAMED.findall(text) if name not in named_in(path)]
