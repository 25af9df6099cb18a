"""Station requests: what may be asked for.

Plan §2.5 (prequalification excluded), §3.1 and annex (paired guests), §3.4 (three working days
before the start), §3.5 (workday mornings). The software finds; a person accepts. What a rule
forbids outright is refused; what it wants "in principle" needs an exception with a reason and a
named approver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING

from protocols.policy.booking_states import (
    BOOKING_TABLE,
    HOLDS_STATIONS,
    BookingInput,
    BookingState,
    hold_expires_at,
    next_booking_state,
)
from protocols.policy.errors import PolicyError
from protocols.policy.pairing import Pairing
from protocols.policy.workdays import Due, latest_request_day
from protocols.terms import TERMS, SessionKind

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from protocols.policy.pack import Pack
    from protocols.policy.workdays import Calendar

__all__ = [
    "BOOKING_TABLE",
    "HOLDS_STATIONS",
    "SHANGHAI",
    "BookingInput",
    "BookingRequest",
    "BookingState",
    "ExceptionGrant",
    "Finding",
    "GuestRequest",
    "Level",
    "Pairing",
    "check_request",
    "hold_expires_at",
    "may_submit",
    "next_booking_state",
]

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China keeps one time and no summer time since 1991: the fixed offset is exact."""
DURATION_MIN_MAX = 3 * 24 * 60
"""Longest session asked for in one request: three days with nights adjourned."""
GUESTS_MAX = 16
"""More guest venues than any implementing unit is paired with."""
SEATS_MAX = 64
"""Seats asked of one venue: more than any hall of stations."""
_HOUR_MIN = 60


class Level(StrEnum):
    """How a finding weighs."""

    REFUSE = "refuse"
    NEEDS_EXCEPTION = "needs_exception"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found, in words for the person who asked."""

    code: str
    level: Level
    zh: str
    en: str
    what: str
    where: str
    expected: str
    got: str
    do: str


@dataclass(frozen=True, slots=True)
class ExceptionGrant:
    """An exception to one finding: its code, why, and who is named as its approver."""

    code: str
    reason: str
    approver: str


@dataclass(frozen=True, slots=True)
class GuestRequest:
    """What is asked of one guest venue. `stations`: particular ones, or none for any."""

    unit: str
    seats: int
    stations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BookingRequest:
    """A request of a home venue.

    Attributes:
        home: id of the home unit.
        guests: what is asked of each guest venue.
        kind: a SessionKind value.
        project_kind: kind of the project (``prequalification`` is excluded, plan §2.5).
        start_at: planned start, aware.
        duration_min: planned length in minutes.
        home_seats: seats at the home venue; 0 if nobody sits there.
        home_stations: particular stations at home, or none for any.
        exceptions: what has been granted already.
    """

    home: str
    guests: tuple[GuestRequest, ...]
    kind: str
    project_kind: str
    start_at: datetime
    duration_min: int
    home_seats: int = 0
    home_stations: tuple[str, ...] = ()
    exceptions: tuple[ExceptionGrant, ...] = ()


@dataclass(slots=True)
class _Check:
    """One run of the checks: what is asked, under which rules, and what was found."""

    request: BookingRequest
    pack: Pack
    found: list[Finding] = field(default_factory=list)

    def add(
        self,
        code: str,
        level: Level,
        *,
        where: str,
        zh: str,
        en: str,
        expected: str,
        got: object,
        do: str,
    ) -> None:
        """Note a finding; a granted exception turns it into a warning that names the approver."""
        grant = self._grant(code) if level is Level.NEEDS_EXCEPTION else None
        if grant is not None:
            level = Level.WARN
            zh = f"{zh}（作为例外提出，具名批准人：{grant.approver}，理由：{grant.reason}）"
            en = f"{en} (an exception; named approver: {grant.approver}; reason: {grant.reason})"
            do = "nothing; the exception is on record"
        self.found.append(
            Finding(
                code=code,
                level=level,
                zh=zh,
                en=en,
                what=en,
                where=where,
                expected=expected,
                got=str(got),
                do=do,
            )
        )

    def _grant(self, code: str) -> ExceptionGrant | None:
        for grant in self.request.exceptions:
            if grant.code == code and grant.reason.strip() and grant.approver.strip():
                return grant
        return None


_ASK = "choose another, or give a reason and the name of the approver"


def check_request(
    request: BookingRequest,
    pack: Pack,
    calendar: Calendar,
    pairing: Pairing,
    now: datetime,
    *,
    known_stations: Mapping[str, AbstractSet[str]] | None = None,
) -> list[Finding]:
    """Check a station request against the policy in force; empty means nothing to say.

    Args:
        request: what is asked.
        pack: policy in force.
        calendar: working days known so far.
        pairing: which guests assist which home.
        now: the instant of the request, aware.
        known_stations: ids of the bookable stations per unit; None: not checked here.

    Raises:
        PolicyError: `now` or the start carries no time zone (a mistake of the caller).
    """
    for name, at in (("now", now), ("start_at", request.start_at)):
        if at.tzinfo is None:
            raise PolicyError(
                name,
                expected="an instant with its offset",
                got=at.isoformat(),
                do="add +08:00 or Z",
            )
    check = _Check(request, pack)
    _check_shape(check)
    _check_units(check, pairing)
    _check_stations(check, known_stations)
    start, today = request.start_at.astimezone(SHANGHAI), now.astimezone(SHANGHAI)
    if start <= today:
        check.add(
            "past_start",
            Level.REFUSE,
            where="start_at",
            zh="评标开始时间已过",
            en="The planned start has passed",
            expected=f"after {today:%Y-%m-%d %H:%M}",
            got=f"{start:%Y-%m-%d %H:%M}",
            do="choose a later start",
        )
        return check.found
    _check_time_of_day(check, start, calendar)
    if request.kind not in pack.booking.lead_exempt_kinds:
        _check_lead(check, start.date(), today.date(), calendar)
    return check.found


def may_submit(findings: list[Finding]) -> bool:
    """True if nothing is refused and no exception is missing."""
    return all(finding.level is Level.WARN for finding in findings)


def _check_shape(check: _Check) -> None:
    request, rules = check.request, check.pack.booking
    if request.kind not in tuple(SessionKind):
        check.add(
            "unknown_kind",
            Level.REFUSE,
            where="kind",
            zh="场次类型不明",
            en="The kind of session is not known",
            expected=", ".join(SessionKind),
            got=request.kind,
            do="choose one of these",
        )
    if request.project_kind in rules.excluded_project_kinds:
        term = TERMS.get(request.project_kind)
        zh, en = (term.zh, term.en) if term else (request.project_kind, request.project_kind)
        check.add(
            "excluded_project",
            Level.REFUSE,
            where="project_kind",
            zh=f"{zh}项目不列入远程异地评标",
            en=f"Projects of kind {en} are excluded",
            expected="not " + ", ".join(rules.excluded_project_kinds),
            got=request.project_kind,
            do="evaluate it at the home venue",
        )
    if not 1 <= request.duration_min <= DURATION_MIN_MAX:
        check.add(
            "duration",
            Level.REFUSE,
            where="duration_min",
            zh="评标时长不合理",
            en="The planned length is out of range",
            expected=f"1 to {DURATION_MIN_MAX} minutes",
            got=request.duration_min,
            do="correct the length",
        )


def _check_units(check: _Check, pairing: Pairing) -> None:
    request, rules = check.request, check.pack.booking
    if request.home not in pairing.names:
        check.add(
            "unknown_unit",
            Level.REFUSE,
            where="home",
            zh="主场单位不在名单",
            en="The home unit is not on the list",
            expected="a listed unit",
            got=request.home,
            do="choose a unit of the directory",
        )
    if not 1 <= len(request.guests) <= GUESTS_MAX:
        check.add(
            "guests",
            Level.REFUSE,
            where="guests",
            zh="须申请至少一个副场",
            en="At least one guest venue is needed",
            expected=f"1 to {GUESTS_MAX} guest venues",
            got=len(request.guests),
            do="add a guest venue",
        )
    seen = {request.home}
    for index, guest in enumerate(request.guests[:GUESTS_MAX]):
        where = f"guests[{index}].unit"
        if guest.unit in seen:
            check.add(
                "repeated_unit",
                Level.REFUSE,
                where=where,
                zh="同一单位重复出现",
                en="A unit appears twice",
                expected="each unit once",
                got=guest.unit,
                do="remove one of the two",
            )
        elif guest.unit not in pairing.names:
            check.add(
                "unknown_unit",
                Level.REFUSE,
                where=where,
                zh="副场单位不在名单",
                en="The guest unit is not on the list",
                expected="a listed unit",
                got=guest.unit,
                do="choose a unit of the directory",
            )
        elif rules.paired_guests_only and not pairing.paired(request.home, guest.unit):
            paired = ", ".join(sorted(pairing.pairs.get(request.home, ()))) or "none"
            check.add(
                "unpaired_guest",
                Level.NEEDS_EXCEPTION,
                where=where,
                zh="该副场不是主场的对口合作单位",
                en="The guest is not paired with the home venue",
                expected=paired,
                got=guest.unit,
                do=_ASK,
            )
        seen.add(guest.unit)


def _check_stations(check: _Check, known: Mapping[str, AbstractSet[str]] | None) -> None:
    request = check.request
    venues = [("home", request.home, request.home_seats, request.home_stations, 0)]
    venues += [
        (f"guests[{index}]", guest.unit, guest.seats, guest.stations, 1)
        for index, guest in enumerate(request.guests[:GUESTS_MAX])
    ]
    for where, unit, seats, stations, least in venues:
        if not least <= seats <= SEATS_MAX:
            check.add(
                "seats",
                Level.REFUSE,
                where=f"{where}.seats",
                zh="申请的机位数不合理",
                en="The number of seats is out of range",
                expected=f"{least} to {SEATS_MAX}",
                got=seats,
                do="ask for at least one station",
            )
        if stations and len(set(stations)) != seats:
            check.add(
                "station_count",
                Level.REFUSE,
                where=f"{where}.stations",
                zh="指定的机位与机位数不符",
                en="The stations named do not match the seats",
                expected=f"{seats} different stations",
                got=", ".join(stations),
                do="name as many stations as seats, or none",
            )
        bookable = frozenset(stations) if known is None else known.get(unit, frozenset())
        for station in stations:
            if station not in bookable:
                check.add(
                    "unknown_station",
                    Level.REFUSE,
                    where=f"{where}.stations",
                    zh="没有这个机位",
                    en="There is no such station",
                    expected=f"a station of {unit}",
                    got=station,
                    do="choose a station of the directory",
                )


def _check_time_of_day(check: _Check, start: datetime, calendar: Calendar) -> None:
    rules = check.pack.booking
    if not rules.workday_required:
        return
    worked = calendar.is_workday(start.date())
    if worked is None:
        check.add(
            "calendar_unknown",
            Level.WARN,
            where="start_at",
            zh=f"{start.year} 年放假安排尚未导入，开始日是否为工作日待确认",
            en=f"The holiday notice of {start.year} is not loaded: unknown if it is a workday",
            expected="a year with calendar data",
            got=f"{start:%Y-%m-%d}",
            do="load the notice when it is out; the day is checked again then",
        )
    elif not worked:
        name = calendar.name_of(start.date()) or "weekend"
        check.add(
            "not_workday",
            Level.NEEDS_EXCEPTION,
            where="start_at",
            zh="评标开始时间原则上安排在工作日",
            en="The start is to be on a working day",
            expected="a working day",
            got=f"{start:%Y-%m-%d} ({name})",
            do=_ASK,
        )
    minute = start.hour * _HOUR_MIN + start.minute
    if not rules.morning_from_min <= minute < rules.morning_until_min:
        check.add(
            "not_morning",
            Level.NEEDS_EXCEPTION,
            where="start_at",
            zh="评标开始时间原则上安排在上午",
            en="The start is to be in the morning",
            expected=f"{_hhmm(rules.morning_from_min)} to before {_hhmm(rules.morning_until_min)}",
            got=f"{start:%H:%M}",
            do=_ASK,
        )


def _hhmm(minute: int) -> str:
    return f"{minute // _HOUR_MIN:02d}:{minute % _HOUR_MIN:02d}"


def _check_lead(check: _Check, start: date, today: date, calendar: Calendar) -> None:
    """Three working days ahead; the two readings of it are kept apart (RULES §5)."""
    days = check.pack.booking.working_days
    strict = latest_request_day(start, days, "clear_days", calendar)
    loose = latest_request_day(start, days, "nth_before", calendar)
    due = strict if check.pack.booking.count_mode == "clear_days" else loose
    zh, en = ("（暂定）", " (provisional)") if due.provisional else ("", "")
    if today > due.latest:
        check.add(
            "lead_time",
            Level.NEEDS_EXCEPTION,
            where="start_at",
            zh=f"须在评标开始 {days} 个工作日前申请，最迟 {due.date:%Y-%m-%d}{zh}",
            en=f"To be requested {days} working days ahead, at the latest on "
            f"{due.date:%Y-%m-%d}{en}",
            expected=f"requested by {due.date:%Y-%m-%d}{en}",
            got=f"{today:%Y-%m-%d}",
            do=_ASK,
        )
    elif today > due.earliest:
        check.add(
            "lead_time_provisional",
            Level.NEEDS_EXCEPTION,
            where="start_at",
            zh=f"该年放假安排尚未导入，最迟申请日可能早至 {due.date:%Y-%m-%d}（暂定）",
            en=f"Calendar not loaded: the last day may be as early as {due.date:%Y-%m-%d}",
            expected=f"requested by {due.date:%Y-%m-%d} (provisional)",
            got=f"{today:%Y-%m-%d}",
            do="load the holiday notice, " + _ASK,
        )
    if strict.latest < today <= loose.earliest:
        _warn_readings(check, strict, loose)


def _warn_readings(check: _Check, strict: Due, loose: Due) -> None:
    days = check.pack.booking.working_days
    check.add(
        "lead_time_reading",
        Level.WARN,
        where="start_at",
        zh=f"“{days} 个工作日前”两种算法结果不同：{strict.date:%Y-%m-%d} 或 {loose.date:%Y-%m-%d}",
        en=f"The two readings of {days} working days ahead differ: {strict.date:%Y-%m-%d} or "
        f"{loose.date:%Y-%m-%d}",
        expected=f"{strict.date:%Y-%m-%d} (clear days)",
        got=f"{loose.date:%Y-%m-%d} (day counted)",
        do="ask the legal owner of the pack which reading holds",
    )
