"""A disk that is full at some write, and one that pictures have filled: nothing is lost."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import pytest

from tests.torture.full_disk import full_hub, full_room, play

WRITES = (1, 2, 30, 77, 190, 348, 499)  # `python -m tests.torture.full_disk` plays all of them
pytestmark = pytest.mark.slow


def test_a_room_goes_on_unaided_whatever_write_found_the_disk_full(tmp_path: Path) -> None:
    with full_room(tmp_path) as room:
        assert play(room, WRITES) == len(WRITES)
    assert room.said


def test_a_hub_goes_on_unaided_whatever_write_found_the_disk_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "hub"), full_hub(tmp_path) as hub:
        assert play(hub, WRITES) == len(WRITES)
    said = [one for one in caplog.messages if one.startswith("ingest: the database takes")]
    assert "disk is full" in said[0]
    assert all(now != then for now, then in pairwise(said)), "once for each"
