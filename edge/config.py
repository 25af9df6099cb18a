"""Reads a room's TOML file strictly: an option nobody reads is an error, so is one out of bounds.

The shape is a table of `Option` rows per section; a new option is one row. Nothing has a hidden
default that matters: what may be left out says so here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.messages.identity import is_controller
from protocols.wire import cu16, lockboard

FILE_BYTES_MAX = 64 * 1024  # a room's wiring is a page of text; more is the wrong file
PORT_MAX = 65_535
GPIO_PIN_MAX = 27  # BCM numbering of the 40-pin header ends at GPIO27
LOCKERS_MAX = 24  # the largest 8A/80 board; a CU16 has 16
SEATS_MAX = 16
CAMERAS_MAX = 8
SEGMENT_S_MAX = 10  # WIRE §8
UPLOAD_KIB_S_MAX = 128 * 1024  # more than a gigabit line carries is no bound
PAIR = 2
PERCENT_MAX = 100


class ConfigError(Exception):
    """The file cannot be used; the text says what, where, expected, got and what to do."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a section: its type and its limits; `required` without a default.

    `live`: it may change while the room runs (`config.apply`); all others need the file and a
    start.
    """

    kind: type
    required: bool = True
    default: Any = None
    choices: tuple[Any, ...] = ()
    low: int | None = None
    high: int | None = None
    live: bool = False


BAUDS = (2400, 9600, 19200, 38400, 57600, 115200, 256000)
SECTIONS: dict[str, dict[str, Option]] = {
    "controller": {"credentials": Option(str), "state_dir": Option(str)},
    "clock": {"offset_file": Option(str, required=False, default="")},
    "screen": {"port": Option(int, low=1, high=PORT_MAX)},
    "hub": {
        "mqtt_host": Option(str, required=False, default=""),
        "mqtt_port": Option(int, required=False, default=0, low=0, high=PORT_MAX),
        "url": Option(str, required=False, default=""),
    },
    # Another line to the same hub, used when a person says so (`network.switch`): leave from this
    # interface, or ask these addresses, or both; what is empty is as on the first line. The system
    # must route what comes from the interface's address out of it, as the example room says.
    "second_uplink": {
        "interface": Option(str, required=False, default=""),
        "mqtt_host": Option(str, required=False, default=""),
        "mqtt_port": Option(int, required=False, default=0, low=0, high=PORT_MAX),
        "url": Option(str, required=False, default=""),
    },
    # Address of the evaluation system; empty = nobody asks whether it answers.
    "system": {"url": Option(str, required=False, default="")},
    "id_reader": {
        "port": Option(str),
        "baud": Option(int, required=False, default=115200, choices=BAUDS[1:6]),
    },
    "locker": {
        "board": Option(str, choices=("cu16", "8a80")),
        "port": Option(str),
        # What these three may be depends on the board, see BOARDS.
        "baud": Option(int, required=False, default=0),
        "address": Option(int, required=False, default=0),
        "count": Option(int),
        "feedback": Option(
            str, required=False, default="closed_short", choices=("closed_short", "open_short")
        ),
        "bit_order": Option(
            str, required=False, default="low_last", choices=("low_last", "low_first")
        ),
        # Whether the board's item beams are wired; without them staff confirm each deposit.
        "item_sensor": Option(bool, required=False, default=True),
    },
    "power": {
        "mains_pin": Option(int, low=0, high=GPIO_PIN_MAX),
        "ups_port": Option(str),
        "ups_baud": Option(int, required=False, default=2400, choices=BAUDS[:2]),
        # (battery volts, per cent) rows; without them the reserve is unknown until battery-low.
        "ups_table": Option(list, required=False, default=[]),
        "mains_back_s": Option(int, required=False, default=5, low=1, high=60, live=True),
    },
    "gpio": {
        "backend": Option(str, choices=("lgpio", "mock")),
        "control": Option(str, required=False, default=""),
    },
    "media": {
        "dir": Option(str),
        "segment_s": Option(int, required=False, default=10, low=1, high=SEGMENT_S_MAX),
        # Where the machine cannot shut the media tools in: record all the same and say so, or not.
        "box": Option(str, required=False, default="try", choices=("try", "must")),
        # What segments may take of the line, KiB/s; clips that were asked for are not held back.
        "upload_kib_s": Option(
            int, required=False, default=8192, low=64, high=UPLOAD_KIB_S_MAX, live=True
        ),
    },
}
LISTS: dict[str, tuple[int, dict[str, Option]]] = {
    "seat": (
        SEATS_MAX,
        {
            "station": Option(int, low=1, high=SEATS_MAX),
            "radar_port": Option(str),
            "radar_baud": Option(int, required=False, default=115200, choices=BAUDS[5:]),
            "mat_pin": Option(int, low=0, high=GPIO_PIN_MAX),
        },
    ),
    "camera": (
        CAMERAS_MAX,
        {"stream": Option(str), "name": Option(str), "source": Option(str)},
    ),
}
BOARDS: dict[str, dict[str, Option]] = {
    "8a80": {
        "baud": Option(int, choices=(0, 9600)),
        "address": Option(int, low=0, high=lockboard.ADDRESS_MAX),
        "count": Option(int, low=1, high=LOCKERS_MAX),
    },
    "cu16": {
        "baud": Option(int, choices=(0, 9600, 19200, 38400, 115200)),
        "address": Option(int, low=0, high=cu16.BOARD_MAX),
        "count": Option(int, low=1, high=cu16.LOCKS),
    },
}
"""What each kind of lock board has; 0 leaves baud and address as the board comes."""
ONLY_ON = {"feedback": "8a80", "bit_order": "8a80", "item_sensor": "cu16"}
"""Options that one kind of lock board has and the other does not."""
OPTIONAL_SECTIONS = frozenset({"clock", "hub", "second_uplink", "system"})


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat: its number, its radar's serial port and its mat's pin (BCM)."""

    station: int
    radar_port: str
    radar_baud: int
    mat_pin: int


@dataclass(frozen=True, slots=True)
class Camera:
    """One stream to record: its id in events, its name on screens, where it comes from."""

    stream: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What enrolment left for this controller (`evalroom hub enroll`)."""

    folder: Path
    ctl: str
    place: str
    org: str
    place_name: str
    org_name: str
    hub: str
    mqtt_host: str
    mqtt_port: int
    mqtt_user: str
    mqtt_password: str
    mqtt_tls: bool
    url: str


@dataclass(frozen=True, slots=True)
class RoomFile:
    """A whole room file, every option checked; `options` maps section to option to value."""

    path: Path
    options: Mapping[str, Mapping[str, Any]]
    seats: tuple[Seat, ...]
    cameras: tuple[Camera, ...]
    credentials: Credentials

    def get(self, section: str, name: str) -> Any:
        """Returns a checked value; a name that is not in the table is our own mistake."""
        return self.options[section][name]


def _fail(path: Path, place: str, *, expected: str, got: object, do: str) -> ConfigError:
    return ConfigError(f"{path} {place}: expected {expected}, got {got!r}\n  do: {do}")


def _value(path: Path, place: str, option: Option, got: object) -> Any:
    if isinstance(got, bool) is not (option.kind is bool) or not isinstance(got, option.kind):
        raise _fail(
            path, place, expected=option.kind.__name__, got=got, do="write a value of this type"
        )
    if option.choices and got not in option.choices:
        wanted = "one of " + ", ".join(str(choice) for choice in option.choices)
        raise _fail(path, place, expected=wanted, got=got, do="choose one of them")
    low, high = option.low, option.high
    if isinstance(got, int) and low is not None and high is not None and not low <= got <= high:
        raise _fail(
            path, place, expected=f"{low} to {high}", got=got, do="stay within these bounds"
        )
    return got


def check_live(path: Path, name: str, got: object) -> str:
    """Why an option cannot be set to a value while the room runs, '' when it can.

    Args:
        path: the room file, for the error's text.
        name: `section.option`.
        got: the value, judged as if it stood in the file.

    Raises:
        ConfigError: the value is of another type or out of bounds.
    """
    section, _, key = name.partition(".")
    option = SECTIONS.get(section, {}).get(key)
    if option is None:
        return "unknown_option"
    if not option.live:
        return "not_live"
    _value(path, f"[{section}] {key}", option, got)
    return ""


def _section(path: Path, name: str, table: Mapping[str, Option], got: object) -> dict[str, Any]:
    place = f"[{name}]"
    if not isinstance(got, dict):
        raise _fail(path, place, expected="a section", got=got, do=f"write [{name}] once")
    for key in got:
        if key not in table:
            known = ", ".join(sorted(table))
            raise _fail(
                path, f"{place} {key}", expected=f"one of {known}", got=key, do="remove or mend it"
            )
    values: dict[str, Any] = {}
    for key, option in table.items():
        if key in got:
            values[key] = _value(path, f"{place} {key}", option, got[key])
        elif option.required:
            raise _fail(path, f"{place} {key}", expected="a value", got=None, do="add the option")
        else:
            values[key] = option.default
    return values


def _rows(path: Path, name: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    limit, table = LISTS[name]
    rows = document.get(name, [])
    if not isinstance(rows, list) or not 1 <= len(rows) <= limit:
        raise _fail(
            path, f"[[{name}]]", expected=f"1 to {limit} of them", got=rows, do=f"add [[{name}]]"
        )
    return [_section(path, f"{name} {n}", table, row) for n, row in enumerate(rows, 1)]


def _unique(path: Path, name: str, key: str, values: list[Any]) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise _fail(
            path,
            f"[[{name}]] {key}",
            expected="each value once",
            got=", ".join(twice),
            do="give every one its own",
        )


def _check_table(path: Path, rows: list[Any]) -> None:
    last_v = 0.0
    for row in rows:
        numbers = isinstance(row, list) and all(type(one) in (int, float) for one in row)
        if not numbers or len(row) != PAIR or row[0] <= last_v or not 0 <= row[1] <= PERCENT_MAX:
            raise _fail(
                path,
                "[power] ups_table",
                expected="rows of battery volts and per cent such as [12.1, 60]",
                got=row,
                do="mend the row; the volts must rise",
            )
        last_v = row[0]


def _check_locker(path: Path, given: Mapping[str, Any], locker: Mapping[str, Any]) -> None:
    """What one board has another has not; an option that this board does not read is an error."""
    board = locker["board"]
    for key, option in BOARDS[board].items():
        _value(path, f"[locker] {key}", option, locker[key])
    for key, only in ONLY_ON.items():
        if key in given and only != board:
            raise _fail(
                path,
                f"[locker] {key}",
                expected=f'it with board = "{only}" only',
                got=given[key],
                do="remove it, or name the board that stands there",
            )


def _check_ports(path: Path, options: Mapping[str, Any], seats: Sequence[Seat]) -> None:
    """One board, one port: a second owner would never get it. Pins need something to move them."""
    ports = [options["id_reader"]["port"], options["locker"]["port"], options["power"]["ups_port"]]
    ports += [seat.radar_port for seat in seats]
    _unique(path, "seat", "radar_port (or another board's port)", ports)
    if options["gpio"]["backend"] == "mock" and not options["gpio"]["control"]:
        raise _fail(
            path, "[gpio] control", expected="a socket's path", got="", do="add it for mock pins"
        )


def _check_identity(about: Mapping[str, Any], mqtt: Mapping[str, Any]) -> None:
    texts = [about[key] for key in ("ctl", "place", "org", "hub", "url")]
    texts += [mqtt[key] for key in ("host", "user", "password")]
    if type(mqtt.get("tls", False)) is not bool:
        raise TypeError(f"mqtt.tls is neither true nor false: {mqtt['tls']!r}")
    if not all(isinstance(one, str) for one in texts) or not is_controller(about["ctl"]):
        raise TypeError(f"fields of another kind, or no controller id: {about['ctl']!r}")


def read_credentials(folder: Path) -> Credentials:
    """Reads `id.json` of an enrolment folder.

    Raises:
        ConfigError: the folder or a field is missing.
    """
    where = folder / "id.json"
    try:
        about = json.loads(where.read_text(encoding="utf-8"))
        mqtt = about["mqtt"]
        _check_identity(about, mqtt)
        return Credentials(
            folder=folder,
            ctl=about["ctl"],
            place=about["place"],
            org=about["org"],
            place_name=str(about.get("place_name", about["place"])),
            org_name=str(about.get("org_name", about["org"])),
            hub=about["hub"],
            mqtt_host=mqtt["host"],
            mqtt_port=int(mqtt["port"]),
            mqtt_user=mqtt["user"],
            mqtt_password=mqtt["password"],
            mqtt_tls=mqtt.get("tls", False),
            url=about["url"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _fail(
            where,
            "",
            expected="the file that enrolment wrote",
            got=f"{type(error).__name__}: {error}",
            do="run `evalroom hub enroll … --out` and copy the whole folder here",
        ) from error


def _document(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _fail(
            path, "", expected="a readable file", got=error.strerror, do="check the path"
        ) from error
    if len(raw) > FILE_BYTES_MAX:
        raise _fail(
            path, "", expected=f"at most {FILE_BYTES_MAX} bytes", got=len(raw), do="check the path"
        )
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _fail(
            path, "", expected="TOML in UTF-8", got=str(error), do="mend the line"
        ) from error


def read_room_file(path: Path) -> RoomFile:
    """Reads and checks a room file and the enrolment folder it names.

    Relative paths count from the file's own folder.

    Raises:
        ConfigError: the first thing that is wrong, with file, section and option.
    """
    document = _document(path)
    for name in document:
        if name not in SECTIONS and name not in LISTS:
            known = ", ".join([*SECTIONS, *LISTS])
            raise _fail(
                path, f"[{name}]", expected=f"one of {known}", got=name, do="remove or mend it"
            )
    options: dict[str, dict[str, Any]] = {}
    for name, table in SECTIONS.items():
        if name not in document and name not in OPTIONAL_SECTIONS:
            raise _fail(path, f"[{name}]", expected="the section", got=None, do="add it")
        options[name] = _section(path, name, table, document.get(name, {}))
    seats = tuple(Seat(**row) for row in _rows(path, "seat", document))
    cameras = tuple(Camera(**row) for row in _rows(path, "camera", document))
    _unique(path, "seat", "station", [seat.station for seat in seats])
    pins = [seat.mat_pin for seat in seats] + [options["power"]["mains_pin"]]
    _unique(path, "seat", "mat_pin (or [power] mains_pin)", pins)
    _unique(path, "camera", "stream", [camera.stream for camera in cameras])
    _check_table(path, options["power"]["ups_table"])
    _check_locker(path, document["locker"], options["locker"])
    _check_ports(path, options, seats)
    folder = (path.parent / options["controller"]["credentials"]).resolve()
    return RoomFile(
        path=path,
        options=options,
        seats=seats,
        cameras=cameras,
        credentials=read_credentials(folder),
    )
