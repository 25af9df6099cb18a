"""A booking's way: answers, confirmation, members, roster, plan, withdrawal, expiry."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from sqlalchemy import select, text

from hub import crypto
from hub.booking.identity import open_identity
from hub.booking.rows import set_state
from hub.fleet.ears import UNREACHABLE_MS
from hub.keys.duty import unwrap_identity_key, unwrap_identity_key_at_home
from hub.problems import Problem
from hub.store.tables_business import booking_identity, session_plan
from hub.store.tables_core import outgoing, plans
from protocols.messages.bodies import Pong
from protocols.messages.plan import read_plan
from protocols.messages.signed import parse_message
from protocols.messages.trust import Keyring
from tests.hub.booking.town import (
    CTLS,
    NUMBER,
    PASSWORD,
    PIN,
    Town,
    booked,
    booking_of,
    members_of,
    request_body,
)


def test_guests_answer_for_themselves_and_home_confirms(town: Town) -> None:
    number = town.booking.request(town.who("hubei.operator"), request_body())["number"]
    with pytest.raises(Problem) as caught:
        town.booking.confirm(town.who("hubei.operator"), number)
    assert caught.value.code == "booking_state"
    with pytest.raises(Problem) as caught:
        town.booking.accept(town.who("hubei.home_manager"), number)
    assert caught.value.code == "not_a_guest_here"
    answer = town.booking.accept(town.who("changsha.guest_coordinator"), number, {"meal_fen": 3000})
    assert answer["state"] == "accepted"
    assert answer["venues"][1]["meal_fen"] == 3000
    assert town.booking.confirm(town.who("hubei.operator"), number)["state"] == "confirmed"


def test_a_declined_request_frees_its_stations(town: Town) -> None:
    operator = town.who("hubei.operator")
    number = town.booking.request(operator, request_body())["number"]
    with pytest.raises(Problem) as caught:
        town.booking.decline(town.who("changsha.guest_coordinator"), number, "  ")
    assert caught.value.code == "reason_missing"
    answer = town.booking.decline(town.who("changsha.guest_coordinator"), number, "评标室检修")
    assert (answer["state"], answer["venues"][1]["reason"]) == ("declined", "评标室检修")
    assert town.booking.request(operator, request_body())["number"] == "2026-1124-02"


def test_what_was_confirmed_and_never_begun_is_a_no_show_a_day_later(town: Town) -> None:
    number = booked(town)["number"]
    operator = town.who("hubei.operator")
    town.clock.now = town.clock.now.replace(day=25, hour=9, minute=29)
    town.booking.expire()
    assert town.booking.get(operator, number)["state"] == "confirmed"
    town.clock.pass_s(120)
    for _ in range(2):
        town.booking.expire()
        assert town.booking.get(operator, number)["state"] == "no_show"
    with town.store.read() as conn:
        types = conn.execute(text("SELECT type FROM events ORDER BY id")).scalars().all()
    assert types.count("booking.no_show") == 1


def test_a_room_that_may_still_tell_of_its_session_is_waited_for(ready: Town) -> None:
    operator, ctl = ready.who("hubei.operator"), CTLS["hubei"]
    ready.clock.now = ready.clock.now.replace(day=27)

    def state() -> str:
        ready.booking.expire()
        return str(ready.booking.get(operator, NUMBER)["state"])

    def answers(outbox: int) -> None:
        told = {"re": "", "ask": "0" * 16, "epoch": "0" * 32, "seq": 9, "acked": 9 - outbox}
        ready.rooms.pong(ctl, Pong(**told, outbox=outbox, journal_ok=True, loop_ms=3))

    assert state() == "confirmed"
    answers(3)
    assert state() == "confirmed"
    answers(0)
    ready.clock.mono += UNREACHABLE_MS
    ready.rooms.check_silence()
    assert state() == "confirmed"
    answers(0)
    assert state() == "no_show"
    with ready.store.read() as conn:
        mine = session_plan.c.ctl == ctl
        assert conn.execute(select(session_plan.c.active).where(mine)).scalars().all() == [False]


LATER = "2026-11-25T09:00:00+08:00"


def test_a_moved_booking_gives_its_time_back_and_asks_anew_in_one_act(town: Town) -> None:
    operator, number = town.who("hubei.operator"), booked(town)["number"]
    with pytest.raises(Problem) as caught:
        town.booking.reschedule(operator, number, {"start_at": LATER})
    assert caught.value.where == "booking.reason"
    body = {"start_at": LATER, "reason": "专家抽取延后"}
    new = town.booking.reschedule(operator, number, body)
    assert (new["state"], new["replaces"], new["number"]) == ("requested", number, "2026-1125-01")
    assert [one["stations"] for one in new["venues"]] == [
        ["hubei-301-1", "hubei-301-2", "hubei-301-3"],
        ["changsha-2-1", "changsha-2-2"],
    ]
    old = town.booking.get(operator, number)
    assert (old["state"], old["reason"]) == ("rescheduled", "专家抽取延后")
    assert town.booking.request(operator, request_body())["state"] == "requested"
    with pytest.raises(Problem) as caught:
        town.booking.reschedule(operator, number, body)
    assert caught.value.code == "booking_state"
    with town.store.read() as conn:
        types = conn.execute(text("SELECT type FROM events ORDER BY id")).scalars().all()
    assert types[-3:-1] == ["booking.requested", "booking.rescheduled"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start_at": "2026-11-17T09:00:00+08:00"}, "lead_time"),
        ({"start_at": LATER}, "booking_no_overlap"),
        ({"start_at": "2026-11-24T09:00:00+08:00"}, "body_invalid"),
        ({"start_at": LATER, "venues": []}, "body_invalid"),
    ],
)
def test_a_move_that_cannot_be_changes_nothing(
    town: Town, change: dict[str, object], code: str
) -> None:
    operator, number = town.who("hubei.operator"), booked(town)["number"]
    town.booking.request(operator, request_body(start_at=LATER))
    with pytest.raises(Problem) as caught:
        town.booking.reschedule(operator, number, {"reason": "改期", **change})
    assert caught.value.code == code
    old = town.booking.get(operator, number)
    assert old["state"] == "confirmed"
    assert len(town.booking.listed(operator)) == 2
    with pytest.raises(Problem) as caught:
        town.booking.request(operator, request_body())
    assert caught.value.code == "booking_no_overlap"


def test_only_home_moves_and_an_overlap_with_the_old_time_is_no_overlap(town: Town) -> None:
    number = booked(town)["number"]
    body = {"start_at": "2026-11-24T10:00:00+08:00", "reason": "推迟一小时"}
    with pytest.raises(Problem) as caught:
        town.booking.reschedule(town.who("changsha.guest_coordinator"), number, body)
    assert caught.value.status == 403
    new = town.booking.reschedule(town.who("hubei.home_manager"), number, body)
    assert (new["number"], new["start_at"]) == ("2026-1124-02", "2026-11-24T02:00:00.000Z")


def test_a_request_nobody_answers_expires_by_the_timer(town: Town) -> None:
    number = town.booking.request(town.who("hubei.operator"), request_body())["number"]
    assert town.booking.expire() == []
    town.clock.pass_s(town.pack.booking.hold_s + 1)
    assert town.booking.expire() == [number]
    assert town.booking.get(town.who("hubei.operator"), number)["state"] == "expired"
    assert town.booking.expire() == []


def test_a_real_session_needs_a_verified_pack_unless_the_hub_is_a_demonstration(
    town: Town,
) -> None:
    number = town.booking.request(town.who("hubei.operator"), request_body())["number"]
    town.booking.accept(town.who("changsha.guest_coordinator"), number)
    town.demo = False
    with pytest.raises(Problem) as caught:
        town.booking.confirm(town.who("hubei.operator"), number)
    assert caught.value.code == "pack_not_verified"


def test_members_are_sealed_at_entry_and_shown_masked_to_their_venue_alone(town: Town) -> None:
    number = booked(town)["number"]
    manager = town.who("hubei.home_manager")
    answer = town.booking.set_members(manager, number, "hubei", members_of("hubei"))
    shown = json.dumps(answer, ensure_ascii=False)
    for member in members_of("hubei"):
        assert member["name"] not in shown
        assert member["id_number"] not in shown
    assert [m["station"] for m in answer["members"]] == [1, 2, 3]
    assert [m["locker"] for m in answer["members"]] == [1, 2, 3]
    assert answer["members"][0]["masked"]["name"] == "赵**"
    other = town.booking.get(town.who("changsha.home_manager"), number)
    assert "masked" not in other["members"][0]
    with town.store.read() as conn:
        row = conn.execute(select(booking_identity).where(booking_identity.c.no == 1)).one()
        raw = conn.execute(text("SELECT raw FROM events")).scalars().all()
    bound = f"{answer['session']}/1"
    key = unwrap_identity_key(town.keys, row.key_wrapped, bound_to=bound)
    assert open_identity(row.sealed, key, bound_to=bound)["name"] == "赵文1"
    assert answer["members"][0]["masked"]["id_number"].count("*") == 15
    home, guest = (town.keys.open_venue_key(org, PASSWORD) for org in ("hubei", "changsha"))
    assert unwrap_identity_key_at_home(home, row.key_wrapped, bound_to=bound) == key
    for seed, other_bound in ((guest, bound), (home, f"{answer['session']}/2")):
        with pytest.raises(crypto.CryptoError):
            unwrap_identity_key_at_home(seed, row.key_wrapped, bound_to=other_bound)
    assert not any("赵文".encode() in bytes(one) for one in raw)


@pytest.mark.parametrize("fault", ["check", "count", "twice", "station"])
def test_members_that_cannot_be_are_refused_without_quoting_a_number(
    town: Town, fault: str
) -> None:
    number = booked(town)["number"]
    members = members_of("hubei")
    if fault == "check":
        wrong = members[0]["id_number"]
        members[0]["id_number"] = wrong[:17] + ("1" if wrong[17] != "1" else "2")
    elif fault == "count":
        members.pop()
    elif fault == "twice":
        members[1]["id_number"] = members[0]["id_number"]
    else:
        members[0]["station"] = 4
    with pytest.raises(Problem) as caught:
        town.booking.set_members(town.who("hubei.home_manager"), number, "hubei", members)
    assert (caught.value.status, caught.value.code) == (422, "members_invalid")
    assert members_of("hubei")[0]["id_number"][:17] not in json.dumps(caught.value.document())


def test_nothing_is_published_before_everything_is_there(town: Town) -> None:
    number = booked(town)["number"]
    with pytest.raises(Problem) as caught:
        town.booking.publish(town.who("hubei.home_manager"), number, PASSWORD)
    assert caught.value.code == "not_ready_to_publish"
    assert "members" in caught.value.expected
    assert "two confirmed persons" in caught.value.expected


def test_a_published_session_stands_in_both_rooms_plans(ready: Town) -> None:
    town = ready
    answer = booking_of(town)
    assert [venue["certified"] for venue in answer["venues"]] == [True, True]
    with town.store.read() as conn:
        newest = {}
        for row in conn.execute(select(plans).order_by(plans.c.n)):
            newest[row.ctl] = bytes(row.raw)
    assert set(newest) == set(CTLS.values())
    for org, ctl in CTLS.items():
        body = read_plan(parse_message(newest[ctl], limit=200_000)).body
        assert body is not None
        plan = body["sessions"][0]
        assert (plan["org"], plan["role"]) == (org, "home" if org == "hubei" else "guest")
        assert [m["no"] for m in plan["members"]] == [1, 2, 3, 4, 5]
        assert all((m["station"] is not None) == m["here"] for m in plan["members"])
        assert {d["org"] for d in plan["duty"] if d["wrapped"]} == {org}
        tags = json.loads(crypto.open_box(town.seeds[f"seal:{org}"], plan["tags"]))
        mine = members_of(org)
        assert tags == {
            str(m["no"]): town.keys.member_tag(m["id_number"], plan["salt"]) for m in mine
        }
        assert len(body["certs"]) == 6
        assert "赵" not in json.dumps(body, ensure_ascii=False).split('"sessions"')[1]


def test_the_certificates_of_a_plan_make_a_keyring_of_the_duty_persons(ready: Town) -> None:
    town = ready
    with town.store.read() as conn:
        row = conn.execute(select(session_plan).limit(1)).one()
    ring = Keyring(town.keys.trust(), [b64decode(one) for one in row.certs], crypto.verify)
    kids = {one["kid"] for one in row.body["duty"]}
    assert all(ring.resolve(kid) is not None for kid in kids)


def test_only_those_on_the_roster_confirm_and_a_wrong_pin_changes_nothing(town: Town) -> None:
    number = booked(town)["number"]
    manager = town.who("hubei.home_manager")
    town.booking.assign_duty(manager, number, [{"person": manager.person, "role": "home_manager"}])
    with pytest.raises(Problem) as caught:
        town.booking.confirm_duty(town.who("hubei.witness"), number, PIN)
    assert caught.value.code == "not_on_duty"
    with pytest.raises(Problem) as caught:
        town.booking.confirm_duty(manager, number, "00000000")
    assert caught.value.status == 403
    answer = town.booking.confirm_duty(manager, number, PIN)
    assert answer["duty"][0]["state"] == "confirmed"
    other = town.who("changsha.witness").person
    with pytest.raises(Problem) as caught:
        town.booking.assign_duty(manager, number, [{"person": other, "role": "witness"}])
    assert caught.value.code == "duty_person"


def test_a_withdrawn_booking_leaves_the_plans_and_the_grid(ready: Town) -> None:
    town, number = ready, NUMBER
    answer = town.booking.withdraw(town.who("hubei.operator"), number, "项目取消")
    assert answer["state"] == "withdrawn"
    with town.store.read() as conn:
        rows = conn.execute(select(plans.c.raw).order_by(plans.c.ctl, plans.c.n)).scalars().all()
        waiting = conn.execute(select(outgoing.c.id)).all()
    last = read_plan(parse_message(bytes(rows[-1]), limit=200_000)).body
    assert last is not None
    assert last["sessions"] == []
    assert waiting == []
    grid = town.booking.day_grid("2026-11-24")
    assert not any(row["held"] for row in grid["stations"])


def test_stations_that_were_used_stay_on_their_days_grid(ready: Town) -> None:
    with ready.store.write() as conn:
        set_state(conn, NUMBER, "closed", now=ready.clock.wall())
    grid = ready.booking.day_grid("2026-11-24")
    assert {one["state"] for row in grid["stations"] for one in row["held"]} == {"closed"}


def test_the_directory_lists_who_shares_what_with_whom(town: Town) -> None:
    listed = {one["org"]: one for one in town.booking.directory()}
    assert len(listed) == 24
    assert "changsha" in listed["hubei"]["partners"]
    assert [room["id"] for room in listed["changsha"]["rooms"]] == ["changsha-2", "changsha-9"]
    assert len(listed["changsha"]["rooms"][0]["stations"]) == 4
