"""`evalroom edge …` as a person at a terminal meets it: what is wrong is said in words, code 64."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.__main__ import main
from tests.system.room_rig import Child, Rig, evalroom, until

pytestmark = pytest.mark.system
WITHOUT_BOARDS = frozenset({"idcard", "ups", "locker", "radar1", "radar2"})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A room's files; nothing runs, no board is plugged in."""
    made = Rig(tmp_path / "r", without=WITHOUT_BOARDS)
    made.folder.mkdir()
    made.write_files()
    yield made
    made.stop()


def edge(command: str, rig: Rig, within_s: float = 40) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        evalroom("edge", command, rig.toml),
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


def replace_in(name: str, old: str, new: str) -> Callable[[Rig], None]:
    def damage(rig: Rig) -> None:
        path = rig.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return damage


def remove(name: str) -> Callable[[Rig], None]:
    return lambda rig: (rig.folder / name).unlink()


MISTAKES = [
    (replace_in("room.toml", "count = 4", "count = 4\ncolour = 1"), "[locker] colour"),
    (replace_in("room.toml", "count = 4", "count = 99"), "expected 1 to 16, got 99"),
    (replace_in("room.toml", "[power]", "[pover]"), "[pover]"),
    (replace_in("room.toml", 'backend = "mock"', 'backend = "fpga"'), "one of lgpio, mock"),
    (remove("credentials/trust.json"), "trust.json"),
    (replace_in("credentials/trust.json", "h-0123456789ab", "h-ba9876543210"), "hub.id"),
    (remove("credentials/id.json"), "id.json"),
    (replace_in("credentials/id.json", '"ctl": "c-', '"ctl": "z-'), "controller id"),
    (remove("credentials/sign.key"), "sign.key"),
    (lambda rig: (rig.folder / "credentials/seal.key").write_text("00"), "seal.key"),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_every_mistake_of_a_rooms_files_is_named_and_ends_with_64(
    number: int, rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, word = MISTAKES[number]
    damage(rig)
    # In this process: ten interpreters would only cost time.
    for command in ("check", "run"):
        assert main(["edge", command, str(rig.toml)]) == 64
        said = capsys.readouterr().err
        assert said.startswith(f"evalroom edge {command}: ")
        assert word in said
        assert "expected" in said
        assert "Traceback" not in said


def test_check_and_capacity_speak_of_a_good_file(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "check", str(rig.toml)]) == 0
    assert "good" in capsys.readouterr().out
    assert main(["edge", "capacity", str(rig.toml)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["journal_days"] > 0
    assert figures["assumed"]["cameras"] == 1


def test_a_selftest_without_boards_names_each_that_is_silent(rig: Rig) -> None:
    found = edge("selftest", rig)
    assert found.returncode == 1, found
    for device in ("locker", "idcard", "ups", "radar1", "radar2"):
        assert f"FAILED {device}" in found.stdout, found.stdout
    assert "ok     media: " in found.stdout, "whether its tools can be shut in is asked too"


def test_a_taken_screen_port_and_a_journal_in_use_are_said_in_words(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", rig.screen_port)):
        found = edge("run", rig)
    assert found.returncode == 75, found
    assert "[screen] port" in found.stderr
    assert "Traceback" not in found.stderr
    first = Child(evalroom("edge", "run", rig.toml), rig.folder / "room.log")
    first.start()
    try:
        until("the first room", rig.screen.state, within_s=40)
        assert main(["edge", "run", str(rig.toml)]) == 75
        said = capsys.readouterr().err
        assert "journal" in said
        assert "Traceback" not in said
        # Without a single board the room runs, shows what is missing, and ends when told.
        devices = {one["device"]: one["state"] for one in rig.screen.state()["devices"]}
        assert devices["locker"] == "lost", devices
        with rig.screen.client.stream("GET", "/api/stream") as stream:
            assert stream.status_code == 200
            assert first.stop(within_s=5.0) == 0
    finally:
        if first.process is not None and first.process.poll() is None:
            first.kill()
    assert "Traceback" not in first.said()
