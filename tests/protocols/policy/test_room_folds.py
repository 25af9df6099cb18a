"""What each recorded event does to the state of a room."""

from __future__ import annotations

from protocols.policy import room_model
from protocols.policy.permits import sealing_waived
from protocols.policy.room_facts import answer_of
from protocols.policy.room_model import (
    COMMANDS_KEPT,
    FAULTS_KEPT,
    PENDING_KEPT,
    SESSIONS_KEPT,
    Signer,
)
from tests.protocols.policy.record_bench import AT, PREPARED, Record, S


def test_a_deposit_and_a_release() -> None:
    record = Record().deposited()
    assert record.state.lockers[1].deposit == room_model.Deposit(S, 3, ("phone",), "present")
    assert record.state.revs["locker:1"] == ("e", 10)
    assert record.state.revs[f"member:{S}:3"] == ("e", 10)
    record.write("member.released", S, no=3, locker=1)
    assert record.state.lockers[1].deposit is None
    assert record.member().step.value == "released"


def test_a_deposit_of_nothing_has_no_locker() -> None:
    record = Record().prepared()
    record.write("member.identified", S, no=3, method="card")
    record.write("member.deposited", S, no=3, locker=None, items=[], item="none")
    assert record.member().step.value == "deposited"
    record.write("member.released", S, no=3, locker=None)
    assert record.member().step.value == "released"


def test_an_escorted_item_is_out_until_it_is_back() -> None:
    record = Record().deposited()
    record.write("locker.opening", S, locker=1, no=3, why="escorted", intent="i-2")
    record.write("locker.closed", S, locker=1, no=3, item="absent")
    held = record.state.lockers[1].deposit
    assert held is not None
    assert held.out
    record.write("member.deposited", S, no=3, locker=1, items=["phone"], item="present")
    held = record.state.lockers[1].deposit
    assert held is not None
    assert not held.out


def test_an_escorted_door_without_a_deposit_takes_nothing_out() -> None:
    record = Record().prepared()
    record.write("locker.opening", S, locker=1, no=3, why="escorted", intent="i-2")
    record.write("locker.closed", S, locker=1, no=3, item="absent")
    assert record.state.lockers[1].deposit is None


def test_a_door_nobody_announced() -> None:
    record = Record().prepared()
    record.write("locker.opened", S, locker=1, intent="i-9")
    record.write("locker.closed", S, locker=1, no=3, item="unknown")
    record.write("locker.unexplained", "", locker=1, door="open", member=None, session="")
    record.write("locker.fault", "", locker=1, what="coil")
    record.write("release.notice", S, no=3, what="door_open", locker=1)
    locker = record.state.lockers[1]
    assert (locker.opening, locker.unexplained, locker.fault) == (None, 1, "coil")


CLOSED = {"from": "ended", "to": "closed", "by": "order"}


def test_an_opening_nobody_ordered_is_told_until_staff_know_or_the_session_ends() -> None:
    for last in (("locker.acked", "", {"locker": 1, "by": []}), ("phase.changed", S, CLOSED)):
        record = Record().prepared()
        record.write("locker.unexplained", "", locker=1, door="open", member=None, session="")
        record.write("locker.state", "", locker=1, door="closed", item="present")
        record.write("phase.changed", S, **{**CLOSED, "to": "ended"})
        assert record.state.lockers[1].forced_ms is not None
        record.write(last[0], last[1], **last[2])
        assert record.state.lockers[1].forced_ms is None


def test_a_locker_the_configuration_does_not_know() -> None:
    record = Record()
    record.write("locker.state", "", locker=9, door="closed", item="absent")
    assert record.state.lockers[9].door == "closed"


def test_a_failed_opening_and_an_interrupted_one() -> None:
    record = Record().deposited()
    record.write("locker.opening", S, locker=1, no=3, why="release", intent="i-2")
    record.write("room.started", "", software="0.2.0")
    opening = record.state.lockers[1].opening
    assert opening is not None
    assert opening.interrupted
    record.write("locker.open_failed", S, locker=1, intent="i-2", outcome="interrupted")
    assert record.state.lockers[1].failed == "interrupted"


def test_two_staff_empty_a_locker() -> None:
    record = Record().deposited()
    record.write("locker.confirmed_empty", S, locker=1, by=[])
    assert record.state.sessions[S].confirmed_empty == (1,)
    assert record.state.lockers[1].deposit is None
    record.write("locker.confirmed_empty", "", locker=2, by=[])
    assert record.state.sessions[S].confirmed_empty == (1,)


def test_a_lost_lock_board_makes_every_locker_unknown() -> None:
    record = Record().deposited()
    record.write("device.lost", "", device="locker", kind="cu16", reason="silent")
    assert {one.door for one in record.state.lockers.values()} == {"unknown"}
    record.write("device.lost", "", device="ups", kind="ups", reason="silent")
    record.write("device.back", "", device="locker", kind="cu16", down_ms=1)
    assert record.state.devices["locker"].state == "ok"


def test_commands_on_their_way_are_known_until_they_are_done() -> None:
    record = Record()
    for number in range(PENDING_KEPT + 1):
        record.write("cmd.accepted", "", id=f"c{number}", verb="clip.fetch")
    assert list(record.state.pending) == [f"c{number}" for number in range(1, PENDING_KEPT + 1)]
    record.write("cmd.done", "", id="c7", verb="clip.fetch", result="queued")
    assert "c7" not in record.state.pending
    assert record.state.pending["c8"] == "clip.fetch"


def test_an_answer_in_the_journal_is_the_one_of_the_fold() -> None:
    for kind, data, answer in (
        ("order.accepted", {"id": "o"}, ("o", "accepted")),
        ("order.refused", {"id": "o", "reason": "needs"}, ("o", "needs")),
        ("statement.refused", {"id": "s"}, ("s", "refused")),
        ("cmd.done", {"id": "c", "result": "opened"}, ("c", "opened")),
        ("cmd.done", {"id": "c"}, ("c", "done")),
        ("cmd.done", {"id": ""}, None),
        ("order.issued", {"id": "o"}, None),
        ("fault.raised", {"id": "f"}, None),
        ("cmd.done", {}, None),
    ):
        assert answer_of(kind, data) == answer


def test_orders_end_and_waive() -> None:
    record = Record().prepared()
    record.write(
        "order.accepted",
        S,
        id="o1",
        n=7,
        order="terminate",
        members=[],
        by="p-9",
        exceptions=[{"need": "sealing", "reason": "nothing to seal"}],
    )
    session = record.state.sessions[S]
    assert (session.order_out, sealing_waived(session), session.last_n) == ("terminate", "p-9", 7)
    assert record.state.answers == {"o1": "accepted"}
    record.write("order.accepted", "s-unknown", id="o2", n=1, order="open", members=[])
    record.write("order.refused", S, id="o3", order="start", reason="needs", missing=[])
    record.write("order.refused", S, id="", order="start", reason="unsigned", missing=[])
    assert record.state.answers == {"o1": "accepted", "o2": "accepted", "o3": "needs"}


def test_an_order_confirmed_in_a_session_not_known_is_answered_and_moves_nothing() -> None:
    record = Record()
    before = record.state.sessions
    record.write("order.confirmed", "s-unknown", id="o9", n=1, order="open", code_order="c1")
    assert (record.state.answers["o9"], record.state.sessions) == ("accepted", before)


def test_answers_are_kept_in_order_and_bounded() -> None:
    record = Record()
    for number in range(COMMANDS_KEPT + 5):
        record.write("cmd.accepted", "", id=f"c{number}", verb="clip.mark")
    record.write("cmd.done", "", id="c5", verb="clip.mark", result="done")
    record.write("cmd.refused", "", id="c6", reason="two_roles")
    assert len(record.state.answers) == COMMANDS_KEPT
    assert record.state.answers["c5"] == "done"
    assert record.state.answers["c6"] == "two_roles"
    assert "c0" not in record.state.answers


def test_a_plan_changes_who_has_not_begun() -> None:
    record = Record().deposited()
    record.write("member.late", S, no=4)
    row = {"no": 4, "kind": "expert", "org": "changsha", "here": True, "station": 1, "locker": 2}
    members = [{**row, "no": 3, "station": 2}, row]
    record.put("session.prepared", S, {**PREPARED, "members": members})
    assert record.member(3).station == 1
    assert record.member(4).station == 1
    assert record.member(4).late
    record.put("session.prepared", S, {**PREPARED, "members": []})
    assert set(record.state.sessions[S].members) == {3}


def test_closed_sessions_and_cleared_faults_are_bounded() -> None:
    record = Record()
    for number in range(SESSIONS_KEPT + 3):
        name = f"s-{number:012x}"
        record.put("session.prepared", name, PREPARED)
        record.write("member.late", name, no=3)
        record.write("phase.changed", name, **{"from": "ended", "to": "closed", "by": "order"})
    record.prepared()
    assert len(record.state.sessions) == SESSIONS_KEPT + 1
    assert "member:s-000000000000:3" not in record.state.revs
    for number in range(FAULTS_KEPT + 3):
        record.write("fault.raised", "", fault=f"av-{number}", kind="av", device="room", what="w")
        record.write("fault.cleared", "", fault=f"av-{number}", kind="av", duration_ms=1)
    assert len(record.state.faults) == FAULTS_KEPT
    assert "av-0" not in record.state.faults
    record.write("fault.cleared", "", fault="av-0", kind="av", duration_ms=1)
    record.write("fault.acked", "", fault="av-0")
    record.write("fault.acked", "", fault=f"av-{FAULTS_KEPT}")
    assert record.state.faults[f"av-{FAULTS_KEPT}"].acked


def test_a_fault_marks_the_sessions_that_are_open() -> None:
    record = Record().prepared()
    record.write("fault.raised", "", fault="power-1", kind="power", device="", what="w")
    assert record.state.sessions[S].fault_kinds == ()
    record.write("phase.changed", S, **{"from": "prepared", "to": "check_in", "by": "order"})
    record.write("fault.raised", "", fault="av-2", kind="av", device="room", what="w")
    assert record.state.sessions[S].fault_kinds == ("av",)


def test_case_steps_stand_with_their_fault_and_seal_the_session() -> None:
    record = Record().prepared()
    record.write("fault.raised", "", fault="power-1", kind="power", device="", what="w")
    record.write("case.step", S, fault="power-1", key="people_safe", state="done", by=[])
    record.write("case.step", S, fault="", key="seal_material", state="skipped", reason="r")
    assert set(record.state.faults["power-1"].steps) == {"people_safe"}
    assert record.state.sessions[S].sealing == {"people_safe": "done", "seal_material": "skipped"}
    for number in range(room_model.STEPS_KEPT + 2):
        record.write("case.step", S, fault="power-1", key=f"step_{number}", state="done")
    assert len(record.state.sessions[S].sealing) == room_model.STEPS_KEPT
    assert len(record.state.faults["power-1"].steps) == room_model.STEPS_KEPT


def test_a_substitute_takes_the_place() -> None:
    record = Record().prepared()
    row = {"no": 9, "kind": "expert", "org": "changsha", "here": True, "station": 1, "locker": 1}
    record.write("member.replaced", S, no=3, substitute=row)
    record.write("member.replaced", S, no=4, substitute=row)
    assert (record.member(3).out, record.member(4).out) == ("replaced", "replaced")
    assert record.member(9).station == 1
    record.write("member.replaced", S, no=1, substitute=None)
    assert record.member(1).out == "replaced"


def test_what_people_do_besides() -> None:
    record = Record().deposited()
    record.write("member.seated", S, no=3)
    record.write("station.swapped", S, no=3, station=2)
    record.write("lead.chosen", S, no=3)
    record.write("clarification", S, state="asked", ref="1")
    record.write("start.exception", S, need="av_recording", reason="r", by=[])
    record.write("saved.confirmed", S, no=3)
    record.write("release.confirmed", S, no=3, by=[{"person": "p-2", "role": "witness"}])
    record.write("secrets.wiped", S)
    record.write("member.steps", S, no=3, health=True, recusal=False, commitment=None)
    session, member = record.state.sessions[S], record.member()
    assert (member.station, member.step.value, member.saved) == (2, "deposited", True)
    assert member.steps == {"health": True, "recusal": True, "commitment": False}
    assert member.release_by == (Signer(person="p-2", role="witness"),)
    assert (session.lead, session.clarification, session.wiped) == (3, "asked", True)
    record.write("phase.changed", S, **{"from": "evaluating", "to": "suspended", "by": "order"})
    assert not record.member().saved
    record.write("away.started", S, no=3, reason="meal", expected_min=30)
    record.write("member.unseated", S, no=3)
    record.write("away.ended", S, no=3)
    assert record.member().away is None
    record.write("member.withdrawn", S, no=3, reason="r")
    record.write("member.left", S, no=3)
    assert record.member().step.value == "left"


def test_shared_facts() -> None:
    record = Record()
    record.write("plan.accepted", "", generation=2, n=3, hash="ef", sessions=[])
    record.write("clock.fix", "", mono_ms=1, at=AT, step_ms=40, source="ntp")
    record.write("recording.state", "", stream="room", state="on")
    record.write("media.segment", "", stream="room", last_at=AT)
    record.write("media.gap", "", stream="desk", seconds=7)
    record.write("system.state", "", state="ok")
    record.write("network.state", "", rung="wan", detail="no route")
    since = record.state.network.since_ms
    record.write("network.state", "", rung="dns")
    assert record.state.network.since_ms == since
    record.write("network.state", "", rung="ok")
    assert record.state.network.since_ms > since
    record.write("seat.state", "", station=1, state="occupied")
    record.write("help.called", "")
    record.write("visitor", "", state="in", who_post="CS-7")
    record.write("visitor", "", state="in", who_post="CS-8")
    record.write("visitor", "", state="out", who_post="CS-7")
    record.write("visitor", "", state="out", who_post="CS-9")
    state = record.state
    assert (state.clock_step_ms, state.streams["room"].segments) == (40, 1)
    assert (state.streams["desk"].gap_ms, state.seats[1].state) == (7000, "occupied")
    assert [one.who_post for one in state.visitors] == ["CS-8"]
    assert state.help_ms is not None


def test_the_clock_of_an_outage_goes_on_while_contact_and_ups_find_each_other() -> None:
    record = Record()
    record.write("power.state", "", mains="on", ups="online", charge_pct=100)
    record.write("power.state", "", mains="off", ups="online", charge_pct=100, disagree=True)
    since = record.state.power.since_ms
    record.write("power.state", "", mains="off", ups="battery", charge_pct=None)
    assert record.state.power.since_ms == since
    record.write("power.state", "", mains="on", ups="online", disagree=True)
    assert record.state.power.since_ms > since
