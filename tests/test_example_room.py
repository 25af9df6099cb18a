"""The shipped example of a room is good as it stands, beside what an enrolment leaves."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

import evalroom
from tests.protocols.messages.wire_keys import CTL, HUB, trust_file

EXAMPLE = Path(__file__).parents[1] / "firmware-config" / "rooms" / "example.toml"
BOARDS = Path(__file__).parents[1] / "firmware-config" / "boards"


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The example in a folder of its own with the files of an enrolment."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    about = {
        "ctl": CTL,
        "place": "hubei-301",
        "org": "hubei",
        "hub": HUB,
        "mqtt": {"host": "127.0.0.1", "port": 1883, "user": CTL, "password": "secret"},
        "url": "http://127.0.0.1:8000",
    }
    (folder / "id.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "trust.json").write_bytes(trust_file().encode())
    for name in ("sign.key", "seal.key"):
        (folder / name).write_text("0f" * 32, encoding="ascii")
    return Path(shutil.copy(EXAMPLE, tmp_path / "room.toml"))


def test_the_example_room_is_found_good(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evalroom.main(["edge", "check", str(room)]) == 0

    said = capsys.readouterr().out
    for part in ("good", "hubei-301", CTL, "2 seats", "12 lockers", "2 cameras"):
        assert part in said


def test_without_its_credentials_it_says_how_to_get_them(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(room.parent / "credentials")

    assert evalroom.main(["edge", "check", str(room)]) == 64
    assert "evalroom hub enroll" in capsys.readouterr().err


def test_its_lock_board_runs_at_a_speed_the_board_knows() -> None:
    locker = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["locker"]
    boards = [tomllib.loads(path.read_text(encoding="utf-8")) for path in BOARDS.glob("*.toml")]
    board = next(one for one in boards if one["kind"] == locker["board"])

    assert locker["baud"] in board["bauds"]
    assert locker["count"] <= board["limits"]["locks_max"]
