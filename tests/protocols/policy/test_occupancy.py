"""Seats: the mat says somebody sits, only mat and radar together say nobody does."""

from __future__ import annotations

import itertools

from protocols.policy.occupancy import RADAR_TARGETS, SEAT_STATES, fuse


def test_over_every_reading() -> None:
    for before, mat, radar, off_ms in itertools.product(
        SEAT_STATES, (None, False, True), (None, *RADAR_TARGETS), (0, 19_999, 20_000)
    ):
        found = fuse(before, mat_on=mat, mat_off_ms=off_ms, radar=radar, clear_s=20)
        if mat is None:
            said = "unknown"
        elif mat:
            said = "occupied"
        elif radar is None:
            said = "unknown"
        elif off_ms >= 20_000 and radar in ("none", "still"):
            said = "vacant"
        else:
            said = before
        assert found == said


def test_the_radar_alone_never_vacates() -> None:
    assert fuse("occupied", mat_on=True, mat_off_ms=0, radar="none", clear_s=0) == "occupied"


def test_who_moves_beside_an_empty_seat_keeps_it() -> None:
    found = fuse("occupied", mat_on=False, mat_off_ms=60_000, radar="moving", clear_s=20)
    assert found == "occupied"
