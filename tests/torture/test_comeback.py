"""The fast slice of the storm: a thousand rooms are a section of `make proof`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.comeback import BACK_S_MAX, installed, run

ROOMS = 60
pytestmark = pytest.mark.system


@pytest.mark.parametrize("kind", installed())
def test_everybody_is_back_after_an_outage(kind: str, tmp_path: Path) -> None:
    at_once, killed = run(tmp_path, kind, ROOMS)

    assert max(at_once, killed) < BACK_S_MAX
