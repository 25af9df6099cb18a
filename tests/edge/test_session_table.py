"""The session table in the room: every order in every phase, on an open room that lacks nothing."""

from __future__ import annotations

import copy
import itertools
from functools import cache

import pytest

from protocols.policy.session import Order, Phase
from tests.edge.room_bench import SESSION, Bench
from tests.protocols.policy.test_session import SAID

WAYS = {
    "idle": None,
    "prepared": "",
    "check_in": "open",
    "evaluating": "open start",
    "on_break": "open start break",
    "suspended": "open start suspend",
    "adjourned": "open start adjourn",
    "signing": "open start sign",
    "ended": "open start sign end",
    "closed": "open terminate close",
    "postponed": "open postpone",
    "terminated": "open terminate",
}
"""The orders that lead to each phase; a session that has left the plan is idle."""


@cache
def _at(phase: str) -> Bench:
    room = Bench().begin()
    way = WAYS[phase]
    if way is None:
        room.feed("plan", {"generation": 1, "n": 2, "hash": "2", "sessions": []})
    for word in (way or "").split():
        _order(room, word)
        assert room.answer() == {"ok": True}
    assert room.phase() == phase
    return room


def _order(room: Bench, word: str) -> None:
    members = [3] if word == "member_release" else []
    room.order(word, members=members, exceptions=["members_seated"] if word == "start" else [])


@pytest.mark.parametrize(("phase", "word"), list(itertools.product(Phase, Order)))
def test_every_order_in_every_phase_follows_the_table_or_changes_nothing(
    phase: Phase, word: Order
) -> None:
    room = copy.copy(_at(phase.value))
    room.rows = list(room.rows)
    before = room.state.sessions[SESSION]

    _order(room, word.value)

    said = SAID[phase.value].get(word.value)
    assert room.answer().get("ok") is (said is not None)
    assert room.phase() == (said or phase.value)
    if said is None:
        assert room.answer()["reason"] == "phase"
        assert room.types() == ["order.refused"]
        assert room.state.sessions[SESSION] == before
    room.check_fold()
