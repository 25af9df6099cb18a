"""A part of the histories that `make proof` plays."""

from __future__ import annotations

import pytest

from tests.power_cuts.runner import HISTORIES, some

COUNT = 40
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("of", HISTORIES)
def test_no_row_said_to_be_written_is_lost_by_a_power_cut(of: str) -> None:
    tally, lines = some(of, "FULL", range(1, 1 + COUNT))

    assert lines == []
    assert tally.said > COUNT, "cuts so early that nothing was ever said show nothing"


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
@pytest.mark.parametrize("of", HISTORIES)
def test_a_disk_that_is_not_synced_is_noticed(of: str, synchronous: str) -> None:
    tally, _ = some(of, synchronous, range(1, 7))

    assert tally.losing > 0
