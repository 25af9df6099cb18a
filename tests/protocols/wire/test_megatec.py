"""Megatec Q1: published answers, unknown fields, echoes, damage."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import megatec as wire
from protocols.wire.megatec import BoardDecoder, Echo, HostDecoder, Query, Status, encode_event

ON_LINE = b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r"
ON_LINE_STATUS = Status(208.4, 140.0, 208.4, 34, 59.9, 2.05, 35.0, bypass=True, ups_failed=True)
STANDBY = b"(209.7 209.7 219.7 020 50.0 41.8 23.3 00000001\r"
NO_MAINS = b"(002.9 000.0 000.0 000 00.0 2.02 21.0 10000001\r"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (ON_LINE, ON_LINE_STATUS),
        (STANDBY, Status(209.7, 209.7, 219.7, 20, 50.0, 41.8, 23.3, beeper_on=True)),
        (
            NO_MAINS,
            Status(2.9, 0.0, 0.0, 0, 0.0, 2.02, 21.0, utility_fail=True, beeper_on=True),
        ),
        (
            b"(---.- ---.- ---.- --- --.- -.-- --.- 01000000\r",
            Status(None, None, None, None, None, None, None, battery_low=True),
        ),
    ],
)
def test_answers_are_the_published_lines_and_read_back(line: bytes, status: Status) -> None:
    assert HostDecoder().receive_data(line) == [status]
    if status.battery_v is not None:
        assert encode_event(status) == line


def test_nine_volts_are_a_whole_battery_and_less_is_a_cell() -> None:
    for volts, written in ((9.0, b" 09.0 "), (8.99, b" 8.99 ")):
        status = dataclasses.replace(ON_LINE_STATUS, battery_v=volts)

        assert written in encode_event(status)
        assert HostDecoder().receive_data(encode_event(status)) == [status]


def test_an_answer_has_47_characters() -> None:
    assert len(encode_event(ON_LINE_STATUS)) == 47
    assert len(ON_LINE) == 47


def test_unknown_fields_are_written_as_dashes() -> None:
    unknown = Status(None, None, None, None, None, None, None)

    assert encode_event(unknown) == b"(---.- ---.- ---.- --- --.- --.- --.- 00000000\r"
    assert HostDecoder().receive_data(encode_event(unknown)) == [unknown]


@pytest.mark.parametrize(
    ("bit", "name"),
    list(
        enumerate(
            [
                "utility_fail", "battery_low", "bypass", "ups_failed",
                "standby_type", "testing", "shutting_down", "beeper_on",
            ]
        )
    ),
)  # fmt: skip
def test_every_bit_has_its_place(bit: int, name: str) -> None:
    bits = "".join("1" if place == bit else "0" for place in range(8)).encode()
    line = ON_LINE.replace(b"00110000", bits)

    [status] = HostDecoder().receive_data(line)

    assert isinstance(status, Status)
    fields = dataclasses.asdict(status)
    assert [key for key, value in fields.items() if value is True] == [name]
    assert encode_event(status) == line


def test_a_ups_that_does_not_know_says_the_command_back() -> None:
    assert encode_event(Echo("F")) == b"F\r"
    assert HostDecoder().receive_data(b"F\rQ1\r") == [Echo("F"), Echo("Q1")]


def test_the_query_is_the_published_one() -> None:
    assert wire.encode(Query("Q1")) == wire.QUERY == b"Q1\r"
    assert BoardDecoder().receive_data(b"Q1\rT.5\r") == [Query("Q1"), Query("T.5")]


def test_noise_before_an_answer_is_passed_over() -> None:
    for noise in (b"\xff\x00", b"Q1", b"(208.4 1", b"((", b"\r\r"):
        host = HostDecoder()

        assert host.receive_data(noise + ON_LINE) == [ON_LINE_STATUS]
        assert host.dropped_bytes == len(noise)


def test_noise_counts_the_same_however_the_line_was_split() -> None:
    stream = b"\xff" * 3 * wire.LINE_BYTES_MAX + ON_LINE
    for size in (1, 7, len(stream)):
        host = HostDecoder()
        heard = [
            event
            for at in range(0, len(stream), size)
            for event in host.receive_data(stream[at : at + size])
        ]

        assert heard == [ON_LINE_STATUS]
        assert host.dropped_bytes == len(stream) - len(ON_LINE)


def test_a_damaged_answer_then_a_good_one_in_one_read() -> None:
    for at in range(len(ON_LINE)):
        damaged = bytearray(ON_LINE)
        damaged[at] = 0xFF
        host = HostDecoder()

        assert host.receive_data(bytes(damaged) + NO_MAINS)[-1] != ON_LINE_STATUS
        assert host.dropped_bytes == len(ON_LINE)


@pytest.mark.parametrize(
    "line",
    [
        b"\r",
        b"(\r",
        b"(208.4 140.0 208.4 034 59.9 2.05 35.0 0011000\r",
        b"(208.4 140.0 208.4 034 59.9 2.05 35.0 001100001\r",
        b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110002\r",
        b"(208.4 140.0 208.4 034 59.9 2.05 00110000\r",
        b"208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r",
        b"(208.4 1x0.0 208.4 034 59.9 2.05 35.0 00110000\r",
        b"q1\r",
        b"Q1 \r",
    ],
)
def test_a_line_that_says_nothing_is_dropped_and_counted(line: bytes) -> None:
    host = HostDecoder()

    assert host.receive_data(line + ON_LINE) == [ON_LINE_STATUS]
    assert host.dropped_bytes == len(line)


def test_a_board_drops_what_is_no_query() -> None:
    board = BoardDecoder()

    assert board.receive_data(b"\xff\xff\rq\rQ1\r") == [Query("Q1")]
    assert board.dropped_bytes == 5


def test_a_line_without_an_end_is_bounded_and_given_up_when_quiet() -> None:
    host, board = HostDecoder(), BoardDecoder()

    assert host.receive_data(b"x" * 500) == []
    assert host.pending == wire.LINE_BYTES_MAX
    assert host.dropped_bytes == 500 - wire.LINE_BYTES_MAX
    assert host.flush() == []
    assert (host.pending, host.dropped_bytes) == (0, 500)
    assert board.receive_data(b"Q") == []
    assert board.flush() == []
    assert board.dropped_bytes == 1


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_noise_never_raises_and_a_good_line_is_found_behind_it(noise: list[bytes]) -> None:
    host, board = HostDecoder(), BoardDecoder()
    for data in noise:
        host.receive_data(data)
        board.receive_data(data)
    host.flush()
    board.flush()

    assert host.receive_data(ON_LINE) == [ON_LINE_STATUS]
    assert board.receive_data(wire.QUERY) == [Query("Q1")]


@given(
    volts=st.integers(0, 9999), load=st.integers(0, 999), cell=st.integers(0, 899),
    bits=st.tuples(*[st.booleans()] * 8), size=st.integers(1, 47),
)  # fmt: skip
def test_any_status_in_any_split_is_read_back(
    volts: int, load: int, cell: int, bits: tuple[bool, ...], size: int
) -> None:
    status = Status(volts / 10, None, volts / 10, load, 50.0, cell / 100, None, *bits)
    line, host = encode_event(status), HostDecoder()

    got = [
        event
        for at in range(0, len(line), size)
        for event in host.receive_data(line[at : at + size])
    ]

    assert got == [status]


@pytest.mark.parametrize("noise", [b"\xff", b"(1 2", b"x" * 100, b"(208.4 140.0 " * 9])
def test_noise_before_an_answer_is_counted_however_the_line_was_split(noise: bytes) -> None:
    whole, split = HostDecoder(), HostDecoder()
    heard = [event for byte in noise + ON_LINE for event in split.receive_data(bytes((byte,)))]

    assert whole.receive_data(noise + ON_LINE) == heard == [ON_LINE_STATUS]
    assert whole.dropped_bytes == split.dropped_bytes == len(noise)


def test_an_answer_is_never_longer_than_what_is_kept_of_a_line() -> None:
    line = ON_LINE.replace(b"(208.4", b"(" + b"-" * 90)
    whole, split = HostDecoder(), HostDecoder()
    heard = [event for byte in line for event in split.receive_data(bytes((byte,)))]

    assert whole.receive_data(line) == heard == []
    assert whole.dropped_bytes == split.dropped_bytes == len(line)
