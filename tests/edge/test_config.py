"""A room's file is read strictly; every mistake is named with file, section and option."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.app import room_config
from edge.config import ConfigError, read_room_file

GOOD = """
[controller]
credentials = "credentials"
state_dir = "state"
[screen]
port = 9301
[id_reader]
port = "/dev/reader"
[locker]
board = "8a80"
port = "/dev/locker"
address = 1
count = 12
[power]
mains_pin = 17
ups_port = "/dev/ups"
[gpio]
backend = "mock"
control = "pins.sock"
[media]
dir = "media"
[[camera]]
stream = "301-room"
name = "301全景"
source = "test:1"
[[seat]]
station = 1
radar_port = "/dev/radar1"
mat_pin = 5
[[seat]]
station = 2
radar_port = "/dev/radar2"
mat_pin = 6
"""


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A folder with a room file and what enrolment left."""
    (tmp_path / "credentials").mkdir()
    about = {
        "ctl": "c-0123456789ab",
        "place": "hubei-301",
        "org": "hubei",
        "hub": "h-0123456789ab",
        "mqtt": {"host": "127.0.0.1", "port": 1883, "user": "u", "password": "p"},
        "url": "http://127.0.0.1:8000",
    }
    (tmp_path / "credentials" / "id.json").write_text(json.dumps(about), encoding="utf-8")
    path = tmp_path / "room.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_good_file_is_read_with_its_defaults(room: Path) -> None:
    """What may be left out has the default that the table says."""
    read = read_room_file(room)
    assert read.credentials.ctl == "c-0123456789ab"
    assert [seat.station for seat in read.seats] == [1, 2]
    assert read.get("media", "segment_s") == 10
    assert read.get("id_reader", "baud") == 115200
    assert read.get("clock", "offset_file") == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("address = 1", "addres = 1", ["[locker] addres", "one of", "remove"]),
        ("address = 1", "baud = 1920", ["[locker] baud", "9600", "1920"]),
        ("address = 1", "address = 99", ["[locker] address", "0 to 31", "99"]),
        ("address = 1", 'address = "1"', ["[locker] address", "int"]),
        ("address = 1", "address = true", ["[locker] address", "int"]),
        ('board = "8a80"', 'board = "wkly"', ["[locker] board", "cu16", "wkly"]),
        ("count = 12\n", "", ["[locker] count", "a value"]),
        ("[screen]\nport = 9301\n", "", ["[screen]", "the section"]),
        ("[screen]", "[scren]", ["[scren]", "one of"]),
        ("mat_pin = 6", "mat_pin = 5", ["mat_pin", "each value once", "5"]),
        ("mat_pin = 6", "mat_pin = 17", ["mat_pin", "each value once", "17"]),
        ("station = 2", "station = 1", ["station", "each value once"]),
        ("port = 9301", "port = 9301\nport = 9302", ["TOML"]),
        ("[[seat]]\nstation = 1", "[[seat]]\nstation = 0", ["[seat 1] station", "1 to 16", "0"]),
        ("address = 1", "baud = 19200", ["[locker] baud", "one of 0, 9600", "19200"]),
        ('"8a80"', '"cu16"\nbaud = 57600', ["[locker] baud", "19200, 38400", "57600"]),
        (
            '"8a80"\nport = "/dev/locker"\naddress = 1',
            '"cu16"\nport = "l"\naddress = 10',
            ["[locker] address", "0 to 9", "10"],
        ),
        ("count = 12", "count = 25", ["[locker] count", "1 to 24", "25"]),
        (
            'board = "8a80"\nport = "/dev/locker"\naddress = 1\ncount = 12',
            'board = "cu16"\nport = "l"\ncount = 17',
            ["[locker] count", "1 to 16", "17"],
        ),
        ('"8a80"', '"cu16"\nbit_order = "low_last"', ["[locker] bit_order", "8a80", "remove"]),
        ("address = 1", "item_sensor = false", ["[locker] item_sensor", "cu16", "remove"]),
        ('"8a80"', '"cu16"\nitem_sensor = 0', ["[locker] item_sensor", "bool", "0"]),
        ('"/dev/radar2"', '"/dev/ups"', ["port", "each value once", "/dev/ups"]),
        ('control = "pins.sock"\n', "", ["[gpio] control", "a socket", "add it"]),
        (
            "mains_pin = 17",
            "mains_pin = 17\nups_table = [[12.5, 80], [11.7, 40]]",
            ["[power] ups_table", "[11.7, 40]", "rise"],
        ),
        (
            "mains_pin = 17",
            "mains_pin = 17\nups_table = [[12.5, 180]]",
            ["[power] ups_table", "180", "mend"],
        ),
    ],
)
def test_a_mistake_is_named_with_place_and_remedy(
    room: Path, old: str, new: str, words: list[str]
) -> None:
    """What, where, expected, got, do."""
    room.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_room_file(room)
    text = str(caught.value)
    assert str(room) in text
    assert "do:" in text
    for word in words:
        assert word in text


def test_a_cu16_without_beams_says_so_and_its_items_are_unknown(room: Path) -> None:
    """Its item bits read `absent` for ever: a deposit would never be seen."""
    assert not room_config(read_room_file(room)).item_sensor
    for words, known in (("", True), ("\nitem_sensor = false", False)):
        room.write_text(GOOD.replace('"8a80"', '"cu16"' + words), encoding="utf-8")
        read = read_room_file(room)
        assert room_config(read).item_sensor is known


def test_a_room_without_seats_or_cameras_is_refused(room: Path) -> None:
    """A room without a camera would start evaluations that nobody can prove."""
    room.write_text(GOOD.split("[[camera]]", maxsplit=1)[0], encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[\[seat\]\].*1 to 16"):
        read_room_file(room)


def test_credentials_that_are_missing_say_how_to_get_them(room: Path) -> None:
    """The remedy is the enrolment command."""
    (room.parent / "credentials" / "id.json").unlink()
    with pytest.raises(ConfigError, match="evalroom hub enroll"):
        read_room_file(room)


def test_no_file_and_a_huge_file_are_refused(room: Path) -> None:
    """Neither reaches the parser."""
    with pytest.raises(ConfigError, match="readable file"):
        read_room_file(room.parent / "other.toml")
    room.write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="65536 bytes"):
        read_room_file(room)


def test_a_section_that_is_no_section_is_refused(room: Path) -> None:
    """`screen = 1` is not `[screen]`."""
    room.write_text("screen = 1\n" + GOOD.replace("[screen]\nport = 9301\n", ""), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[screen\].*section"):
        read_room_file(room)
