"""The `8A/80` family: published vectors, wiring variants, what a burst may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import lockboard as wire
from protocols.wire.lockboard import (
    BitOrder,
    BoardDecoder,
    Door,
    Feedback,
    Hold,
    HostDecoder,
    LockState,
    OpenAll,
    OpenOne,
    OpenSeveral,
    ReadAll,
    ReadOne,
    Status,
    door_of,
    doors_of,
    encode,
    encode_event,
    encode_read_one,
    status_bytes,
)

COMMANDS = {
    "8A 01 01 11 9B": OpenOne(1, 1),
    "8A 01 02 11 98": OpenOne(1, 2),
    "8A 01 01 11 03 98": OpenOne(1, 1, 3),
    "8A 01 00 11 9A": OpenAll(1, evacuation=True),
    "90 01 02 02 02 93": OpenSeveral(1, frozenset({2, 10, 18}), evacuation=True),
    "80 01 01 33 B3": ReadOne(1, 1),
    "80 01 00 33 B2": ReadAll(1),
}
STATUSES = {
    "80 01 00 00 00 33 B2": Status(1, b"\0\0\0"),
    "80 01 00 00 02 33 B0": Status(1, b"\0\0\2"),
    "80 01 00 00 20 33 92": Status(1, b"\0\0\x20"),
    "80 02 05 03 33 B7": Status(2, b"\5\3"),
    "80 01 00 11 00 33 A3": Status(1, b"\0\x11\0"),  # its second byte looks like an open lock
}
GOOD = bytes.fromhex("80 01 00 00 02 33 B0")
GOOD_STATUS = Status(1, b"\0\0\2")


def heard(line: bytes) -> list[wire.Event]:
    host = HostDecoder()
    assert host.receive_data(line) == []
    return host.flush()


def told(line: bytes) -> list[wire.Command]:
    board = BoardDecoder()
    assert board.receive_data(line) == []
    return board.flush()


@pytest.mark.parametrize(("line", "command"), list(COMMANDS.items()))
def test_commands_are_the_published_bytes_and_read_back(line: str, command: wire.Command) -> None:
    assert encode(command) == bytes.fromhex(line)
    assert told(bytes.fromhex(line)) == [command]


@pytest.mark.parametrize(("line", "status"), list(STATUSES.items()))
def test_statuses_are_the_published_bytes_and_read_back(line: str, status: Status) -> None:
    assert encode_event(status) == bytes.fromhex(line)
    assert heard(bytes.fromhex(line)) == [status]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("8A 01 01 00 8A", LockState(1, 1, contact=False, asked=True)),
        ("8A 01 01 11 9B", LockState(1, 1, contact=True, asked=True)),
        ("80 01 01 00 80", LockState(1, 1, contact=False, asked=True)),
        ("80 01 01 11 91", LockState(1, 1, contact=True, asked=True)),
        ("82 01 01 11 93", LockState(1, 1, contact=True, asked=False)),
    ],
)
def test_single_states_are_the_published_bytes_and_read_back(line: str, state: LockState) -> None:
    raw = bytes.fromhex(line)

    assert heard(raw) == [state]
    assert raw == (encode_read_one(state) if raw[0] == 0x80 else encode_event(state))


def test_what_a_contact_means_depends_on_its_wiring() -> None:
    assert door_of(contact=True, feedback=Feedback.CLOSED_SHORT) is Door.CLOSED
    assert door_of(contact=False, feedback=Feedback.CLOSED_SHORT) is Door.OPEN
    assert door_of(contact=True, feedback=Feedback.OPEN_SHORT) is Door.OPEN
    assert door_of(contact=False, feedback=Feedback.OPEN_SHORT) is Door.CLOSED


def test_lock_1_is_where_the_make_of_the_board_puts_it() -> None:
    low_last = doors_of(
        b"\x00\x80\x02", count=24, feedback=Feedback.CLOSED_SHORT, bit_order=BitOrder.LOW_LAST
    )
    low_first = doors_of(
        b"\x02\x80\x00", count=24, feedback=Feedback.CLOSED_SHORT, bit_order=BitOrder.LOW_FIRST
    )

    assert low_last == low_first
    assert [lock for lock, door in low_last.items() if door is Door.CLOSED] == [2, 16]


def test_a_lock_without_a_bit_is_unknown_and_never_open() -> None:
    doors = doors_of(
        b"\x00\x00", count=18, feedback=Feedback.CLOSED_SHORT, bit_order=BitOrder.LOW_LAST
    )

    assert (doors[16], doors[17], doors[18]) == (Door.OPEN, Door.UNKNOWN, Door.UNKNOWN)
    assert len(doors) == 18


@given(
    closed=st.dictionaries(st.integers(1, 24), st.booleans(), min_size=24, max_size=24),
    feedback=st.sampled_from(Feedback),
    bit_order=st.sampled_from(BitOrder),
)
def test_status_bytes_read_back_as_the_doors_they_were_made_of(
    closed: dict[int, bool], feedback: Feedback, bit_order: BitOrder
) -> None:
    raw = status_bytes(closed, size=3, feedback=feedback, bit_order=bit_order)

    doors = doors_of(raw, count=24, feedback=feedback, bit_order=bit_order)

    assert {lock: door is Door.CLOSED for lock, door in doors.items()} == closed


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (ReadAll(0), r"address: expected 1\.\.31, got 0"),
        (ReadAll(32), r"address: expected 1\.\.31, got 32"),
        (ReadOne(1, 0), r"lock: expected 1\.\.56, got 0"),
        (OpenOne(1, 0), r"lock: expected 1\.\.56, got 0"),
        (OpenOne(1, 57), r"lock: expected 1\.\.56, got 57"),
        (OpenOne(1, 1, 10), r"seconds: expected 0\.\.9, got 10"),
        (OpenAll(1), "evacuation flag"),
        (OpenSeveral(1, frozenset({1})), "evacuation flag"),
        (OpenSeveral(1, frozenset({25}), evacuation=True), r"lock: expected 1\.\.24, got 25"),
        (Hold(1, 1, on=True), "lasting current"),
        (Hold(1, 1, on=False), "lasting current"),
    ],
)
def test_the_host_refuses_to_say_what_must_not_be_said(command: wire.Command, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        encode(command)


@pytest.mark.parametrize("line", ["90 01 00 00 91", "9A 01 01 00 9A", "9B 01 01 33 A8"])
def test_no_command_is_shorter_or_other_than_its_kind(line: str) -> None:
    assert told(bytes.fromhex(line)) == []


def test_the_board_hears_a_hold_that_a_stranger_sends() -> None:
    assert told(bytes.fromhex("9A 01 01 11 8B")) == [Hold(1, 1, on=True)]
    assert told(bytes.fromhex("9B 01 01 11 8A")) == [Hold(1, 1, on=False)]


def test_the_bitmap_of_several_locks_begins_with_lock_1() -> None:
    command = OpenSeveral(3, frozenset({1, 8, 9, 16, 17, 24}), evacuation=True)

    assert encode(command)[2:5] == b"\x81\x81\x81"
    assert told(encode(command)) == [command]
    for lock in range(1, 25):
        one = OpenSeveral(3, frozenset({lock}), evacuation=True)
        assert int.from_bytes(encode(one)[2:5], "little") == 1 << lock - 1
        assert told(encode(one)) == [one]


def test_nothing_is_read_before_the_line_is_quiet() -> None:
    host = HostDecoder()

    assert host.receive_data(GOOD) == []
    assert host.pending == len(GOOD)
    assert host.flush() == [GOOD_STATUS]
    assert (host.pending, host.dropped_bytes) == (0, 0)
    assert host.flush() == []


@pytest.mark.parametrize("noise", ["00", "80", "8A 8A", "80 01 00", "FF 8A 01 02", "33 B2 00"])
def test_garbage_before_and_behind_a_frame_costs_only_itself(noise: str) -> None:
    garbage = bytes.fromhex(noise)
    for line in (garbage + GOOD, GOOD + garbage):
        host = HostDecoder()
        host.receive_data(line)

        assert host.flush() == [GOOD_STATUS]
        assert host.dropped_bytes == len(garbage)


def test_a_damaged_frame_then_a_good_one_in_one_read() -> None:
    other = bytes.fromhex("80 01 00 00 20 33 92")
    for at in range(len(other)):
        damaged = bytearray(other)
        damaged[at] ^= 0x04

        assert heard(bytes(damaged) + GOOD) == [GOOD_STATUS]


def test_frames_run_together_are_told_apart() -> None:
    single = bytes.fromhex("8A 01 01 00 8A")

    assert heard(single + GOOD) == [LockState(1, 1, contact=False, asked=True), GOOD_STATUS]
    assert heard(GOOD + GOOD) == [GOOD_STATUS, GOOD_STATUS]
    assert told(encode(ReadAll(1)) + encode(OpenOne(1, 2))) == [ReadAll(1), OpenOne(1, 2)]


@pytest.mark.parametrize(
    "line",
    [
        "80 01 01 12 92",  # a state that is neither 00 nor 11
        "80 01 00 33 B2",  # the echo of our own question
        "80 01 02 33 B0",  # the same for one lock
        "8A 01 01 11 03 98",  # the echo of a longer pulse
        "90 01 02 02 02 93",
        "9A 01 01 11 8B",
        "80 01 00 00 00 34 B5",  # not the tail of a status
        "83 01 01 11 92",  # no such head
        "9A 01 01 12 88",
    ],
)
def test_what_is_no_answer_is_none(line: str) -> None:
    assert heard(bytes.fromhex(line)) == []
    assert heard(bytes.fromhex(line) + GOOD)[-1] == GOOD_STATUS


def test_an_opening_longer_than_its_seconds_is_no_frame() -> None:
    host = HostDecoder()
    host.receive_data(bytes.fromhex("8A 01 01 11 00 00 9B"))

    assert host.flush() == []
    assert host.dropped_bytes == 7


def test_a_status_whose_end_looks_like_a_frame_is_one_answer() -> None:
    line = bytes.fromhex("80 01 00 01 80 80 02 03 33 B2")

    assert heard(line) == [Status(1, bytes.fromhex("00 01 80 80 02 03"))]


def test_less_than_a_frame_is_none() -> None:
    assert heard(bytes.fromhex("80 00 80")) == []
    assert heard(b"") == []


@pytest.mark.parametrize("answer", ["80 02 05 03 33 B7", "80 02 02 11 91", "80 02 05 03 01 33 B6"])
def test_the_echo_of_an_adapter_before_the_answer_is_not_part_of_it(answer: str) -> None:
    raw = bytes.fromhex(answer)

    assert heard(encode(ReadAll(2)) + raw) == heard(raw)
    assert len(heard(raw)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "80 01 01 11 91",
        "8A 01 01 00 8A",
        "82 01 01 11 93",
        "9A 01 01 12 88",  # a hold with neither 11
        "8A 01 00 33 B8",  # the tail of a question behind another head
        "9A 01 01 11 05 8E",  # a hold has no seconds
        "80 02 05 33 33 87",  # a status whose last byte looks like the tail of a question
    ],
)
def test_what_only_boards_say_is_no_command(line: str) -> None:
    assert told(bytes.fromhex(line)) == []


def test_status_answers_hold_two_to_seven_bytes() -> None:
    for size in range(2, 8):
        status = Status(1, bytes(range(size)))
        assert heard(encode_event(status)) == [status]
    assert heard(encode_event(Status(1, b"\0" * 8))) == []


def test_a_six_byte_read_frame_is_no_command() -> None:
    assert told(bytes.fromhex("80 02 05 03 33 B7")) == []


def test_the_burst_is_bounded_and_its_end_counts() -> None:
    host = HostDecoder()
    host.receive_data(b"\xff" * 1000 + GOOD)

    assert host.pending == wire.BURST_BYTES_MAX
    assert host.flush() == [GOOD_STATUS]
    assert host.dropped_bytes == 1000


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_noise_never_raises_and_is_forgotten(noise: list[bytes]) -> None:
    host, board = HostDecoder(), BoardDecoder()
    for data in noise:
        host.receive_data(data)
        board.receive_data(data)
    host.flush()
    board.flush()
    host.receive_data(GOOD)
    board.receive_data(encode(ReadAll(1)))

    assert host.flush() == [GOOD_STATUS]
    assert board.flush() == [ReadAll(1)]
    assert board.dropped_bytes <= sum(map(len, noise))


@given(
    address=st.integers(1, 31), lock=st.integers(1, 56), seconds=st.integers(0, 9),
    size=st.integers(1, 6),
)  # fmt: skip
def test_any_command_in_any_split_is_read_back(
    address: int, lock: int, seconds: int, size: int
) -> None:
    for command in (OpenOne(address, lock, seconds), ReadOne(address, lock), ReadAll(address)):
        line, board = encode(command), BoardDecoder()
        for at in range(0, len(line), size):
            board.receive_data(line[at : at + size])

        assert board.flush() == [command]
