"""The 256 bytes on a card: four layouts, the check character, what is not believed.

All numbers are made up; the two check vectors are the standard's own examples.
"""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire.idcard_text import (
    FIELDS,
    Card,
    Layout,
    TextFault,
    check_character,
    encode_text,
    number_is_sound,
    parse_text,
)

RESIDENT = Card(
    layout=Layout.RESIDENT,
    name="张三",
    number="11010519491231002X",
    sex="2",
    nation="01",
    birth="19491231",
    valid_to="长期",
    more={"address": "某市某路1号", "issuer": "某市公安局", "valid_from": "20200101"},
)
PERMIT = Card(
    layout=Layout.HMT_PERMIT,
    name="李四",
    number="81000019800101001" + check_character("81000019800101001"),
    sex="1",
    nation="",
    birth="19800101",
    valid_to="20300101",
    more={"pass_number": "H12345678", "issue_count": "01"},
)
FOREIGNER_OLD = Card(
    layout=Layout.FOREIGNER_OLD,
    name="DOE, JANE",
    number="USA110074010101",
    sex="2",
    nation="",
    birth="19740101",
    valid_to="20300101",
    more={"country": "USA", "name_cn": "简", "version": "01", "authority": "1500"},
)
FOREIGNER_2023 = Card(
    layout=Layout.FOREIGNER_2023,
    name="约翰",
    number="91184019810805351" + check_character("91184019810805351"),
    sex="1",
    nation="",
    birth="19810805",
    valid_to="20330101",
    more={"name_en": "DOE, JOHN", "country": "184", "issue_count": "00"},
)
CARDS = [RESIDENT, PERMIT, FOREIGNER_OLD, FOREIGNER_2023]


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_fills_the_256_bytes_without_overlap(layout: Layout) -> None:
    ranges = sorted(FIELDS[layout].values())
    reserved_gap = ranges[-1][0] + ranges[-1][1]

    assert reserved_gap == 256
    for (at, size), (following, _) in itertools.pairwise(ranges):
        assert at + size == following


def test_a_foreigner_without_a_chinese_name_is_called_by_his_own() -> None:
    card = parse_text(encode_text(dataclasses.replace(FOREIGNER_2023, name="")))

    assert isinstance(card, Card)
    assert (card.name, card.number) == ("DOE, JOHN", FOREIGNER_2023.number)


@pytest.mark.parametrize("card", CARDS)
def test_every_card_is_256_bytes_and_reads_back(card: Card) -> None:
    text = encode_text(card)

    assert len(text) == 256
    assert parse_text(text) == card


@pytest.mark.parametrize(
    ("card", "mark", "name_at", "number_at"),
    [(RESIDENT, " ", 0, 122), (PERMIT, "J", 0, 122), (FOREIGNER_OLD, "I", 0, 122),
     (FOREIGNER_2023, "Y", 0, 122)],
)  # fmt: skip
def test_fields_lie_where_the_table_says(
    card: Card, mark: str, name_at: int, number_at: int
) -> None:
    text = encode_text(card)

    assert text[248:250] == mark.encode("utf-16-le")
    assert text[name_at:].startswith(card.name.encode("utf-16-le"))
    assert text[number_at:].startswith(card.number.encode("utf-16-le"))


def test_offsets_of_the_resident_card() -> None:
    text = encode_text(RESIDENT).decode("utf-16-le")

    assert text[15] == "2"
    assert text[16:18] == "01"
    assert text[18:26] == "19491231"
    assert text[26:32] == "某市某路1号"
    assert text[79:84] == "某市公安局"
    assert text[94:102] == "20200101"
    assert text[102:104] == "长期"


def test_offsets_of_the_foreigners_cards() -> None:
    old = encode_text(FOREIGNER_OLD).decode("utf-16-le")
    new = encode_text(FOREIGNER_2023).decode("utf-16-le")

    assert (old[60], old[76:79], old[79], old[110:118]) == ("2", "USA", "简", "19740101")
    assert (new[15], new[18:26], new[26:35], new[121:124]) == ("1", "19810805", "DOE, JOHN", "184")


def test_the_layout_is_decided_before_anything_is_read() -> None:
    as_resident = bytearray(encode_text(FOREIGNER_OLD))
    as_resident[248:250] = b" \0"

    assert parse_text(bytes(as_resident)) is TextFault.NUMBER_CHECK


def test_a_zero_mark_is_a_blank_one_and_zero_padding_is_padding() -> None:
    text = encode_text(RESIDENT).replace(b" \0", b"\0\0")

    assert parse_text(text) == RESIDENT


@pytest.mark.parametrize("mark", ["X", "j", "张"])
def test_an_unknown_mark_is_no_card(mark: str) -> None:
    text = bytearray(encode_text(RESIDENT))
    text[248:250] = mark.encode("utf-16-le")

    assert parse_text(bytes(text)) is TextFault.LAYOUT


@pytest.mark.parametrize("text", [b"", bytes(255), bytes(257)])
def test_a_text_of_another_length_is_no_card(text: bytes) -> None:
    assert parse_text(text) is TextFault.LENGTH


def test_halves_of_characters_are_no_text() -> None:
    text = bytearray(encode_text(RESIDENT))
    text[0:2] = b"\x00\xd8"
    assert parse_text(bytes(text)) is TextFault.ENCODING
    text = bytearray(encode_text(RESIDENT))
    text[248:250] = b"\x00\xd8"
    assert parse_text(bytes(text)) is TextFault.ENCODING


def test_a_card_needs_a_name_and_a_number_that_checks() -> None:
    def with_(**fields: str) -> bytes:
        return encode_text(dataclasses.replace(RESIDENT, **fields))

    assert parse_text(with_(name=" ")) is TextFault.NAME
    assert parse_text(with_(number="")) is TextFault.NUMBER
    assert parse_text(with_(number="110105194912310021")) is TextFault.NUMBER_CHECK


def test_the_check_character_follows_the_standard() -> None:
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"
    for wrong in ("1" * 16, "1" * 18, "1101051949123100a", "１" * 17):
        with pytest.raises(ValueError, match="17 digits"):
            check_character(wrong)


@pytest.mark.parametrize(
    ("number", "sound"),
    [
        ("11010519491231002X", True),
        ("11010519491231002x", False),
        ("11010519491231003X", False),
        ("21010519491231002X", False),
        ("1101051949123100X", False),
        ("11010519491231002XX", False),
        ("A1010519491231002X", False),
        ("１1010519491231002X", False),
        ("", False),
    ],
)
def test_a_number_is_sound_or_not(number: str, sound: bool) -> None:
    assert number_is_sound(number) is sound


def test_fields_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"name: expected at most 15 characters, got 16"):
        encode_text(dataclasses.replace(RESIDENT, name="张" * 16))
    with pytest.raises(ValueError, match=r"expected one of .* got nation"):
        encode_text(dataclasses.replace(PERMIT, nation="01"))


@given(st.binary(min_size=256, max_size=256))
def test_no_text_makes_the_parser_raise(text: bytes) -> None:
    assert isinstance(parse_text(text), (Card, TextFault))


@given(st.binary(min_size=248, max_size=248), st.sampled_from(" JIY"))
def test_no_text_of_a_known_layout_makes_the_parser_raise(text: bytes, mark: str) -> None:
    whole = text + mark.encode("utf-16-le") + "   ".encode("utf-16-le")

    assert isinstance(parse_text(whole), (Card, TextFault))
