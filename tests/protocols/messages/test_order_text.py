"""A signed order as a QR code holds it: every byte comes back, or nothing does."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages.acts import Order
from protocols.messages.order_text import (
    MARK,
    ORDER_BYTES_MAX,
    TEXT_CHARS_MAX,
    OrderTextError,
    is_order_text,
    order_bytes,
    order_text,
)
from tests.protocols.messages.wire_keys import HOME, SESSION

RAW = Order("a" * 32, SESSION, 7, "end", "p-000000000001", committee="complete").seal(
    [HOME.signer("home_manager")]
)
TEXT = order_text(RAW)


def test_an_order_comes_back_byte_for_byte() -> None:
    assert order_bytes(TEXT) == RAW
    assert set(TEXT) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ER1")
    assert len(TEXT) < 800


def test_a_text_that_never_changes_is_read() -> None:
    assert order_bytes("ER1PDNMWSGNZHE5OUOIF5FESLICAAOQ4BD5") == b"hello, order"


@given(st.sampled_from([str.lower, str.upper]), st.integers(1, 60))
def test_case_breaks_and_width_do_not_matter(case: object, every: int) -> None:
    broken = " \n".join(TEXT[at : at + every] for at in range(0, len(TEXT), every))
    assert order_bytes(case(broken)) == RAW  # type: ignore[operator]
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in TEXT)
    assert order_bytes(wide) == RAW


@given(st.integers(len(MARK), len(TEXT) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_no_letter_can_be_another(at: int, letter: str) -> None:
    other = TEXT[:at] + letter + TEXT[at + 1 :]
    try:
        found = order_bytes(other)
    except OrderTextError:
        return
    # The last letter of base32 has bits that no byte uses.
    assert found == RAW


@pytest.mark.parametrize("cut", [0, 1, 3, 10, len(TEXT) // 2, len(TEXT) - 8, len(TEXT) - 2])
def test_a_part_of_a_text_is_no_order(cut: int) -> None:
    with pytest.raises(OrderTextError):
        order_bytes(TEXT[:cut])


def text_of(packed: bytes) -> str:
    return MARK + base64.b32encode(packed).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "04HM-ASW9-NF6Y-Y093-X",
        MARK,
        MARK + "!!!!",
        MARK + "A" * TEXT_CHARS_MAX,
        text_of(b"not packed"),
        text_of(zlib.compress(b"one") + b"more"),
        text_of(zlib.compress(bytes(ORDER_BYTES_MAX + 1))),
        text_of(zlib.compress(bytes(900_000))),
    ],
)
def test_what_is_no_order_is_refused_and_no_bomb_goes_off(text: str) -> None:
    with pytest.raises(OrderTextError):
        order_bytes(text)


def test_a_code_is_not_taken_for_an_order() -> None:
    assert is_order_text(" " + TEXT.lower())
    assert not is_order_text("04HM-ASW9-NF6Y-Y093-X")
    assert not is_order_text("ER1M-ASW9-NF6Y-Y093-X")
