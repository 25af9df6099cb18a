"""The fold: any event is folded or named unreadable, and a state survives its JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.policy import room_folds
from protocols.policy.errors import PolicyError
from protocols.policy.room_fields import signer_json, signers_of
from protocols.policy.room_model import Signer
from protocols.policy.room_state import (
    DeviceConfig,
    RoomConfig,
    UnreadableEvent,
    from_json,
    initial,
    recorded,
    steady_ms,
    to_json,
)
from protocols.policy.state_codec import from_value, to_value
from tests.protocols.policy.record_bench import AT, PREPARED, Record, S


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


def test_a_state_evolves_as_by_replace_and_only_in_its_own_fields() -> None:
    state = Record().state
    after = state.evolve(seq=7, help_ms=9)
    assert (after, after.seq, state.seq) == (replace(state, seq=7, help_ms=9), 7, 0)
    with pytest.raises(TypeError, match="got hlep_ms"):
        state.evolve(seq=7, hlep_ms=9)


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


def test_who_acted_in_any_form() -> None:
    one = {"person": "p-1", "post": "HB-01", "role": "witness", "org": "hubei", "name": "never"}
    assert signers_of(one) == (Signer("p-1", "HB-01", "witness", "hubei"),)
    assert signers_of(["hub", one, 7]) == (Signer("hub"), signers_of(one)[0])
    assert signers_of(None) == ()
    assert "name" not in signer_json(signers_of(one))[0]


def test_the_codec_reads_what_it_wrote() -> None:
    config = RoomConfig("c", "p", (1,), (2,), False, ("room",), (DeviceConfig("a", "b"),))
    assert from_value(RoomConfig, to_value(config)) == config
