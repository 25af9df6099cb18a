"""The fold: what each event does to the state, and what an event must be like to do it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.policy import room_folds, room_model
from protocols.policy.errors import PolicyError
from protocols.policy.room_fields import signer_json, signers_of
from protocols.policy.room_model import COMMANDS_KEPT, FAULTS_KEPT, SESSIONS_KEPT, Signer
from protocols.policy.room_state import (
    DeviceConfig,
    RoomConfig,
    RoomState,
    UnreadableEvent,
    apply,
    from_json,
    initial,
    recorded,
    steady_ms,
    to_json,
)
from protocols.policy.state_codec import from_value, to_value

AT = "2026-11-24T01:00:00.000Z"
S = "s-0123456789ab"
PREPARED: dict[str, Any] = {
    "booking": "2026-1124-03",
    "kind": "evaluation",
    "start_at": AT,
    "org": "changsha",
    "role": "guest",
    "home_org": "hubei",
    "venues": [{"org": "hubei", "role": "home", "ctl": "c-1", "place": "p", "name": "n"}],
    "members": [
        {"no": 3, "kind": "expert", "org": "changsha", "here": True, "station": 1, "locker": 1},
        {"no": 4, "kind": "expert", "org": "changsha", "here": True, "station": 2, "locker": 2},
        {
            "no": 1,
            "kind": "tenderer_rep",
            "org": "hubei",
            "here": False,
            "station": None,
            "locker": None,
        },
    ],
    "pack_hash": "ab",
    "plan": {"generation": 1, "n": 1, "hash": "cd"},
}


class Record:
    """A record under the pen: each event a second after the last."""

    def __init__(self) -> None:
        config = RoomConfig(
            "c-1", "p", (1, 2), (1, 2), True, ("room",), (DeviceConfig("locker", "cu16"),)
        )
        self.state = initial(config)
        self.mono_ms = 0

    def write(self, kind: str, session: str = "", /, **data: Any) -> RoomState:
        return self.put(kind, session, data)

    def put(self, kind: str, session: str, data: Mapping[str, Any]) -> RoomState:
        self.mono_ms += 1000
        self.state = apply(
            self.state,
            kind,
            session,
            data,
            seq=self.state.seq + 1,
            mono_ms=self.mono_ms,
            at=AT,
            epoch="e",
        )
        return self.state

    def prepared(self) -> Record:
        self.put("session.prepared", S, PREPARED)
        return self

    def member(self, no: int = 3) -> room_model.Member:
        return self.state.sessions[S].members[no]

    def deposited(self) -> Record:
        self.prepared()
        self.write("phase.changed", S, **{"from": "prepared", "to": "check_in", "by": "order"})
        self.write("member.identified", S, no=3, method="card")
        self.write("deposit.declared", S, no=3, items=["phone"])
        self.write("locker.opening", S, locker=1, no=3, why="deposit", intent="i-1", by=[])
        self.write("locker.state", S, locker=1, door="open", item="absent")
        self.write("locker.opened", S, locker=1, intent="i-1")
        self.write("locker.state", S, locker=1, door="closed", item="present")
        self.write("locker.closed", S, locker=1, no=3, item="present")
        self.write("member.deposited", S, no=3, locker=1, items=["phone"], item="present")
        return self


def test_a_new_room_knows_nothing() -> None:
    state = Record().state
    assert {one.door for one in state.lockers.values()} == {"unknown"}
    assert (state.power.mains, state.network.state, state.system.state) == ("unknown",) * 3
    assert state.devices["locker"].state == "unknown"


def test_an_unknown_type_moves_only_the_clock() -> None:
    record = Record()
    before = record.state
    after = record.write("weather.changed", "", rain=True)
    assert after == replace(before, seq=1, mono_ms=1000, at=AT, epoch="e")


def test_an_event_of_an_unknown_session_is_passed_over() -> None:
    record = Record()
    for kind in room_folds.FOLDS:
        if kind.startswith(("member.", "away.", "deposit.", "saved.", "station.")):
            record.put(kind, "s-unknown", {"no": 3, "items": [], "station": 1, "reason": "r"})
    assert record.state.sessions == {}


def test_an_event_of_an_unknown_member_is_passed_over() -> None:
    record = Record().prepared()
    members = record.state.sessions[S].members
    record.write("member.late", S, no=99)
    record.write("member.replaced", S, no=99)
    record.write("statement.accepted", S, id="st", no=99, document="report", outcome="signed")
    assert record.state.sessions[S].members == members


def test_a_refused_step_leaves_the_member_where_he_is() -> None:
    record = Record().prepared()
    record.write("member.seated", S, no=3)
    assert record.member().step.value == "expected"
    record.write("member.declined", S, no=3, reason="r")
    record.write("member.declined", S, no=3, reason="r")
    assert record.member().out == "declined"
    record.write("member.absent", S, no=3)
    assert record.member().out == "declined"


@pytest.mark.parametrize(
    ("kind", "data", "where"),
    [
        ("member.late", {"no": "3"}, "member.late.no"),
        ("member.late", {"no": True}, "member.late.no"),
        ("phase.changed", {"to": "asleep"}, "phase.changed.to"),
        ("deposit.declared", {"no": 3, "items": [1]}, "deposit.declared.items"),
        ("deposit.declared", {"no": 3, "items": "phone"}, "deposit.declared.items"),
        (
            "order.accepted",
            {"id": "o", "n": 1, "order": "open", "members": ["x3"]},
            "order.accepted.members",
        ),
        (
            "order.accepted",
            {"id": "o", "n": 1, "order": "open", "exceptions": ["need"]},
            "order.accepted.exceptions",
        ),
        ("session.prepared", {**PREPARED, "plan": 3}, "session.prepared.plan"),
        ("session.prepared", {**PREPARED, "role": 3}, "session.prepared.role"),
        ("locker.state", {"locker": 1, "door": "ajar", "item": "absent"}, "locker.state.door"),
    ],
)
def test_data_that_cannot_be_used_is_named(kind: str, data: dict[str, Any], where: str) -> None:
    record = Record().prepared()
    before = record.state
    with pytest.raises(UnreadableEvent, match="stays recorded") as caught:
        record.put(kind, S, data)
    assert caught.value.where == where
    assert record.state is before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "on", "open"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["no", "need", "device", "ok"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "no",
        "locker",
        "door",
        "item",
        "items",
        "why",
        "intent",
        "id",
        "n",
        "order",
        "members",
        "by",
        "fault",
        "kind",
        "device",
        "stream",
        "state",
        "station",
        "reason",
        "exceptions",
        "results",
        "plan",
        "to",
        "what",
        "substitute",
        "key",
        "rung",
        "mains",
        "ups",
        "method",
        "document",
        "outcome",
        "health",
        "generation",
        "hash",
        "seconds",
        "need",
    ],
)


@given(st.sampled_from(sorted(room_folds.FOLDS)), st.dictionaries(KEYS, JSON, max_size=12))
def test_any_data_is_folded_or_named_unreadable(kind: str, data: dict[str, Any]) -> None:
    record = Record().deposited()
    try:
        state = record.put(kind, S, data)
    except UnreadableEvent:
        return
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


def test_a_state_survives_its_json() -> None:
    record = Record().deposited()
    record.write("away.started", S, no=3, reason="toilet")
    record.write(
        "order.accepted",
        S,
        id="o1",
        n=4,
        order="member_release",
        members=[3],
        by={"person": "p-1", "role": "home_manager"},
        exceptions=[{"need": "av_recording", "reason": "r"}],
    )
    record.write("fault.raised", "", fault="power-1", kind="power", device="", what="mains_lost")
    record.write("case.step", S, fault="power-1", key="seal_material", state="done", by=[])
    record.write("visitor", "", state="in", who_post="CS-7", purpose="repair")
    record.write("selftest.done", "", ok=False, results=[{"device": "ups", "ok": False}])
    state = record.state
    assert from_json(json.loads(json.dumps(to_json(state)))) == state
    assert recorded(state) == state


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("seq",), "one", "type int"),
        (("lockers",), [], "an object"),
        (("lockers",), {"one": {}}, "number as key"),
        (("config", "stations"), 3, "a list"),
        (("revs",), {"locker:1": ["e"]}, "2 items"),
        (("config", "more"), 1, "exactly the fields"),
        (("sessions", S, "phase"), "asleep", "a Phase"),
    ],
)
def test_a_foreign_state_is_refused_with_its_path(
    path: tuple[str, ...], value: object, word: str
) -> None:
    whole = to_json(Record().prepared().state)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(PolicyError, match=word):
        from_json(whole)


def test_the_clock_goes_on_across_restarts() -> None:
    state = replace(initial(RoomConfig("c", "p")), mono_ms=500_000, at=AT)
    assert steady_ms(state, 501_000, AT) == 501_000
    assert steady_ms(state, 2_000, "2026-11-24T01:01:00.000Z") == 560_000
    # A wall clock that was set back gives no negative time; an unreadable one gives none.
    assert steady_ms(state, 2_000, "2026-11-24T00:00:00.000Z") == 500_000
    assert steady_ms(state, 2_000, "later") == 500_000
    assert steady_ms(state, 2_000, "2026-11-24T01:01:00.000") == 500_000
    assert steady_ms(replace(state, at=""), 2_000, AT) == 2_000


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
    assert (session.order_out, session.sealing_waived, session.last_n) == ("terminate", "p-9", 7)
    assert record.state.answers == {"o1": "accepted"}
    record.write("order.accepted", "s-unknown", id="o2", n=1, order="open", members=[])
    record.write("order.refused", S, id="o3", order="start", reason="needs", missing=[])
    record.write("order.refused", S, id="", order="start", reason="unsigned", missing=[])
    assert record.state.answers == {"o1": "accepted", "o2": "accepted", "o3": "needs"}


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


def test_who_acted_in_any_form() -> None:
    one = {"person": "p-1", "post": "HB-01", "role": "witness", "org": "hubei", "name": "never"}
    assert signers_of(one) == (Signer("p-1", "HB-01", "witness", "hubei"),)
    assert signers_of(["hub", one, 7]) == (Signer("hub"), signers_of(one)[0])
    assert signers_of(None) == ()
    assert "name" not in signer_json(signers_of(one))[0]


def test_the_codec_reads_what_it_wrote() -> None:
    config = RoomConfig("c", "p", (1,), (2,), False, ("room",), (DeviceConfig("a", "b"),))
    assert from_value(RoomConfig, to_value(config)) == config
