"""How one field of a policy pack is read, and how the same rule looks in JSON Schema.

A pack is data from people: every leaf is written as ``{value, source}``, every table row and text
names its source too. Reading is strict; the first thing that is not as it must be is refused with
its path. Nothing here knows what the fields mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

from protocols.policy.errors import PolicyError
from protocols.terms import Term

TEXT_CHARS_MAX = 400
"""One step or reason on a screen; a longer text belongs into a document."""
LIST_ITEMS_MAX = 64
"""No list of a pack is longer than one screen of steps."""
TABLE_ROWS_MAX = 200
"""Rows of a catalogue (steps, options, references)."""
KEY_PATTERN = "^[a-z][a-z0-9_]{0,47}$"
_KEY_CHARS_MAX = 48
_DO = "correct the pack; packs/pack.schema.json lists every field"


@dataclass(slots=True)
class Reading:
    """What a reading collects beside the values: which path rests on which source."""

    sources: dict[str, str]


class Spec(Protocol):
    """One kind of value."""

    def read(self, raw: object, path: str, reading: Reading) -> object:
        """Return the value. Raises PolicyError with the path."""
        ...

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema of the same rule."""
        ...


def refuse(path: str, expected: str, got: object, do: str = _DO) -> PolicyError:
    """Build the error for a field of a pack."""
    return PolicyError(path, expected=expected, got=got, do=do)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds; never a float, never true or false."""

    low: int
    high: int

    def read(self, raw: object, path: str, reading: Reading) -> int:  # noqa: ARG002 the protocol's
        """See Spec."""
        if type(raw) is not int or not self.low <= raw <= self.high:
            raise refuse(path, f"a whole number {self.low} to {self.high}", raw)
        return raw

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, raw: object, path: str, reading: Reading) -> bool:  # noqa: ARG002 the protocol's
        """See Spec."""
        if not isinstance(raw, bool):
            raise refuse(path, "true or false", raw)
        return raw

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty."""

    def read(self, raw: object, path: str, reading: Reading) -> str:  # noqa: ARG002 the protocol's
        """See Spec."""
        if not isinstance(raw, str) or not 0 < len(raw) <= TEXT_CHARS_MAX:
            raise refuse(path, f"a text of 1 to {TEXT_CHARS_MAX} characters", raw)
        return raw

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX}


@dataclass(frozen=True, slots=True)
class Key:
    """An identifier: lower case, digits, underscore."""

    def read(self, raw: object, path: str, reading: Reading) -> str:  # noqa: ARG002 the protocol's
        """See Spec."""
        if not isinstance(raw, str) or not is_key(raw):
            raise refuse(path, "an identifier of a–z, 0–9 and _", raw)
        return raw

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"type": "string", "pattern": KEY_PATTERN}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    allowed: tuple[str, ...]

    def read(self, raw: object, path: str, reading: Reading) -> str:  # noqa: ARG002 the protocol's
        """See Spec."""
        if not isinstance(raw, str) or raw not in self.allowed:
            raise refuse(path, "one of " + ", ".join(self.allowed), raw)
        return raw

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"enum": list(self.allowed)}


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value that may be null: no text says, so a person is asked."""

    inner: Spec

    def read(self, raw: object, path: str, reading: Reading) -> object:
        """See Spec."""
        return None if raw is None else self.inner.read(raw, path, reading)

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {"anyOf": [{"type": "null"}, self.inner.schema()]}


@dataclass(frozen=True, slots=True)
class Many:
    """A list without repetitions, kept in order."""

    inner: Spec
    at_least: int = 0

    def read(self, raw: object, path: str, reading: Reading) -> tuple[object, ...]:
        """See Spec."""
        if not isinstance(raw, list) or not self.at_least <= len(raw) <= LIST_ITEMS_MAX:
            raise refuse(path, f"a list of {self.at_least} to {LIST_ITEMS_MAX} items", raw)
        values = tuple(
            self.inner.read(item, f"{path}[{index}]", reading) for index, item in enumerate(raw)
        )
        if len(set(values)) != len(values):
            raise refuse(path, "each item once", raw)
        return values

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {
            "type": "array",
            "items": self.inner.schema(),
            "uniqueItems": True,
            "minItems": self.at_least,
            "maxItems": LIST_ITEMS_MAX,
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """A table with exactly these row names."""

    names: tuple[str, ...]
    inner: Spec

    def read(self, raw: object, path: str, reading: Reading) -> Mapping[str, object]:
        """See Spec."""
        found = read_keys(raw, path, self.names)
        return {
            name: self.inner.read(found[name], f"{path}.{name}", reading) for name in self.names
        }

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return object_schema({name: self.inner.schema() for name in self.names})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Rows whose names the pack chooses."""

    inner: Spec

    def read(self, raw: object, path: str, reading: Reading) -> Mapping[str, object]:
        """See Spec."""
        if not isinstance(raw, dict) or not 0 < len(raw) <= TABLE_ROWS_MAX:
            raise refuse(path, f"1 to {TABLE_ROWS_MAX} named rows", raw)
        for name in raw:
            Key().read(name, f"{path} row name", reading)
        return {
            name: self.inner.read(item, f"{path}.{name}", reading) for name, item in raw.items()
        }

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return {
            "type": "object",
            "minProperties": 1,
            "maxProperties": TABLE_ROWS_MAX,
            "propertyNames": {"pattern": KEY_PATTERN},
            "additionalProperties": self.inner.schema(),
        }


@dataclass(frozen=True, slots=True)
class Sourced:
    """A leaf: ``{value, source}``. The source is noted, the value is returned."""

    inner: Spec

    def read(self, raw: object, path: str, reading: Reading) -> object:
        """See Spec."""
        found = read_keys(raw, path, ("value", "source"))
        reading.sources[path] = Key().read(found["source"], f"{path}.source", reading)
        return self.inner.read(found["value"], path, reading)

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return object_schema({"value": self.inner.schema(), "source": Key().schema()})


@dataclass(frozen=True, slots=True)
class Section:
    """An object with exactly the fields of a dataclass that are annotated with a spec."""

    cls: type[Any]

    def read(self, raw: object, path: str, reading: Reading) -> object:
        """See Spec."""
        specs = specs_of(self.cls)
        found = read_keys(raw, path, tuple(specs))
        values = {
            name: spec.read(found[name], f"{path}.{name}" if path else name, reading)
            for name, spec in specs.items()
        }
        if "source" in values:
            reading.sources[path] = str(values["source"])
        return self.cls(**values)

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return object_schema({name: spec.schema() for name, spec in specs_of(self.cls).items()})


@dataclass(frozen=True, slots=True)
class Label:
    """A text in both languages: ``{zh, en}``."""

    def read(self, raw: object, path: str, reading: Reading) -> Term:
        """See Spec."""
        found = read_keys(raw, path, ("zh", "en"))
        return Term(
            zh=Text().read(found["zh"], f"{path}.zh", reading),
            en=Text().read(found["en"], f"{path}.en", reading),
        )

    def schema(self) -> dict[str, object]:
        """See Spec."""
        return object_schema({"zh": Text().schema(), "en": Text().schema()})


def specs_of(cls: type[Any]) -> Mapping[str, Spec]:
    """Return the specs in the annotations of a dataclass, in order of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")
    }


def is_key(text: str) -> bool:
    """True for an identifier of a pack."""
    letters = text.replace("_", "a")
    return (
        len(text) <= _KEY_CHARS_MAX
        and text[:1].isalpha()
        and letters.isascii()
        and letters.isalnum()
        and text == text.lower()
    )


def read_keys(raw: object, path: str, names: tuple[str, ...]) -> Mapping[str, object]:
    """Return `raw` if it is an object with exactly these fields."""
    where = path or "pack"
    if not isinstance(raw, dict):
        raise refuse(where, "an object with " + ", ".join(names), raw)
    for name in raw:
        if name not in names:
            raise refuse(
                f"{path}.{name}" if path else str(name),
                "one of " + ", ".join(names),
                name,
                "remove the unknown field or correct its name",
            )
    for name in names:
        if name not in raw:
            raise refuse(
                f"{path}.{name}" if path else name,
                "this field to be present",
                "nothing",
                "add the field" + (" with the source it rests on" if name == "source" else ""),
            )
    return raw


def object_schema(properties: Mapping[str, object]) -> dict[str, object]:
    """JSON Schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
