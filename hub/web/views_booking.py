"""Bookings: the day's grid of stations, the list, one booking with what may be done next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.web.i18n import Text
from hub.web.views_common import State


@dataclass(frozen=True, slots=True)
class GridCell:
    """A run of half hours of one station: free, or held by a booking.

    Attributes:
        look: `free`, `req` (requested, striped), `held`, `ended`, `buf` (set-up and clearing).
    """

    span: int
    look: str
    href: str
    text: Text
    title: Text


@dataclass(frozen=True, slots=True)
class GridRow:
    """One station over the day."""

    station: Text
    cells: tuple[GridCell, ...]


@dataclass(frozen=True, slots=True)
class GridRoom:
    """One room's stations; `used` if anything holds one of them that day."""

    name: Text
    org: str
    used: bool
    rows: tuple[GridRow, ...]


@dataclass(frozen=True, slots=True)
class BookingRow:
    """One line of the list."""

    number: str
    href: str
    at: datetime
    kind: Text
    home: Text
    guests: Text
    state: State
    waiting: Text


@dataclass(frozen=True, slots=True)
class StationChoice:
    """One station that may be asked for."""

    id: str
    text: Text


@dataclass(frozen=True, slots=True)
class RoomChoice:
    """One room with its stations."""

    place: str
    name: Text
    stations: tuple[StationChoice, ...]


@dataclass(frozen=True, slots=True)
class RequestForm:
    """What a new request may choose from; `sample` shows how its moment is written."""

    home_org: str
    home_name: Text
    home_rooms: tuple[RoomChoice, ...]
    guest_rooms: tuple[RoomChoice, ...]
    kinds: tuple[tuple[str, Text], ...]
    project_kinds: tuple[tuple[str, Text], ...]
    sample: str


@dataclass(frozen=True, slots=True)
class BookingsView:
    """The page of bookings on one day; `begins` is local midnight."""

    now: datetime
    day: str
    before: str
    after: str
    begins: datetime
    hours: tuple[str, ...]
    rooms: tuple[GridRoom, ...]
    free: tuple[Text, ...]
    rows: tuple[BookingRow, ...]
    form: RequestForm | None


@dataclass(frozen=True, slots=True)
class VenueLine:
    """One venue of a booking: what it was asked and what it answered."""

    org: str
    name: Text
    role: Text
    room: Text
    stations: Text
    members: Text
    meal: Text
    state: State
    entered: Text
    duty: Text
    reason: str


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member by number; `masked` only for the reader's own organisation."""

    no: int
    kind: Text
    venue: Text
    station: Text
    locker: Text
    masked: str


@dataclass(frozen=True, slots=True)
class DutyLine:
    """One person on duty, by post."""

    post: str
    role: Text
    venue: Text
    state: State


@dataclass(frozen=True, slots=True)
class FindingLine:
    """What the rules said of the request."""

    state: State
    text: Text


@dataclass(frozen=True, slots=True)
class NextStep:
    """The page's answer to: whose turn is it; `opens` = the dialog that does it, if any."""

    text: Text
    mine: bool
    opens: str = ""


@dataclass(frozen=True, slots=True)
class MemberSlot:
    """One line of the members' form."""

    no: int
    kind: str
    kind_text: Text


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may be put on duty."""

    person: str
    text: Text
    roles: tuple[tuple[str, Text], ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class BookingView:
    """One booking."""

    now: datetime
    number: str
    session: str
    drill: bool
    shown: str
    kind: Text
    state: State
    next: NextStep
    facts: tuple[tuple[Text, Text], ...]
    steps: tuple[tuple[Text, str], ...]
    venues: tuple[VenueLine, ...]
    members: tuple[MemberLine, ...]
    duty: tuple[DutyLine, ...]
    findings: tuple[FindingLine, ...]
    exception: Text | None
    losers: tuple[Text, ...]
    may_answer: bool
    may_confirm: bool
    may_withdraw: bool
    may_members: bool
    may_duty: bool
    may_confirm_duty: bool
    may_publish: bool
    calendar: str
    slots: tuple[MemberSlot, ...]
    own_org: str
    people: tuple[Person, ...]
    published: Text
