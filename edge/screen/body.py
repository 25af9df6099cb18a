"""What the screen's page sends, read strictly: an unknown field is refused by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BODY_BYTES_MAX: Final = 16 * 1024
"""An act is a few hundred bytes; the longest carries one free text."""
BY_MAX: Final = 4
PIN_CHARS_MAX: Final = 16
WORD_CHARS_MAX: Final = 64
ACT_FIELDS: Final = frozenset({"act", "session", "args", "by"})
TEXT_CHARS_MAX: Final = 4096
"""A code has 21 characters, a scanned order below a thousand."""
TYPED_FIELDS: Final = frozenset({"session", "text", "person", "pin"})
PASSED_ON_FIELDS: Final = frozenset({"session", "n", "person", "pin"})
ORDER_FIELDS: Final = frozenset(
    {"session", "order", "members", "committee", "reason", "person", "pin"}
)


class BodyError(Exception):
    """The body cannot be used; `problem` says what, where, expected, got, do."""

    def __init__(self, where: str, *, expected: str, got: object) -> None:
        self.problem = {
            "what": "the request cannot be read",
            "where": where,
            "expected": expected,
            "got": repr(got)[:80],
            "do": "reload the page and try again",
        }
        super().__init__(f"{where}: expected {expected}")


@dataclass(frozen=True, slots=True)
class ActBody:
    """One act and those who answer for it with their PINs; `session` is empty between sessions."""

    act: str
    session: str
    args: Mapping[str, Any]
    by: tuple[tuple[str, str], ...]


def read_object(raw: bytes, fields: frozenset[str]) -> dict[str, Any]:
    """A JSON object that has no other fields than these.

    Raises:
        BodyError: too long, no JSON, no object, unknown field.
    """
    if len(raw) > BODY_BYTES_MAX:
        raise BodyError("body", expected=f"at most {BODY_BYTES_MAX} bytes", got=len(raw))
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise BodyError("body", expected="JSON", got=raw[:40]) from error
    if not isinstance(found, dict):
        raise BodyError("body", expected="an object", got=found)
    strange = sorted(set(found) - fields)
    if strange:
        raise BodyError(strange[0], expected=" or ".join(sorted(fields)), got=strange[0])
    return found


def read_act(raw: bytes) -> ActBody:
    """An act of staff. Raises `BodyError`."""
    body = read_object(raw, ACT_FIELDS)
    args, by = body.get("args", {}), body.get("by", [])
    if not isinstance(args, dict):
        raise BodyError("args", expected="an object", got=args)
    if not (isinstance(by, list) and len(by) <= BY_MAX):
        raise BodyError("by", expected=f"a list of at most {BY_MAX} {{person, pin}}", got=by)
    return ActBody(
        act=_word(body, "act"),
        session="" if body.get("session") == "" else _word(body, "session"),
        args=args,
        by=tuple(_signer(one) for one in by),
    )


def read_order(raw: bytes) -> dict[str, Any]:
    """An order confirmed on this screen. Raises `BodyError`."""
    body = read_object(raw, ORDER_FIELDS)
    for key in ("session", "order", "person", "pin"):
        _word(body, key)
    members = body.get("members") or []
    if not (isinstance(members, list) and all(type(no) is int for no in members)):
        raise BodyError("members", expected="a list of member numbers", got=members)
    return body


def read_typed(raw: bytes) -> dict[str, Any]:
    """An order that came as a text by telephone or scanner. Raises `BodyError`."""
    body = read_object(raw, TYPED_FIELDS)
    for key in ("session", "person", "pin"):
        _word(body, key)
    text = body.get("text")
    if not (isinstance(text, str) and 0 < len(text) <= TEXT_CHARS_MAX):
        raise BodyError("text", expected=f"text of 1 to {TEXT_CHARS_MAX} characters", got="other")
    return body


def read_passed_on(raw: bytes) -> dict[str, Any]:
    """Which order is to be passed on by telephone or on paper. Raises `BodyError`."""
    body = read_object(raw, PASSED_ON_FIELDS)
    for key in ("session", "person", "pin"):
        _word(body, key)
    if type(body.get("n")) is not int:
        raise BodyError("n", expected="the number of an order", got=body.get("n"))
    return body


def _word(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if not (isinstance(value, str) and 0 < len(value) <= WORD_CHARS_MAX):
        raise BodyError(key, expected=f"text of 1 to {WORD_CHARS_MAX} characters", got="other")
    return value


def _signer(one: object) -> tuple[str, str]:
    if not (isinstance(one, dict) and set(one) == {"person", "pin"}):
        raise BodyError("by", expected="{person, pin}", got="other")
    person, pin = one["person"], one["pin"]
    if not (isinstance(person, str) and isinstance(pin, str) and len(pin) <= PIN_CHARS_MAX):
        raise BodyError(
            "by", expected=f"a person and a PIN of at most {PIN_CHARS_MAX}", got="other"
        )
    return person, pin
