"""What every view is made of: states as shape and words, the reader, the page's frame."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

from hub.web.i18n import Both, Named, Text, say
from hub.web.templating import local


class Shape(StrEnum):
    """The state shapes of the visual language; colour is only ever added to one of them."""

    P1 = "p1"
    P2 = "p2"
    P3 = "p3"
    OK = "ok"
    NOW = "now"
    OPEN = "todo"
    NONE = "none"
    UNKNOWN = "unk"
    SHELVED = "shelf"
    PAUSE = "pause"
    LOCK = "lock"


MENU: Final = ("board", "sessions", "alarms", "cases", "bookings", "archive", "devices")
ARCHIVE_READING: Final = (
    "guest_coordinator",
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "witness",
    "fault_handler",
    "supervisor",
    "administrator",
)
ALARM_SHAPES = frozenset({Shape.P1, Shape.P2, Shape.P3})


@dataclass(frozen=True, slots=True)
class State:
    """A state: shape, word, and beneath it a time or a note."""

    shape: Shape
    text: Text
    at: datetime | None = None
    note: Text | None = None
    acked: bool = False
    current: bool = False

    @property
    def css(self) -> str:
        """Class names of the state table."""
        if self.shape in ALARM_SHAPES:
            return f"{self.shape} ack" if self.acked else str(self.shape)
        if self.shape is Shape.UNKNOWN:
            return "unk"
        return "todo" if self.shape in {Shape.OPEN, Shape.NONE} else "ok"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is reading: post and organisation, never a personal name.

    Attributes:
        post: staff post and number, e.g. `HB-07`.
        role: the main role's catalogue key suffix, e.g. `home_manager`.
        csrf: token that every changing request carries.
    """

    person: str
    login: str
    post: str
    org: str
    org_name: Text
    role: str
    roles: frozenset[str]
    csrf: str

    @property
    def role_text(self) -> Text:
        """The main role in words."""
        return role_text(self.role)

    @property
    def menu(self) -> tuple[str, ...]:
        """The menu's entries: no way is offered that ends at a refusal."""
        hidden = frozenset() if self.may(*ARCHIVE_READING) else frozenset({"archive"})
        return tuple(name for name in MENU if name not in hidden)

    def may(self, *roles: str) -> bool:
        """Whether the reader holds one of the roles."""
        return not self.roles.isdisjoint(roles)


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a page: the moment of its data, the current menu entry, the live topic."""

    now: datetime
    nav: str
    topic: str = ""
    drill: bool = False
    drill_text: Text | None = None


def org_text(zh: str, en: str) -> Both:
    """An organisation's name as screens use it: without the second name in brackets."""
    return Both(zh.split("（", 1)[0], en.split(" (", 1)[0])


DRILL: Final = "drill"
DAYS_A_WEEK: Final = 7
WEEKEND_DAYS: Final = 2


def number_text(number: str, kind: str) -> str:
    """A booking's number as screens show it; `D-1124-03` of an exercise, never a real one's."""
    return f"D-{number.split('-', 1)[-1]}" if kind == DRILL else number


@cache
def short_names() -> Mapping[str, tuple[str, str]]:
    """Organisation -> its official short name, both languages; the rule is in the file."""
    file = resources.files("protocols.policy.data").joinpath("short_names.json")
    found = json.loads(file.read_text("utf-8"))["names"]
    return {org: (zh, en) for org, (zh, en) in found.items()}


def org_short(org: str, name: Both) -> Both:
    """The organisation's short name for tiles, tables and the alarms rail; else its name."""
    pair = short_names().get(org)
    return name if pair is None else Named(*pair, full=name)


def venue_short(venue: Mapping[str, str]) -> Both:
    """The short name of a booking's or a session's venue."""
    return org_short(venue["org"], org_text(venue["name"], venue["name_en"]))


_DIGITS: Final = "零一二三四五六七八九"
_NUMBER: Final = r"(\d{1,6}|[一二三四五六七八九十]{1,3})"
_ROOM: Final = re.compile(rf"(?:第|评标)?{_NUMBER}号?(?:评标)?室|评标室{_NUMBER}号?")
_HALL: Final = re.compile(rf"(?:第|评标)?{_NUMBER}号?(?:评标)?厅|评标厅{_NUMBER}号?")
_BUILDING: Final = re.compile(r"([A-Z]|\d{1,2})(?:号?楼|座|栋|区)(\d{1,6})室?")


def room_text(name: str) -> Text:
    """A room's name; in English by its number, as it stands where it has none.

    A name of its own (松涛厅) is a proper name: English readers meet the same plate on the door.
    """
    for kind, pattern in (("Room", _ROOM), ("Hall", _HALL)):
        found = pattern.fullmatch(name)
        if found is not None:
            return Both(name, f"{kind} {_number(found.group(1) or found.group(2))}")
    found = _BUILDING.fullmatch(name)
    if found is not None:
        return Both(name, f"Building {found.group(1)} {found.group(2)}")
    return name


def _number(text: str) -> int:
    """`12` or `十二` as a number; Chinese numerals to ninety-nine."""
    if text.isdecimal():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return _DIGITS.index(text[0])
    return 10 * (_DIGITS.index(tens) if tens else 1) + (_DIGITS.index(ones) if ones else 0)


def role_text(role: str) -> Text:
    """A role in words; the manager's is the same word at home and guest venues."""
    return say("term.manager_on_duty") if role == "home_manager" else say(f"term.role.{role}")


def percent(part: float, whole: float) -> str:
    """`29.70%`, clamped to the lane; for SVG attributes."""
    if whole <= 0:
        return "0%"
    return f"{min(100.0, max(0.0, 100.0 * part / whole)):.2f}%"


def room_names(venues: Sequence[Mapping[str, str]]) -> dict[str, Text]:
    """Organisation -> its room in one session; with the venue's name where two are called alike."""
    plates = [venue["room"] or venue["place"] for venue in venues]
    return {
        venue["org"]: room_text(plate)
        if plates.count(plate) == 1
        else say("board.place", org=venue_short(venue), room=room_text(plate))
        for venue, plate in zip(venues, plates, strict=True)
    }


def in_a_week(now: datetime) -> datetime:
    """This day next week, or the Monday after it: an example of a date nobody is refused for."""
    then = now + timedelta(days=DAYS_A_WEEK)
    to_monday = DAYS_A_WEEK - local(then).weekday()
    return then + timedelta(days=to_monday if to_monday <= WEEKEND_DAYS else 0)
