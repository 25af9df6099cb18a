"""The fast slice of the flood: ten minutes of it are a section of `make proof`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.torture.flood import AGAIN_S, Figures, run

pytestmark = pytest.mark.system
FLOOD_S = 5.0


def test_a_room_that_floods_is_shut_out_and_another_is_heard_as_before() -> None:
    # Not pytest's folder: the path of the room's socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        figures = run(Path(folder), FLOOD_S)
        said = (Path(folder) / "hub" / "serve.log").read_text("utf-8")

    assert figures.sent > 500
    assert "floods: its topics are closed" in said
    # A row may be lost once until the flood is seen; how long all wait is a figure of the proof.
    assert sum(one > AGAIN_S for one in figures.waits_s) <= 1, figures.line()
    assert figures.p(0.5) < 1, figures.line()


def test_what_is_wrong_is_seen() -> None:
    good = Figures(waits_s=[0.1] * 99, sent=1_000)
    assert good.wrong() == []
    assert len(Figures(waits_s=[0.1] * 90 + [5.1] * 9, sent=1, grown=2**40).wrong()) == 3
