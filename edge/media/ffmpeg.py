"""The one place that knows ffmpeg's words.

A camera's picture is never transcoded: it is copied as it comes, cut at key frames into fragmented
MP4, where it is not H.264 into Matroska. A file of one fragment per key frame can be read up to its
last fragment after a kill or a power cut; plain MP4 cannot be read at all then (measured). Sound is
made into AAC, because the sound of most cameras here (G.711) is refused by MP4. Every start is in
the box of `edge.media.sandbox`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from edge.media import sandbox
from edge.media.sandbox import Box

TEST_SCHEME = "test:"
TEST_RATE = 10
PROBE_S = 20.0  # reading a segment of 10 s takes milliseconds; a dying disk longer
TIMEOUT_US = 5_000_000  # a camera that says nothing for 5 s is gone
FRAGMENTED = "movflags=+frag_keyframe+empty_moov+default_base_moof:flush_packets=1"


FORMATS = {
    ".mp4": ("mp4", FRAGMENTED),
    ".mkv": ("matroska", "cluster_time_limit=1000:flush_packets=1"),
}
H264 = "h264"
_VIDEO = re.compile(r"Stream #0:\d+.*: Video: ([a-z0-9_]+)")


class MediaError(Exception):
    """Recording cannot be done; the text says what, where, expected, got, do."""


@cache
def program() -> str:
    """The ffmpeg of the wheel, else of the system.

    Raises:
        MediaError: neither is installed.
    """
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - the wheel is optional where the system has ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        found = shutil.which("ffmpeg")
        if found is None:
            raise MediaError(
                "ffmpeg: expected the wheel imageio-ffmpeg or the program, got neither. "
                "do: pip install 'evalroom[edge]' or sudo apt-get install -y ffmpeg"
            ) from error
        return found


def quiet() -> list[str]:
    """An ffmpeg that asks nothing and says only errors."""
    return [program(), "-nostdin", "-hide_banner", "-v", "error"]


def box_of(source: str) -> Box:
    """What asking a source takes: its file, or the network; a test picture neither."""
    if source.startswith(TEST_SCHEME):
        return Box()
    here = Path(source)
    return Box(read=(here,)) if here.exists() else Box(network="://" in source)


def input_of(source: str) -> list[str]:
    """What ffmpeg calls a source.

    Args:
        source: `rtsp://…`, any other URL or file ffmpeg reads, or `test:` and a name.
    """
    if source.startswith(TEST_SCHEME):
        hue = hashlib.sha256(source.encode()).digest()[0] * 360 // 256
        picture = f"testsrc2=size=320x180:rate={TEST_RATE},hue=h={hue}"
        return ["-re", "-f", "lavfi", "-i", picture]
    if source.startswith("rtsp://"):
        return ["-rtsp_transport", "tcp", "-timeout", str(TIMEOUT_US), "-i", source]
    # A file would be read in a second; a stream paces itself.
    return [*(["-re"] if Path(source).exists() else []), "-i", source]


def code_of(source: str) -> list[str]:
    """How the picture gets into the file: a camera's is copied, a test picture must be made.

    The test picture is small and has no B-frames; it never repeats, so no two segments are alike.
    """
    if not source.startswith(TEST_SCHEME):
        return ["-c:v", "copy"]
    code = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0"]
    group = ["-g", str(TEST_RATE), "-keyint_min", str(TEST_RATE), "-sc_threshold", "0"]
    return [*code, *group, "-b:v", "120k", "-pix_fmt", "yuv420p", "-threads", "1"]


def suffix_of(source: str) -> str:
    """How segments of a source end: `.mp4` for H.264, `.mkv` for others; '' where it is silent.

    Asks a camera once more than recording it would; a test picture is made as H.264.
    """
    if source.startswith(TEST_SCHEME):
        return ".mp4"
    command = [program(), "-nostdin", "-hide_banner", *input_of(source)]
    try:
        done = sandbox.run(command, box_of(source), timeout_s=PROBE_S)
    except subprocess.TimeoutExpired:
        return ""
    found = _VIDEO.search(done.stderr.decode(errors="replace"))
    if found is None:
        return ""
    return ".mp4" if found[1] == H264 else ".mkv"


def record(source: str, *, pattern: Path, segment_s: int, mark: str) -> list[str]:
    """The recorder: a segment every `segment_s`, a line `name,start,end` on stdout for each closed.

    Args:
        source: see `input_of`.
        pattern: path of the segments with `%06d`; its ending is one of `FORMATS`.
        segment_s: length wanted; cut at the next key frame.
        mark: written into each file, so that two recordings of one picture are two contents.
    """
    kind, options = FORMATS[pattern.suffix]
    words = [
        *quiet(),
        *input_of(source),
        *("-map", "0:v:0", "-map", "0:a:0?", *code_of(source), "-c:a", "aac", "-b:a", "48k"),
        *("-metadata", f"comment={mark}"),
        *("-f", "segment", "-segment_time", str(segment_s), "-segment_format", kind),
        *("-segment_format_options", options),
        *("-segment_list", "pipe:1", "-segment_list_type", "csv"),
        str(pattern),
    ]
    mine = replace(box_of(source), write=(pattern.parent,), file_bytes=sandbox.FILE_BYTES_MAX)
    return sandbox.command(words, mine)


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment ffmpeg has finished: file name, first and last time in the recording, ms."""

    name: str
    start_ms: int
    end_ms: int


def parse_closed(line: str) -> Closed | None:
    """Reads a line of the segment list; None if it is not one."""
    parts = line.strip().rsplit(",", 2)
    try:
        name, start, end = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        return None
    if not name or "/" in name or not 0 <= start <= end:
        return None
    return Closed(name, round(start * 1000), round(end * 1000))


def length_ms(path: Path) -> int:
    """How much picture of a file can be read, milliseconds; 0 when none."""
    command = [*quiet(), "-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "null"]
    try:
        inside = Box(read=(path,), cpu_s=round(PROBE_S))
        done = sandbox.run([*command, "-progress", "pipe:1", "-"], inside, timeout_s=PROBE_S)
    except subprocess.TimeoutExpired:
        return 0
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith("out_time_us=")]
    value = lines[-1].partition("=")[2] if lines else ""
    return int(value) // 1000 if value.isdigit() else 0


def last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    """The end of what a program said on its way out, for an error's text."""
    return done.stderr.decode(errors="replace").strip()[-300:] or f"exit code {done.returncode}"
