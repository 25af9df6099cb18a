"""An alarm's life goes on over restarts of the hub; `python -m tests.detect life` plays 1 000."""

from __future__ import annotations

import pytest

from tests.detect import life

pytestmark = pytest.mark.slow


def test_restarts_lose_no_call_and_double_none() -> None:
    tally = life.play(range(10))

    assert tally.broken == []
    assert (tally.held, tally.calls > 10, tally.late > 0, tally.restarts > 10) == (
        10,
        True,
        True,
        True,
    )
