"""`evalroom sim KIND` as a process of its own, spoken to by a stranger with raw frames."""

import json
import os
import select
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.simulators.bench import control

WAIT_S = 10.0
SAM = "AA AA AA 96 69 "
FIND, SELECT, READ = SAM + "00 03 20 01 22", SAM + "00 03 20 02 21", SAM + "00 03 30 01 32"
INSERT: dict[str, object] = {"do": "insert", "name": "张三", "number": "11010519491231002X"}


@contextmanager
def simulator(folder: Path, kind: str, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [
        sys.executable, "-m", "edge.simulators", kind, "--pty", str(folder / "port"),
        "--control", str(folder / "sock"), "--state", str(folder / "state.json"), *more,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["ok"] is True
            yield process
        finally:
            process.kill()


class Stranger:
    """A program that knows nothing but the path of the port."""

    def __init__(self, path: Path) -> None:
        self._port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)

    def __enter__(self) -> "Stranger":
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._port)

    def say(self, frame: str) -> None:
        os.write(self._port, bytes.fromhex(frame))

    def hear(self, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            if not select.select([self._port], [], [], WAIT_S)[0]:
                raise AssertionError(f"expected {size} bytes, got {heard.hex(' ')}")
            heard += os.read(self._port, size - len(heard))
        return heard

    def ask(self, frame: str, answer: str) -> None:
        expected = bytes.fromhex(answer)
        self.say(frame)
        assert self.hear(len(expected)).hex(" ") == expected.hex(" ")


@pytest.mark.slow
def test_a_stranger_gets_the_documented_answers_of_a_card_reader(tmp_path: Path) -> None:
    with simulator(tmp_path, "idcard"), Stranger(tmp_path / "port") as stranger:
        stranger.ask(FIND, SAM + "00 04 00 00 80 84")
        stranger.ask(SELECT, SAM + "00 04 00 00 81 85")
        stranger.ask(READ, SAM + "00 04 00 00 41 45")
        stranger.ask(SAM + "00 03 11 FF ED", SAM + "00 04 00 00 90 94")
        stranger.ask(SAM + "00 03 20 01 21", SAM + "00 04 00 00 10 14")
        stranger.ask(SAM + "00 03 77 01 75", SAM + "00 04 00 00 21 25")
        control(tmp_path / "sock", INSERT)
        # Garbage before the frame, and the frame in two pieces.
        stranger.say("AA AA 00 AA AA")
        stranger.say("AA 96 69 00 03 20")
        stranger.ask("01 22", SAM + "00 08 00 00 9F 00 00 00 00 97")
        stranger.ask(SELECT, SAM + "00 0C 00 00 90 00 00 00 00 00 00 00 00 9C")
        stranger.say(READ)
        answer = stranger.hear(1295)
        assert answer.startswith(bytes.fromhex(SAM + "05 08 00 00 90 01 00 04 00"))
        assert answer[14:18].decode("utf-16-le") == "张三"
        stranger.ask(SAM + "00 03 30 03 30", SAM + "00 04 00 00 91 95")
        stranger.say(SAM + "00 03 30 10 23")
        assert stranger.hear(1297)[14:16] == b"\0\0"
        stranger.ask(FIND, SAM + "00 04 00 00 80 84")
        control(tmp_path / "sock", {"do": "fault", "kind": "sam_66"})
        stranger.ask(FIND, SAM + "00 04 00 00 66 62")
        stranger.say(SAM + "00 03 12 FF EE")
        assert stranger.hear(5 + 2 + 3 + 16 + 1)[:10].hex() == "aaaaaa96690014000090"


@pytest.mark.slow
def test_a_stranger_gets_the_documented_answers_of_the_lock_boards(tmp_path: Path) -> None:
    with simulator(tmp_path, "lockboard", "--count", "24"), Stranger(tmp_path / "port") as board:
        board.ask("80 01 00 33 B2", "80 01 FF FF FF 33 4D")
        board.ask("8A 01 02 11 98", "8A 01 02 00 89")
        board.ask("80 01 02 33 B0", "80 01 02 00 83")
        board.ask("80 01 01 33 B3", "80 01 01 11 91")
        board.ask("80 01 00 33 B2", "80 01 FF FF FD 33 4F")
        board.say("90 01 02 02 02 93")
        assert select.select([board._port], [], [], 0.1)[0] == []
        board.ask("80 01 00 33 B2", "80 01 FD FD FD 33 4F")
        board.say("80 02 00 33 B1")
        assert select.select([board._port], [], [], 0.1)[0] == []
    with simulator(tmp_path, "cu16", "--seed", "1"), Stranger(tmp_path / "port") as board:
        # The cabinet of the run before: locks 2, 10 and 18 stand open; this board has 16.
        board.ask("02 00 30 03 35", "02 00 35 FD FD 00 00 03 34")
        board.say("02 00 31 03 36")
        board.ask("02 00 30 03 35", "02 00 35 FC FD 00 00 03 33")


@pytest.mark.slow
def test_a_stranger_gets_the_documented_answers_of_a_ups_and_a_radar(tmp_path: Path) -> None:
    with simulator(tmp_path, "megatec"), Stranger(tmp_path / "port") as ups:
        ups.ask(b"Q1\r".hex(), b"(228.0 228.0 228.0 034 50.0 2.27 25.0 00000000\r".hex())
        ups.ask(b"F\r".hex(), b"F\r".hex())
    (tmp_path / "state.json").unlink()
    with simulator(tmp_path, "ld2410"), Stranger(tmp_path / "port") as radar:
        control(tmp_path / "sock", {"do": "target", "value": "moving"})
        assert b"\xf4\xf3\xf2\xf1\x0d\x00\x02\xaa" in radar.hear(100)
        radar.say("FD FC FB FA 04 00 FF 00 01 00 04 03 02 01")
        heard = radar.hear(23)
        while b"\xfd\xfc\xfb\xfa\x08\x00\xff\x01\x00\x00" not in heard:
            heard += radar.hear(1)


@pytest.mark.slow
def test_a_killed_board_comes_back_under_the_same_path_as_it_was(tmp_path: Path) -> None:
    with simulator(tmp_path, "idcard") as process:
        control(tmp_path / "sock", INSERT)
        first = (tmp_path / "port").readlink()
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_S)
        assert (tmp_path / "port").is_symlink()
    with simulator(tmp_path, "idcard") as process:
        with Stranger(tmp_path / "port") as stranger:
            stranger.ask(FIND, SAM + "00 08 00 00 9F 00 00 00 00 97")
        # The port stays usable for the next program.
        with Stranger(tmp_path / "port") as stranger:
            stranger.ask(FIND, SAM + "00 08 00 00 9F 00 00 00 00 97")
        assert first.parent == (tmp_path / "port").readlink().parent
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    assert not (tmp_path / "port").is_symlink()
    assert not (tmp_path / "sock").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["idcard"], 64, "expected: evalroom sim idcard [-h] --pty PTY"),
        (["toaster", "--pty", "x"], 64, "expected: one of cu16, idcard, ld2410, link, lockboard"),
        ([], 64, "got: none"),
        (["megatec", "--pty", "x", "--count", "3"], 64, "unrecognized arguments: --count 3"),
        (["cu16", "--pty", "x", "--count", "17"], 64, "--count: expected 1..16, got 17"),
        (["idcard", "--pty", "/proc/nowhere/port"], 73, "do: choose another"),
        (["--help"], 0, "evalroom sim idcard --pty"),
        (["cu16", "--help"], 0, "evalroom sim cu16 --pty"),
    ],
)
def test_a_command_line_that_cannot_be_used_says_what_was_expected(
    arguments: list[str], code: int, says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge.simulators", *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == code
    assert says in done.stdout + done.stderr


@pytest.mark.slow
def test_a_state_file_of_another_board_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"mains": true}')
    done = subprocess.run(
        [
            sys.executable, "-m", "edge.simulators", "cu16", "--pty", str(tmp_path / "port"),
            "--state", str(tmp_path / "state.json"),
        ],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert done.returncode == 64
    assert "delete it to begin afresh" in done.stderr
    assert not (tmp_path / "port").is_symlink()
