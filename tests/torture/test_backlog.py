"""The fast slice of the backlog: 3 000 events over the hub's own broker, others beside them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.torture.backlog import drain

EVENTS = 3_000
pytestmark = pytest.mark.system


def test_a_backlog_arrives_whole_and_nobody_waits_for_it() -> None:
    # Not pytest's folder: the path of the room's socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="backlog-") as folder:
        figures = drain(Path(folder), "embedded", EVENTS, seed=7)

    assert all(one.sound for one in figures.verdicts)
    assert figures.verdicts[0].rows > EVENTS
    # How soon is a figure of `make proof`; that nobody waits for the end of it must hold anywhere.
    assert figures.beside
    assert figures.notice_s
