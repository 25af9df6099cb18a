"""The board: is anything wrong, where, since when, and is this picture fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hub.web.i18n import Text
from hub.web.views_common import State

FEW_TILES: Final = 3
"""Up to as many rooms a venue's tiles are wide; a row holds six narrow ones."""


class Look(StrEnum):
    """How a tile is drawn; only what is abnormal leaves grey."""

    NORMAL = ""
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"
    OLD = "old"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class DeviceMark:
    """One of 电 网 录 柜: `level` is ok, p1, p2, p3, un (unknown) or na (out of use)."""

    key: str
    level: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One room.

    Attributes:
        since: start of the clock of a P1 or of a silence; ticks in the page.
        right: what stands at the end of the second line when no clock does.
        seats: one entry per used station: True taken, False free, None unknown.
    """

    name: Text
    href: str
    look: Look
    title: Text
    badge: State | None
    right: Text
    since: datetime | None
    devices: tuple[DeviceMark, ...]
    seats: tuple[bool | None, ...]
    seats_text: Text
    foot: Text
    drill: bool = False


@dataclass(frozen=True, slots=True)
class Venue:
    """One organisation's rooms."""

    name: Text
    role: Text
    summary: Text
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm: fact, consequence, who must do what, who has acknowledged, what may be done.

    Attributes:
        notes: found later, gone by itself, how often, the row it rests on.
        quiet: nobody is called for it.
        may_close: it does not end by itself, and this reader may end it by name.
    """

    alarm: str
    level: str
    acked: bool
    place: Text
    since: datetime
    what: Text
    consequence: Text
    ack_text: Text
    ack_due: bool
    case_href: str
    case_text: Text
    may_ack: bool
    must: Text = ""
    notes: tuple[Text, ...] = ()
    quiet: bool = False
    may_close: bool = False

    @property
    def key(self) -> str:
        """The alarm's id as part of an element's."""
        return self.alarm.replace(":", "-").replace(".", "-")


@dataclass(frozen=True, slots=True)
class TodayRow:
    """One session of the day."""

    at: datetime
    number: str
    short: str
    href: str
    home: Text
    guests: Text
    phase: Text
    members: Text
    attention: State
    drill: bool = False


@dataclass(frozen=True, slots=True)
class BoardView:
    """The whole board; counts are shown in the order given."""

    now: datetime
    counts: tuple[tuple[Text, int], ...]
    p1: int
    p2: int
    p3: int
    shelved: int
    venues: tuple[Venue, ...]
    today: tuple[TodayRow, ...]
    alarms: tuple[AlarmRow, ...]
    unacked: int
    shelf: tuple[Text, ...]

    @property
    def few(self) -> bool:
        """Whether every venue's rooms fit one row of wide tiles."""
        return all(len(venue.tiles) <= FEW_TILES for venue in self.venues)
