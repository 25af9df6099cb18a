"""Station requests: what a clerk would check before sending one, and the states of a booking."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protocols.policy.booking import (
    BOOKING_TABLE,
    HOLDS_STATIONS,
    SHANGHAI,
    BookingInput,
    BookingRequest,
    BookingState,
    ExceptionGrant,
    GuestRequest,
    Level,
    check_request,
    hold_expires_at,
    may_submit,
    next_booking_state,
)
from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack
from protocols.policy.pairing import Pairing
from protocols.terms import TERMS

STATIONS = {"hubei": {"hubei-301-1", "hubei-301-2"}, "changsha": {"changsha-2-1", "changsha-2-2"}}


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def good(**changes):
    """Thu 8 Oct 2026 at 09:00, one guest paired with the home."""
    request = BookingRequest(
        home="hubei",
        guests=(GuestRequest("changsha", 2),),
        kind="evaluation",
        project_kind="construction",
        start_at=at("2026-10-08 09:00"),
        duration_min=360,
        home_seats=3,
    )
    return replace(request, **changes)


@pytest.fixture
def check(hubei, calendar, pairing):
    def run(request, now="2026-09-24 16:00", pack=hubei, **more):
        return check_request(request, pack, calendar, pairing, at(now), **more)

    return run


def codes(findings):
    return [(finding.code, finding.level.value) for finding in findings]


def test_a_proper_request_finds_nothing(check):
    assert check(good()) == []


def test_three_clear_working_days_are_kept_on_24_september(check):
    """Start Thu 8 Oct: the holiday and the Mid-autumn days do not count."""
    assert check(good(), now="2026-09-24 23:59") == []


@pytest.mark.parametrize("day", ["2026-09-25", "2026-09-28"])
def test_the_looser_reading_alone_needs_an_exception_and_says_why(check, day):
    found = check(good(), now=f"{day} 08:00")

    assert codes(found) == [("lead_time", "needs_exception"), ("lead_time_reading", "warn")]
    assert "2026-09-24" in found[0].zh
    assert found[0].expected == "requested by 2026-09-24"
    assert found[0].got == day
    assert not may_submit(found)


def test_too_late_by_both_readings(check):
    assert codes(check(good(), now="2026-09-29 08:00")) == [("lead_time", "needs_exception")]


def loose_pack(raw):
    raw["booking"]["count_mode"]["value"] = "nth_before"
    return Pack.parse(raw)


def test_a_pack_with_the_looser_reading_warns_of_the_stricter(check, raw_hubei):
    pack = loose_pack(raw_hubei)

    assert codes(check(good(), now="2026-09-28 08:00", pack=pack)) == [
        ("lead_time_reading", "warn")
    ]
    assert check(good(), now="2026-09-24 08:00", pack=pack) == []
    assert codes(check(good(), now="2026-09-29 08:00", pack=pack)) == [
        ("lead_time", "needs_exception")
    ]


def test_a_drill_needs_no_lead_time(check):
    assert check(good(kind="drill"), now="2026-09-30 08:00") == []


@pytest.mark.parametrize("now", ["2026-10-08 09:00", "2026-10-09 10:00"])
def test_a_start_in_the_past_is_refused(check, now):
    found = check(good(), now=now)

    assert codes(found) == [("past_start", "refuse")]
    assert "2026-10-08 09:00" in found[0].got


def test_prequalification_is_excluded(check):
    found = check(good(project_kind="prequalification"))

    assert codes(found) == [("excluded_project", "refuse")]
    assert TERMS["prequalification"].zh in found[0].zh


def test_a_pack_may_exclude_a_kind_that_has_no_official_word(check, raw_hubei):
    raw_hubei["booking"]["excluded_project_kinds"]["value"] = ["classified"]

    found = check(good(project_kind="classified"), pack=Pack.parse(raw_hubei))

    assert codes(found) == [("excluded_project", "refuse")]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-10-10 09:00", []),
        ("2026-10-11 09:00", [("not_workday", "needs_exception")]),
        ("2026-10-05 09:00", [("not_workday", "needs_exception")]),
        ("2026-10-12 12:00", [("not_morning", "needs_exception")]),
        ("2026-10-12 11:59", []),
        ("2026-10-12 08:00", []),
        ("2026-10-12 07:59", [("not_morning", "needs_exception")]),
        (
            "2026-10-11 14:00",
            [("not_workday", "needs_exception"), ("not_morning", "needs_exception")],
        ),
    ],
)
def test_workday_mornings(check, start, expected):
    """Plan §5; Saturday 10 October 2026 is worked."""
    assert codes(check(good(start_at=at(start)), now="2026-09-18 09:00")) == expected


def test_the_morning_is_shanghais_whatever_offset_came_in(check):
    utc = datetime(2026, 10, 8, 1, 0, tzinfo=UTC)

    assert check(good(start_at=utc)) == []


def test_a_holiday_and_a_weekend_are_named(check):
    holiday = check(good(start_at=at("2026-10-05 09:00")), now="2026-09-18 09:00")
    weekend = check(good(start_at=at("2026-10-11 09:00")), now="2026-09-18 09:00")

    assert "国庆节" in holiday[0].got
    assert "weekend" in weekend[0].got


def test_a_pack_may_drop_the_rule_of_workday_mornings(check, raw_hubei):
    raw_hubei["booking"]["workday_required"]["value"] = False

    assert (
        check(
            good(start_at=at("2026-10-11 15:00")),
            now="2026-09-18 09:00",
            pack=Pack.parse(raw_hubei),
        )
        == []
    )


GRANT = ExceptionGrant("not_workday", "汛期急需", "张明（值班负责人）")


def test_a_granted_exception_becomes_a_note_that_names_its_approver(check):
    request = good(start_at=at("2026-10-11 09:00"), exceptions=(GRANT,))

    found = check(request, now="2026-09-18 09:00")

    assert codes(found) == [("not_workday", "warn")]
    # Nobody has asked that person: the note must not say that anything was approved.
    assert "具名批准人：张明（值班负责人），理由：汛期急需" in found[0].zh
    assert "named approver: 张明（值班负责人）; reason: 汛期急需" in found[0].en
    assert "已批准" not in found[0].zh
    assert may_submit(found)


@pytest.mark.parametrize(
    "grant",
    [replace(GRANT, reason=" "), replace(GRANT, approver=""), replace(GRANT, code="lead_time")],
)
def test_an_exception_without_reason_approver_or_code_grants_nothing(check, grant):
    request = good(start_at=at("2026-10-11 09:00"), exceptions=(grant,))

    assert codes(check(request, now="2026-09-18 09:00")) == [("not_workday", "needs_exception")]


def test_nothing_refused_can_be_granted(check):
    request = good(
        project_kind="prequalification",
        exceptions=(ExceptionGrant("excluded_project", "x", "y"),),
    )

    assert codes(check(request)) == [("excluded_project", "refuse")]


def test_an_unpaired_guest_needs_an_exception(check):
    found = check(good(guests=(GuestRequest("foshan", 2),)))

    assert codes(found) == [("unpaired_guest", "needs_exception")]
    assert "changsha" in found[0].expected


def test_a_home_without_pairing_says_so(check):
    found = check(good(home="jilin"))

    assert codes(found) == [("unpaired_guest", "needs_exception")]
    assert found[0].expected == "none"


def test_a_pack_may_allow_any_guest(check, raw_hubei):
    raw_hubei["booking"]["paired_guests_only"]["value"] = False

    assert check(good(guests=(GuestRequest("foshan", 2),)), pack=Pack.parse(raw_hubei)) == []


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"home": "atlantis"}, "unknown_unit", "home"),
        ({"guests": (GuestRequest("atlantis", 1),)}, "unknown_unit", "guests[0].unit"),
        ({"guests": ()}, "guests", "guests"),
        ({"guests": tuple(GuestRequest(f"u{n}", 1) for n in range(17))}, "guests", "guests"),
        ({"guests": (GuestRequest("hubei", 1),)}, "repeated_unit", "guests[0].unit"),
        ({"guests": (GuestRequest("hunan", 1),) * 2}, "repeated_unit", "guests[1].unit"),
        ({"guests": (GuestRequest("changsha", 0),)}, "seats", "guests[0].seats"),
        ({"guests": (GuestRequest("changsha", 65),)}, "seats", "guests[0].seats"),
        ({"home_seats": -1}, "seats", "home.seats"),
        ({"kind": "party"}, "unknown_kind", "kind"),
        ({"duration_min": 0}, "duration", "duration_min"),
        ({"duration_min": 5000}, "duration", "duration_min"),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_stands(check, changes, code, where):
    found = check(good(**changes))

    assert (code, Level.REFUSE, where) in [(f.code, f.level, f.where) for f in found]
    assert all(f.zh and f.en and f.what and f.expected and f.got and f.do for f in found)
    assert not may_submit(found)


def test_an_unknown_station_is_refused(check):
    request = good(guests=(GuestRequest("changsha", 2, ("changsha-2-1", "changsha-9-9")),))

    found = check(request, known_stations=STATIONS)

    assert codes(found) == [("unknown_station", "refuse")]
    assert found[0].got == "changsha-9-9"
    assert check(request) == []


def test_a_unit_without_stations_has_none_to_name(check):
    request = good(guests=(GuestRequest("hunan", 1, ("hunan-1-1",)),))

    assert codes(check(request, known_stations=STATIONS)) == [("unknown_station", "refuse")]


def test_known_stations_are_taken(check):
    request = good(
        guests=(GuestRequest("changsha", 2, ("changsha-2-1", "changsha-2-2")),),
        home_seats=1,
        home_stations=("hubei-301-2",),
    )

    assert check(request, known_stations=STATIONS) == []


@pytest.mark.parametrize("stations", [("changsha-2-1",), ("changsha-2-1", "changsha-2-1")])
def test_as_many_stations_as_seats(check, stations):
    found = check(good(guests=(GuestRequest("changsha", 2, stations),)))

    assert codes(found) == [("station_count", "refuse")]


def test_a_start_in_an_unannounced_year_is_provisional(check):
    """The notice for 2027 is not loaded: no silent Monday–Friday."""
    start = at("2027-01-11 09:00")

    early = check(good(start_at=start), now="2026-12-01 09:00")
    unsure = check(good(start_at=start), now="2027-01-05 09:00")
    late = check(good(start_at=start), now="2027-01-08 09:00")

    assert codes(early) == [("calendar_unknown", "warn")]
    assert codes(unsure) == [
        ("calendar_unknown", "warn"),
        ("lead_time_provisional", "needs_exception"),
    ]
    assert codes(late)[:2] == [("calendar_unknown", "warn"), ("lead_time", "needs_exception")]
    assert late[1].zh.endswith("（暂定）")
    assert late[1].expected.endswith("(provisional)")


@pytest.mark.parametrize("broken", ["now", "start_at"])
def test_an_instant_without_offset_is_a_mistake_of_the_caller(hubei, calendar, pairing, broken):
    naive = datetime(2026, 9, 24, 9, 0)  # noqa: DTZ001 the mistake under test
    request = good(start_at=naive) if broken == "start_at" else good()
    now = naive if broken == "now" else at("2026-09-24 09:00")

    with pytest.raises(PolicyError, match=broken):
        check_request(request, hubei, calendar, pairing, now)


LEGAL = {
    "draft": "request>requested withdraw>withdrawn",
    "requested": "accept>accepted decline>declined expire>expired withdraw>withdrawn "
    "reschedule>rescheduled",
    "accepted": "confirm>confirmed decline>declined expire>expired withdraw>withdrawn "
    "reschedule>rescheduled",
    "confirmed": "start>in_use withdraw>withdrawn reschedule>rescheduled no_show>no_show "
    "abort>aborted",
    "in_use": "end>ended abort>aborted",
    "ended": "close>closed",
    "aborted": "close>closed",
}


@pytest.mark.parametrize(("state", "what"), list(itertools.product(BookingState, BookingInput)))
def test_every_pair_of_state_and_input_moves_or_is_refused(state, what):
    legal = dict(pair.split(">") for pair in LEGAL.get(state, "").split())

    if what in legal:
        assert next_booking_state(state, what) == legal[what]
        assert BOOKING_TABLE[state, what] == legal[what]
    else:
        with pytest.raises(PolicyError, match=f"booking in state {state}"):
            next_booking_state(state, what)


def test_every_booking_state_has_its_word():
    assert all(f"booking.{state}" in TERMS for state in BookingState)


def test_stations_are_held_from_request_to_end():
    assert {"requested", "accepted", "confirmed", "in_use"} == HOLDS_STATIONS


def test_a_hold_ends_after_its_time_but_never_after_the_start(hubei):
    asked = at("2026-09-24 09:00")

    assert hold_expires_at(asked, at("2026-10-08 09:00"), hubei) == asked + timedelta(hours=24)
    assert hold_expires_at(asked, at("2026-09-24 15:00"), hubei) == at("2026-09-24 15:00")
    assert hold_expires_at(asked, at("2026-10-08 09:00"), hubei).tzinfo is UTC


def test_the_annex_pairs_four_homes_with_twenty_guests(pairing):
    assert len(pairing.names) == 24
    assert sum(len(guests) for guests in pairing.pairs.values()) == 20
    assert pairing.paired("hubei", "changsha")
    assert not pairing.paired("hubei", "foshan")
    assert not pairing.paired("changsha", "hubei")


UNITS = {
    "implementing_units": [{"id": "a", "name": "A", "level": "city"}],
    "assisting_units": [{"id": "b", "name": "B", "level": "city"}],
    "pairings": {"a": ["b"]},
}


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (None, "units"),
        (UNITS | {"assisting_units": None}, "units.assisting_units"),
        (UNITS | {"assisting_units": ["b"]}, r"assisting_units\[0\]"),
        (UNITS | {"assisting_units": [{"id": "b"}]}, r"assisting_units\[0\]"),
        (UNITS | {"assisting_units": [{"id": "a", "name": "A"}]}, r"assisting_units\[0\]\.id"),
        (UNITS | {"pairings": []}, "units.pairings"),
        (UNITS | {"pairings": {"a": "b"}}, "units.pairings.a"),
        (UNITS | {"pairings": {"a": ["z"]}}, "units.pairings.a"),
        (UNITS | {"pairings": {"z": ["b"]}}, "units.pairings.z"),
    ],
)
def test_a_damaged_units_file_is_refused_with_its_path(raw, where):
    with pytest.raises(PolicyError, match=where):
        Pairing.from_json(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"duration_min": 1},
        {"duration_min": 3 * 24 * 60},
        {"home_seats": 64},
        {"home_seats": 0},
        {"guests": (GuestRequest("changsha", 64),)},
        {"guests": (GuestRequest("changsha", 1),)},
    ],
)
def test_the_bounds_themselves_are_allowed(check, changes):
    assert check(good(**changes)) == []


def test_sixteen_guests_are_not_too_many(check):
    guests = tuple(GuestRequest(f"u{n}", 1) for n in range(16))

    assert "guests" not in [finding.code for finding in check(good(guests=guests))]


def test_half_past_eleven_is_still_morning(check):
    """Minutes count forward: 11:30 is before noon, 12:10 is after it."""
    assert check(good(start_at=at("2026-10-08 08:10"))) == []
    assert codes(check(good(start_at=at("2026-10-08 12:10")))) == [
        ("not_morning", "needs_exception")
    ]


def test_a_refused_move_says_what_is_legal():
    with pytest.raises(PolicyError, match="expected close, got") as ended:
        next_booking_state(BookingState.ENDED, BookingInput.START)
    with pytest.raises(PolicyError, match="expected nothing, got"):
        next_booking_state(BookingState.CLOSED, BookingInput.START)

    assert ended.value.do
