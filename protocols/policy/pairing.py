"""Which guest units assist which home units: the plan's annex as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from protocols.policy.errors import PolicyError


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which guests assist which home (plan, annex), and the units' names."""

    names: Mapping[str, str]
    pairs: Mapping[str, frozenset[str]]

    @classmethod
    def from_json(cls, raw: object) -> Pairing:
        """Read the units file (implementing_units, assisting_units, pairings).

        Raises:
            PolicyError: a field is missing, an id comes twice, or a pairing names no unit.
        """
        if not isinstance(raw, dict):
            raise PolicyError("units", expected="an object", got=raw, do="give the units file")
        names: dict[str, str] = {}
        for part in ("implementing_units", "assisting_units"):
            for index, unit in enumerate(_listed(raw, part)):
                identity, name = _unit(unit, f"units.{part}[{index}]")
                if identity in names:
                    raise PolicyError(
                        f"units.{part}[{index}].id",
                        expected="each id once",
                        got=identity,
                        do="remove one of the two",
                    )
                names[identity] = name
        pairs = _pairs(raw.get("pairings"), names)
        return cls(names=MappingProxyType(names), pairs=MappingProxyType(pairs))

    def paired(self, home: str, guest: str) -> bool:
        """True if the annex pairs this guest with this home."""
        return guest in self.pairs.get(home, frozenset())


def _listed(raw: Mapping[str, object], part: str) -> list[object]:
    items = raw.get(part)
    if not isinstance(items, list):
        raise PolicyError(f"units.{part}", expected="a list", got=items, do="give the units file")
    return items


def _unit(unit: object, path: str) -> tuple[str, str]:
    identity = unit.get("id") if isinstance(unit, dict) else None
    name = unit.get("name") if isinstance(unit, dict) else None
    if not isinstance(identity, str) or not isinstance(name, str):
        raise PolicyError(path, expected="an id and a name", got=unit, do="correct the units file")
    return identity, name


def _pairs(raw: object, names: Mapping[str, str]) -> dict[str, frozenset[str]]:
    if not isinstance(raw, dict):
        raise PolicyError("units.pairings", expected="an object", got=raw, do="give the units file")
    pairs: dict[str, frozenset[str]] = {}
    for home, guests in raw.items():
        path = f"units.pairings.{home}"
        if not isinstance(guests, list):
            raise PolicyError(
                path, expected="a list of unit ids", got=guests, do="correct the units file"
            )
        for unit in (home, *guests):
            if unit not in names:
                raise PolicyError(
                    path,
                    expected="ids of listed units",
                    got=unit,
                    do="add the unit or correct its id",
                )
        pairs[home] = frozenset(guests)
    return pairs
