"""Both lock board drivers against simulated cabinets on real ptys."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from edge.devices import DeviceError, LockBoard
from edge.drivers.cu16 import LockBoardCu16
from edge.drivers.doors import PULSES_MAX, DoorAndItem, DoorDriver
from edge.drivers.line import Line
from edge.drivers.lockboard import LockBoard8a80
from edge.simulators.bench import RunningBoard
from edge.simulators.board import Board, Faults, Outgoing
from edge.simulators.cu16 import SimulatedCu16
from edge.simulators.lockboard import SimulatedLockBoard
from protocols.wire.lockboard import BitOrder, Feedback

pytestmark = pytest.mark.slow
Make = tuple[Callable[[], Board], Callable[..., DoorDriver], str]
CU16: Make = (lambda: SimulatedCu16(count=3), LockBoardCu16, "absent")
FAMILY_8A: Make = (lambda: SimulatedLockBoard(count=3), LockBoard8a80, "unknown")


@pytest.fixture(params=[CU16, FAMILY_8A], ids=["cu16", "8a80"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
def board(make: Make, tmp_path: Path) -> Iterator[RunningBoard]:
    with RunningBoard(make[0](), tmp_path) as running:
        yield running


@pytest.fixture
def driver(make: Make, board: RunningBoard, readings: Any, mono: Any) -> Iterator[DoorDriver]:
    made = make[1](device="lockers", port=str(board.pty), sink=readings, mono=mono, count=3)
    with made:
        yield made


def door(readings: Any, lock: int, state: str) -> None:
    readings.wait("lockers", lambda data: data["states"][str(lock)][0] == state)


@pytest.mark.usefixtures("driver")
def test_all_lockers_are_told_at_the_start_and_then_only_changes(
    make: Make, board: RunningBoard, readings: Any
) -> None:
    first = readings.wait("lockers")

    assert first == {"states": {str(lock): ["closed", make[2]] for lock in (1, 2, 3)}}
    board.order("key_open", lock=2)
    door(readings, 2, "open")
    board.order("close", lock=2)
    door(readings, 2, "closed")
    assert len(readings.of("lockers")) == 3


def test_one_pulse_opens_one_door_and_its_outcome_is_what_the_door_says(
    board: RunningBoard, driver: LockBoard, readings: Any
) -> None:
    readings.wait("lockers")
    driver.open(3)

    assert readings.wait("pulse") == {"lock": 3, "outcome": "opened"}
    lockers = board.order("state")["lockers"]
    assert isinstance(lockers, dict)
    assert [lock for lock, locker in lockers.items() if locker["open"]] == ["3"]
    driver.open(3)
    assert readings.wait("pulse") == {"lock": 3, "outcome": "opened"}


def test_starting_ending_and_testing_a_driver_opens_no_door(
    board: RunningBoard, driver: DoorDriver, readings: Any
) -> None:
    for _ in range(3):
        driver.start()
        assert driver.selftest()["ok"] is True
        driver.close()
    lockers = board.order("state")["lockers"]
    assert isinstance(lockers, dict)
    assert [lock for lock, locker in lockers.items() if locker["open"]] == []
    assert readings.of("pulse") == []


def test_a_jammed_door_stays_closed_and_is_told_so(
    board: RunningBoard, driver: DoorDriver, readings: Any
) -> None:
    board.order("jam", lock=1)
    driver.open(1)

    assert readings.wait("pulse") == {"lock": 1, "outcome": "still_closed"}


def test_a_silent_board_gets_no_pulse_and_all_doors_are_unknown(
    board: RunningBoard, driver: DoorDriver, readings: Any
) -> None:
    readings.wait("lockers")
    board.order("fault", kind="no_answer", count=6)

    driver.open(1)

    unknown = readings.wait("lockers")
    assert unknown == {"states": {str(lock): ["unknown", "unknown"] for lock in (1, 2, 3)}}
    assert readings.wait("device") == {"state": "lost", "reason": "no_answer"}
    assert readings.wait("pulse") == {"lock": 1, "outcome": "no_answer"}
    assert readings.wait("device") == {"state": "back", "reason": "answers"}
    door(readings, 1, "closed")


def test_a_door_whose_board_goes_silent_after_the_pulse_is_unknown(
    board: RunningBoard, driver: DoorDriver, readings: Any
) -> None:
    readings.wait("lockers")
    board.order("jam", lock=1)
    driver.open(1)
    # The last poll before the pulse, then silence for longer than the watch.
    board.order("fault", kind="no_answer", count=1000)

    assert readings.wait("pulse")["outcome"] in {"unknown", "no_answer"}


@pytest.mark.parametrize("fault", ["damage", "drop", "garbage_prefix", "byte_by_byte"])
@pytest.mark.usefixtures("driver")
def test_a_bad_line_never_makes_a_door_move(board: RunningBoard, readings: Any, fault: str) -> None:
    readings.wait("lockers")
    board.order("fault", kind=fault, count=2)
    board.order("key_open", lock=1)
    door(readings, 1, "open")

    for told in readings.of("lockers"):
        assert told["states"]["2"][0] == told["states"]["3"][0] == "closed"


class SlowLine(Faults):
    """Bytes as a busy USB adapter hands them on: one at a time, 30 ms apart."""

    def pass_on(self, answer: bytes) -> list[Outgoing]:
        return [Outgoing(answer[at : at + 1], at * 30) for at in range(len(answer))]


def test_a_board_whose_bytes_come_slowly_one_by_one_is_read(
    make: Make, tmp_path: Path, readings: Any, mono: Any
) -> None:
    slow = make[0]()
    slow.faults = SlowLine(slow.chance)
    with (
        RunningBoard(slow, tmp_path) as board,
        make[1](device="lockers", port=str(board.pty), sink=readings, mono=mono, count=3),
    ):
        first = readings.wait("lockers")
        assert first == {"states": {str(lock): ["closed", make[2]] for lock in (1, 2, 3)}}


class ScriptedDoors(LockBoard8a80):
    """Doors that answer as told, read by read, and then no more; pulses are kept, not sent."""

    def script(self, *reads: str | None) -> None:
        self.reads, self.pulsed = list(reads), list[int]()

    def ask(self, line: Line) -> dict[int, DoorAndItem] | None:  # noqa: ARG002 one signature
        door = self.reads.pop(0) if self.reads else None
        return None if door is None else dict.fromkeys(self._locks, (door, "unknown"))

    def pulse_frame(self, lock: int) -> bytes:
        self.pulsed.append(lock)
        return super().pulse_frame(lock)


@pytest.mark.parametrize(
    ("reads", "pulses"),
    [
        ((None, None, None, "closed"), 0),
        ((None, None, "closed", "open"), 0),
        (("closed", None, None, None), 0),
        (("open", "open", None, None), 0),
        ((None, None, "closed", "closed"), 1),
    ],
)
def test_a_pulse_is_sent_only_when_two_reads_agree_that_the_door_is_not_open(
    readings: Any, mono: Any, reads: tuple[str | None, ...], pulses: int
) -> None:
    driver = ScriptedDoors(device="lockers", port="x", sink=readings, mono=mono, count=1)
    driver.script(*reads)
    driver.open(1)
    with serial.serial_for_url("loop://") as port:
        if pulses:
            driver.close()  # nobody waits three seconds for what the door does then
        driver.turn(Line(port, mono, lambda: False))

    assert len(driver.pulsed) == pulses
    assert len(readings.of("pulse")) == 1


def test_a_pulse_that_waits_for_a_lost_port_is_answered_and_not_kept(
    make: Make, tmp_path: Path, readings: Any, mono: Any
) -> None:
    port = str(tmp_path / make[0]().kind)
    with make[1](device="lockers", port=port, sink=readings, mono=mono, count=3) as driver:
        assert readings.wait("device") == {"state": "lost", "reason": "port"}
        driver.open(2)
        assert readings.wait("pulse") == {"lock": 2, "outcome": "no_answer"}
        with RunningBoard(make[0](), tmp_path) as board:
            door(readings, 2, "closed")
            lockers = board.order("state")["lockers"]
            assert isinstance(lockers, dict)
            assert not any(locker["open"] for locker in lockers.values())


def test_what_the_board_does_not_have_is_refused(make: Make, readings: Any, mono: Any) -> None:
    common = {"device": "lockers", "port": "x", "sink": readings, "mono": mono}
    for options, says in (
        ({"count": 3, "baud": 1920}, "baud: expected one of"),
        ({"count": 0}, "count: expected 1"),
        ({"count": 99}, "count: expected 1"),
        ({"count": 3, "address": 99}, "address: expected"),
    ):
        with pytest.raises(DeviceError, match=says):
            make[1](**common, **options)
    driver = make[1](**common, count=3)
    with pytest.raises(DeviceError, match=r"lock: expected 1\.\.3, got 4"):
        driver.open(4)
    for _ in range(PULSES_MAX):
        driver.open(1)
    with pytest.raises(DeviceError, match="at most 64 pulses"):
        driver.open(1)


def test_items_are_told_by_boards_that_see_them(tmp_path: Path, readings: Any, mono: Any) -> None:
    with (
        RunningBoard(SimulatedCu16(board=2, count=2), tmp_path) as board,
        LockBoardCu16(
            device="lockers", port=str(board.pty), sink=readings, mono=mono, count=2, address=2
        ),
    ):
        readings.wait("lockers")
        board.order("key_open", lock=1)
        board.order("put", lock=1)
        full = readings.wait("lockers", lambda data: data["states"]["1"] == ["open", "present"])
        board.order("take", lock=1)
        empty = readings.wait("lockers", lambda data: data["states"]["1"] == ["open", "absent"])
        others = [one["states"]["2"] for one in (full, empty)]
        assert others == [["closed", "absent"]] * 2, (
            "what lies in one locker says nothing of others"
        )


def test_a_cu16_without_beams_knows_no_items(tmp_path: Path, readings: Any, mono: Any) -> None:
    with (
        RunningBoard(SimulatedCu16(count=1), tmp_path) as board,
        LockBoardCu16(
            device="lockers", port=str(board.pty), sink=readings, mono=mono, count=1,
            item_sensor=False,
        ),
    ):  # fmt: skip
        assert readings.wait("lockers") == {"states": {"1": ["closed", "unknown"]}}


@pytest.mark.parametrize("feedback", list(Feedback))
@pytest.mark.parametrize("bit_order", list(BitOrder))
def test_both_wirings_and_both_bit_orders_tell_the_same_doors(
    tmp_path: Path, readings: Any, mono: Any, feedback: Feedback, bit_order: BitOrder
) -> None:
    simulated = SimulatedLockBoard(address=7, count=10, feedback=feedback, bit_order=bit_order)
    with (
        RunningBoard(simulated, tmp_path) as board,
        LockBoard8a80(
            device="lockers", port=str(board.pty), sink=readings, mono=mono, count=10, address=7,
            feedback=feedback, bit_order=bit_order,
        ) as driver,
    ):  # fmt: skip
        readings.wait("lockers")
        driver.open(9)
        states = readings.wait("lockers")["states"]
        assert isinstance(states, dict)
        assert [lock for lock, state in states.items() if state[0] == "open"] == ["9"]


def test_a_lock_the_board_has_no_bit_for_is_unknown(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with (
        RunningBoard(SimulatedLockBoard(count=8), tmp_path) as board,
        LockBoard8a80(
            device="lockers", port=str(board.pty), sink=readings, mono=mono, count=25
        ) as driver,
    ):
        states = readings.wait("lockers")["states"]
        assert isinstance(states, dict)
        assert states["25"] == ["unknown", "unknown"]
        driver.open(25)
        assert readings.wait("pulse") == {"lock": 25, "outcome": "unknown"}
