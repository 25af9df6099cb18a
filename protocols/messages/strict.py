"""Strict JSON: one way to write, one way to read, every bound named.

Refused everywhere: duplicate keys, NaN and infinities, integers beyond ±(2^53-1) (other languages
round them), lone surrogates (no UTF-8 form), nesting deeper than `DEPTH_MAX`. Floats are refused
unless the caller allows them (only a plan's body does), so that bytes never depend on how a
number is printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from protocols.messages.errors import LocalError, RemoteError

INTEGER_MAX: Final = 2**53 - 1
"""Largest integer every JSON reader keeps exactly (RFC 8259 §6)."""

DEPTH_MAX: Final = 24
"""Deepest nesting; our own messages need 6."""

TEXT_CHARS_MAX: Final = 4096
"""Longest single text unless a field says less."""

ITEMS_MAX: Final = 256
"""Longest list in a message's header unless a field says less."""

HEX32: Final = re.compile(r"[0-9a-f]{32}\Z(?#32 lower-case hex digits)")
HEX64: Final = re.compile(r"[0-9a-f]{64}\Z(?#64 lower-case hex digits)")
HEX128: Final = re.compile(r"[0-9a-f]{128}\Z(?#128 lower-case hex digits)")
KID: Final = re.compile(r"[0-9a-f]{16}\Z(?#16 lower-case hex digits)")
NONCE: Final = re.compile(r"(?:[0-9a-f]{16,64})?\Z(?#16 to 64 lower-case hex digits, or nothing)")
"""Freshness nonce, 8 to 32 bytes in hex; empty where none is known yet."""
TOKEN: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z(?#an id of letters, digits and ._:-)"
)
"""An id we do not interpret: order, session, member, object, organisation."""
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z(?#a word of a-z, 0-9 and _)")
"""A word of the contract: role, document, cause."""
_DAY: Final = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP: Final = (
    r"(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}"
INSTANT_TEXT: Final = rf"(?!0000)(?:[0-9]{{4}}-{_DAY}|{_LEAP})T{_CLOCK}Z"
INSTANT: Final = re.compile(INSTANT_TEXT + r"\Z(?#an instant such as 2026-11-24T01:00:00.000Z)")
"""RFC 3339 UTC with milliseconds, `2026-05-07T01:02:03.004Z`; a day there is, no leap second."""

Json = dict[str, Any]


def dump(value: Mapping[str, Any], *, where: str, floats: bool = False) -> bytes:
    """Compact UTF-8 JSON in the mapping's own key order. `LocalError` for what is not allowed."""
    return _dump(value, where=where, floats=floats, sort=False)


def canonical(value: Mapping[str, Any], *, where: str, floats: bool = False) -> bytes:
    """Compact UTF-8 JSON with sorted keys: equal values give equal bytes."""
    return _dump(value, where=where, floats=floats, sort=True)


_IN_ORDER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTED: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _dump(value: Mapping[str, Any], *, where: str, floats: bool, sort: bool) -> bytes:
    complaint = fault_in(value, floats=floats)
    if complaint:
        raise LocalError("cannot be written as JSON of the contract", where=where, got=complaint)
    return (_SORTED if sort else _IN_ORDER).encode(value).encode("utf-8")


class _OddError(ValueError):
    """What JSON allows and the contract does not."""


def _pairs(items: list[tuple[str, Any]]) -> Json:
    found = dict(items)
    if len(found) != len(items):
        raise _OddError("a key stands twice")
    return found


def _constant(name: str) -> NoReturn:
    raise _OddError(f"{name} is not a number")


# Made once: making one costs as much as reading a small event.
_STRICT: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def load(raw: bytes, *, where: str, floats: bool = False) -> Json:
    """The JSON object in `raw`. `RemoteError` for anything else."""
    try:
        value = _STRICT.decode(raw.decode("utf-8"))
    except _OddError as error:
        _refuse(where, str(error))
    except (ValueError, RecursionError) as error:
        # Where it breaks off helps; what Python says of its own limits does not.
        got = str(error) if isinstance(error, json.JSONDecodeError) else "something else"
        raise RemoteError(
            "not JSON", where=where, expected="one JSON object in UTF-8", got=got
        ) from None
    if not isinstance(value, dict):
        _refuse(where, f"a {type(value).__name__} instead of an object")
    complaint = fault_in(value, floats=floats)
    if complaint:
        _refuse(where, complaint)
    return value


def _fraction(text: str) -> NoReturn:
    raise _OddError(f"the float {text}")


_WHOLE: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_fraction
)
# All that can be odd about a JSON text without a float and without a key that stands twice: an
# integer with this many digits, a surrogate that was escaped, and more brackets than may be nested.
_LONG_NUMBER: Final = re.compile(r"[0-9]{16}")


def load_last(text: str, start: int) -> Json | None:
    """The object at `start` of an object whose last one it is: a `}` must end the text behind it.

    None where that is not so or the object is odd in any way, also one that `load` would allow:
    the caller then asks `load`, which looks at every leaf and says what is odd.
    """
    try:
        value, end = _WHOLE.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or text[end:] != "}" or "\\u" in text:
        return None
    levels = 1 + text.count("{", start) + text.count("[", start)
    return None if levels > DEPTH_MAX or _LONG_NUMBER.search(text, start) else value


def _refuse(where: str, got: str) -> NoReturn:
    raise RemoteError("JSON outside the contract", where=where, expected="strict JSON", got=got)


def fault_in(value: object, *, floats: bool) -> str:
    """What in `value` has no place in a message ('' if nothing). Walks without recursion."""
    # Every record passes here, so each leaf is looked at where it stands and never queued.
    stack: list[tuple[Any, int]] = [([value], 0)]
    while stack:
        group, depth = stack.pop()
        inner = group
        if isinstance(group, dict):
            inner = group.values()
            for key in group:
                if not isinstance(key, str):
                    return "a key that is not a text"
                if not key.isascii() and _has_surrogate(key):
                    return "a lone surrogate"
        if inner and depth > DEPTH_MAX:
            return f"nested deeper than {DEPTH_MAX}"
        for item in inner:
            if type(item) is str and item.isascii():
                continue
            if isinstance(item, (dict, list, tuple)):
                stack.append((item, depth + 1))
            elif complaint := _leaf_fault(item, floats=floats):
                return complaint
    return ""


def _leaf_fault(item: object, *, floats: bool) -> str:
    if isinstance(item, str):
        return "" if item.isascii() or not _has_surrogate(item) else "a lone surrogate"
    if item is None or isinstance(item, bool):
        return ""
    if isinstance(item, int):
        return "" if abs(item) <= INTEGER_MAX else f"an integer beyond ±{INTEGER_MAX}"
    if isinstance(item, float):
        finite = item - item == 0  # infinities and NaN give NaN here
        return "" if floats and finite else f"the float {item!r}"
    return f"a {type(item).__name__}"


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _words(rule: re.Pattern[str]) -> str:
    """What a rule asks for: the comment in its pattern, else the pattern itself."""
    said = rule.pattern.partition("(?#")[2].removesuffix(")")
    return said or f"a text like {rule.pattern}"


class Reader:
    """Takes an object apart field by field; what is left over at `end` is refused.

    Every method raises `RemoteError` with the path of the field.
    """

    __slots__ = ("_left", "_where")

    def __init__(self, value: Mapping[str, Any], *, where: str) -> None:
        """`where` names the message in errors."""
        self._left = dict(value)
        self._where = where

    def _take(self, key: str) -> Any:
        if key not in self._left:
            raise RemoteError(
                "a field is missing",
                where=f"{self._where}.{key}",
                expected="a value",
                got="nothing",
            )
        return self._left.pop(key)

    def has(self, key: str) -> bool:
        """Whether an optional field is there."""
        return key in self._left

    def fail(self, key: str, expected: str, got: object) -> NoReturn:
        """Refuse one field."""
        raise RemoteError(
            "a field is not what it must be",
            where=f"{self._where}.{key}",
            expected=expected,
            got=repr(got),
        )

    def text(
        self, key: str, rule: re.Pattern[str] | None = None, *, chars_max: int = TEXT_CHARS_MAX
    ) -> str:
        """A text, matching `rule` where one is given."""
        value = self._take(key)
        if not isinstance(value, str) or len(value) > chars_max:
            self.fail(key, f"a text of at most {chars_max} characters", value)
        if rule is not None and rule.match(value) is None:
            self.fail(key, _words(rule), value)
        return value

    def integer(self, key: str, low: int = 0, high: int = INTEGER_MAX) -> int:
        """An integer in low..high; true and false are not integers."""
        value = self._take(key)
        if type(value) is not int or not low <= value <= high:
            self.fail(key, f"an integer {low}..{high}", value)
        return int(value)

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            self.fail(key, "true or false", value)
        return value

    def one_of(self, key: str, names: Iterable[str]) -> str:
        """One of the given words."""
        value = self._take(key)
        known = tuple(names)
        if value not in known:
            self.fail(key, "one of " + ", ".join(known), value)
        return str(value)

    def texts(
        self, key: str, rule: re.Pattern[str], *, items_max: int = ITEMS_MAX
    ) -> tuple[str, ...]:
        """A list of different texts."""
        value = self._take(key)
        if not isinstance(value, list) or len(value) > items_max:
            self.fail(key, f"a list of at most {items_max}", value)
        for item in value:
            if not isinstance(item, str) or rule.match(item) is None:
                self.fail(key, _words(rule), item)
        if len(set(value)) != len(value):
            self.fail(key, "different texts", value)
        return tuple(value)

    def integers(self, key: str, count: int) -> tuple[int, ...]:
        """A list of exactly `count` integers, each 0..`INTEGER_MAX`."""
        value = self._take(key)
        if not isinstance(value, list) or len(value) != count:
            self.fail(key, f"a list of {count} integers", value)
        for item in value:
            if type(item) is not int or not 0 <= item <= INTEGER_MAX:
                self.fail(key, f"integers 0..{INTEGER_MAX}", item)
        return tuple(value)

    def revision(self, key: str) -> tuple[str, int]:
        """A revision `[epoch, seq]`; `["", 0]` for an object no event has changed yet."""
        value = self._take(key)
        if value == ["", 0]:
            return "", 0
        if (
            not isinstance(value, list)
            or [type(item) for item in value] != [str, int]
            or HEX32.match(value[0]) is None
            or not 1 <= value[1] <= INTEGER_MAX
        ):
            self.fail(key, "[epoch, seq]", value)
        return value[0], value[1]

    def null(self, key: str) -> bool:
        """Whether the field is null; a null is taken, anything else is left for its reader."""
        if self._left.get(key, False) is not None:
            return False
        del self._left[key]
        return True

    def objects(self, key: str, *, items_max: int = ITEMS_MAX) -> tuple[Reader, ...]:
        """A list of objects, each with its own reader."""
        value = self._take(key)
        if not isinstance(value, list) or len(value) > items_max:
            self.fail(key, f"a list of at most {items_max} objects", value)
        for item in value:
            if not isinstance(item, dict):
                self.fail(key, "objects", item)
        return tuple(
            Reader(item, where=f"{self._where}.{key}[{i}]") for i, item in enumerate(value)
        )

    def mapping(self, key: str) -> Json:
        """An object, taken as it is."""
        value = self._take(key)
        if not isinstance(value, dict):
            self.fail(key, "an object", value)
        return value

    def object(self, key: str) -> Reader:
        """An object with its own reader."""
        return Reader(self.mapping(key), where=f"{self._where}.{key}")

    def end(self) -> None:
        """Refuse every field nobody asked for."""
        if self._left:
            unknown = ", ".join(sorted(self._left))
            raise RemoteError(
                "an unknown field", where=self._where, expected="no other fields", got=unknown
            )
