"""A contingency case: how long has it lasted, how long is left, what then, who must decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.web.i18n import Text
from hub.web.views_common import State
from hub.web.views_session import TimelineRow


@dataclass(frozen=True, slots=True)
class CaseClock:
    """The clock that counts: start, limit, article, and what happens at zero.

    Attributes:
        stopped_at: when the cause was gone; the clock stands from then on.
        used: how much of the limit is used, as an SVG width.
        unverified: why the article or its limit may not be relied upon, if so.
    """

    label: Text
    since: datetime
    stopped_at: datetime | None
    limit: Text
    used: str
    used_text: Text
    article: Text
    article_note: Text
    unverified: Text | None
    at_zero: Text


@dataclass(frozen=True, slots=True)
class Reserve:
    """The power reserve of the place; unknown is shown as unknown."""

    label: Text
    value: Text
    now: Text
    charge: str
    charge_text: Text
    mark: str
    note: Text


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of the checklist: `look` is done, cur, skip or empty."""

    key: str
    state: State
    text: Text
    notes: tuple[Text, ...]
    due: Text | None
    current: bool


@dataclass(frozen=True, slots=True)
class DecisionOption:
    """One answer a person may give; none is chosen beforehand."""

    key: str
    name: Text
    note: Text
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision that was taken; it cannot be changed, only superseded."""

    number: int
    at: datetime
    name: Text
    decided_by: str
    second: str
    basis: Text
    reason: str
    superseded: bool


@dataclass(frozen=True, slots=True)
class KnowsRow:
    """Who has been told: channel, sent, delivered, read, acknowledged."""

    name: Text
    channel: Text
    cells: tuple[State, State, State, State]


@dataclass(frozen=True, slots=True)
class CaseView:
    """The whole case page."""

    now: datetime
    case: str
    number: str
    level: str
    drill: bool
    closed: bool
    what: State
    place: Text
    session_href: str
    session_text: Text
    scope: Text
    clock: CaseClock
    reserve: Reserve | None
    steps: tuple[StepRow, ...]
    steps_done: int
    timeline: tuple[TimelineRow, ...]
    decisions: tuple[DecisionRecord, ...]
    options: tuple[DecisionOption, ...]
    scopes: tuple[tuple[str, Text], ...]
    basis: Text
    may_decide: bool
    decider_present: bool
    decide_reason: Text | None
    decision_state: State
    may_act: bool
    may_ack: bool
    may_close: bool
    close_reason: Text | None
    may_seal: bool
    knows: tuple[KnowsRow, ...]
    evidence: tuple[tuple[State, Text], ...]
    summary: str


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One row of the list of cases."""

    number: str
    href: str
    state: State
    what: Text
    place: Text
    session: Text
    opened_at: datetime
    stopped_at: datetime | None
    waiting: Text
    drill: bool


@dataclass(frozen=True, slots=True)
class CaseListView:
    """Open cases first, then the closed ones."""

    now: datetime
    rows: tuple[CaseLine, ...]
    open: int
