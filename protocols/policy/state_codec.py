"""Dataclasses to JSON values and back, by their type hints; strict on the way in.

Only what a state is made of: None, bool, int, str, str enums, tuples of one type, mappings with
text or number keys, dataclasses. Unknown or missing fields are refused with their path.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from protocols.policy.errors import PolicyError

T = TypeVar("T")
_DO = "the state was written by another program version: fold the journal again"


def to_value(item: object) -> Any:
    """Return the JSON form of a state or a part of it."""
    if isinstance(item, StrEnum):
        return item.value
    if isinstance(item, tuple):
        return [to_value(part) for part in item]
    if isinstance(item, Mapping):
        return {str(key): to_value(part) for key, part in item.items()}
    if is_dataclass(item):
        return {part.name: to_value(getattr(item, part.name)) for part in fields(item)}
    return item


def from_value(cls: type[T], value: object, path: str = "state") -> T:
    """Return the dataclass that `to_value` wrote. Raises PolicyError with the path."""
    hints = _hints(typing.cast("Any", cls))
    found = _mapping(value, path)
    if set(found) != set(hints):
        odd = ", ".join(sorted(set(found) ^ set(hints)))
        raise PolicyError(path, expected="exactly the fields of " + cls.__name__, got=odd, do=_DO)
    return cls(**{name: _read(hint, found[name], f"{path}.{name}") for name, hint in hints.items()})


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _read(hint: Any, value: object, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        inner = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        return None if value is None else _read(inner, value, path)
    if origin is tuple:
        return _read_tuple(typing.get_args(hint), value, path)
    if origin is Mapping:
        key_hint, item_hint = typing.get_args(hint)
        return {
            _key(key_hint, key, path): _read(item_hint, item, f"{path}.{key}")
            for key, item in _mapping(value, path).items()
        }
    if is_dataclass(hint):
        return from_value(typing.cast("type[Any]", hint), value, path)
    if issubclass(hint, StrEnum):
        if value not in {member.value for member in hint}:
            raise PolicyError(path, expected=f"a {hint.__name__}", got=value, do=_DO)
        return hint(value)
    if type(value) is not hint:
        raise PolicyError(path, expected=f"a value of type {hint.__name__}", got=value, do=_DO)
    return value


def _read_tuple(hints: tuple[Any, ...], value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise PolicyError(path, expected="a list", got=value, do=_DO)
    if hints[-1] is Ellipsis:
        return tuple(_read(hints[0], item, f"{path}[{at}]") for at, item in enumerate(value))
    if len(hints) != len(value):
        raise PolicyError(path, expected=f"{len(hints)} items", got=value, do=_DO)
    return tuple(
        _read(hint, item, f"{path}[{at}]")
        for at, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise PolicyError(path, expected="an object", got=value, do=_DO)
    return value


def _key(hint: type[Any], key: str, path: str) -> str | int:
    if hint is str:
        return key
    if not key.lstrip("-").isdecimal():
        raise PolicyError(path, expected="a number as key", got=key, do=_DO)
    return int(key)
