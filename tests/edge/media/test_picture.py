"""A picture that is black or does not move, by its key frames; a still room is alive."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from edge.media import ffmpeg
from edge.media.picture import FRAME_BYTES, key_frames, verdict

BLACK = bytes([16]) * FRAME_BYTES
STILL = bytes([90]) * FRAME_BYTES


def noisy(seed: int) -> bytes:
    return bytes(90 + one % 3 for one in random.Random(seed).randbytes(FRAME_BYTES))  # noqa: S311


def test_a_still_room_with_the_noise_of_its_camera_is_alive() -> None:
    assert verdict([noisy(n) for n in range(5)], noisy(9)) == ""


@pytest.mark.parametrize(("frame", "word"), [(BLACK, "black"), (STILL, "frozen")])
def test_the_later_half_of_a_segment_is_judged(frame: bytes, word: str) -> None:
    assert verdict([noisy(1), noisy(2), frame, frame, frame], None) == word
    assert verdict([noisy(1), noisy(2), noisy(3), frame, frame], None) == ""
    assert verdict([frame, frame, frame, noisy(1), noisy(2)], None) == ""


def test_one_key_frame_a_segment_is_held_against_the_one_before() -> None:
    assert verdict([STILL], STILL) == "frozen"
    assert verdict([STILL], None) == ""
    assert verdict([BLACK], noisy(1)) == ""
    assert verdict([], STILL) == ""


@pytest.mark.system
@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("testsrc2=size=320x180:rate=10", ""),
        ("color=gray:size=320x180:rate=10,noise=alls=4:allf=t", ""),
        ("color=black:size=320x180:rate=10", "black"),
        ("testsrc2=size=320x180:rate=10,loop=loop=-1:size=1", "frozen"),
    ],
)
def test_real_segments_are_read_as_what_they_show(tmp_path: Path, source: str, word: str) -> None:
    path = tmp_path / "one.mp4"
    made = ("-t", "5", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p")
    words = [*ffmpeg.quiet(), "-f", "lavfi", "-i", source, *made, str(path)]
    subprocess.run(words, check=True, timeout=60)
    assert verdict(key_frames(path), None) == word
    assert key_frames(tmp_path / "none.mp4") == []
