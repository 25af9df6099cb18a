"""What recording a camera costs: the supervised recorder against a bare ffmpeg on the same stream.

Both run side by side through all rounds, from the same camera, with segments of the same length;
a round is a stretch of their CPU time. The recorder's is that of its program and of all it starts,
those that have ended too: watching, looking at the picture, hashing, syncing, moving.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.media import ffmpeg
from tests.bench.measure import Figure
from tests.bench.site import WAIT_S

STREAMS = 2
SEGMENT_S = 10  # as a room does by itself
ROUND_S = 20.0  # two segments of each stream
NS_PER_MS = 1_000_000


def film(path: Path) -> None:
    """Ten seconds of 1080p at 25 pictures and 4 Mbit/s, a key frame in two, one slice each."""
    words = [
        *ffmpeg.quiet(),
        *("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25", "-t", "10"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "50", "-b:v", "4M"),
        *("-maxrate", "4M", "-bufsize", "4M", "-x264-params", "slices=1", "-threads", "1"),
        *("-pix_fmt", "yuv420p", "-f", "h264", str(path)),
    ]
    subprocess.run(words, check=True)


def own_ns(pid: int) -> int:
    """CPU time so far of one process, nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text(encoding="ascii").split()[0]) for one in tasks)


def ended_ns(pid: int) -> int:
    """CPU time of what it has started and that has ended, in the kernel's ticks."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    user, system = words[13:15]  # fields 16 and 17 of proc(5)
    return (int(user) + int(system)) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def running_ns(pid: int) -> int:
    """CPU time of what it has started and that runs."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [child for one in tasks for child in (one / "children").read_text().split()]
    return sum(own_ns(int(child)) + running_ns(int(child)) for child in children)


class Spent(NamedTuple):
    """CPU time, milliseconds per stream and second."""

    program: float
    copying: float
    looking: float
    bare: float

    @property
    def ours(self) -> float:
        return self.program + self.copying + self.looking


NOTHING = Spent(0, 0, 0, 0)


@dataclass(slots=True)
class Pair:
    """The two, running."""

    ours: int
    bare: Sequence[int]
    spent: Spent = NOTHING

    def look(self) -> Spent:
        bare = sum(own_ns(pid) for pid in self.bare)
        return Spent(own_ns(self.ours), running_ns(self.ours), ended_ns(self.ours), bare)

    def run(self) -> float:
        """CPU milliseconds per stream and second of the recorder, over one stretch."""
        before, begun = self.look(), time.monotonic()
        threading.Event().wait(ROUND_S)
        after, seconds = self.look(), time.monotonic() - begun
        per = STREAMS * seconds * NS_PER_MS
        self.spent = Spent(*((b - a) / per for a, b in zip(before, after, strict=True)))
        return self.spent.ours


def _reason(one: Spent) -> str:
    a_segment = one.looking * SEGMENT_S
    return (
        f"Of {one.ours:.1f} ms/s, {one.copying:.1f} go to the copying itself, {one.program:.1f} to "
        f"watching it, hashing, syncing and moving, and {one.looking:.1f} to looking at what is in "
        f"each closed segment: {a_segment:.0f} ms to start a decoder that is shut in and to decode "
        "five key frames. Who only copies does not see that a camera is covered or hangs; "
        "inside the copying process a picture that breaks a decoder would end the recording and "
        "have the way to the network that this process needs."
    )


@contextmanager
def figures(folder: Path) -> Iterator[list[Figure]]:
    """CPU per stream."""
    with ExitStack() as stack:
        film(folder / "film.h264")
        camera = stack.enter_context(
            _process([sys.executable, "-m", "tests.bench.camera", str(folder / "film.h264")])
        )
        url = f"rtsp://127.0.0.1:{_line(camera)}/cam"
        recorder = [sys.executable, "-m", "tests.bench.recorder_process", str(folder / "ours")]
        ours = stack.enter_context(_process([*recorder, *[url] * STREAMS]))
        bare = [
            stack.enter_context(_process(_bare(url, folder / f"bare-{n}"))) for n in range(STREAMS)
        ]
        _line(ours)
        pair = Pair(ours.pid, [one.pid for one in bare])
        pair.run()
        yield [
            Figure(
                name="recorder, CPU per stream",
                limit="bare ffmpeg -c copy",
                unit="ms/s",
                floor=1.2,
                at_most=True,
                ours=pair.run,
                reference=lambda: pair.spent.bare,
                why=_reason(pair.spent),
            )
        ]


def _bare(url: str, folder: Path) -> list[str]:
    """What a person would type."""
    folder.mkdir()
    return [
        *ffmpeg.quiet(),
        *("-rtsp_transport", "tcp", "-i", url, "-c", "copy"),
        *("-f", "segment", "-segment_time", str(SEGMENT_S), str(folder / "%06d.mp4")),
    ]


@contextmanager
def _process(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _line(process: subprocess.Popen[str]) -> str:
    """The first line it says."""
    said = process.stdout.readline().strip() if process.stdout is not None else ""
    if not said:
        raise RuntimeError(f"{process.args}: ended without a word")
    return said
