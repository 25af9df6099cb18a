"""A fast slice of the hostile packages: refused by both verifiers, nothing written, no crash."""

from __future__ import annotations

import pytest

from tests.fuzz.hostile import run
from tests.fuzz.hostile_kinds import KINDS

pytestmark = pytest.mark.slow


def test_hostile_packages_are_refused_and_nothing_is_written() -> None:
    counts = run(1, range(8 * len(KINDS)))

    assert counts == dict.fromkeys(KINDS, 8)
