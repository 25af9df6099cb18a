"""What the witness record PDF and the ledger are made of, and the tables both show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from hub.archive import wording
from hub.archive.wording import NONE, label
from protocols.evidence.package import FileInfo

ENDS: Final = frozenset({"ended", "postponed", "terminated"})
CENTRE: Final = "中心"


@dataclass(frozen=True, slots=True)
class Filing:
    """Everything a filed document is made of; JSON as the package's records hold it.

    Attributes:
        made_at: when the documents were made, RFC 3339 by the hub's clock.
        catalogue: appraisal item -> its Chinese name, from the policy pack.
        fingerprints: whose key -> its id, of the trust file: hub, venues, pinned witnesses.
        files: name in the package -> size and hashes, of what stands before the reports.
    """

    session: Mapping[str, Any]
    witness: Mapping[str, Any]
    appraisal: Mapping[str, Any]
    decisions: Mapping[str, Any]
    av: Mapping[str, Any]
    package: str
    made_at: str
    catalogue: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileInfo] = field(default_factory=dict)

    @property
    def day(self) -> date | None:
        """The session's day in Beijing."""
        moment = wording.moment_of(self.session["started_at"] or self.session["start_at"])
        return None if moment is None else moment.date()

    def venue(self, org: object) -> str:
        """Official name of an organisation of the session."""
        for one in self.session["venues"]:
            if one["org"] == org:
                return str(one["name"])
        return str(org or NONE)

    def place(self, ctl: object) -> str:
        """Where a line was recorded: 主场 301, 副场 二室, 中心."""
        for one in self.session["venues"]:
            if one["ctl"] == ctl:
                return f"{role_word(one['role'])} {one['room']}"
        return CENTRE

    def room(self, place: object) -> str:
        """A booked room in the same words."""
        for one in self.session["venues"]:
            if one["place"] == place:
                return f"{role_word(one['role'])} {one['room']}"
        return str(place or NONE)

    @property
    def ending(self) -> str:
        """When it ended, and how if it did not end as usual."""
        at = self.session["ended_at"]
        last = next(
            (one["to"] for one in self.witness["phases"] if one["at"] == at and one["to"] in ENDS),
            "ended",
        )
        how = "" if last == "ended" else f"（{label('phase', last)}）"
        return f"{wording.full(at)}{how}"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: Chinese and English name, columns with their relative widths, rows of text."""

    key: str
    zh: str
    en: str
    columns: tuple[str, ...]
    widths: tuple[float, ...]
    rows: list[list[str]]
    empty: str = "无"


def role_word(role: object) -> str:
    """主场 or 副场."""
    return "主场" if role == "home" else "副场"
