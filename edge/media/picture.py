"""Is there anything to see: black or frozen picture in a segment that has just been closed.

A camera that hangs goes on sending bytes, so bytes prove a line and not a picture. Only key frames
are decoded, some of their pixels compared. A living picture has noise: not one pair of its key
frames is alike, however still the room. Real cameras have not been tried.
"""

from __future__ import annotations

import itertools
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge.media import ffmpeg, sandbox

WIDTH, HEIGHT = 64, 36
FRAME_BYTES = WIDTH * HEIGHT
DARK_MAX = 20  # mean of a frame; black is 16 in the range cameras use, a covered lens hardly more
ALIKE_SUM_MAX = FRAME_BYTES // 50  # one step of brightness in one pixel of fifty
LOOK_S = 5.0  # decoding a handful of key frames takes tens of milliseconds, on a busy card more


def key_frames(path: Path) -> list[bytes]:
    """Pixels of a segment's key frames, `FRAME_BYTES` each; empty when none can be read."""
    pick = f"scale={WIDTH}:{HEIGHT}:flags=neighbor,format=gray"
    command = [*ffmpeg.quiet(), "-skip_frame", "nokey", "-i", str(path), "-map", "0:v:0"]
    try:
        done = sandbox.run(
            [*command, "-vf", pick, "-fps_mode", "passthrough", "-f", "rawvideo", "-"],
            sandbox.Box(read=(path,), cpu_s=math.ceil(LOOK_S)),
            timeout_s=LOOK_S,
        )
    except subprocess.TimeoutExpired:
        return []
    whole = len(done.stdout) // FRAME_BYTES
    return [done.stdout[at * FRAME_BYTES : (at + 1) * FRAME_BYTES] for at in range(whole)]


def verdict(frames: Sequence[bytes], before: bytes | None) -> str:
    """What is wrong with the latest picture: `black`, `frozen`, or nothing.

    The later half of a segment's key frames is judged, some four seconds of it: a picture that
    stopped in the middle of a segment is found at its end and not at the end of the next one.

    Args:
        frames: key frames of the segment, oldest first.
        before: the last key frame of the segment before, None when there is none.
    """
    seen = [*(() if before is None else (before,)), *frames]
    late = seen[-max(2, (len(frames) + 1) // 2) :] if frames else []
    if late and all(sum(frame) <= DARK_MAX * FRAME_BYTES for frame in late):
        return "black"
    pairs = list(itertools.pairwise(late))
    return "frozen" if pairs and all(_alike(*pair) for pair in pairs) else ""


def _alike(one: bytes, other: bytes) -> bool:
    apart = sum(abs(a - b) for a, b in zip(one, other, strict=True))
    return apart <= ALIKE_SUM_MAX
