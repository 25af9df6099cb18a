"""The frame cutter on a made-up frame: `7E 7E | size | ... | xor`."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire.framing import FrameCutter, sum_of, xor_of

HEAD = b"\x7e\x7d"
OTHER = b"\x7c\x7c"


def cutter(frame_bytes_max: int = 20) -> FrameCutter:
    def size_of(window: bytes) -> int | None:
        return window[2] if len(window) > 2 else None

    return FrameCutter((HEAD, OTHER), size_of, lambda frame: xor_of(frame) == 0, frame_bytes_max)


def frame(payload: bytes, head: bytes = HEAD) -> bytes:
    body = head + bytes((len(payload) + 4,)) + payload
    return body + bytes((xor_of(body),))


def test_checks_are_the_datasheets_arithmetic() -> None:
    assert xor_of(b"") == 0
    assert xor_of(bytes.fromhex("8A 01 01 11")) == 0x9B
    assert sum_of(b"") == 0
    assert sum_of(bytes.fromhex("02 00 35 FF FF 00 00 03")) == 0x38


def test_frames_of_both_headers_are_cut_in_the_order_of_the_line() -> None:
    line = cutter()

    assert line.receive_data(frame(b"a", OTHER) + frame(b"b") + frame(b"", OTHER)) == [
        frame(b"a", OTHER),
        frame(b"b"),
        frame(b"", OTHER),
    ]
    assert (line.dropped_bytes, line.pending) == (0, 0)


def test_a_damaged_frame_costs_itself_and_not_the_good_one_behind_it() -> None:
    line = cutter()
    damaged = bytearray(frame(b"abc"))
    damaged[4] ^= 1

    assert line.receive_data(bytes(damaged) + frame(b"xyz")) == [frame(b"xyz")]
    assert line.dropped_bytes == len(damaged)
    assert (line.check_faults, line.length_faults) == (1, 0)


def test_a_good_frame_inside_a_damaged_one_is_found() -> None:
    line = cutter()
    cut_short = HEAD + b"\x09" + b"q"

    assert line.receive_data(cut_short + frame(b"xyz")) == [frame(b"xyz")]
    assert line.dropped_bytes == len(cut_short)


def test_an_impossible_size_is_damage_at_once() -> None:
    for size in (0, 21, 255):
        line = cutter()

        assert line.receive_data(HEAD + bytes((size,)) + frame(b"x")) == [frame(b"x")]
        assert line.length_faults == 1
    longest = frame(bytes(16))
    assert cutter().receive_data(longest) == [longest]


def test_a_frame_that_never_ends_is_given_up_when_the_line_is_quiet() -> None:
    line = cutter()
    waits = HEAD + b"\x10" + frame(b"ok") + b"zz"

    assert line.receive_data(waits) == []
    assert line.pending == len(waits)
    assert line.flush() == [frame(b"ok")]
    assert (line.pending, line.dropped_bytes) == (0, 5)
    assert line.receive_data(frame(b"next")) == [frame(b"next")]


def test_half_a_header_waits_and_is_dropped_when_quiet() -> None:
    line = cutter()

    assert line.receive_data(b"xx\x7e") == []
    assert (line.pending, line.dropped_bytes) == (1, 2)
    assert line.flush() == []
    assert (line.pending, line.dropped_bytes) == (0, 3)
    assert line.flush() == []


@pytest.mark.parametrize("portion", [HEAD + b"\x14\x7e", HEAD + b"\xff\x7e", b"\x00" * 7, HEAD])
def test_the_buffer_is_bounded_whatever_comes(portion: bytes) -> None:
    """Frames that fail, frames longer than any, noise, headers alone."""
    line = cutter()
    for _ in range(100):
        line.receive_data(portion)
        assert line.pending <= line.frame_bytes_max


@given(st.binary(max_size=300))
def test_the_fold_is_the_xor_of_all_bytes(data: bytes) -> None:
    plain = 0
    for byte in data:
        plain ^= byte

    assert xor_of(data) == plain


@given(
    parts=st.lists(
        st.one_of(
            st.binary(max_size=8),
            st.binary(max_size=9).map(frame),
            st.binary(max_size=9).map(lambda payload: frame(payload, OTHER)),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 120), max_size=12),
)
def test_what_is_found_depends_on_the_bytes_and_not_on_their_split(
    parts: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(parts)
    whole, pieces = cutter(), cutter()
    expected = whole.receive_data(stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    got = [
        found
        for low, high in itertools.pairwise(edges)
        for found in pieces.receive_data(stream[low:high])
    ]

    assert got == expected
    assert (pieces.dropped_bytes, pieces.pending) == (whole.dropped_bytes, whole.pending)
    accounted = whole.dropped_bytes + whole.pending + sum(map(len, expected))
    assert accounted == len(stream)
