"""What a text that goes into the record may not hold: numbers that point at a person.

Texts people type are kept for years in facts, journals and packages, in the clear. A citizen's
number has 18 characters (GB 11643-1999), earlier 15; it is also typed in groups, and in full-width
digits. A mobile number has 11 digits and begins with 13 to 19, a landline has an area code that
begins with 0. Names cannot be told from other words; screens ask people to leave them out.
"""

from __future__ import annotations

import re
from enum import StrEnum
from unicodedata import decimal

APART = r"[\s.·_/\-\u2010-\u2015\u2212\uff0d]"
"""What stands between the groups of a number."""
GROUPED_DIGITS_MIN = 15
"""The older citizen's number; a date with a time of day has 14 digits at most."""
SOLID_DIGITS_MIN = 12
"""Digits in one piece: longer than a telephone number, and no date."""

_SOLID = re.compile(rf"[0-9]{{{SOLID_DIGITS_MIN},}}")
_GROUPED = re.compile(rf"[0-9](?:{APART}{{0,3}}[0-9]){{{GROUPED_DIGITS_MIN - 1},}}")
_END = rf"(?!{APART}?[0-9])"
_MOBILE = re.compile(
    rf"(?<![0-9])(?:\+?86{APART}{{0,3}})?1[3-9][0-9]"
    rf"(?:{APART}{{0,3}}[0-9]{{4}}{APART}{{0,3}}[0-9]{{4}}"
    rf"|{APART}{{0,3}}[0-9]{{3}}{APART}{{0,3}}[0-9]{{5}}){_END}"
)
_LANDLINE = re.compile(
    rf"(?<![0-9])(?:\+?86{APART}{{0,3}}[1-9]|0[1-9])[0-9]{{1,2}}{APART}{{0,3}}"
    rf"[2-9][0-9]{{2,3}}{APART}{{0,3}}[0-9]{{4}}{_END}"
)


class PersonalNumber(StrEnum):
    """What was found in a text."""

    DOCUMENT = "document"
    TELEPHONE = "telephone"


def personal_number(text: str) -> PersonalNumber | None:
    """The kind of number in this text that points at a person; None if there is none.

    Dates, times, booking numbers, seals, lockers and sums pass; a telephone number without area
    code looks like a date and passes too.
    """
    plain = "".join(_ascii(char) for char in text)
    if _SOLID.search(plain) or _GROUPED.search(plain):
        return PersonalNumber.DOCUMENT
    if _MOBILE.search(plain) or _LANDLINE.search(plain):
        return PersonalNumber.TELEPHONE
    return None


def _ascii(char: str) -> str:
    """Any script's digit as 0 to 9, everything else as it is."""
    value = decimal(char, None)
    return char if value is None else str(value)
