"""Radar and UPS drivers against simulated boards on real ptys."""

from pathlib import Path
from typing import Any

import pytest

from edge.devices import DeviceError
from edge.drivers.ld2410 import FROZEN_MS, REPEAT_MS, SeatRadar
from edge.drivers.megatec import REPEAT_MS as UPS_REPEAT_MS
from edge.drivers.megatec import Ups
from edge.simulators.bench import RunningBoard
from edge.simulators.ld2410 import SimulatedRadar
from edge.simulators.megatec import SimulatedUps

pytestmark = pytest.mark.slow


def radar_at(board: RunningBoard, readings: Any, mono: Any) -> SeatRadar:
    return SeatRadar(
        device="radar", port=str(board.pty), sink=readings, mono=mono, station=4, baud=256_000
    )


def ups_at(board: RunningBoard, readings: Any, mono: Any, **options: Any) -> Ups:
    return Ups(device="ups", port=str(board.pty), sink=readings, mono=mono, poll_ms=100, **options)


def test_a_target_is_told_when_it_changes_and_every_five_seconds(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with RunningBoard(SimulatedRadar(), tmp_path) as board, radar_at(board, readings, mono):
        assert readings.wait("radar") == {"station": 4, "target": "none"}
        for value in ("moving", "both", "still"):
            board.order("target", value=value)
            assert readings.wait("radar") == {"station": 4, "target": value}
        told = len(readings.of("radar"))
        mono.ahead_ms += REPEAT_MS
        assert readings.wait("radar") == {"station": 4, "target": "still"}
        assert len(readings.of("radar")) == told + 1


@pytest.mark.parametrize("fault", ["damage", "drop", "garbage_prefix", "byte_by_byte"])
def test_a_bad_line_never_makes_somebody_sit_down(
    tmp_path: Path, readings: Any, mono: Any, fault: str
) -> None:
    with RunningBoard(SimulatedRadar(), tmp_path) as board, radar_at(board, readings, mono):
        readings.wait("radar")
        board.order("fault", kind=fault, count=8)
        board.order("target", value="moving")
        assert readings.wait("radar")["target"] == "moving"
        assert readings.of("device") == []
        assert {told["target"] for told in readings.of("radar")} == {"none", "moving"}


def test_a_silent_radar_is_lost_once_and_told_afresh_when_it_is_back(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with (
        RunningBoard(SimulatedRadar(), tmp_path) as board,
        radar_at(board, readings, mono) as radar,
    ):
        readings.wait("radar")
        board.order("silent")
        assert readings.wait("device") == {"state": "lost", "reason": "silent"}
        assert radar.selftest()["ok"] is False
        # Long enough for the port to be opened afresh.
        mono.ahead_ms += 20_000
        board.order("silent", on=False)
        assert readings.wait("device") == {"state": "back", "reason": "answers"}
        assert readings.wait("radar") == {"station": 4, "target": "none"}


def test_a_radar_whose_numbers_hang_is_restarted_and_not_called_lost(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with RunningBoard(SimulatedRadar(), tmp_path) as board, radar_at(board, readings, mono):
        board.order("target", value="still")
        board.order("freeze")
        readings.wait("radar", lambda data: data["target"] == "still")
        mono.ahead_ms += FROZEN_MS
        readings.wait("radar")
        board.order("target", value="none")
        assert readings.wait("radar", lambda data: data["target"] == "none")
        state = board.order("state")
        assert (state["restarts"], state["frozen"]) == (1, False)


def test_the_mains_is_told_when_two_answers_agree(tmp_path: Path, readings: Any, mono: Any) -> None:
    with RunningBoard(SimulatedUps(), tmp_path) as board, ups_at(board, readings, mono):
        first = readings.wait("ups")
        assert first == {
            "utility_fail": False, "battery_low": False, "ups_failed": False, "charge_pct": None,
            "battery_v": 2.27, "load_pct": 34, "input_v": 228.0,
        }  # fmt: skip
        board.order("load", load_pct=80)
        board.order("mains", on=False)
        lost = readings.wait("ups")
        assert (lost["utility_fail"], lost["load_pct"], lost["input_v"]) == (True, 80, 0.0)
        board.order("battery", charge_pct=10)
        assert readings.wait("ups")["battery_low"] is True
        board.order("mains", on=True)
        assert readings.wait("ups")["utility_fail"] is False
        mono.ahead_ms += UPS_REPEAT_MS
        readings.wait("ups")


def test_a_table_of_voltages_gives_a_percentage(tmp_path: Path, readings: Any, mono: Any) -> None:
    table = ((1.67, 0), (1.97, 40), (2.27, 100))
    with (
        RunningBoard(SimulatedUps(), tmp_path) as board,
        ups_at(board, readings, mono, charge_table=table) as ups,
    ):
        assert readings.wait("ups")["charge_pct"] == 100
        assert [ups._charge(volts) for volts in (1.5, 1.67, 1.82, 1.97, 2.12, 2.4, None)] == [
            0, 0, 20, 40, 70, 100, None,
        ]  # fmt: skip
        board.order("mains", on=False)
        board.order("battery", charge_pct=50)
        charge = readings.wait("ups", lambda data: data["utility_fail"])["charge_pct"]
        assert isinstance(charge, int)
        assert 35 <= charge <= 45


def test_a_silent_ups_is_lost_and_never_fine(tmp_path: Path, readings: Any, mono: Any) -> None:
    with RunningBoard(SimulatedUps(), tmp_path) as board, ups_at(board, readings, mono) as ups:
        readings.wait("ups")
        board.order("fault", kind="no_answer", count=4)
        assert readings.wait("device") == {"state": "lost", "reason": "no_answer"}
        assert ups.selftest()["ok"] is False
        assert readings.wait("device") == {"state": "back", "reason": "answers"}
        assert readings.wait("ups")["utility_fail"] is False


@pytest.mark.parametrize("fault", ["damage", "drop", "garbage_prefix", "byte_by_byte"])
def test_a_bad_line_never_cuts_the_mains(
    tmp_path: Path, readings: Any, mono: Any, fault: str
) -> None:
    with RunningBoard(SimulatedUps(), tmp_path) as board, ups_at(board, readings, mono):
        board.order("fault", kind=fault, count=2)
        readings.wait("ups")
        board.order("mains", on=False)
        readings.wait("ups", lambda data: bool(data["utility_fail"]))
        assert [told["utility_fail"] for told in readings.of("ups")] == [False, True]


def test_options_that_do_not_fit_are_refused(readings: Any, mono: Any) -> None:
    with pytest.raises(DeviceError, match="charge_table: expected rising volts"):
        Ups(device="ups", port="x", sink=readings, mono=mono, charge_table=((2.0, 1), (1.0, 2)))
    with pytest.raises(DeviceError, match="baud: expected one of 2400"):
        Ups(device="ups", port="x", sink=readings, mono=mono, baud=1920)
    with pytest.raises(DeviceError, match="baud: expected one of 9600"):
        SeatRadar(device="r", port="x", sink=readings, mono=mono, station=1, baud=1920)
