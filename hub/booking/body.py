"""What a booking request says, decoded strictly: an unknown field is refused by its path.

Sizes and counts are bounded here; whether the request makes sense is for the rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from protocols.messages.strict import Reader

KINDS: Final = ("evaluation", "re_evaluation", "review", "drill")
PROJECT_KINDS: Final = ("construction", "government_procurement", "other")
"""Kinds of project a form offers; one that a pack excludes may be named too, to be told why not."""
MEMBER_KINDS: Final = ("expert", "tenderer_rep")

VENUES_MAX: Final = 8
"""One home and seven guests; the plan's largest pairing has eight assisting units."""
STATIONS_MAX: Final = 16
"""Stations of one venue in one booking; a committee has five to nine members."""
MEMBERS_MAX: Final = 32
"""Members of one venue, reserve included."""
DURATION_MIN_MAX: Final = 3 * 24 * 60
"""Minutes; three days with nights, longer is another booking."""
DURATION_MIN_MIN: Final = 30
REASON_CHARS_MAX: Final = 500
MEAL_FEN_MAX: Final = 100_000
"""1000 yuan per person and meal; above it a decimal point was lost."""

ORG: Final = re.compile(r"[a-z][a-z0-9]{1,31}\Z(?#the id of an organisation such as changsha)")
PLACE: Final = re.compile(
    r"[a-z][a-z0-9]{1,31}-[a-z0-9]{1,8}\Z(?#the id of a room such as changsha-2)"
)
STATION: Final = re.compile(
    r"[a-z][a-z0-9]{1,31}-[a-z0-9]{1,8}-[1-9][0-9]?\Z(?#the id of a station such as changsha-2-1)"
)
PERSON: Final = re.compile(r"p-[0-9a-f]{12}\Z(?#the id of a person, p- and 12 hex digits)")
NUMBER: Final = re.compile(r"\d{4}-\d{4}-\d{2,4}\Z(?#a booking number such as 2026-1124-01)")
CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{1,63}\Z(?#2 to 64 letters, digits and ._/-)")
WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z(?#a word of a-z, 0-9 and _)")
INSTANT_CHARS_MAX: Final = 40
YEARS: Final = range(2000, 2100)
"""Years a day or an instant may lie in; beyond them something was mistyped, and dates end."""


@dataclass(frozen=True, slots=True)
class VenueWish:
    """One venue of a request: how many members, on which stations of which room."""

    org: str
    place: str
    stations: tuple[str, ...]
    experts: int
    tenderer_reps: int
    meal_fen: int | None


@dataclass(frozen=True, slots=True)
class ExceptionWish:
    """Why a rule is departed from, and the person who approves it."""

    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A whole request; `start_at` is aware, `draw` are conditions for drawing experts."""

    kind: str
    project_code: str
    project_kind: str
    home_org: str
    start_at: datetime
    duration_min: int
    predecessor: str | None
    venues: tuple[VenueWish, ...]
    draw_conditions: str
    exception: ExceptionWish | None

    def venue(self, org: str) -> VenueWish | None:
        """The wish for one organisation, or None."""
        return next((wish for wish in self.venues if wish.org == org), None)


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """One member as the venue enters him; the only place a name and a number stand in the clear."""

    no: int
    kind: str
    name: str
    id_number: str
    station: int | None
    locker: int | None


@dataclass(frozen=True, slots=True)
class DutyEntry:
    """One person on the duty roster and the role taken for this session."""

    person: str
    role: str


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object without fields that are null: absent and null mean the same to us."""
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, list):
            kept[key] = [without_nulls(one) if isinstance(one, dict) else one for one in item]
        elif isinstance(item, dict):
            kept[key] = without_nulls(item)
        elif item is not None:
            kept[key] = item
    return kept


def read_request(value: Mapping[str, Any]) -> RequestBody:
    """The request in a JSON object.

    Raises:
        RemoteError: with the path of the first field that is not as it must be.
    """
    reader = Reader(without_nulls(value), where="booking")
    body = RequestBody(
        kind=reader.one_of("kind", KINDS),
        project_code=reader.text("project_code", CODE),
        project_kind=reader.text("project_kind", WORD),
        home_org=reader.text("home_org", ORG),
        start_at=_instant(reader, "start_at"),
        duration_min=reader.integer("duration_min", DURATION_MIN_MIN, DURATION_MIN_MAX),
        predecessor=_optional_text(reader, "predecessor", NUMBER),
        venues=_venues(reader),
        draw_conditions=_optional_text(reader, "draw_conditions", None) or "",
        exception=_exception(reader),
    )
    reader.end()
    _one_home_among_venues(reader, body)
    return body


def read_members(value: Mapping[str, Any]) -> tuple[MemberEntry, ...]:
    """The members of one venue, `{"members": [...]}`. `RemoteError` as above."""
    reader = Reader(without_nulls(value), where="booking")
    entries = []
    for one in reader.objects("members", items_max=MEMBERS_MAX):
        entries.append(
            MemberEntry(
                no=one.integer("no", 1, MEMBERS_MAX),
                kind=one.one_of("kind", MEMBER_KINDS),
                name=one.text("name", chars_max=40),
                id_number=one.text("id_number", chars_max=18),
                station=_optional_integer(one, "station", 99),
                locker=_optional_integer(one, "locker", 199),
            )
        )
        one.end()
    reader.end()
    return tuple(entries)


def read_duty(value: Mapping[str, Any]) -> tuple[DutyEntry, ...]:
    """The duty roster of one venue, `{"persons": [{"person","role"}]}`. `RemoteError` as above."""
    reader = Reader(without_nulls(value), where="booking")
    entries = []
    for one in reader.objects("persons", items_max=MEMBERS_MAX):
        entries.append(DutyEntry(person=one.text("person", PERSON), role=one.text("role", WORD)))
        one.end()
    reader.end()
    if len({entry.person for entry in entries}) != len(entries):
        reader.fail("persons", "each person once", "the same person twice")
    return tuple(entries)


def _venues(reader: Reader) -> tuple[VenueWish, ...]:
    wishes = []
    for one in reader.objects("venues", items_max=VENUES_MAX):
        wishes.append(
            VenueWish(
                org=one.text("org", ORG),
                place=one.text("place", PLACE),
                stations=tuple(sorted(one.texts("stations", STATION, items_max=STATIONS_MAX))),
                experts=one.integer("experts", 0, MEMBERS_MAX),
                tenderer_reps=one.integer("tenderer_reps", 0, 4),
                meal_fen=_optional_integer(one, "meal_fen", MEAL_FEN_MAX, low=0),
            )
        )
        one.end()
    if not wishes or len({wish.org for wish in wishes}) != len(wishes):
        reader.fail("venues", "one entry per venue, at least one", [wish.org for wish in wishes])
    return tuple(wishes)


def _one_home_among_venues(reader: Reader, body: RequestBody) -> None:
    if body.venue(body.home_org) is None:
        reader.fail("venues", f"the home venue {body.home_org} among them", "")
    if body.start_at.tzinfo is None:
        reader.fail("start_at", "an instant with a time zone", body.start_at.isoformat())
    for wish in body.venues:
        if not wish.place.startswith(f"{wish.org}-"):
            reader.fail("venues", f"a room of {wish.org}", wish.place)
        if not wish.stations:
            reader.fail("venues", f"at least one station of {wish.org}", wish.place)
        strange = [one for one in wish.stations if not one.startswith(f"{wish.place}-")]
        if strange:
            reader.fail("venues", f"stations of the room {wish.place}", strange[0])
        if wish.experts + wish.tenderer_reps > len(wish.stations):
            reader.fail(
                "venues",
                f"as many stations as members at {wish.org}",
                f"{wish.experts + wish.tenderer_reps} members, {len(wish.stations)} stations",
            )


def _exception(reader: Reader) -> ExceptionWish | None:
    if not reader.has("exception"):
        return None
    one = reader.object("exception")
    wish = ExceptionWish(
        reason=one.text("reason", chars_max=REASON_CHARS_MAX).strip(),
        approver=one.text("approver", chars_max=40),
    )
    one.end()
    if not wish.reason:
        one.fail("reason", "why the rule is departed from", "")
    return wish


def _instant(reader: Reader, key: str) -> datetime:
    text = reader.text(key, chars_max=INSTANT_CHARS_MAX)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        reader.fail(key, "an instant such as 2026-11-24T09:00:00+08:00", text)
    if found.year not in YEARS:
        reader.fail(key, f"a year {YEARS[0]} to {YEARS[-1]}", text)
    return found


def _optional_text(reader: Reader, key: str, rule: re.Pattern[str] | None) -> str | None:
    if not reader.has(key):
        return None
    return reader.text(key, rule, chars_max=REASON_CHARS_MAX)


def _optional_integer(reader: Reader, key: str, high: int, *, low: int = 1) -> int | None:
    return reader.integer(key, low, high) if reader.has(key) else None
