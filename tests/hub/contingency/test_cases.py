"""Cases: how they open, join, count, are decided by two persons, and close."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from hub import crypto
from hub.clock import iso_ms
from hub.contingency.decisions import LABEL
from hub.fleet.rooms import Link
from hub.problems import Problem
from hub.store.tables_business import case_decision, session_order
from hub.store.tables_core import users
from hub.web.i18n import catalogue
from hub.web.views_case_make import timeline
from tests.hub.booking.roomscript import Room, order
from tests.hub.booking.town import PIN, Town


def raised(fault: str, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "fault": fault,
        "kind": kind,
        "device": "",
        "what": "lost",
        "p": "unset",
        "consequence": "ups_carries",
        "cause": "",
        **more,
    }


def cut(room: Room, fault: str = "power-1", kind: str = "power", **more: Any) -> None:
    room.say("fault.raised", raised(fault, kind), **more)


def mended(room: Room, fault: str = "power-1", kind: str = "power", **more: Any) -> None:
    room.say("fault.cleared", {"fault": fault, "kind": kind, "duration_ms": 1}, **more)


def one_case(town: Town) -> dict[str, Any]:
    found = town.contingency.list()
    assert len(found) == 1
    return found[0]


def decide(town: Town, case: str, option: str = "wait", **more: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"reason": "物业答复十五分钟恢复", "scope": "venue", **more}
    return town.contingency.decide(
        town.who("hubei.home_manager"), case, option, PIN, "hubei.witness", PIN, **values
    )


def test_a_power_fault_during_the_evaluation_opens_a_case_by_itself(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)
    assert (case["kind"], case["state"], case["priority"]) == ("power", "fault_open", "P1")
    assert (case["number"], case["org"], case["waiting_for"]) == ("#0001", "changsha", "ack")
    assert case["clock"]["article"]["zh"].startswith("第十六条")
    whole = ready.contingency.view(case["case"])
    assert whole["scope"] is None
    assert whole["scope_proposed"] == "venue"
    assert whole["pack_hash"] == ready.pack.hash
    assert [one["state"] for one in whole["steps"]] == ["open"] * len(whole["steps"])
    with ready.store.read() as conn:
        raw = conn.exec_driver_sql("SELECT raw FROM events WHERE type = 'case.opened'").scalar_one()
    assert json.loads(raw)["data"]["fault"] == {"ctl": rooms["changsha"].ctl, "fault": "power-1"}


def test_the_same_fault_twice_is_one_case(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    first = one_case(ready)["case"]
    cut(rooms["changsha"])
    assert one_case(ready)["case"] == first


def test_a_fault_outside_a_session_opens_nothing(town: Town) -> None:
    room = Room(town, "changsha")
    cut(room)
    assert town.contingency.list() == []


def test_what_a_standing_fault_explains_joins_its_case(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    rooms["changsha"].say("fault.raised", raised("network-2", "network", cause="power-1"))
    case = ready.contingency.view(one_case(ready)["case"])
    assert [one["fault"] for one in case["faults"]] == ["power-1", "network-2"]
    mended(rooms["changsha"])
    assert one_case(ready)["cleared_at"] is None
    mended(rooms["changsha"], "network-2", "network")
    assert one_case(ready)["cleared_at"] is not None


def test_the_hubs_case_and_the_rooms_for_one_silence_are_one(
    ready: Town, rooms: dict[str, Room]
) -> None:
    ctl = rooms["changsha"].ctl
    ready.contingency.on_link(ctl, Link(reachable=False))
    ready.contingency.on_link(ctl, Link(reachable=False))
    case = one_case(ready)
    assert case["kind"] == "network"
    cut(rooms["changsha"], "network-1", "network")
    one_case(ready)
    ready.contingency.on_link(ctl, Link(reachable=True))
    assert one_case(ready)["cleared_at"] is None
    mended(rooms["changsha"], "network-1", "network")
    assert one_case(ready)["cleared_at"] is not None


def test_the_page_tells_faults_in_words_and_stops_the_clock_once(
    ready: Town, rooms: dict[str, Room]
) -> None:
    ctl = rooms["changsha"].ctl
    ready.contingency.on_link(ctl, Link(reachable=False))
    cut(rooms["changsha"], "network-7", "network")
    ready.contingency.on_link(ctl, Link(reachable=True))
    mended(rooms["changsha"], "network-7", "network")
    rows = timeline(ready.contingency.view(one_case(ready)["case"]))
    told = [catalogue().render("zh", row.text) for row in rows]
    assert not any("network" in line for line in told)
    assert "并入：网络故障（现场发现）" in told
    assert "网络故障（中心发现）消除" in told
    assert [line for line in told if "计时停止" in line] == ["网络故障（现场发现）消除，计时停止"]


def test_a_case_knows_the_phase_it_was_opened_in_and_the_one_now(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    order(ready, rooms, "suspend", "suspended")
    case = ready.contingency.view(one_case(ready)["case"])
    assert (case["phase"], case["phase_now"]) == ("evaluating", "suspended")


def test_a_fault_found_later_pages_nobody(ready: Town, rooms: dict[str, Room]) -> None:
    at = iso_ms(ready.clock.wall())
    ready.clock.pass_s(700)
    cut(rooms["changsha"], at=at)
    case = one_case(ready)
    assert case["found_later"]
    assert case["waiting_for"] == "decision"
    assert case["clock"]["elapsed_s"] == 700


def test_what_is_heard_of_late_counts_only_as_long_as_it_lasted(
    ready: Town, rooms: dict[str, Room]
) -> None:
    begun = ready.clock.wall()
    ready.clock.pass_s(20_000)
    room = rooms["changsha"]

    def after(seconds: int) -> str:
        return iso_ms(begun + timedelta(seconds=seconds))

    cut(room, at=after(0))
    mended(room, at=after(300))
    case = one_case(ready)
    assert case["clock"]["elapsed_s"] == 300
    assert ready.contingency.tick() == []
    cut(room, "power-2", at=after(1_000))
    mended(room, "power-2", at=after(1_060))
    assert one_case(ready)["clock"]["elapsed_s"] == 360
    assert one_case(ready)["state"] == "fault_open"


@pytest.mark.parametrize("at", ["1970-01-01T00:00:07.000Z", "2026-11-23T01:00:00.000Z"])
def test_a_room_whose_clock_nothing_has_set_opens_a_case_that_begins_now_and_pages(
    ready: Town, rooms: dict[str, Room], at: str
) -> None:
    room = rooms["changsha"]
    room.at_trust = "none"
    cut(room, at=at)
    case = one_case(ready)
    assert (case["found_later"], case["clock"]["elapsed_s"], case["clock"]["exact"]) == (
        False,
        0,
        False,
    )
    ready.clock.pass_s(5)
    assert ready.contingency.tick() == []
    mended(room, at=at)
    assert one_case(ready)["clock"]["elapsed_s"] == 5


def test_the_clock_counts_through_wall_steps_and_a_restart_and_stands_when_cleared(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    ready.clock.pass_s(60)
    ready.contingency.tick()
    ready.clock.now = ready.clock.now.replace(hour=0)
    assert one_case(ready)["clock"]["elapsed_s"] == 60
    ready.clock.mono += 30_000
    again = type(ready.contingency)(ready)
    again.tick()
    assert again.list()[0]["clock"]["elapsed_s"] == 90
    mended(rooms["changsha"])
    ready.clock.pass_s(500)
    assert one_case(ready)["clock"]["elapsed_s"] == 90
    cut(rooms["changsha"], "power-2")
    ready.clock.pass_s(5)
    assert one_case(ready)["clock"]["elapsed_s"] == 95


def test_at_the_limit_a_decision_is_due_and_nothing_else_happens(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    limit = one_case(ready)["clock"]["limit_s"]
    ready.clock.pass_s(limit)
    assert ready.contingency.tick() == []
    ready.clock.pass_s(1)
    case = one_case(ready)["case"]
    assert ready.contingency.tick() == [case]
    assert ready.contingency.tick() == []
    view = ready.contingency.view(case)
    assert (view["state"], view["waiting_for"]) == ("decision_due", "ack")
    assert ready.sessions.view(rooms["hubei"].session)["phase"] == "evaluating"


def test_people_acknowledge_tick_off_and_note(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    handler = ready.who("hubei.fault_handler")
    assert ready.contingency.ack(handler, case)["acked_by"] == handler.post
    view = ready.contingency.step(handler, case, "people_safe", "done")
    assert next(s for s in view["steps"] if s["key"] == "people_safe")["by"] == handler.post
    with pytest.raises(Problem):
        ready.contingency.step(handler, case, "spare_room", "skipped")
    with pytest.raises(Problem):
        ready.contingency.step(handler, case, "dance", "done")
    view = ready.contingency.note(handler, case, "物业：配电间跳闸")
    assert view["entries"][-1]["data"] == {"text": "物业：配电间跳闸"}
    assert ready.contingency.scope(handler, case, "all")["scope"] == "all"
    with pytest.raises(Problem) as caught:
        ready.contingency.ack(ready.who("hubei.supervisor"), case)
    assert caught.value.status == 403


def test_an_alarm_is_acknowledged_by_the_venues_it_concerns(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    ctl, handler = rooms["changsha"].ctl, ready.who("hubei.fault_handler")
    told = ready.contingency.ack_alarm(handler, ctl, "power-1")
    assert told["case"] == one_case(ready)["case"]
    assert ready.contingency.view(told["case"])["acked_by"] == handler.post
    stranger = replace(handler, org="wuhan")
    for actor, fault, status in (
        (stranger, "power-1", 403),
        (handler, "power-9", 404),
        (ready.who("hubei.supervisor"), "power-1", 403),
    ):
        with pytest.raises(Problem) as caught:
            ready.contingency.ack_alarm(actor, ctl, fault)
        assert caught.value.status == status
    with pytest.raises(Problem) as caught:
        ready.contingency.ack_alarm(handler, "c-0000000000ff", "power-1")
    assert caught.value.code == "no_such_alarm"


def test_an_alarm_outside_a_session_is_the_rooms_own(town: Town) -> None:
    room = Room(town, "changsha")
    cut(room)
    with pytest.raises(Problem) as caught:
        town.contingency.ack_alarm(town.who("hubei.fault_handler"), room.ctl, "power-1")
    assert caught.value.code == "other_organisation"
    own = town.contingency.ack_alarm(town.who("changsha.fault_handler"), room.ctl, "power-1")
    assert own["case"] is None


def test_the_rooms_own_steps_and_acknowledgement_merge(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    staff = [{"person": "p-1", "post": "CH-03", "role": "room_staff"}]
    step = {"fault": "power-1", "key": "ups_carries", "state": "done", "reason": "", "by": staff}
    rooms["changsha"].mine("case.step", step)
    rooms["changsha"].say("fault.acked", {"fault": "power-1", "by": staff})
    view = ready.contingency.view(one_case(ready)["case"])
    assert view["acked_by"] == "CH-03"
    assert next(s for s in view["steps"] if s["key"] == "ups_carries")["by"] == "CH-03"


def test_a_decision_has_two_persons_signatures_over_the_same_bytes_and_issues_no_order(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    view = decide(ready, case, "suspend")
    assert view["decision"] == {
        "case": case,
        "n": 1,
        "state": "paused",
        "offers_order": "suspend",
        "needs_seal": False,
    }
    ring = ready.keys.keyring()
    with ready.store.read() as conn:
        row = conn.execute(select(case_decision)).one()
        ordered = conn.execute(select(session_order.c.order)).scalars().all()
    assert ordered == ["open", "start"]
    assert len(row.proof["sigs"]) == 2
    for one in row.proof["sigs"]:
        who = ring.resolve(one["kid"])
        assert who is not None
        assert who.subject == one["person"]
        signed = bytes.fromhex(one["sig"])
        assert crypto.verify(who.pub, signed, LABEL + bytes(row.body))
    assert json.loads(row.body)["option"] == "suspend"


@pytest.mark.parametrize(
    "sql", ["UPDATE case_decision SET reason = 'x'", "DELETE FROM case_decision"]
)
def test_a_decision_cannot_be_changed_not_even_in_the_database(
    ready: Town, rooms: dict[str, Room], sql: str
) -> None:
    cut(rooms["changsha"])
    decide(ready, one_case(ready)["case"])
    with pytest.raises(IntegrityError, match="case_decision_is_final"), ready.store.write() as conn:
        conn.exec_driver_sql(sql)


def test_a_decision_lacking_something_is_refused_with_the_field(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    manager = ready.who("hubei.home_manager")

    def refused(*people: str, **values: Any) -> str:
        given = {"reason": "理由", "scope": "venue", **values}
        with pytest.raises(Problem) as caught:
            ready.contingency.decide(
                manager, case, given.pop("option", "wait"), PIN, *people, **given
            )
        return caught.value.where

    assert refused("hubei.witness", PIN, reason=" ") == "decision.reason"
    assert refused("hubei.witness", PIN, scope="world") == "decision.scope"
    assert refused() == "decision.second_login"
    assert refused("hubei.home_manager", PIN) == "decision.second_login"
    assert refused("nobody", PIN) == "second_login"
    assert refused("hubei.witness", PIN, option="dance") == "decision.option"
    assert refused("changsha.home_manager", PIN) == "decision.recorded_by"


def test_after_the_limit_the_named_decider_is_needed(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    ready.clock.pass_s(one_case(ready)["clock"]["limit_s"] + 1)
    ready.contingency.tick()
    staff = ready.who("hubei.room_staff")
    with pytest.raises(Problem) as caught:
        ready.contingency.decide(
            staff, case, "wait", PIN, "hubei.witness", PIN, reason="理由", scope="venue"
        )
    assert caught.value.where == "decision.decided_by"
    assert decide(ready, case, "continue")["state"] == "continue_ordered"


def named(town: Town, case: str, decider: str, **more: Any) -> dict[str, Any]:
    """The guest's staff write down what somebody decided elsewhere."""
    given = {"scope": "venue", "second": "changsha.guest_coordinator", **more}
    second = given.pop("second")
    return town.contingency.decide(
        town.who("changsha.room_staff"),
        case,
        "wait",
        PIN,
        second,
        PIN if second else "",
        reason="电话指示等待",
        decider_login=decider,
        proof="录音电话 10:05",
        **given,
    )


def test_a_named_decider_is_on_duty_and_stands_in_the_role_of_this_session(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    with ready.store.write() as conn:
        mine = users.c.login == "hubei.home_manager"
        conn.execute(update(users).where(mine).values(roles=["administrator", "home_manager"]))
    view = named(ready, case, "hubei.home_manager")
    (told,) = view["decisions"]
    assert told["decided_by"]["role"] == "home_manager"
    assert told["recorded_by"]["post"] == ready.who("changsha.room_staff").post
    assert told["second"]["post"] == ready.who("changsha.guest_coordinator").post
    assert len(told["proof"]["sigs"]) == 2


@pytest.mark.parametrize(
    ("decider", "scope", "may"),
    [
        ("hubei.deputy", "all", True),
        ("hubei.supervisor", "venue", False),
        ("hubei.fault_handler", "venue", False),
        ("changsha.deputy", "venue", True),
        ("changsha.deputy", "all", False),
        ("changsha.witness", "venue", False),
        ("wuhan.home_manager", "venue", False),
    ],
)
def test_who_is_not_on_duty_decides_only_by_a_deciding_role_of_a_venue_concerned(
    ready: Town, rooms: dict[str, Room], decider: str, scope: str, may: bool
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    with ready.store.write() as conn:
        row = dict(conn.execute(select(users).limit(1)).mappings().one())
        stranger = {"person": "p-00000000ffff", "login": "wuhan.home_manager", "post": "WH-01"}
        moved = {"org": "nanjing", "roles": ["home_manager"]}
        conn.execute(insert(users).values({**row, **stranger, **moved}))
    if may:
        (told,) = named(ready, case, decider, scope=scope)["decisions"]
        assert told["decided_by"]["role"] == "deputy"
        return
    with pytest.raises(Problem) as caught:
        named(ready, case, decider, scope=scope)
    assert caught.value.where == "decision.decider_login"
    assert ready.contingency.view(case)["decisions"] == []


def test_a_decision_made_elsewhere_needs_two_signatures_in_two_roles_too(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    for second in ("", "hubei.room_staff", "changsha.room_staff"):
        with pytest.raises(Problem) as caught:
            named(ready, case, "hubei.home_manager", second=second)
        assert caught.value.where == "decision.second_login"
    with pytest.raises(Problem) as caught:
        named(ready, case, "changsha.room_staff")
    assert caught.value.where == "decision.recorded_by"


def test_a_case_closes_only_when_the_fault_is_cleared_and_a_decision_stands(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    manager = ready.who("hubei.home_manager")
    with pytest.raises(Problem) as caught:
        ready.contingency.close(manager, case, "完")
    assert "fault_cleared" in caught.value.got
    assert "decision_taken" in caught.value.got
    decide(ready, case)
    order(ready, rooms, "suspend", "suspended")
    mended(rooms["changsha"])
    order(ready, rooms, "resume", "evaluating")
    assert one_case(ready)["state"] == "resumed"
    view = ready.contingency.close(manager, case, "故障消除，记录完整。")
    assert (view["state"], view["closed_by"]) == ("closed", manager.post)
    with pytest.raises(Problem) as caught:
        ready.contingency.note(manager, case, "补充")
    assert caught.value.code == "case_closed"


def test_sealing_needs_two_roles_and_a_seal_is_lifted_before_closing(
    ready: Town, rooms: dict[str, Room]
) -> None:
    cut(rooms["changsha"])
    case = one_case(ready)["case"]
    decide(ready, case)
    mended(rooms["changsha"])
    witness = ready.who("hubei.witness")
    sealing = {"seal_no": "FT-0091", "what": "评标资料", "pin": PIN, "second_pin": PIN}
    with pytest.raises(Problem):
        ready.contingency.seal(
            witness, case, action="seal", second_login="hubei.witness", **sealing
        )
    view = ready.contingency.seal(
        witness, case, action="seal", second_login="hubei.room_staff", **sealing
    )
    assert view["seals"][0]["seal_no"] == "FT-0091"
    manager = ready.who("hubei.home_manager")
    with pytest.raises(Problem) as caught:
        ready.contingency.close(manager, case, "完")
    assert "seals_lifted" in caught.value.got
    ready.contingency.seal(
        witness, case, action="unseal", second_login="hubei.room_staff", **sealing
    )
    assert ready.contingency.close(manager, case, "完")["state"] == "closed"
