"""The 256 bytes of text on a card: UTF-16LE, padded with blanks, four layouts.

Which layout it is, is written at offset 248 and decided before anything else is read: blank is a
resident card, `J` a residence permit for Hong Kong, Macao and Taiwan, `I` the old and `Y` the 2023
permanent residence card of a foreigner. Numbers of 18 characters follow GB 11643.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

TEXT_BYTES = 256
MARK_AT = 248
NUMBER_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"


class Layout(Enum):
    """The four cards an expert may legally hold; the value is the mark at offset 248."""

    RESIDENT = "resident"
    HMT_PERMIT = "J"
    FOREIGNER_OLD = "I"
    FOREIGNER_2023 = "Y"


class TextFault(Enum):
    """Why a card's text is not believed."""

    LENGTH = "text_length"
    ENCODING = "text_encoding"
    LAYOUT = "unknown_layout"
    NAME = "name_empty"
    NUMBER = "number_empty"
    NUMBER_CHECK = "number_check"


# field -> (offset, bytes); every table fills the 256 bytes exactly. Where a field is cut in two on
# the card, the second part has the same name with `_rest`.
_RESIDENT = {
    "name": (0, 30), "sex": (30, 2), "nation": (32, 4), "birth": (36, 16), "address": (52, 70),
    "number": (122, 36), "issuer": (158, 30), "valid_from": (188, 16), "valid_to": (204, 16),
    "reserved": (220, 28), "mark": (248, 2), "tail": (250, 6),
}  # fmt: skip
_HMT_PERMIT = {
    "name": (0, 30), "sex": (30, 2), "reserved": (32, 4), "birth": (36, 16), "address": (52, 70),
    "number": (122, 36), "issuer": (158, 30), "valid_from": (188, 16), "valid_to": (204, 16),
    "pass_number": (220, 18), "issue_count": (238, 4), "reserved_2": (242, 6), "mark": (248, 2),
    "tail": (250, 6),
}  # fmt: skip
_FOREIGNER_OLD = {
    "name": (0, 120), "sex": (120, 2), "number": (122, 30), "country": (152, 6),
    "name_cn": (158, 30), "valid_from": (188, 16), "valid_to": (204, 16), "birth": (220, 16),
    "version": (236, 4), "authority": (240, 8), "mark": (248, 2), "tail": (250, 6),
}  # fmt: skip
_FOREIGNER_2023 = {
    "name": (0, 30), "sex": (30, 2), "issue_count": (32, 4), "birth": (36, 16),
    "name_en": (52, 70), "number": (122, 36), "reserved": (158, 30), "valid_from": (188, 16),
    "valid_to": (204, 16), "name_en_rest": (220, 22), "country": (242, 6), "mark": (248, 2),
    "tail": (250, 6),
}  # fmt: skip
FIELDS: Mapping[Layout, Mapping[str, tuple[int, int]]] = {
    Layout.RESIDENT: _RESIDENT,
    Layout.HMT_PERMIT: _HMT_PERMIT,
    Layout.FOREIGNER_OLD: _FOREIGNER_OLD,
    Layout.FOREIGNER_2023: _FOREIGNER_2023,
}
_LAYOUT_OF_MARK = {" ": Layout.RESIDENT} | {
    layout.value: layout for layout in Layout if layout is not Layout.RESIDENT
}


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says, as printed characters.

    Args:
        layout: which of the four cards.
        name: Chinese name; in Latin letters on an old foreigner's card, and on one without it.
        number: 18 characters, 15 on an old foreigner's card.
        sex: `1` male, `2` female.
        nation: `01`..`56`, `97`, `98`; blank on cards that carry none.
        birth: `YYYYMMDD`.
        valid_to: `YYYYMMDD` or `长期`.
        more: the other fields of the layout by name, blanks stripped.
    """

    layout: Layout
    name: str
    number: str
    sex: str
    nation: str
    birth: str
    valid_to: str
    more: Mapping[str, str] = field(default_factory=dict)


def check_character(prefix: str) -> str:
    """The 18th character of a number, from its first 17 digits (GB 11643).

    Raises:
        ValueError: not 17 ASCII digits.
    """
    if len(prefix) != len(NUMBER_WEIGHTS) or not (prefix.isascii() and prefix.isdigit()):
        raise ValueError(f"ID number: expected 17 digits, got {len(prefix)} characters")
    total = sum(int(digit) * weight for digit, weight in zip(prefix, NUMBER_WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def number_is_sound(number: str) -> bool:
    """Whether a number has 17 digits and the check character they call for."""
    prefix = number[:-1]
    if len(number) != len(NUMBER_WEIGHTS) + 1 or not (prefix.isascii() and prefix.isdigit()):
        return False
    return check_character(prefix) == number[-1]


def parse_text(text: bytes) -> Card | TextFault:
    """Reads the text of a card.

    Args:
        text: the 256 bytes as the module gave them.

    Returns:
        The card, or the first reason not to believe it; never raises on what a card says.
    """
    if len(text) != TEXT_BYTES:
        return TextFault.LENGTH
    try:
        mark = text[MARK_AT : MARK_AT + 2].decode("utf-16-le")
        layout = _LAYOUT_OF_MARK.get(mark.replace("\0", " "))
        if layout is None:
            return TextFault.LAYOUT
        fields = {
            name: text[at : at + size].decode("utf-16-le").replace("\0", " ").strip()
            for name, (at, size) in FIELDS[layout].items()
        }
    except UnicodeDecodeError:
        return TextFault.ENCODING
    return _believe(layout, fields)


def _believe(layout: Layout, fields: dict[str, str]) -> Card | TextFault:
    known = {
        key: fields.pop(key, "") for key in ("name", "number", "sex", "nation", "birth", "valid_to")
    }
    # Many a foreigner has no Chinese name: then the one in Latin letters is the name.
    known["name"] = known["name"] or fields.get("name_en", "")
    if not known["name"]:
        return TextFault.NAME
    if not known["number"]:
        return TextFault.NUMBER
    # Old foreigner's cards carry 15 characters with a check of their own, published nowhere.
    if layout is not Layout.FOREIGNER_OLD and not number_is_sound(known["number"]):
        return TextFault.NUMBER_CHECK
    del fields["mark"]
    more = {key: value for key, value in fields.items() if value}
    return Card(layout=layout, more=more, **known)


def encode_text(card: Card) -> bytes:
    """The 256 bytes of a card, as a board gives them.

    Raises:
        ValueError: a field is unknown to the layout or longer than its place.
    """
    table = FIELDS[card.layout]
    mark = " " if card.layout is Layout.RESIDENT else card.layout.value
    values = dict(card.more) | {
        "name": card.name,
        "number": card.number,
        "sex": card.sex,
        "birth": card.birth,
        "valid_to": card.valid_to,
        "mark": mark,
    }
    if card.nation:
        values["nation"] = card.nation
    text = bytearray(" ".encode("utf-16-le") * (TEXT_BYTES // 2))
    for key, value in values.items():
        if key not in table:
            raise ValueError(f"card {card.layout.value}: expected one of {list(table)}, got {key}")
        at, size = table[key]
        raw = value.encode("utf-16-le")
        if len(raw) > size:
            raise ValueError(
                f"card {card.layout.value} {key}: expected at most {size // 2} characters, "
                f"got {len(raw) // 2}"
            )
        text[at : at + len(raw)] = raw
    return bytes(text)
