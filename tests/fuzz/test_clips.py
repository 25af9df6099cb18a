"""A fast slice of the changed clips, and that what is looked for would be seen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edge.media import picture, sandbox
from tests.fuzz import clips

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(sandbox.missing()), reason=sandbox.missing()),
]


def test_changed_clips_get_an_answer_each_and_reach_nothing() -> None:
    seen = clips.run(8, first=1)

    assert seen.get("segment", 0) + seen.get("segment_damaged", 0) == 8


def test_a_tool_that_got_out_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with clips.bench() as room:

        def writes(_: Path) -> list[bytes]:
            (room.root / "kept" / "out").write_bytes(b"")
            return []

        def asks(_: Path) -> list[bytes]:
            socket.create_connection(room.listener.getsockname()).close()
            return []

        with monkeypatch.context() as patch:
            patch.setattr(picture, "key_frames", writes)
            with pytest.raises(clips.BrokenError, match="outside"):
                room.take(1)
            patch.setattr(picture, "key_frames", asks)
            with pytest.raises(clips.BrokenError, match="was asked"):
                room.take(1)
        room.take(1)
