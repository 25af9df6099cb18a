"""Every phase with every kind of input: moved as the table says, or left as it was."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.room import INPUTS, Input, Pulse, decide, sense
from protocols.policy.gate import CONDITION_KEYS, CONDITION_PREFIXES, Permit
from protocols.policy.permits import locker_of, may_deposit, may_release
from protocols.policy.room_state import recorded
from protocols.policy.session import Order, Phase, next_phase
from tests.edge.room_bench import (
    COORDINATOR,
    MANAGER,
    SESSION,
    STAFF,
    STAFF2,
    Bench,
    committee_pack,
    iso,
    session_plan,
)

SAMPLES: dict[str, dict[str, Any]] = {
    "started": {"software": "0.1.0", "config_hash": "cd"},
    "tick": {},
    "plan": {
        "generation": 1,
        "n": 9,
        "hash": "ee",
        "sessions": [session_plan()],
        "pack_hash": "ab",
    },
    "system": {"type": "hub.rollback", "session": "", "data": {"run": 3}},
    "card": {"matches": [{"session": SESSION, "no": 3}], "layout": "resident"},
    "card_error": {"reason": "checksum"},
    "card_removed": {},
    "lockers": {"states": {"1": ["closed", "present"], "4": ["open", "absent"]}},
    "pulse": {"lock": 1, "outcome": "still_closed"},
    "mat": {"station": 2, "on": False},
    "radar": {"station": 2, "target": "none"},
    "mains": {"present": False},
    "ups": {"utility_fail": True, "battery_low": False, "charge_pct": 60},
    "device": {"device": "locker", "state": "lost", "reason": "silent"},
    "selftest": {"results": [{"device": "ups", "ok": True, "detail": ""}]},
    "segment": {
        "stream": "room",
        "first_at": "a",
        "last_at": "b",
        "sha256": "c",
        "bytes": 1,
        "pts": 0,
        "recovered": False,
    },
    "segment_damaged": {"stream": "room", "sha256": "c"},
    "segment_lost": {"stream": "room", "seconds": 6},
    "av_gap": {"stream": "room", "from_at": "a", "to_at": "b", "seconds": 12},
    "recording": {"stream": "room", "state": "fault"},
    "network": {"rung": "gateway", "detail": ""},
    "system_probe": {"ok": False},
    "order_refused": {"id": "bad", "session": SESSION, "order": "open", "reason": "unsigned"},
    "statement": {
        "id": "st",
        "session": SESSION,
        "member": "x3",
        "document": "report",
        "outcome": "signed",
        "digest": "0",
        "by": [STAFF, COORDINATOR],
        "raw": "r",
    },
    "command": {
        "id": "c1",
        "verb": "device.selftest",
        "args": {},
        "expect": None,
        "by": [STAFF],
        "session": "",
    },
    "command_result": {"id": "c1", "result": "kept", "version": 1, "set": {}},
    "clock_offset": {"offset_ms": 900, "bound_ms": 600},
    "staff": {"act": "help", "session": SESSION, "args": {}, "by": [STAFF]},
}
for _order in Order:
    SAMPLES[f"order {_order.value}"] = {
        "id": f"o-{_order.value}",
        "session": SESSION,
        "n": 900,
        "order": _order.value,
        "members": [3] if _order is Order.MEMBER_RELEASE else [],
        "venues": [],
        "committee": "complete",
        "by": MANAGER,
        "via": "hub",
        "raw": "r",
        "exceptions": ["members_seated", "av_recording", "system_reachable"],
    }
ORDER_OF_PHASE: dict[Phase, tuple[str, ...]] = {
    Phase.PREPARED: (),
    Phase.CHECK_IN: ("open",),
    Phase.EVALUATING: ("open", "start"),
    Phase.ON_BREAK: ("open", "start", "break"),
    Phase.SUSPENDED: ("open", "start", "suspend"),
    Phase.ADJOURNED: ("open", "start", "adjourn"),
    Phase.SIGNING: ("open", "start", "sign"),
    Phase.ENDED: ("open", "start", "sign", "end"),
    Phase.POSTPONED: ("open", "postpone"),
    Phase.TERMINATED: ("open", "start", "terminate"),
    Phase.CLOSED: ("open", "postpone", "close"),
}


def in_phase(phase: Phase) -> Bench:
    room = Bench().begin()
    if phase is Phase.IDLE:
        room.plan(session_plan("s-ffffffffffff"), n=2)
    for order in ORDER_OF_PHASE.get(phase, ()):
        if order == "start":
            room.admit(3)
            room.admit(4)
        room.order(order, exceptions=["members_seated"])
    assert room.phase() == phase.value
    return room


@pytest.mark.parametrize("phase", list(Phase))
def test_every_pair_of_phase_and_input(phase: Phase) -> None:
    begun = in_phase(phase)
    for name, data in SAMPLES.items():
        room = replace_bench(begun)
        kind, _, word = name.partition(" ")
        room.feed(kind, data)
        said = next_phase(phase, Order(word)) if word else phase
        if phase is Phase.IDLE and kind == "plan":
            said = Phase.PREPARED
        if phase in (Phase.ENDED, Phase.TERMINATED) and word == "close":
            said = phase  # two lockers still hold something: refused
        assert room.phase() == (said or phase).value, name
        if word and said is None:
            assert room.answer()["reason"] == "phase"
            assert "order.refused" in room.types()


def test_every_kind_of_input_has_a_sample() -> None:
    assert {name.partition(" ")[0] for name in SAMPLES} == set(INPUTS)


def replace_bench(room: Bench) -> Bench:
    copy = Bench(pack=room.pack, item_sensor=room.item_sensor)
    copy.state, copy.now_ms, copy.at = room.state, room.now_ms, room.at
    copy.orders, copy.doors, copy.rows = room.orders, dict(room.doors), list(room.rows)
    return copy


def test_an_unknown_kind_is_a_bug_of_the_caller() -> None:
    room = Bench()
    with pytest.raises(KeyError):
        room.feed("weather")


def test_decide_tells_the_same_as_step_and_changes_nothing() -> None:
    room = Bench().ended()
    inp = Input("card", SAMPLES["card"], room.now_ms, iso(room.at))
    before = room.state
    drafts, effects = decide(before, inp, pack=room.pack)
    assert room.state is before
    room.feed("card", SAMPLES["card"])
    assert (drafts, effects) == (room.last, room.effects)
    assert sense(before, inp, pack=room.pack) is before


CARDS = [{"matches": [{"session": SESSION, "no": no}], "layout": "resident"} for no in (3, 4, 5)]
LOCKS = [
    {"states": {str(number): [door, item]}}
    for number, door, item in itertools.product(
        (1, 2, 3), ("open", "closed", "unknown"), ("absent", "present", "unknown")
    )
]
STEPS = st.one_of(
    st.sampled_from([("card", data) for data in CARDS]),
    st.sampled_from([("lockers", data) for data in LOCKS]),
    st.sampled_from([(name.partition(" ")[0], data) for name, data in SAMPLES.items()]),
    st.builds(
        lambda act, no, by: (
            "staff",
            {
                "act": act,
                "session": SESSION,
                "by": by,
                "args": {
                    "no": no,
                    "items": ["phone"],
                    "reason": "toilet",
                    "document": "护照",
                    "locker": no - 2,
                    "fault": "power-1",
                    "key": "seal_material",
                    "state": "done",
                    "kind": "av",
                    "need": "sealing",
                },
            },
        ),
        st.sampled_from(
            [
                "identify.two_staff",
                "deposit.declare",
                "deposit.confirm",
                "decline",
                "withdraw",
                "away.start",
                "away.end",
                "locker.escorted",
                "left.confirm",
                "case.step",
                "locker.confirm_empty",
                "fault.report",
                "fault.ack",
                "locker.ack",
                "release.confirm",
                "saved.confirm",
                "seat.confirm",
                "absent",
            ]
        ),
        st.sampled_from([3, 4, 5]),
        st.sampled_from([[STAFF], [STAFF, STAFF2], [STAFF, COORDINATOR]]),
    ),
    st.builds(
        lambda on, station: ("mat", {"station": station, "on": on}),
        st.booleans(),
        st.sampled_from([1, 2, 3]),
    ),
    st.builds(lambda seconds: ("wait", seconds), st.integers(1, 30)),
)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(list(Phase)), st.booleans(), st.lists(STEPS, max_size=25))
def test_whatever_happens_the_fold_is_the_room_and_the_gate_holds(
    phase: Phase, committee: bool, steps: list[tuple[str, Any]]
) -> None:
    """No door opens without its permit, and a restart finds the room as it was."""
    room = replace_bench(_BEGUN.setdefault(phase, in_phase(phase)))
    room.pack = committee_pack() if committee else room.pack
    for at, (kind, data) in enumerate(steps):
        before = room.state
        if kind == "wait":
            room.wait(data)
            continue
        room.orders += 1
        if kind in ("order", "statement", "command"):
            # Some ids come twice on purpose; numbers of orders go up.
            room.feed(kind, {**data, "id": f"{data['id']}-{at // 2}", "n": 900 + at})
        else:
            room.feed(kind, data)
        no_door_without_a_permit(room, before)
        no_condition_without_a_text(room)
    assert room.refold() == recorded(room.state)


_BEGUN: dict[Phase, Bench] = {}


def no_door_without_a_permit(room: Bench, before: Any) -> None:
    pulses = [effect for effect in room.effects if isinstance(effect, Pulse)]
    openings = [draft for draft in room.last if draft.type == "locker.opening"]
    assert [one.intent for one in pulses] == [draft.data["intent"] for draft in openings]
    for draft in openings:
        session = before.sessions[draft.session]
        member = session.members[draft.data["no"]]
        locker = locker_of(before, member)
        assert locker is not None
        assert locker.door == "closed"
        assert all(one.opening is None or one.opening.noticed for one in before.lockers.values())
        if draft.data["why"] == "release":
            assert isinstance(may_release(session, member, room.pack), Permit)
        elif draft.data["why"] == "deposit":
            assert isinstance(may_deposit(before, session, member), Permit)
        else:
            assert draft.data["why"] == "escorted"
            assert {one["role"] for one in draft.data["by"]} == {"room_staff", "guest_coordinator"}


def no_condition_without_a_text(room: Bench) -> None:
    for draft in room.last:
        if draft.type == "gate.refused":
            keys = {row["key"] for row in draft.data["conditions"]}
            assert all(key in CONDITION_KEYS or key.startswith(CONDITION_PREFIXES) for key in keys)


def test_a_fold_has_no_raw_readings() -> None:
    room = Bench().evaluating()
    assert room.state.sensing.readings
    assert not recorded(room.state).sensing.readings
    assert replace(room.state, sensing=recorded(room.state).sensing) == room.refold()
