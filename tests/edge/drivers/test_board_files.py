"""What `firmware-config/boards` says about a board is what its driver does."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from edge.drivers import doors, gpio_inputs, idcard, ld2410, megatec, port
from edge.drivers.cu16 import LockBoardCu16
from edge.drivers.lockboard import LockBoard8a80
from edge.simulators.cli import BOARDS as SIMULATORS
from protocols.wire import cu16 as cu16_wire
from protocols.wire import lockboard as lockboard_wire
from protocols.wire.lockboard import BitOrder, Feedback

ROOT = Path(__file__).resolve().parents[3]
LOCKS = {
    "poll_every_ms": doors.POLL_MS,
    "answer_timeout_ms": doors.ANSWER_MS,
    "misses_to_lost": port.MISSES_MAX,
}


def board(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "firmware-config/boards" / f"{name}.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "driver", "limits"),
    [
        (
            "idcard", idcard.CardReader,
            {
                "find_every_ms": idcard.FIND_EVERY_MS, "find_timeout_ms": idcard.FIND_MS,
                "select_timeout_ms": idcard.SELECT_MS, "read_timeout_ms": idcard.READ_MS,
                "tries": idcard.TRIES_MAX,
            },
        ),
        (
            "lockboard-8a80", LockBoard8a80,
            LOCKS | {
                "address": [1, lockboard_wire.ADDRESS_MAX], "locks_max": lockboard_wire.LOCK_MAX,
                "frame_end_silence_ms": doors.QUIET_MS,
            },
        ),
        (
            "lockboard-cu16", LockBoardCu16,
            LOCKS | {"address": [0, cu16_wire.BOARD_MAX], "locks_max": cu16_wire.LOCKS},
        ),
        (
            "radar-ld2410", ld2410.SeatRadar,
            {
                "silent_to_lost_ms": ld2410.SILENT_MS, "repeat_ms": ld2410.REPEAT_MS,
                "frozen_to_restart_ms": ld2410.FROZEN_MS,
            },
        ),
        (
            "ups-megatec", megatec.Ups,
            {
                "poll_every_ms": megatec.POLL_MS, "answer_timeout_ms": megatec.ANSWER_MS,
                "misses_to_lost": port.MISSES_MAX,
            },
        ),
    ],
)  # fmt: skip
def test_a_boards_file_says_what_its_driver_does(
    name: str, driver: type[port.PortDriver], limits: dict[str, Any]
) -> None:
    file = board(name)

    assert sorted(file["bauds"]) == sorted(driver.bauds)
    assert file["limits"] == limits
    assert (ROOT / file["driver"]).is_file()
    assert file["simulator"].removeprefix("evalroom sim ") in SIMULATORS


def test_the_wirings_and_the_contacts_are_those_of_the_drivers() -> None:
    wiring = board("lockboard-8a80")["wiring"]

    assert wiring["feedback"] == [value.value for value in Feedback]
    assert wiring["bit_order"] == [value.value for value in BitOrder]
    assert board("gpio-contacts")["limits"] == {
        "poll_every_ms": gpio_inputs.POLL_MS,
        "mains_lost_ms": gpio_inputs.MAINS_LOST_MS,
        "mains_back_ms": gpio_inputs.MAINS_BACK_MS,
        "mat_on_ms": gpio_inputs.MAT_ON_MS,
        "mat_off_ms": gpio_inputs.MAT_OFF_MS,
    }
