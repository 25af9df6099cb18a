"""Working days: RULES §5, the official notice of 2026, and years nobody has announced yet."""

import copy
import itertools
from datetime import date, timedelta

import chinese_calendar
import pytest

from protocols.policy.errors import PolicyError
from protocols.policy.workdays import (
    OFF_RUN_DAYS_MAX,
    WORKDAYS_MAX,
    Calendar,
    _workdays_in,
    add_workdays,
    latest_request_day,
    span_days_max,
    subtract_workdays,
)

DAY = timedelta(days=1)
YEAR = [date(2026, 1, 1) + DAY * n for n in range(365)]
MAKE_UP = [
    date(2026, 1, 4),
    date(2026, 2, 14),
    date(2026, 2, 28),
    date(2026, 5, 9),
    date(2026, 9, 20),
    date(2026, 10, 10),
]


def brute_force(start, n, *, step=1):
    """Count with the oracle alone, one day at a time."""
    day = start
    while n:
        day += DAY * step
        n -= chinese_calendar.is_workday(day)
    return day


def monday_to_friday(start, n):
    day = start
    while n:
        day += DAY
        n -= day.weekday() < 5
    return day


def test_every_day_of_2026_is_as_the_official_notice_says(calendar):
    assert [calendar.is_workday(day) for day in YEAR] == [
        chinese_calendar.is_workday(day) for day in YEAR
    ]


@pytest.mark.parametrize("day", MAKE_UP)
def test_a_make_up_day_at_the_weekend_is_worked(calendar, day):
    assert day.weekday() >= 5
    assert calendar.is_workday(day) is True
    assert calendar.name_of(day)


def test_an_ordinary_day_has_no_holiday_name(calendar):
    assert calendar.name_of(date(2026, 3, 3)) == ""


@pytest.mark.parametrize(
    ("ended", "due", "naive"),
    [
        (date(2026, 2, 11), date(2026, 2, 14), date(2026, 2, 16)),
        (date(2026, 2, 13), date(2026, 2, 25), date(2026, 2, 18)),
        (date(2026, 9, 30), date(2026, 10, 10), date(2026, 10, 5)),
    ],
)
def test_three_working_days_after_the_end(calendar, ended, due, naive):
    """The rows of RULES §5: what Monday–Friday arithmetic gets wrong."""
    got = add_workdays(ended, 3, calendar)

    assert (got.date, got.provisional) == (due, False)
    assert got.earliest == got.latest == due
    assert monday_to_friday(ended, 3) == naive


def test_plus_three_agrees_with_brute_force_on_all_239_working_days(calendar):
    """Mon–Fri code is wrong on 30 of them: 12 times late, 18 times early."""
    days = [day for day in YEAR[:-3] if chinese_calendar.is_workday(day)]
    late = early = 0
    for day in days:
        true = brute_force(day, 3)
        got = add_workdays(day, 3, calendar)
        assert (got.date, got.provisional) == (true, False)
        naive = monday_to_friday(day, 3)
        late += naive > true
        early += naive < true

    assert (late, early) == (12, 18)
    assert len([day for day in days if day <= date(2026, 12, 18)]) == 239


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 20])
def test_backwards_agrees_with_brute_force(calendar, n):
    for day in YEAR[60:]:
        assert subtract_workdays(day, n, calendar).date == brute_force(day, n, step=-1)


def test_make_up_days_count_as_ends_too(calendar):
    for day in MAKE_UP:
        assert add_workdays(day, 3, calendar).date == brute_force(day, 3)


def test_two_readings_of_three_working_days_before(calendar):
    """Start Thu 8 Oct 2026: the third day before is 28 Sep, three clear days give 24 Sep."""
    start = date(2026, 10, 8)

    assert latest_request_day(start, 3, "nth_before", calendar).date == date(2026, 9, 28)
    assert latest_request_day(start, 3, "clear_days", calendar).date == date(2026, 9, 24)


@pytest.mark.parametrize("ended", [date(2026, 12, 29), date(2026, 12, 30), date(2026, 12, 31)])
def test_a_deadline_in_an_unannounced_year_is_provisional(calendar, ended):
    due = add_workdays(ended, 3, calendar)

    assert due.provisional
    assert due.date == due.earliest == ended + 3 * DAY
    assert due.latest > due.earliest


def test_28_december_still_ends_in_the_known_year(calendar):
    due = add_workdays(date(2026, 12, 28), 3, calendar)

    assert (due.date, due.provisional) == (date(2026, 12, 31), False)


def test_no_year_is_ever_silently_monday_to_friday():
    empty = Calendar.from_json([])

    assert empty.is_workday(date(2026, 11, 24)) is None
    assert not empty.known(2026)
    assert add_workdays(date(2026, 11, 20), 3, empty).date == date(2026, 11, 23)
    assert subtract_workdays(date(2026, 11, 24), 3, empty).provisional


def oracle_calendar(years):
    """All days of some years, as the oracle has them, in the schema of the notices."""
    notices = []
    for year in years:
        days = []
        day = date(year, 1, 1)
        while day.year == year:
            if chinese_calendar.is_workday(day) != (day.weekday() < 5):
                is_off = chinese_calendar.is_holiday(day)
                days.append({"name": "节", "date": day.isoformat(), "isOffDay": is_off})
            day += DAY
        notices.append({"year": year, "papers": [], "days": days})
    return notices


@pytest.mark.parametrize("hidden", [2010, 2012, 2018, 2020, 2024, 2026])
def test_the_bounds_of_an_unknown_year_hold_for_real_calendars(hidden):
    """Hide one year: the true deadline lies between earliest and latest, in both directions."""
    years = [year for year in range(hidden - 1, hidden + 2) if year <= 2026]
    full = Calendar.from_json(oracle_calendar(years))
    part = Calendar.from_json(oracle_calendar([year for year in years if year != hidden]))
    day = date(hidden, 1, 1) - 20 * DAY
    while day < date(hidden, 12, 10):
        for n in (1, 3, 4, 10):
            for walk in (add_workdays, subtract_workdays):
                true, due = walk(day, n, full), walk(day, n, part)
                assert due.earliest <= true.date <= due.latest
                assert due.provisional or due.date == true.date
        day += 7 * DAY


@pytest.mark.parametrize("n", [150, 200, 225, 245, 260])
def test_an_unknown_year_between_known_ones_counts_its_fewest_working_days(n):
    """Walking back from known 2026 over unknown 2025 into known 2024."""
    gap = Calendar.from_json(oracle_calendar([2024, 2026]))

    due = subtract_workdays(date(2026, 1, 8), n, gap)

    assert due.provisional
    assert due.earliest <= brute_force(date(2026, 1, 8), n, step=-1) <= due.latest
    assert due.earliest.year == (2025 if n < 245 else 2024)


@pytest.mark.slow
def test_the_longest_span_of_working_days_ever_seen_keeps_two_days_below_the_bound():
    days = [date(2004, 1, 1) + DAY * n for n in range((date(2026, 12, 31) - date(2004, 1, 1)).days)]
    worked = [day for day in days if chinese_calendar.is_workday(day)]
    for n in (*range(1, 21), 50, 100, 145, 150, 200, WORKDAYS_MAX):
        widest = max((b - a).days for a, b in zip(worked, worked[n:], strict=False))
        assert widest <= span_days_max(n) - 2
    assert max((b - a).days for a, b in itertools.pairwise(worked)) == (OFF_RUN_DAYS_MAX + 1)


@pytest.mark.parametrize("n", [0, -1, WORKDAYS_MAX + 1])
def test_an_impossible_number_of_working_days_is_refused(calendar, n):
    with pytest.raises(PolicyError, match="working_days"):
        add_workdays(date(2026, 3, 2), n, calendar)


def test_a_later_notice_moves_days_and_both_papers_stay(calendar, notice_2026):
    """2020: the Spring Festival was extended by a notice of its own."""
    extra = {
        "year": 2026,
        "papers": ["https://example.org/notice"],
        "days": [{"name": "春节", "date": "2026-02-24", "isOffDay": True}],
    }
    moved = Calendar.from_json([notice_2026, extra])

    assert calendar.is_workday(date(2026, 2, 24)) is True
    assert moved.is_workday(date(2026, 2, 24)) is False
    assert len(moved.papers) == 2


def test_a_file_published_before_its_notice_does_not_make_the_year_known(notice_2026):
    empty = {"$schema": "s", "$id": "i", "year": 2027, "papers": [], "days": []}

    assert not Calendar.from_json([notice_2026, empty]).known(2027)


def test_the_next_years_notice_may_move_a_day_of_december(notice_2026):
    days = [
        {"name": "元旦", "date": "2026-12-31", "isOffDay": True},
        {"name": "元旦", "date": "2027-01-01", "isOffDay": True},
    ]
    both = Calendar.from_json([notice_2026, {"year": 2027, "papers": [], "days": days}])

    assert both.is_workday(date(2026, 12, 31)) is False
    assert both.known(2027)
    assert add_workdays(date(2026, 12, 30), 1, both).date == date(2027, 1, 4)


def spoil(notice, **changes):
    spoilt = copy.deepcopy(notice)
    spoilt.update(changes)
    return spoilt


ONE = {"name": "元旦", "date": "2026-01-01", "isOffDay": True}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"holidays": []}, r"calendar\[0\]\.holidays"),
        ({"year": "2026"}, r"\.year"),
        ({"year": True}, r"\.year"),
        ({"year": 1066}, r"\.year"),
        ({"papers": "x"}, r"\.papers"),
        ({"papers": [1]}, r"\.papers"),
        ({"days": None}, r"\.days"),
        ({"days": [ONE] * 121}, r"\.days"),
        ({"days": [ONE, ONE]}, r"days\[1\]\.date"),
        ({"days": [7]}, r"days\[0\]"),
        ({"days": [{"name": "元旦", "date": "2026-01-01"}]}, r"days\[0\]"),
        ({"days": [ONE | {"isOffDay": 1}]}, r"days\[0\]"),
        ({"days": [ONE | {"name": None}]}, r"days\[0\]"),
        ({"days": [ONE | {"date": "20260101"}]}, r"days\[0\]\.date"),
        ({"days": [ONE | {"date": "2026-13-01"}]}, r"days\[0\]\.date"),
        ({"days": [ONE | {"date": "2024-01-01"}]}, r"days\[0\]\.date"),
        ({"days": [ONE | {"date": 20260101}]}, r"days\[0\]\.date"),
    ],
)
def test_a_damaged_notice_is_refused_with_its_path(notice_2026, changes, where):
    with pytest.raises(PolicyError, match=where):
        Calendar.from_json([spoil(notice_2026, **changes)])


@pytest.mark.parametrize("raw", [None, "x", [1], [None] * 201])
def test_something_that_is_no_list_of_notices_is_refused(raw):
    with pytest.raises(PolicyError, match="calendar"):
        Calendar.from_json(raw)


def test_the_bounds_of_a_notice_are_allowed():
    first, last = (
        {"year": year, "papers": [], "days": [ONE | {"date": f"{year}-01-01"}]}
        for year in (1990, 2200)
    )
    spread = [ONE | {"date": (date(2026, 1, 1) + DAY * n).isoformat()} for n in range(120)]
    full = {"year": 2026, "papers": [], "days": spread}

    many = Calendar.from_json([first, last, full] + [full] * 197)

    assert many.years == {1990, 2026, 2200}


def test_an_unknown_stretch_exactly_as_long_as_a_span_holds_its_working_day():
    """Fifteen unknown days hold one working day at least, not none."""
    assert _workdays_in(span_days_max(1) - 1) == 0
    assert _workdays_in(span_days_max(1)) == 1
    assert _workdays_in(span_days_max(7)) == 7
