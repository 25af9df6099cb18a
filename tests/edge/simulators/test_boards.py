"""What a hand does to a simulated board, and what it answers to nonsense."""

import json
import socket
from pathlib import Path

import pytest

from edge.simulators.bench import RunningBoard
from edge.simulators.board import Board, ControlError
from edge.simulators.cu16 import SimulatedCu16
from edge.simulators.idcard import SimulatedIdReader
from edge.simulators.ld2410 import SimulatedRadar
from edge.simulators.lockboard import SimulatedLockBoard
from edge.simulators.megatec import MS_PER_MIN, SimulatedUps
from protocols.wire import cu16, idcard, ld2410, lockboard, megatec

BOARDS = [SimulatedIdReader, SimulatedCu16, SimulatedLockBoard, SimulatedRadar, SimulatedUps]


@pytest.mark.parametrize("make", BOARDS)
def test_a_state_written_by_a_board_is_taken_over_by_its_successor(make: type[Board]) -> None:
    board = make()
    for command in (
        {"do": "insert", "layout": "J", "name": "张三", "number": "1", "pass_number": "H1"},
        {"do": "key_open", "lock": 1},
        {"do": "put", "lock": 1},
        {"do": "jam", "lock": 2},
        {"do": "target", "value": "both"},
        {"do": "silent"},
        {"do": "mains", "on": False},
        {"do": "battery", "charge_pct": 42},
    ):
        board.control(command)
    successor = make()
    fresh = successor.state()

    successor.restore(json.loads(json.dumps(board.state())))

    assert successor.state() == board.state() != fresh


def test_a_hand_needs_an_open_door() -> None:
    board = SimulatedCu16(count=2)

    refused = board.control({"do": "put", "lock": 1})
    assert refused["ok"] is False
    assert refused["error"] == {
        "what": "put at lock 1", "where": "cu16 control", "expected": "an open door",
        "got": "a shut one",
    }  # fmt: skip
    board.heard(cu16.encode(cu16.Unlock(0, 1)))
    assert board.control({"do": "put", "lock": 1})["ok"] is True
    assert board.control({"do": "close", "lock": 1})["ok"] is True
    assert board.control({"do": "take", "lock": 1})["ok"] is False


@pytest.mark.parametrize(
    ("command", "what", "expected"),
    [
        ({}, "field do", "one of fault, state, key_open"),
        ({"do": "fly"}, "field do", "one of fault, state, key_open"),
        ({"do": "key_open"}, "field lock", "1..16"),
        ({"do": "key_open", "lock": 17}, "field lock", "1..16"),
        ({"do": "key_open", "lock": True}, "field lock", "1..16"),
        ({"do": "key_open", "lock": 1, "x": 2}, "unknown field", "none more"),
        ({"do": "jam", "lock": 1, "on": "yes"}, "field on", "true or false"),
        ({"do": "fault", "kind": "fire"}, "field kind", "one of no_answer"),
        ({"do": "fault", "kind": "drop", "count": 0}, "field count", "1..1000000"),
        ({"do": "state", "x": 1}, "unknown field", "none more"),
    ],
)
def test_a_command_that_does_not_fit_is_refused_with_what_was_expected(
    command: dict[str, object], what: str, expected: str
) -> None:
    answer = SimulatedCu16().control(command)

    assert answer["ok"] is False
    problem = answer["error"]
    assert isinstance(problem, dict)
    assert problem["what"] == what
    assert str(problem["expected"]).startswith(expected)


def test_a_card_that_does_not_fit_is_refused() -> None:
    board = SimulatedIdReader()

    for fields, what in (
        ({"name": "张三"}, "field number"),
        ({"name": 3, "number": "1"}, "field name"),
        ({"name": "张" * 16, "number": "1"}, "card"),
        ({"name": "张三", "number": "1", "layout": "Z"}, "field layout"),
        ({"name": "张三", "number": "1", "colour": "red"}, "unknown field"),
    ):
        answer = board.control({"do": "insert", **fields})
        assert answer["ok"] is False
        assert answer["error"]["what"] == what  # type: ignore[index] - the shape is tested above
    assert board.state()["card"] is None


def test_a_read_that_was_spoilt_on_the_line_does_not_count() -> None:
    board = SimulatedIdReader()
    board.control({"do": "insert", "name": "张三", "number": "11010519491231002X"})
    board.control({"do": "fault", "kind": "damage"})

    for command in (idcard.FIND, idcard.SELECT, idcard.READ):
        [answer] = board.heard(idcard.encode(command))
    assert len(answer) == 1295
    assert board.state()["read"] is False
    board.faults.pass_on(answer)
    for command in (idcard.FIND, idcard.SELECT, idcard.READ):
        board.heard(idcard.encode(command))
    assert board.state()["read"] is True


@pytest.mark.parametrize(
    ("kind", "count", "size"),
    [("no_answer", 0, 0), ("drop", 1, 6), ("damage", 1, 7), ("garbage_prefix", 1, 16),
     ("byte_by_byte", 7, 1), ("stall", 1, 7)],
)  # fmt: skip
def test_a_fault_spoils_as_many_answers_as_were_asked_for(kind: str, count: int, size: int) -> None:
    faults = SimulatedLockBoard(seed=5).faults
    answer = bytes.fromhex("80 01 00 00 02 33 B0")
    faults.add(kind, 2)

    for _ in range(2):
        parts = faults.pass_on(answer)
        assert len(parts) == count
        assert all(len(part.data) == size for part in parts)
        assert b"".join(part.data for part in parts) != answer or kind in {"byte_by_byte", "stall"}
    [whole] = faults.pass_on(answer)
    assert (whole.data, whole.after_ms) == (answer, 0)


def test_the_battery_drains_by_the_boards_clock_while_the_mains_is_gone() -> None:
    ups = SimulatedUps()
    ups.tick(0)
    ups.control({"do": "mains", "on": False})
    ups.tick(5 * MS_PER_MIN)
    assert ups.state()["charge_permille"] == 700
    ups.tick(60 * MS_PER_MIN)
    [line] = ups.heard(megatec.QUERY)
    [status] = megatec.HostDecoder().receive_data(line)
    assert isinstance(status, megatec.Status)
    assert (status.utility_fail, status.battery_low, ups.state()["charge_permille"]) == (
        True, True, 0,
    )  # fmt: skip
    ups.control({"do": "mains", "on": True})
    ups.tick(70 * MS_PER_MIN)
    assert ups.state()["charge_permille"] == 300


def test_a_radar_tells_the_parameters_that_were_set() -> None:
    radar, host = SimulatedRadar(), ld2410.HostDecoder()

    def ask(command: ld2410.Command) -> ld2410.Ack:
        [answer] = radar.heard(ld2410.encode(command))
        [ack] = host.receive_data(answer)
        assert isinstance(ack, ld2410.Ack)
        return ack

    ask(ld2410.ENABLE_CONFIG)
    assert ask(ld2410.set_gates(moving_max=2, still_max=3, clear_s=300)).ok
    assert ask(ld2410.set_sensitivity(gate=3, moving=40, still=41)).ok
    value = ask(ld2410.READ_PARAMETERS).value
    assert (len(value), value[:4], value[-2:]) == (24, b"\xaa\x08\x02\x03", b"\x2c\x01")
    assert (value[4 + 3], value[4 + 9 + 3]) == (40, 41)
    every = ld2410.Command(0x64, ld2410.set_sensitivity(gate=0, moving=7, still=8).value)
    every = ld2410.Command(0x64, every.value[:2] + b"\xff\xff" + every.value[4:])
    assert ask(every).ok
    assert ask(ld2410.READ_PARAMETERS).value[4:-2] == bytes([7] * 9 + [8] * 9)
    for wrong in (
        ld2410.Command(0x60),
        ld2410.Command(0x60, ld2410.set_gates(moving_max=8, still_max=8, clear_s=5).value[:12]),
        ld2410.Command(0x60, b"\0\0\x09\0\0\0\1\0\x08\0\0\0\2\0\5\0\0\0"),
        ld2410.Command(0x64, b"\0\0\x09\0\0\0\1\0\x28\0\0\0\2\0\x28\0\0\0"),
        ld2410.Command(0x64, b"\0\0\3\0\0\0\1\0\x65\0\0\0\2\0\x28\0\0\0"),
    ):
        assert not ask(wrong).ok
    assert ask(ld2410.READ_PARAMETERS).value[4:-2] == bytes([7] * 9 + [8] * 9)


def test_a_radar_obeys_only_in_configuration_mode() -> None:
    radar, host = SimulatedRadar(), ld2410.HostDecoder()

    def ask(command: ld2410.Command) -> ld2410.Ack:
        [answer] = radar.heard(ld2410.encode(command))
        [ack] = host.receive_data(answer)
        assert isinstance(ack, ld2410.Ack)
        return ack

    assert ask(ld2410.ENGINEERING_ON).ok is False
    assert ask(ld2410.ENABLE_CONFIG).ok is True
    assert radar.tick(1_000) == []
    assert ask(ld2410.ENGINEERING_ON).ok is True
    assert ask(ld2410.READ_FIRMWARE).value != b""
    assert ask(ld2410.END_CONFIG).ok is True
    [frame] = radar.tick(2_000)
    [report] = host.receive_data(frame)
    assert isinstance(report, ld2410.Report)
    assert len(report.moving_gates) == len(report.still_gates) == 9
    assert radar.tick(2_050) == []
    assert ask(ld2410.ENABLE_CONFIG).ok is ask(ld2410.RESTART).ok is True
    assert radar.tick(3_000) == radar.tick(3_900) == []
    [frame] = radar.tick(4_000)
    [report] = host.receive_data(frame)
    assert isinstance(report, ld2410.Report)
    assert report.light is None
    assert radar.quiet() == []


def test_a_hold_and_an_evacuation_reach_the_doors() -> None:
    board = SimulatedLockBoard(count=3, address=2)
    for line in ("9B 02 02 11 89", "9A 02 01 11 88"):
        board.heard(bytes.fromhex(line))
        assert board.quiet() == []
    assert [locker["open"] for locker in board.state()["lockers"].values()] == [True, False, False]  # type: ignore[attr-defined] - JSON
    board.heard(lockboard.encode(lockboard.OpenAll(2, evacuation=True)))
    board.quiet()
    assert all(locker["open"] for locker in board.state()["lockers"].values())  # type: ignore[attr-defined] - JSON


def test_a_cu16_opens_all_its_doors_in_an_evacuation() -> None:
    board = SimulatedCu16(board=3, count=2)

    assert board.heard(cu16.encode(cu16.UnlockAll(1, evacuation=True))) == []
    assert board.heard(cu16.encode(cu16.ReadStatus(1))) == []
    # Address F0 speaks to every board.
    assert len(board.heard(bytes.fromhex("02 F0 32 03 27"))) == 1
    board.heard(cu16.encode(cu16.UnlockAll(3, evacuation=True)))
    assert board.quiet() == []
    assert all(locker["open"] for locker in board.state()["lockers"].values())  # type: ignore[attr-defined] - JSON


def test_the_control_socket_answers_every_line_and_cuts_off_what_never_ends(
    tmp_path: Path,
) -> None:
    with RunningBoard(SimulatedUps(), tmp_path) as running:
        with pytest.raises(ControlError, match=r"megatec control: field on: expected true"):
            running.order("mains", on=1)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(running.socket))
            connection.sendall(b'nonsense\n[1]\n{"do":"state"}\n')
            answers = connection.makefile("rb")
            told = [json.loads(answers.readline()) for _ in range(3)]
            assert [answer["ok"] for answer in told] == [False, False, True]
            assert told[0]["error"]["got"] == "nonsense"
            connection.sendall(b"x" * 5000)
            assert answers.read() == b""
            answers.close()
        assert running.order("state")["mains"] is True
    assert not running.socket.exists()
    assert json.loads(running.state.read_text())["mains"] is True
