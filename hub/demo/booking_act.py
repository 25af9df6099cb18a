"""Act one, some working days before: request, hold, accept, confirm, members, duty, plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from functools import partial
from importlib import resources
from typing import Any

from hub.demo import look
from hub.demo.clients import HubUser, RefusedError
from hub.demo.day import CHINA, EVALUATION_AT, Day, at_once, ensure, utc
from hub.demo.people import Member
from hub.demo.supervise import until
from protocols.policy.workdays import Calendar, latest_request_day

LEAD_DAYS = 3  # working days; the plan, item 4
DUTY_HOME = ("home_manager", "room_staff", "witness")
DUTY_GUEST = ("home_manager", "guest_coordinator", "room_staff")
MEAL_FEN = 3_000  # 30 yuan, listed in advance by the guest


def booking_day() -> date:
    """The last day on which the request is in time, by the stricter reading."""
    file = resources.files("protocols.policy.data").joinpath("calendar-2026.json")
    document = json.loads(file.read_text("utf-8"))
    calendar = Calendar.from_json(document if isinstance(document, list) else [document])
    due = latest_request_day(
        EVALUATION_AT.date(),
        working_days=LEAD_DAYS,
        count_mode="clear_days",
        calendar=calendar,
    )
    return due.date


def play_booking(day: Day) -> None:
    """Books the stations of all venues and sends the plans."""
    home = day.town.home.org
    on = booking_day()
    day.town.set_wall(utc(datetime.combine(on, time(10, 0), tzinfo=CHINA)))
    day.say(f"[{on}] 主场提出机位申请，评标开始 {EVALUATION_AT:%Y-%m-%d %H:%M}（提前 3 个工作日）")
    operator = day.user(home, "operator")
    answer = _request(day, operator)
    day.booking, day.session = answer["number"], answer["session"]
    _second_booking_is_refused(day, operator)
    for guest in day.town.guests:
        _accept(day, guest.org)
    _reach(day, "confirmed", lambda: operator.post(f"bookings/{day.booking}/confirm", {}))
    day.say(f"  预约 {day.booking} 已确认")
    at_once([partial(_prepare, day, site.org) for site in day.town.rooms])
    at_once([partial(_publish, day, site.org) for site in day.town.rooms])
    day.say("  值班人员已确认，计划已下发各场地控制器")


def _request(day: Day, operator: HubUser) -> dict[str, Any]:
    venues = []
    for site in day.town.rooms:
        here = day.of(site.org)
        venues.append(
            {
                "org": site.org,
                "place": site.place,
                "stations": [f"{site.place}-{member.station}" for member in here],
                "experts": sum(member.kind == "expert" for member in here),
                "tenderer_reps": sum(member.kind == "tenderer_rep" for member in here),
            }
        )
    body = {
        "kind": "evaluation",
        "project_code": f"HBSJ-2026-{day.rng.randint(100, 999)}",
        "project_kind": "construction",
        "home_org": day.town.home.org,
        "start_at": EVALUATION_AT.isoformat(),
        "duration_min": 480,
        "venues": venues,
        "draw_conditions": "市政工程，副场两名",
    }
    key = f"demo-{day.rng.getrandbits(64):016x}"
    answer = until("booking request", lambda: operator.post("bookings", body, key=key), within_s=30)
    if not isinstance(answer, dict):
        raise TypeError(f"booking request: expected an object, got {answer!r}")
    return answer


def _second_booking_is_refused(day: Day, operator: HubUser) -> None:
    """The same stations again: the database says no, the answer says what is free instead."""
    try:
        _request(day, operator)
    except RefusedError as error:
        day.say(f"  同一机位第二次申请被拒：{error.problem.get('code')}")
        return
    raise RuntimeError("a second booking of the same stations: expected a refusal, got a booking")


def _accept(day: Day, org: str) -> None:
    coordinator = day.user(org, "guest_coordinator")
    ensure(
        f"{org} accepts",
        lambda: _venue(day, org)["state"] == "accepted",
        lambda: coordinator.post(f"bookings/{day.booking}/accept", {"meal_fen": MEAL_FEN}),
    )
    day.say(f"  {org} 受理，列明就餐费用标准 30 元")


def _booking(day: Day) -> dict[str, Any]:
    answer: dict[str, Any] = day.manager().get(f"bookings/{day.booking}")
    return answer


def _venue(day: Day, org: str) -> dict[str, Any]:
    found: dict[str, Any] = next(v for v in _booking(day)["venues"] if v["org"] == org)
    return found


def _reach(day: Day, state: str, act: Any) -> None:
    ensure(f"booking {state}", lambda: _booking(day)["state"] == state, act)


def _prepare(day: Day, org: str) -> None:
    _enter_members(day, org)
    _roster(day, org)


def _enter_members(day: Day, org: str) -> None:
    entering = day.user(org, "guest_coordinator" if org != day.town.home.org else "home_manager")
    members = [_entry(member) for member in day.of(org)]
    ensure(
        f"members of {org}",
        lambda: _venue(day, org)["members_entered"] == len(members),
        lambda: entering.post(f"bookings/{day.booking}/members", {"org": org, "members": members}),
    )


def _entry(member: Member) -> dict[str, Any]:
    return {
        "no": member.no,
        "kind": member.kind,
        "name": member.name,
        "id_number": member.number,
        "station": member.station,
    }


def _roster(day: Day, org: str) -> None:
    roles = DUTY_HOME if org == day.town.home.org else DUTY_GUEST
    people = [day.user(org, role) for role in roles]
    persons = [
        {"person": user.person, "role": role} for user, role in zip(people, roles, strict=True)
    ]
    wanted = {user.person for user in people}

    def known(*states: str) -> set[str]:
        duty = _booking(day)["duty"]
        return {one["person"] for one in duty if one["state"] in states and one["org"] == org}

    ensure(
        f"duty roster of {org}",
        lambda: wanted <= known("assigned", "confirmed"),
        lambda: people[0].post(f"bookings/{day.booking}/duty", {"persons": persons}),
    )
    # One after another: the hub opens one key at a time, so that many at once would only wait.
    for user in people:
        _confirm_duty(day, user, lambda: known("confirmed"))


def _confirm_duty(day: Day, user: HubUser, confirmed: Callable[[], set[str]]) -> None:
    ensure(
        f"{user.login} confirms duty",
        lambda: user.person in confirmed(),
        lambda: user.post(f"bookings/{day.booking}/duty/confirm", {"pin": user.pin}),
    )


def _publish(day: Day, org: str) -> None:
    manager = day.user(org, "home_manager")
    site = next(one for one in day.town.rooms if one.org == org)
    ensure(
        f"plan at {site.place}",
        lambda: look.session_of(site.screen().state(), day.session),
        lambda: manager.post(f"bookings/{day.booking}/publish", {"password": manager.password}),
        within_s=10,
    )
