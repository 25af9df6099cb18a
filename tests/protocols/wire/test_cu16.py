"""Kerong CU16: published vectors, bits, damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire.cu16 import (
    BoardDecoder,
    Command,
    HostDecoder,
    ReadStatus,
    Status,
    Unlock,
    UnlockAll,
    encode,
    encode_event,
)

COMMANDS = {
    "02 00 30 03 35": ReadStatus(0),
    "02 00 31 03 36": Unlock(0, 1),
    "02 0F 31 03 45": Unlock(0, 16),
    "02 11 31 03 47": Unlock(1, 2),
    "02 00 33 03 38": UnlockAll(0, evacuation=True),
}
ALL_CLOSED = bytes.fromhex("02 00 35 FF FF 00 00 03 38")
ALL_CLOSED_STATUS = Status(0, (True,) * 16, (False,) * 16)


@pytest.mark.parametrize(("line", "command"), list(COMMANDS.items()))
def test_commands_are_the_published_bytes_and_read_back(line: str, command: Command) -> None:
    assert encode(command) == bytes.fromhex(line)
    assert BoardDecoder().receive_data(bytes.fromhex(line)) == [command]


def test_the_answer_is_the_published_bytes_and_reads_back() -> None:
    assert encode_event(ALL_CLOSED_STATUS) == ALL_CLOSED
    assert HostDecoder().receive_data(ALL_CLOSED) == [ALL_CLOSED_STATUS]


def test_lock_1_is_the_lowest_bit_of_the_first_byte_and_items_follow() -> None:
    line = bytes.fromhex("02 30 35 01 80 02 40 03 2D")

    [status] = HostDecoder().receive_data(line)

    assert status.board == 3
    assert [lock for lock, closed in enumerate(status.closed, 1) if closed] == [1, 16]
    assert [lock for lock, item in enumerate(status.item, 1) if item] == [2, 15]
    assert encode_event(status) == line


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (ReadStatus(10), r"board: expected 0\.\.9, got 10"),
        (ReadStatus(-1), r"board: expected 0\.\.9, got -1"),
        (Unlock(0, 0), r"lock: expected 1\.\.16, got 0"),
        (Unlock(0, 17), r"lock: expected 1\.\.16, got 17"),
        (UnlockAll(0), "evacuation flag"),
    ],
)
def test_the_host_refuses_to_say_what_must_not_be_said(command: Command, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(command)


def test_the_highest_board_can_be_spoken_to() -> None:
    assert encode(ReadStatus(9)) == bytes.fromhex("02 90 30 03 C5")


def test_a_command_with_a_wrong_sum_is_none() -> None:
    for at in range(5):
        damaged = bytearray(encode(ReadStatus(0)))
        damaged[at] ^= 0x10
        board = BoardDecoder()

        assert board.receive_data(bytes(damaged) + encode(Unlock(0, 1))) == [Unlock(0, 1)]
        assert board.dropped_bytes == 5


def test_the_board_hears_all_status_and_ignores_what_it_does_not_know() -> None:
    board = BoardDecoder()

    assert board.receive_data(bytes.fromhex("02 F0 32 03 27")) == [ReadStatus(15)]
    assert board.receive_data(bytes.fromhex("02 00 38 03 3D")) == []
    assert board.dropped_bytes == 0


def test_a_damaged_answer_then_a_good_one_in_one_read() -> None:
    for at in range(len(ALL_CLOSED)):
        damaged = bytearray(ALL_CLOSED)
        damaged[at] ^= 0x10
        host = HostDecoder()

        assert host.receive_data(bytes(damaged) + ALL_CLOSED) == [ALL_CLOSED_STATUS]
        assert host.dropped_bytes == len(ALL_CLOSED)


def test_a_sum_that_fits_does_not_make_up_for_a_wrong_shape() -> None:
    # Each has a right sum; the first is no status, the second does not end in ETX.
    for line in ("02 00 36 FF FF 00 00 03 39", "02 00 35 FF FF 00 00 04 39"):
        assert HostDecoder().receive_data(bytes.fromhex(line) + ALL_CLOSED) == [ALL_CLOSED_STATUS]
    assert BoardDecoder().receive_data(bytes.fromhex("02 00 30 04 36")) == []


def test_an_echo_of_our_question_costs_nothing_but_itself() -> None:
    host = HostDecoder()

    assert host.receive_data(encode(ReadStatus(0)) + ALL_CLOSED) == [ALL_CLOSED_STATUS]
    assert host.dropped_bytes == 5


def test_half_an_answer_is_given_up_when_the_line_is_quiet() -> None:
    host, board = HostDecoder(), BoardDecoder()

    assert host.receive_data(ALL_CLOSED[:8]) == []
    assert host.pending == 8
    assert host.flush() == []
    assert host.receive_data(ALL_CLOSED) == [ALL_CLOSED_STATUS]
    assert board.receive_data(b"\x02\x00\x30") == []
    assert board.flush() == []
    assert board.receive_data(encode(ReadStatus(1))) == [ReadStatus(1)]
    assert board.dropped_bytes == 3


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_noise_never_raises_and_a_good_frame_is_found_behind_it(noise: list[bytes]) -> None:
    host, board = HostDecoder(), BoardDecoder()
    for data in noise:
        host.receive_data(data)
        board.receive_data(data)
    host.flush()
    board.flush()

    assert host.receive_data(ALL_CLOSED) == [ALL_CLOSED_STATUS]
    assert board.receive_data(encode(Unlock(0, 1))) == [Unlock(0, 1)]


@given(
    board=st.integers(0, 9),
    closed=st.tuples(*[st.booleans()] * 16),
    item=st.tuples(*[st.booleans()] * 16),
    size=st.integers(1, 9),
)
def test_any_status_in_any_split_is_read_back(
    board: int, closed: tuple[bool, ...], item: tuple[bool, ...], size: int
) -> None:
    status, host = Status(board, closed, item), HostDecoder()
    line = encode_event(status)

    got = [
        event
        for at in range(0, len(line), size)
        for event in host.receive_data(line[at : at + size])
    ]

    assert got == [status]
