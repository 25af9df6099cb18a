"""Hand-over: which packages are due, what they hold, what the home venue said of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.web.i18n import Text
from hub.web.views_common import State


@dataclass(frozen=True, slots=True)
class DueRow:
    """One guest venue of one ended session: by when, how it stands."""

    number: str
    session_href: str
    venue: Text
    ended_on: str
    due_on: Text
    state: State
    package_href: str
    package: str
    verdict: Text
    may_build: bool
    build_action: str


@dataclass(frozen=True, slots=True)
class PackageRow:
    """One package."""

    package: str
    href: str
    number: str
    venue: Text
    built: datetime | None
    size: str
    state: State
    verdict: Text


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """The hand-over page."""

    now: datetime
    due: tuple[DueRow, ...]
    rows: tuple[PackageRow, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One of the verifier's findings."""

    state: State
    name: str
    text: Text


@dataclass(frozen=True, slots=True)
class GapRow:
    """One named gap of a receipt."""

    item: Text
    count: int
    text: Text
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the home venue signed."""

    verdict: State
    at: datetime
    by: str
    gaps: tuple[GapRow, ...]


@dataclass(frozen=True, slots=True)
class ReadRow:
    """Who looked at the package."""

    at: datetime
    post: str
    act: Text


@dataclass(frozen=True, slots=True)
class PackageView:
    """One package with its progress, contents, check, receipt and readers."""

    now: datetime
    package: str
    number: str
    session_href: str
    venue: Text
    state: State
    facts: tuple[tuple[Text, Text], ...]
    stages: tuple[tuple[Text, str], ...]
    contents: tuple[tuple[State, Text], ...]
    notes: tuple[str, ...]
    failed: Text | None
    checks: tuple[Check, ...]
    check_text: Text
    receipt: Receipt | None
    older: tuple[Receipt, ...]
    download: str
    may_offer: bool
    may_receipt: bool
    receipt_reason: Text | None
    reads: tuple[ReadRow, ...]
