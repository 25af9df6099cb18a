"""The box every media tool is started in: what it may open, what it may reach, when it is ended.

A tool that reads bytes lying on the disk gets those bytes and nothing else: no socket, no home, no
key of ours, nothing to write. One that records from a camera gets the network too, as it must reach
it, and its one folder to write in; that is all that is open to a camera that breaks it. The start
itself is `edge.media.box`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edge.media import box

TRY_S = 20.0  # as long as any tool may take here
MIB = 1024**2
DATA_BYTES_MAX = 384 * MIB  # key frames of a 4K picture take under 192 (measured)
ANSWER_BYTES_MAX = 4 * MIB  # of what a tool says; a bound for our own memory too
FILE_BYTES_MAX = 1024 * MIB  # ten seconds of any camera; one that never begins anew is cut here
FILES_MAX = 64
PARTS = {"files": "Landlock", "calls": "seccomp"}


@dataclass(frozen=True, slots=True)
class Box:
    """What one start of a tool needs.

    Args:
        read: files or folders it reads.
        write: folders it writes files in.
        network: it must reach a camera.
        cpu_s: processor seconds after which it is ended; 0 for one that runs for days.
        file_bytes: the longest file it may write, its answers included.
    """

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    network: bool = False
    cpu_s: int = 0
    file_bytes: int = ANSWER_BYTES_MAX


def missing() -> str:
    """What of the box this machine cannot give, and why; '' when it is whole."""
    said = [f"{name} ({PARTS[name]}): {why}" for name in PARTS if (why := _refused(name))]
    return "no box for the media tools: " + "; ".join(said) if said else ""


def command(words: Sequence[str], inside: Box) -> list[str]:
    """The words that start a tool in its box, as far as this machine can give one.

    The process is the tool's own: its id, its signals, its end. The kernel ends it when the thread
    that started it ends: without that a recorder whose controller was killed would go on beside the
    next one's.
    """
    told = [name for name in PARTS if not _refused(name)]
    told += ["net"] if inside.network else []
    told += [f"read={path.resolve()}" for path in inside.read]
    told += [f"write={path.resolve()}" for path in inside.write]
    told += [f"cpu={inside.cpu_s}"] if inside.cpu_s else []
    told += [f"data={DATA_BYTES_MAX}", f"fsize={inside.file_bytes}"]
    return [*_start(), *told, f"nofile={FILES_MAX}", "core=0", "--", *words]


def run(
    words: Sequence[str], inside: Box, *, timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs a tool to its end; of what it says no more than the box's `file_bytes` are kept.

    Raises:
        subprocess.TimeoutExpired: it took longer and was ended.
    """
    # Files in memory and no pipes: the kernel counts what is written, and ends who writes more.
    with (
        os.fdopen(os.memfd_create("out"), "w+b") as out,
        os.fdopen(os.memfd_create("err"), "w+b") as err,
    ):
        done = subprocess.run(
            command(words, inside),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=timeout_s,
            check=False,
        )
        said = [os.pread(one.fileno(), inside.file_bytes, 0) for one in (out, err)]
    return subprocess.CompletedProcess(list(words), done.returncode, *said)


def _start() -> list[str]:
    return [sys.executable, "-I", "-S", str(Path(box.__file__).resolve())]


@cache
def _refused(part: str) -> str:
    """Why this machine refuses a part; asked once, in a process that may be killed for asking."""
    try:
        done = subprocess.run(
            [*_start(), part, "--"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TRY_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)[:200]
    if done.returncode == 0:
        return ""
    return done.stderr.decode(errors="replace").strip()[-200:] or f"exit code {done.returncode}"
