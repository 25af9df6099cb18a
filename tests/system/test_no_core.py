"""G8 in a crash: neither hub nor room leaves its memory on a disk, whatever the machine allows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hub.config import load
from tests.hub.enrolled_hub import make_folder
from tests.system.room_rig import Rig, evalroom, free_port, until

pytestmark = pytest.mark.system
ALLOWED = ("prlimit", "--core=unlimited", "--")  # as on a machine that keeps every core
BOARDS = frozenset({"idcard", "ups", "locker", "radar1", "radar2"})


@contextmanager
def crashing(
    words: Sequence[str], folder: Path, ready: Callable[[], object]
) -> Iterator[Callable[[int], bool]]:
    """Starts a program in a folder; what is given crashes it and says whether it left a core."""
    with (folder / "said.log").open("wb") as log:
        process = subprocess.Popen([*ALLOWED, *words], cwd=folder, stdout=log, stderr=log)

    def crash(number: int) -> bool:
        process.send_signal(number)
        # Its own status, not Popen's: that says of a core what this is about.
        status = until("ended", lambda: os.waitpid(process.pid, os.WNOHANG)[1])
        assert os.WTERMSIG(status) == number
        process.returncode = -number
        return os.WCOREDUMP(status) or bool(list(folder.glob("core*")))

    try:
        until("ready", ready, within_s=60)
        limits = Path(f"/proc/{process.pid}/limits").read_text("ascii")
        line = next(one for one in limits.splitlines() if one.startswith("Max core file size"))
        (folder / "limit").write_text(" ".join(line.split()[4:6]))
        yield crash
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    with socket.socket() as end:
        return end.connect_ex(("127.0.0.1", port)) == 0


def room(folder: Path) -> tuple[list[str], int]:
    rig = Rig(folder / "room", without=BOARDS)
    rig.folder.mkdir()
    rig.write_files()
    return evalroom("edge", "run", rig.toml), rig.screen_port


def hub(folder: Path) -> tuple[list[str], int]:
    make_folder(folder / "hub")
    port = free_port()
    replace(load(folder / "hub"), port=port, url=f"http://127.0.0.1:{port}").write()
    return evalroom("hub", "serve", folder / "hub"), port


@pytest.mark.parametrize(("program", "number"), [(room, signal.SIGSEGV), (hub, signal.SIGABRT)])
def test_a_crash_leaves_no_core(
    program: Callable[[Path], tuple[list[str], int]],
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    words, port = program(tmp_path)

    with crashing(words, tmp_path, lambda: answers(port)) as crash:
        assert not crash(number)

    assert (tmp_path / "limit").read_text() == "0 0"


UNLIMITED = """
import resource, sys, threading, evalroom
resource.setrlimit = lambda *_: None
if sys.argv[1] == "kept":
    evalroom.leave_no_core()
open("ready", "w").close()
threading.Event().wait()
"""


@pytest.mark.parametrize(("word", "left"), [("free", True), ("kept", False)])
def test_without_the_limit_there_is_none_either_and_one_would_be_seen(
    word: str, left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler the kernel pipes cores to takes them past the limit; a memory that is shut, not."""
    if Path("/proc/sys/kernel/core_pattern").read_text("ascii")[0] in "|/\n":
        pytest.skip("this machine hands cores to a program or a folder of its own")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    words, ready = [sys.executable, "-c", UNLIMITED, word], tmp_path / "ready"

    with crashing(words, tmp_path, ready.exists) as crash:
        assert crash(signal.SIGSEGV) is left
