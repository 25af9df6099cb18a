"""One session: who are we waiting for, for which step; why nobody may leave yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.web.i18n import Text, say
from hub.web.views_common import State


@dataclass(frozen=True, slots=True)
class PhaseStep:
    """One field of the phase bar: `state` is dn, cur or empty."""

    text: Text
    state: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member; `cells` in the order of the table's columns."""

    no: int
    role: Text
    cells: tuple[State, ...]


@dataclass(frozen=True, slots=True)
class MemberGroup:
    """The members at one venue."""

    role: Text
    org: Text
    room: Text
    members: tuple[MemberRow, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition for leaving: met or not, and who and what is missing."""

    met: bool
    title: Text
    lines: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order and its four marks: sent, received, acted upon, confirmed by sensor."""

    name: Text
    by: Text
    at: datetime
    marks: tuple[State, State, State, State]
    refusals: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderChoice:
    """An order that could be given now, or the reason why not.

    Attributes:
        members: whether the order names members.
        committee: whether it says if the committee's work is complete.
        exceptions: needs that may be waived by name when a start is ordered.
        partial: an end that could be ordered only for the members whose documents are complete.
    """

    order: str
    name: Text
    meaning: Text
    enabled: bool
    reason: Text | None
    members: bool = False
    committee: bool = False
    exceptions: tuple[str, ...] = ()
    primary: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a lane: percent of the lane's width, as SVG attributes."""

    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One stream: what is recorded, what is missing."""

    name: Text
    recorded: tuple[Bar, ...]
    gaps: tuple[Bar, ...]
    state: State


@dataclass(frozen=True, slots=True)
class GapNote:
    """One gap in words."""

    from_at: datetime
    to_at: datetime
    text: Text


@dataclass(frozen=True, slots=True)
class CaseMark:
    """Where a case began: the place on the lanes, its number if there are several, in words."""

    x: str
    no: str
    text: Text


@dataclass(frozen=True, slots=True)
class AvView:
    """The streams of all venues over the session's time."""

    summary: Text
    hours: tuple[tuple[str, str], ...]
    lanes: tuple[Lane, ...]
    marks: tuple[CaseMark, ...]
    labels: tuple[tuple[str, str], ...]
    notes: tuple[GapNote, ...]


@dataclass(frozen=True, slots=True)
class SeatCell:
    """One station: `look` is on, aw (away), un (unknown) or empty."""

    no: str
    text: Text
    look: str


@dataclass(frozen=True, slots=True)
class LockerCell:
    """One locker: `look` is f (occupied, closed), o (unknown) or empty."""

    no: str
    look: str
    label: Text


@dataclass(frozen=True, slots=True)
class RoomMap:
    """Seats and lockers of one room, with the age of the picture when it is old."""

    name: Text
    seats: tuple[SeatCell, ...]
    locker_text: Text
    lockers: tuple[LockerCell, ...]
    old: Text | None = None


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One line of the witness timeline: `emphasis` is key, al or empty."""

    at: datetime
    kind: Text
    text: Text
    emphasis: str = ""


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One contingency case of the session."""

    href: str
    state: State
    text: Text


@dataclass(frozen=True, slots=True)
class SessionView:
    """The whole session page."""

    now: datetime
    session: str
    number: str
    kind: Text
    drill: bool
    facts: tuple[tuple[Text, Text], ...]
    phases: tuple[PhaseStep, ...]
    groups: tuple[MemberGroup, ...]
    members_summary: Text
    lockers_summary: Text
    conditions: tuple[Condition, ...]
    unmet: int
    gate_note: Text
    leaving: bool
    all_left: bool
    orders: tuple[OrderRow, ...]
    choices: tuple[OrderChoice, ...]
    member_nos: tuple[int, ...]
    may_order: bool
    may_state: bool
    av: AvView | None
    rooms: tuple[RoomMap, ...]
    timeline: tuple[TimelineRow, ...]
    timeline_total: int
    timeline_all: bool
    cases: tuple[CaseLine, ...]
    package_href: str
    package_text: Text
    appraisal_open: bool
    appraisal_items: tuple[tuple[str, Text], ...]

    @property
    def gate_title(self) -> str:
        """Key of the heading over the conditions for leaving."""
        if self.all_left:
            return "gate.title_done"
        return "gate.title_open" if self.leaving else "gate.title"

    @property
    def member_options(self) -> tuple[tuple[str, Text], ...]:
        """Members as the options of a choice."""
        return tuple((str(no), say("member.no", no=no)) for no in self.member_nos)


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One row of the list of sessions."""

    at: datetime
    number: str
    href: str
    kind: Text
    home: Text
    guests: Text
    phase: Text
    members: Text
    attention: State


@dataclass(frozen=True, slots=True)
class SessionListView:
    """The sessions the reader may see, newest first."""

    now: datetime
    rows: tuple[SessionLine, ...]
