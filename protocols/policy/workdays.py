"""Working days of the State Council's holiday notices, make-up days (调休) included.

Counting follows the Civil Code: the day of the event itself is not counted (Art. 201). Whether a
day is worked is decided by the notice of its year alone. A year without a notice is unknown:
nothing here falls back to Monday–Friday, a deadline that touches such a year is provisional.

The data has the shape of the ``holiday-cn`` project. The year of a notice is not always the year
of its days (a New Year notice may move a day of December), and a file without days is published
before the notice is out: both are read as what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from protocols.policy.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Day = date
"""The type, under a name that a field called `date` does not hide."""
CountMode = Literal["clear_days", "nth_before"]

WORKDAYS_MAX = 260
"""No deadline of the rules is longer than a year of working days; it also bounds every walk."""
OFF_RUN_DAYS_MAX = 10
"""Longest run of days off ever decreed: 24 January to 2 February 2020."""
WEEK_WORKDAYS = 5
WEEKEND_DAYS = 2
STATUTORY_DAY_WEEKS = 2
NOTICE_DAYS_MAX = 120
"""A notice names some 35 days; more is not a notice."""
NOTICES_MAX = 200
"""Two centuries of notices, or one century with corrections."""
SATURDAY = 5
YEAR_MIN = 1990
YEAR_MAX = 2200
_DAY = timedelta(days=1)
_NOTICE_KEYS = frozenset({"$schema", "$id", "year", "papers", "days"})
_DAY_KEYS = frozenset({"name", "date", "isOffDay"})
_DO = "take the file of that year from the official notice again"


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline.

    Attributes:
        date: the day to act on; where the calendar is unknown, the earliest day possible.
        provisional: true when a year without a notice was touched.
        earliest: no calendar can give an earlier day.
        latest: no calendar seen so far could give a later day.
    """

    date: Day
    provisional: bool
    earliest: Day
    latest: Day


@dataclass(frozen=True, slots=True)
class Calendar:
    """The notices known so far. Build it with `from_json`."""

    years: frozenset[int]
    days: Mapping[date, bool] = field(repr=False)
    names: Mapping[date, str] = field(repr=False)
    papers: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, notices: Sequence[object]) -> Calendar:
        """Read notices in holiday-cn's shape; of two that name one day, the later one holds.

        Args:
            notices: parsed JSON, one object per notice, oldest first.

        Raises:
            PolicyError: with the path of the first field that is not as the schema says.
        """
        if not isinstance(notices, list | tuple) or len(notices) > NOTICES_MAX:
            raise PolicyError(
                "calendar",
                expected=f"a list of at most {NOTICES_MAX} notices",
                got=type(notices).__name__,
                do="put one object per year into a list",
            )
        years: set[int] = set()
        days: dict[date, bool] = {}
        names: dict[date, str] = {}
        papers: list[str] = []
        for index, notice in enumerate(notices):
            year, sources, listed = _read_notice(notice, f"calendar[{index}]")
            papers.extend(sources)
            # A file without days is the announcement of a notice that is not out yet.
            if any(day.year == year for day in listed):
                years.add(year)
            for day, (name, is_off) in listed.items():
                days[day] = is_off
                names[day] = name
        return cls(
            years=frozenset(years),
            days=MappingProxyType(days),
            names=MappingProxyType(names),
            papers=tuple(papers),
        )

    def known(self, year: int) -> bool:
        """True when the notice of that year is loaded."""
        return year in self.years

    def is_workday(self, day: date) -> bool | None:
        """Say whether a day is worked; None where no notice tells."""
        listed = self.days.get(day)
        if listed is not None:
            return not listed
        if day.year not in self.years:
            return None
        return day.weekday() < SATURDAY

    def name_of(self, day: date) -> str:
        """Name of the holiday a notice gives this day (also to a make-up day), or ''."""
        return self.names.get(day, "")


def add_workdays(start: date, n: int, calendar: Calendar) -> Due:
    """Day on which the n-th working day after `start` falls; `start` itself is not counted."""
    return _due(start, n, calendar, step=_DAY)


def subtract_workdays(start: date, n: int, calendar: Calendar) -> Due:
    """Day on which the n-th working day before `start` falls; `start` itself is not counted."""
    return _due(start, n, calendar, step=-_DAY)


def latest_request_day(
    start_date: date, working_days: int, count_mode: CountMode, calendar: Calendar
) -> Due:
    """Last day for a request that must come `working_days` before `start_date`.

    ``nth_before``: the n-th working day before the start is in time. ``clear_days``, the stricter
    reading: n whole working days lie between the request's day and the start.
    """
    extra = 1 if count_mode == "clear_days" else 0
    return subtract_workdays(start_date, working_days + extra, calendar)


def _due(start: date, n: int, calendar: Calendar, *, step: timedelta) -> Due:
    if not 1 <= n <= WORKDAYS_MAX:
        raise PolicyError(
            "working_days", expected=f"1 to {WORKDAYS_MAX}", got=n, do="correct the policy pack"
        )
    near, unsure = _walk_dense(start, n, calendar, step)
    far = _walk_sparse(start, n, calendar, step) if unsure else near
    first, last = min(near, far), max(near, far)
    return Due(date=first, provisional=unsure, earliest=first, latest=last)


def _walk_dense(start: date, n: int, calendar: Calendar, step: timedelta) -> tuple[date, bool]:
    """Walk as if every unknown day were worked: the nearest day any calendar could give."""
    day, left, unsure = start, n, False
    while left:
        day += step
        worked = calendar.is_workday(day)
        unsure = unsure or worked is None
        if worked is not False:
            left -= 1
    return day, unsure


def _walk_sparse(start: date, n: int, calendar: Calendar, step: timedelta) -> date:
    """Walk as if unknown days held as few working days as calendars ever did: the farthest day."""
    day, left, unknown_days = start, n, 0
    while left:
        day += step
        worked = calendar.is_workday(day)
        if worked is None:
            unknown_days += 1
            if unknown_days == span_days_max(left):
                return day
            continue
        left -= _workdays_in(unknown_days)
        unknown_days = 0
        if worked:
            left -= 1
    return day


def span_days_max(n: int) -> int:
    """Most calendar days that n consecutive working days took, with a reserve.

    One longest holiday, a weekend for every started week of work, and one more day off for every
    started two weeks (the statutory holidays of a year). The calendars of 2004 to 2026 stay at
    least two days below it for every n up to WORKDAYS_MAX.
    """
    weeks = -(-n // WEEK_WORKDAYS)
    return n + OFF_RUN_DAYS_MAX + WEEKEND_DAYS * weeks + -(-weeks // STATUTORY_DAY_WEEKS)


def _workdays_in(days: int) -> int:
    """Fewest working days a stretch of unknown days can hold."""
    n = 0
    while span_days_max(n + 1) <= days:
        n += 1
    return n


def _read_notice(notice: object, path: str) -> tuple[int, list[str], dict[date, tuple[str, bool]]]:
    if not isinstance(notice, dict):
        raise PolicyError(path, expected="an object", got=notice, do=_DO)
    unknown = sorted(str(key) for key in notice.keys() - _NOTICE_KEYS)
    if unknown:
        raise PolicyError(
            f"{path}.{unknown[0]}",
            expected="year, papers, days",
            got=unknown[0],
            do="remove the unknown field",
        )
    year = notice.get("year")
    if type(year) is not int or not YEAR_MIN <= year <= YEAR_MAX:
        raise PolicyError(
            f"{path}.year", expected=f"a year {YEAR_MIN}–{YEAR_MAX}", got=year, do=_DO
        )
    papers = notice.get("papers")
    if not isinstance(papers, list) or not all(isinstance(paper, str) for paper in papers):
        raise PolicyError(f"{path}.papers", expected="a list of addresses", got=papers, do=_DO)
    listed = notice.get("days")
    if not isinstance(listed, list) or len(listed) > NOTICE_DAYS_MAX:
        raise PolicyError(
            f"{path}.days",
            expected=f"a list of at most {NOTICE_DAYS_MAX} days",
            got=type(listed).__name__,
            do=_DO,
        )
    days: dict[date, tuple[str, bool]] = {}
    for index, item in enumerate(listed):
        where = f"{path}.days[{index}]"
        day, name, is_off = _read_day(item, where, year)
        if day in days:
            raise PolicyError(
                f"{where}.date", expected="each day once", got=day.isoformat(), do=_DO
            )
        days[day] = (name, is_off)
    return year, papers, days


def _read_day(item: object, path: str, year: int) -> tuple[date, str, bool]:
    if not isinstance(item, dict) or item.keys() != _DAY_KEYS:
        raise PolicyError(path, expected="exactly name, date, isOffDay", got=item, do=_DO)
    name, text, is_off = item["name"], item["date"], item["isOffDay"]
    if not isinstance(name, str) or not isinstance(is_off, bool):
        raise PolicyError(path, expected="a name and true or false", got=item, do=_DO)
    day = _read_date(text)
    if day is None or abs(day.year - year) > 1:
        raise PolicyError(f"{path}.date", expected=f"YYYY-MM-DD near {year}", got=text, do=_DO)
    return day, name, is_off


def _read_date(text: object) -> date | None:
    if not isinstance(text, str):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # fromisoformat also takes 20260101 and 2026-W01-1; the schema does not.
    return day if day.isoformat() == text else None
