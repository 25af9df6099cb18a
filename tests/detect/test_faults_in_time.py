"""Faults are seen in time, healthy rooms are left alone, and one trouble calls people once.

Virtual time, a few rooms for a few days; `python -m tests.detect faults` plays 50 rooms over 90.
"""

from __future__ import annotations

import pytest

from tests.detect import judge
from tests.detect.played import Played, Size, journal, skipped_hub, skipped_room, watched

pytestmark = pytest.mark.slow
SIZE = Size(rooms=4, days=10, seed=2)
FULL = Size(rooms=2, days=0.2, seed=3)


@pytest.fixture(scope="module")
def played() -> Played:
    return watched(SIZE, [journal(SIZE, room) for room in range(SIZE.rooms)])


def test_faults_are_found_in_time_once_and_nothing_else(played: Played) -> None:
    findings = judge.of_run(played)

    assert judge.broken([played], findings) == [], judge.table(findings)


def test_skipping_what_is_healthy_changes_nothing() -> None:
    """Two rooms stepped tick by tick, the room's half second and the hub's second."""
    differ = [line for room in range(FULL.rooms) for line in skipped_room(FULL, room)]

    assert differ + skipped_hub(FULL) == []
