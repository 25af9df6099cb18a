"""LD2410: real traces, configuration frames, damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import ld2410 as wire
from protocols.wire.ld2410 import (
    Ack,
    BoardDecoder,
    Command,
    HostDecoder,
    Report,
    Target,
    encode,
    encode_event,
    set_baud,
    set_gates,
    set_sensitivity,
)

BASIC = bytes.fromhex("F4 F3 F2 F1 0D 00 02 AA 02 51 00 00 00 00 3B 00 00 55 00 F8 F7 F6 F5")
BASIC_REPORT = Report(Target.STILL, 81, 0, 0, 59, 0)
ENGINEERING = bytes.fromhex(
    "F4 F3 F2 F1 23 00 01 AA 03 1E 00 3C 00 00 39 00 00 08 08 3C 22 05 03 03 04 03 06 05 00 00 39"
    "10 13 06 06 08 04 60 01 55 00 F8 F7 F6 F5"
)
ENGINEERING_REPORT = Report(
    Target.BOTH, 30, 60, 0, 57, 0,
    (60, 34, 5, 3, 3, 4, 3, 6, 5), (0, 0, 57, 16, 19, 6, 6, 8, 4), 96, out_pin=True,
)  # fmt: skip
COMMANDS = {
    "FD FC FB FA 04 00 FF 00 01 00 04 03 02 01": wire.ENABLE_CONFIG,
    "FD FC FB FA 02 00 FE 00 04 03 02 01": wire.END_CONFIG,
    "FD FC FB FA 02 00 62 00 04 03 02 01": wire.ENGINEERING_ON,
    "FD FC FB FA 02 00 63 00 04 03 02 01": wire.ENGINEERING_OFF,
    "FD FC FB FA 02 00 61 00 04 03 02 01": wire.READ_PARAMETERS,
    "FD FC FB FA 02 00 A0 00 04 03 02 01": wire.READ_FIRMWARE,
    "FD FC FB FA 02 00 A3 00 04 03 02 01": wire.RESTART,
    "FD FC FB FA 02 00 A2 00 04 03 02 01": wire.FACTORY_RESET,
    "FD FC FB FA 14 00 60 00 00 00 08 00 00 00 01 00 08 00 00 00 02 00 05 00 00 00 04 03 02 01":
        set_gates(moving_max=8, still_max=8, clear_s=5),
    "FD FC FB FA 14 00 64 00 00 00 03 00 00 00 01 00 28 00 00 00 02 00 28 00 00 00 04 03 02 01":
        set_sensitivity(gate=3, moving=40, still=40),
    "FD FC FB FA 04 00 A1 00 05 00 04 03 02 01": set_baud(115200),
}  # fmt: skip


@pytest.mark.parametrize(("line", "command"), list(COMMANDS.items()))
def test_commands_are_the_published_bytes_and_read_back(line: str, command: Command) -> None:
    assert encode(command) == bytes.fromhex(line)
    assert BoardDecoder().receive_data(bytes.fromhex(line)) == [command]


@pytest.mark.parametrize(
    ("line", "report"),
    [
        (BASIC, BASIC_REPORT),
        (ENGINEERING, ENGINEERING_REPORT),
        (
            bytes.fromhex("F4F3F2F1 0D00 02AA 03 3C00 64 0000 00 5100 5500 F8F7F6F5"),
            Report(Target.BOTH, 60, 100, 0, 0, 81),
        ),
    ],
)
def test_reports_are_the_recorded_traces_and_read_back(line: bytes, report: Report) -> None:
    assert HostDecoder().receive_data(line) == [report]
    assert encode_event(report) == line


def test_the_out_pin_and_the_light_are_read_apart() -> None:
    dark = bytearray(ENGINEERING)
    dark[-8], dark[-7] = 0, 0

    [report] = HostDecoder().receive_data(bytes(dark))

    assert isinstance(report, Report)
    assert (report.light, report.out_pin) == (0, False)
    assert encode_event(report) == bytes(dark)


@pytest.mark.parametrize(
    ("line", "ack"),
    [
        ("FD FC FB FA 04 00 FE 01 00 00 04 03 02 01", Ack(0xFE, ok=True)),
        ("FD FC FB FA 04 00 FE 01 01 00 04 03 02 01", Ack(0xFE, ok=False)),
        ("FD FC FB FA 08 00 FF 01 00 00 01 00 40 00 04 03 02 01",
         Ack(0xFF, ok=True, value=b"\1\0\x40\0")),
    ],
)  # fmt: skip
def test_acknowledgements_read_back(line: str, ack: Ack) -> None:
    assert HostDecoder().receive_data(bytes.fromhex(line)) == [ack]
    assert encode_event(ack) == bytes.fromhex(line)


def test_a_status_of_256_is_no_success() -> None:
    line = bytes.fromhex("FD FC FB FA 04 00 FE 01 00 01 04 03 02 01")

    assert HostDecoder().receive_data(line) == [Ack(0xFE, ok=False)]


def test_the_echo_of_a_command_is_no_acknowledgement() -> None:
    host = HostDecoder()

    assert host.receive_data(encode(wire.RESTART) + BASIC) == [BASIC_REPORT]
    assert host.receive_data(bytes.fromhex("FD FC FB FA 02 00 FE 01 04 03 02 01")) == []
    assert host.receive_data(encode(wire.ENABLE_CONFIG)) == []


def test_a_board_does_not_listen_to_reports() -> None:
    assert BoardDecoder().receive_data(BASIC + encode(wire.RESTART)) == [wire.RESTART]


@pytest.mark.parametrize(
    ("at", "value"),
    [(6, 1), (6, 3), (7, 0xAB), (8, 4), (-6, 0x56), (-5, 1), (-4, 0), (-1, 0), (0, 0), (3, 0)],
)
def test_a_damaged_report_then_a_good_one_in_one_read(at: int, value: int) -> None:
    damaged = bytearray(BASIC)
    damaged[at] = value
    host = HostDecoder()

    assert host.receive_data(bytes(damaged) + ENGINEERING) == [ENGINEERING_REPORT]
    assert host.dropped_bytes == len(BASIC)


def test_an_impossible_length_is_given_up_as_soon_as_it_is_read() -> None:
    host = HostDecoder()

    assert host.receive_data(BASIC[:4] + b"\xff\xff") == []
    assert (host.pending, host.dropped_bytes) == (0, 6)


@pytest.mark.parametrize("length", [0, 1, 12, 14, 64, 65, 0xFFFF])
def test_a_wrong_length_never_costs_the_next_report(length: int) -> None:
    damaged = BASIC[:4] + length.to_bytes(2, "little") + BASIC[6:]
    host = HostDecoder()

    assert host.receive_data(damaged + ENGINEERING) + host.flush() == [ENGINEERING_REPORT]
    assert host.pending == 0


def test_a_configuration_frame_without_a_command_is_dropped() -> None:
    empty = bytes.fromhex("FD FC FB FA 00 00 04 03 02 01")
    half = bytes.fromhex("FD FC FB FA 01 00 FF 04 03 02 01")

    assert BoardDecoder().receive_data(empty + half + encode(wire.RESTART)) == [wire.RESTART]
    assert HostDecoder().receive_data(empty + half + BASIC) == [BASIC_REPORT]
    wrong_foot = encode(wire.RESTART)[:-1] + b"\0"
    assert BoardDecoder().receive_data(wrong_foot) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: set_baud(1920), "expected one of 9600"),
        (lambda: set_gates(moving_max=1, still_max=8, clear_s=5), r"moving_max: expected 2\.\.8"),
        (lambda: set_gates(moving_max=8, still_max=9, clear_s=5), r"still_max: expected 2\.\.8"),
        (lambda: set_gates(moving_max=8, still_max=8, clear_s=-1), "clear_s: expected 0"),
        (lambda: set_sensitivity(gate=9, moving=1, still=1), r"gate: expected 0\.\.8"),
        (lambda: set_sensitivity(gate=1, moving=101, still=1), r"moving: expected 0\.\.100"),
        (lambda: set_sensitivity(gate=1, moving=1, still=-1), r"still: expected 0\.\.100"),
    ],
)
def test_values_out_of_range_are_refused_by_name(make: object, says: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=says):
        make()


def test_speeds_and_bluetooth_are_the_published_numbers() -> None:
    speeds = (9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800)

    assert [set_baud(baud).value[0] for baud in speeds] == list(range(1, 9))
    assert encode(wire.BLUETOOTH_OFF) == bytes.fromhex("FDFCFBFA 0400 A400 0000 04030201")
    edges = set_gates(moving_max=2, still_max=8, clear_s=0xFFFF)
    assert edges.value == bytes.fromhex("0000 02000000 0100 08000000 0200 FFFF0000")
    edges = set_sensitivity(gate=0, moving=0, still=100)
    assert edges.value == bytes.fromhex("0000 00000000 0100 00000000 0200 64000000")
    assert set_sensitivity(gate=8, moving=100, still=0).value[2] == 8


def test_an_unfinished_frame_is_given_up_when_the_line_is_quiet() -> None:
    host, board = HostDecoder(), BoardDecoder()

    assert host.receive_data(BASIC[:-1]) == []
    assert host.pending == len(BASIC) - 1
    assert host.flush() == []
    assert host.receive_data(BASIC) == [BASIC_REPORT]
    assert board.receive_data(encode(wire.RESTART)[:5]) == []
    assert board.flush() == []
    assert board.dropped_bytes == 5


@given(st.lists(st.binary(max_size=60), max_size=15))
def test_noise_never_raises_and_a_good_frame_is_found_behind_it(noise: list[bytes]) -> None:
    host, board = HostDecoder(), BoardDecoder()
    for data in noise:
        host.receive_data(data)
        board.receive_data(data)
        assert host.pending <= wire.FRAME_BYTES_MAX
    host.flush()
    board.flush()

    assert host.receive_data(BASIC) == [BASIC_REPORT]
    assert board.receive_data(encode(wire.RESTART)) == [wire.RESTART]


BYTE = st.integers(0, 255)
WORD = st.integers(0, 0xFFFF)
GATES = st.tuples(*[BYTE] * 9)


@given(
    basic=st.tuples(st.sampled_from(Target), WORD, BYTE, WORD, BYTE, WORD),
    more=st.none() | st.tuples(GATES, GATES, BYTE, st.booleans()),
    size=st.integers(1, 45),
)
def test_any_report_in_any_split_is_read_back(
    basic: tuple[Target, int, int, int, int, int],
    more: tuple[tuple[int, ...], tuple[int, ...], int, bool] | None,
    size: int,
) -> None:
    report, host = Report(*basic, *(more or ())), HostDecoder()
    line = encode_event(report)

    got = [
        event
        for at in range(0, len(line), size)
        for event in host.receive_data(line[at : at + size])
    ]

    assert got == [report]
