"""What the screen is told of the disk: enough, nearly full, full."""

from __future__ import annotations

import pytest

from edge.screen_port import LOW_BYTES_PER_CAMERA, with_space

FULL = {"state": "full", "elapsed_ms": 5000, "held": 12}
FINE = {"state": "ok", "elapsed_ms": 0, "held": 0}


@pytest.mark.parametrize(
    ("known", "free", "cameras", "state"),
    [
        (FINE, LOW_BYTES_PER_CAMERA, 1, "ok"),
        (FINE, LOW_BYTES_PER_CAMERA - 1, 1, "low"),
        (FINE, LOW_BYTES_PER_CAMERA, 2, "low"),
        (FINE, LOW_BYTES_PER_CAMERA - 1, 0, "low"),
        (FULL, 10 * LOW_BYTES_PER_CAMERA, 1, "full"),
    ],
)
def test_the_disk_is_low_before_a_usual_evaluation_no_longer_fits(
    known: dict[str, object], free: int, cameras: int, state: str
) -> None:
    told = with_space(known, free, cameras=cameras)
    assert (told["state"], told["free_bytes"], told["held"]) == (state, free, known["held"])
