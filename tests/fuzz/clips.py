"""`python -m tests.fuzz.clips --count 1000`: changed clips given to a room's recorder as its own.

Each clip lies in a stream's folder as if a recorder had been killed there. The room takes it in,
looks for its key frames and asks it as a source: three starts of the real ffmpeg in its box. For
each clip: one answer (kept, or damaged) and never an exception; no start over its limit of time;
not a file made, changed or gone outside the stream's own folders; the server the clips name was not
asked. Over all of them: the room's own memory stays flat, no tool held more than its bound.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Final

from edge.clock import Clock
from edge.media import ffmpeg, picture, sandbox
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool
from tests.fuzz.engine import plain_inputs

STREAM: Final = "door"
LATE_S: Final = 3.0  # to start and end a process on a busy machine, on top of its own limit
HEAD_BYTES: Final = 1_400  # of a clip: its boxes or elements before the first picture
WARM: Final = 50  # clips before memory is first looked at
GROWTH_KIB_MAX: Final = 16 * 1024
TOOL_KIB_MAX: Final = (sandbox.DATA_BYTES_MAX + 256 * sandbox.MIB) // 1024  # and its own code
FILM: Final = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10", "-f", "lavfi", "-i", "sine")
SEEDS: Final = {
    "h264.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags"),
    "mpeg4.mkv": ("-c:v", "mpeg4", "-c:a", "aac"),
    "mjpeg.mkv": ("-c:v", "mjpeg", "-an"),
}
BOXES: Final = (b"moov", b"moof", b"mdat", b"trun", b"stsz", b"avcC", b"\x1a\x45\xdf\xa3")
SIZES: Final = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1")


class BrokenError(Exception):
    """A clip did what none may; the text says which and what."""


@dataclass(slots=True)
class Bench:
    """One room's stream among files that must stay as they are."""

    root: Path
    seeds: tuple[bytes, ...]
    listener: socket.socket
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def live(self) -> Path:
        """Where a killed recorder leaves its segment."""
        return self.root / "room" / "live" / STREAM

    def clip(self, n: int) -> tuple[str, bytes]:
        """The ending and the bytes of clip `n`, the same at every run of one ffmpeg."""
        host, port = self.listener.getsockname()
        told = (f"#EXTM3U\nhttp://{host}:{port}/x\n", f"file://{self.root}/kept/secret")
        words = (*BOXES, *SIZES, *(one.encode() for one in told))
        of, cut = n % len(self.seeds), HEAD_BYTES if n % 2 else 0
        # Every other clip is changed in what says how to read it, where a tool is easiest to break.
        seed = self.seeds[of]
        part = seed[:cut] or seed
        given = plain_inputs((part,), words, seed=n, bytes_max=2**22)
        raw = next(islice(given, 1, None)) + seed[len(part) :]
        return (".mkv" if of else ".mp4"), raw

    def take(self, n: int) -> None:
        """Gives clip `n` to the room.

        Raises:
            BrokenError: something of what is checked did not hold.
        """
        suffix, raw = self.clip(n)
        before = self._outside()
        room = self.root / "room"
        shutil.rmtree(room, ignore_errors=True)
        spool = Spool(room / "spool")
        recorder = Recorder(
            [Source(STREAM, "test:1")],
            folder=room,
            spool=spool,
            sink=lambda kind, data: self.told.append((kind, data)),
            clock=Clock(),
        )
        (self.live / f"clip-000000{suffix}").write_bytes(raw)
        other = self.root / "copy" / f"clip{suffix}"
        other.write_bytes(raw)
        self.told.clear()
        began = monotonic()
        recorder.recover({})
        self._in_time(n, began, ffmpeg.PROBE_S)
        began = monotonic()
        word = picture.verdict(picture.key_frames(other), None)
        self._in_time(n, began, picture.LOOK_S)
        began = monotonic()
        kind = ffmpeg.suffix_of(str(other))
        self._in_time(n, began, ffmpeg.PROBE_S)
        other.unlink()
        self._judge(n, before, word, kind)

    def _judge(self, n: int, before: dict[str, str], word: str, kind: str) -> None:
        answers = [name for name, _ in self.told if name != "av_gap"]
        if len(answers) != 1 or answers[0] not in {"segment", "segment_damaged"}:
            raise BrokenError(f"clip {n}: expected one answer, got {answers}")
        if word not in {"", "black", "frozen"} or kind not in {"", ".mp4", ".mkv"}:
            raise BrokenError(f"clip {n}: expected a known word, got {word!r} and {kind!r}")
        if self._outside() != before:
            raise BrokenError(f"clip {n}: something changed outside the stream's folders")
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            self.seen[answers[0]] += 1
            return
        raise BrokenError(f"clip {n}: the server it names was asked")

    @staticmethod
    def _in_time(n: int, began: float, limit_s: float) -> None:
        took = monotonic() - began
        if took > limit_s + LATE_S:
            raise BrokenError(f"clip {n}: a tool took {took:.1f} s, its limit is {limit_s} s")

    def _outside(self) -> dict[str, str]:
        """Every file that is not the stream's, by its content."""
        room = self.root / "room"
        files = (one for one in self.root.rglob("*") if not one.is_relative_to(room))
        return {
            str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files if one.is_file()
        }


@contextmanager
def bench() -> Iterator[Bench]:
    """A room in a new folder that is also the place where a file without a path would be made."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        root = Path(folder)
        (root / "kept").mkdir()
        (root / "copy").mkdir()
        (root / "kept" / "secret").write_bytes(os.urandom(64))
        made = Bench(root, tuple(_seed(root, name) for name in SEEDS), server)
        os.chdir(root)
        try:
            yield made
        finally:
            os.chdir(here)


def _seed(root: Path, name: str) -> bytes:
    path, words = root / name, list(SEEDS[name])
    if words[-1] == "-movflags":
        words.append(ffmpeg.FRAGMENTED.split("=", 1)[1].split(":")[0])
    film = [*ffmpeg.quiet(), *FILM, "-t", "2", "-g", "10", "-fflags", "+bitexact", *words]
    subprocess.run([*film, str(path)], check=True)
    raw = path.read_bytes()
    path.unlink()
    return raw


def resident_kib() -> int:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def run(count: int, first: int) -> dict[str, int]:
    """Gives `count` clips, beginning with number `first`; returns what was seen.

    Raises:
        BrokenError: see `Bench.take`; or memory was not flat.
    """
    if sandbox.missing():
        raise BrokenError(sandbox.missing())
    warm = 0
    with bench() as room:
        for n in range(first, first + count):
            room.take(n)
            if n - first == min(WARM, count - 1):
                warm = resident_kib()
        grown, tool = resident_kib() - warm, _largest_child_kib()
        seen = dict(room.seen)
    if grown > GROWTH_KIB_MAX or tool > TOOL_KIB_MAX:
        raise BrokenError(f"memory: the room grew by {grown} KiB, a tool held {tool} KiB")
    return {**seen, "grown_kib": grown, "tool_kib": tool}


def _largest_child_kib() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def main(words: Sequence[str]) -> int:
    """Runs the clips asked for; prints `n = …` last."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.clips", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many clips (1000)")
    parser.add_argument("--first", type=int, default=1, help="number of the first one (1)")
    args = parser.parse_args(words)
    try:
        seen = run(args.count, args.first)
    except BrokenError as error:
        sys.stdout.write(f"FAILED {error}\nagain: --first <its number> --count 1\n")
        return 1
    said = ", ".join(f"{name} {value}" for name, value in sorted(seen.items()))
    sys.stdout.write(f"{said}\nn = {args.count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
