"""The box of the media tools, the real ffmpeg inside: what it cannot reach, when it is ended."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import edge
from edge.media import ffmpeg, sandbox
from edge.media.picture import key_frames
from edge.media.recorder import NO_BOX, Source
from edge.media.sandbox import Box, run
from tests.edge.media.test_recorder import SESSION, Make, Told, ffmpeg_pid, make, told

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(sandbox.missing()), reason=sandbox.missing()),
]
__all__ = ["make", "told"]  # fixtures
RUN_S = 60.0
SIGXFSZ, SIGKILL = -25, -9
PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10")
ENDLESS = ("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=1000")


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and what it was asked for."""
    heard: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "clip.mp4"
    path.parent.mkdir()
    coded = ("-t", "2", "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p")
    subprocess.run([*ffmpeg.quiet(), *PICTURE, *coded, str(path)], check=True)
    return path


def test_what_reads_a_file_opens_no_socket_and_a_recorder_only_to_the_network(
    asked: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, heard = asked
    words = [*ffmpeg.quiet(), "-i", f"{url}/a", "-f", "null", "-"]

    assert run(words, Box(), timeout_s=RUN_S).returncode != 0
    assert heard == []
    run(words, Box(network=True), timeout_s=RUN_S)
    assert heard == ["/a"], "the same words reach it where they may"
    assert ffmpeg.box_of("rtsp://camera-1.room.lan/main").network
    assert not ffmpeg.box_of("test:1").network

    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "local"))
        local.listen()
        local.settimeout(0)
        words = [*ffmpeg.quiet(), "-f", "h264", "-i", f"unix:{tmp_path}/local", "-f", "null", "-"]
        inside = Box(network=True, read=(tmp_path,), write=(tmp_path,))
        assert run(words, inside, timeout_s=RUN_S).returncode != 0
        with pytest.raises(BlockingIOError):
            local.accept()


def test_it_reads_and_writes_what_is_its_own_and_nothing_else(clip: Path, tmp_path: Path) -> None:
    copy = ("-c", "copy", "-f", "matroska")
    other, mine = tmp_path / "other", tmp_path / "mine"
    other.mkdir()
    mine.mkdir()

    def copied(inside: Box, to: Path) -> bool:
        words = [*ffmpeg.quiet(), "-i", str(clip), *copy, str(to)]
        return run(words, inside, timeout_s=RUN_S).returncode == 0

    assert not copied(Box(write=(mine,)), mine / "a"), "a home nobody gave it"
    assert not copied(Box(read=(clip,)), other / "b")
    assert not copied(Box(read=(clip,), write=(mine,)), other / "c")
    assert copied(Box(read=(clip,), write=(mine,)), mine / "d")
    assert list(other.iterdir()) == []
    assert len(key_frames(clip)) == 2


def test_it_is_ended_at_its_limits() -> None:
    endless = [*ffmpeg.quiet(), *ENDLESS]
    assert run([*endless, "-f", "null", "-"], Box(cpu_s=1), timeout_s=RUN_S).returncode == SIGKILL

    raw = ("-f", "rawvideo", "pipe:1")
    said = run([*endless, *raw], Box(file_bytes=2**20), timeout_s=RUN_S)
    assert (said.returncode, len(said.stdout)) == (SIGXFSZ, 2**20)

    large = (
        "-f",
        "lavfi",
        "-i",
        "color=size=16000x16000:rate=1,format=yuv444p",
        "-t",
        "1",
        "-f",
        "null",
        "-",
    )
    said = run([*ffmpeg.quiet(), *large], Box(), timeout_s=RUN_S)
    assert b"Cannot allocate memory" in said.stderr

    with pytest.raises(subprocess.TimeoutExpired):
        run([*endless, "-f", "null", "-"], Box(), timeout_s=0.5)


BROKEN_IN = """
import os, signal, socket
def refused(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"
print(refused(lambda: os.kill({pid}, 0)), refused(lambda: os.pidfd_open({pid})),
      refused(socket.socket), refused(lambda: open("/proc/{pid}/environ")),
      refused(lambda: os.listdir("/")), sorted(os.environ))
"""


def test_who_breaks_the_tool_has_no_way_to_the_room() -> None:
    words = [sys.executable, "-I", "-S", "-c", BROKEN_IN.format(pid=os.getpid())]
    inside = Box(read=(Path(sys.base_prefix), Path(sys.prefix)))

    said = run(words, inside, timeout_s=RUN_S)

    assert said.stdout.decode().split() == [*["PermissionError"] * 5, "['LC_ALL']"], said.stderr


def test_a_recorder_is_in_the_box_under_its_own_id(make: Make, told: Told, tmp_path: Path) -> None:
    make().start(SESSION)
    told.wait("segment")
    about = Path(f"/proc/{ffmpeg_pid(tmp_path)}")

    status = dict(line.split(":\t", 1) for line in (about / "status").read_text().splitlines())
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = (about / "limits").read_text()
    assert f"{sandbox.FILE_BYTES_MAX:<20} {sandbox.FILE_BYTES_MAX:<20} bytes" in limits
    assert "ffmpeg" in (about / "exe").resolve().name
    environment = (about / "environ").read_bytes()
    assert environment == b"LC_ALL=C.UTF-8\0"


def test_without_a_box_it_is_said_and_where_it_is_a_must_nothing_is_started(
    make: Make, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose filter knows no Landlock ends who asks for it."""
    sandbox._refused.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_start", lambda: ["/bin/sh", "-c", "kill -SYS $$"])
        why = sandbox.missing()
    assert why == (
        "no box for the media tools: files (Landlock): exit code -31; "
        "calls (seccomp): exit code -31"
    )
    try:
        left = tmp_path / "live" / "door" / "left-000000.mp4"
        must = make(Source("door", "test:door"), boxed=True)
        left.write_bytes(b"foreign")
        must.recover({})
        must.start(SESSION)
        said = told.wait("recording")
        assert (said["state"], said["reason"][:7]) == ("fault", NO_BOX + ":")
        must.stop(SESSION)
        told.rest()
        assert left.exists(), "nothing has looked at it"
        assert not (left.parent / "pid").exists()

        make(Source("table", "test:table")).start(SESSION)
        said = told.wait("recording")
        assert (said["stream"], said["state"], said["reason"]) == ("table", "on", NO_BOX)
        limits = Path(f"/proc/{ffmpeg_pid(tmp_path)}/limits").read_text()
        assert f"{sandbox.FILE_BYTES_MAX:<20} " in limits, "limits need no box"
    finally:
        sandbox._refused.cache_clear()


def test_every_start_of_a_program_in_a_room_is_one_of_the_boxs() -> None:
    """Where `Popen` is, `ffmpeg.record` gives the words; where `run` is, it is the box itself."""
    found = set()
    for path in Path(edge.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess."):
                found.add((path.stem, ast.unparse(node.func)))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.system", "os.popen"}:
                found.add((path.stem, ast.unparse(node)))
    allowed = {("sandbox", "subprocess.run"), ("recorder", "subprocess.Popen")}
    assert found - {("sandbox", "subprocess.CompletedProcess")} == allowed
