"""Verbs about the controller itself: written before they act, answered once, settled by a start."""

from __future__ import annotations

from typing import Any

import pytest

from edge.room import ApplyConfig, FetchClip, Reopen, SwitchUplink
from edge.room_rules.commands import _VERBS
from protocols.messages.acts import VERBS
from protocols.policy.room_view import room_view
from tests.edge.room_bench import COORDINATOR, STAFF, Bench

SHA = "ab" * 32
LINES = {"uplinks": ["first", "second"], "uplink": "first"}
CONFIG = {"version": 3, "set": {"media.upload_kib_s": 512}}


def command(
    room: Bench, verb: str, args: dict[str, Any], *, cid: str = "c1", **more: Any
) -> list[str]:
    data = {"id": cid, "verb": verb, "args": args, "expect": None, "by": [STAFF, COORDINATOR]}
    room.feed("command", {**data, **more})
    return room.types()


def refused(room: Bench) -> tuple[str, Any]:
    answer = room.answer()
    assert answer["ok"] is False
    assert room.only("cmd.refused")["reason"] == answer["reason"]
    return answer["reason"], answer.get("got")


def test_the_room_carries_out_every_verb_of_the_wire() -> None:
    assert set(_VERBS) == set(VERBS)


def test_a_new_epoch_is_accepted_before_it_is_opened_and_done_behind_it() -> None:
    room = Bench().begin()
    assert command(room, "journal.reopen", {}) == ["cmd.accepted"]
    assert [one for one in room.effects if isinstance(one, Reopen)] == [Reopen("c1")]
    assert room.state.pending == {"c1": "journal.reopen"}
    room.feed("command_result", {"id": "c1", "result": "reopened"})
    assert room.only("cmd.done") == {"id": "c1", "verb": "journal.reopen", "result": "reopened"}
    assert room.state.pending == {}
    assert command(room, "journal.reopen", {}) == []
    assert (room.answer()["result"], room.effects[1:]) == ("reopened", ())
    room.feed("command_result", {"id": "c1", "result": "reopened"})
    assert room.last == ()
    room.check_fold()


def test_expect_is_honoured() -> None:
    room = Bench().begin()
    command(room, "journal.reopen", {}, expect={"obj": "config", "rev": ["e", 4]})
    assert refused(room)[0] == "changed_meanwhile"
    command(room, "config.apply", CONFIG, cid="c2", expect={"obj": "config", "rev": ["", 0]})
    assert room.only("config.tried")["version"] == 3
    assert room.state.revs["config"][1] == room.state.seq


def test_a_line_is_on_trial_until_the_hub_has_answered_over_it() -> None:
    room = Bench().begin()
    assert command(room, "network.switch", {}, seen=LINES) == ["cmd.accepted", "network.switched"]
    about = {"id": "c1", "uplink": "second", "before": "first", "cause": ""}
    assert room.only("network.switched") == {**about, "state": "trial"}
    assert SwitchUplink("c1", "second") in room.effects
    command(room, "network.switch", {}, cid="c2", seen=LINES)
    assert refused(room) == ("on_trial", "network.switch c1")
    room.feed("command_result", {**about, "result": "kept"})
    assert room.only("network.switched") == {**about, "state": "kept"}
    assert room.only("cmd.done")["result"] == "kept"
    room.check_fold()


def test_a_room_with_one_line_says_so() -> None:
    room = Bench().begin()
    for seen in ({"uplinks": ["first"], "uplink": "first"}, None):
        command(room, "network.switch", {}, cid=f"c{seen}", seen=seen)
        assert refused(room)[0] == "no_second_uplink"
    command(room, "network.switch", {"to": "third"}, seen=LINES)
    assert refused(room)[0] == "bad_argument"
    command(room, "network.switch", {"to": "first"}, cid="c9", seen=LINES)
    assert (room.types(), room.only("cmd.done")["result"]) == (
        ["cmd.accepted", "cmd.done"],
        "unchanged",
    )


def test_contents_are_fetched_or_the_unknown_one_is_named() -> None:
    room = Bench().begin()
    command(room, "clip.fetch", {"segments": [SHA, "cd" * 32]}, seen={"unknown": ["cd" * 32]})
    assert refused(room) == ("unknown_clip", "cd" * 32)
    for cid, args in (("c2", {}), ("c3", {"segments": []}), ("c4", {"segments": "all"})):
        command(room, "clip.fetch", args, cid=cid, seen={})
        assert refused(room)[0] == "bad_argument"
    assert command(room, "clip.fetch", {"segments": [SHA]}, cid="c5", seen={}) == ["cmd.accepted"]
    assert FetchClip("c5", (SHA,)) in room.effects


def test_options_are_tried_then_kept_or_taken_back() -> None:
    room = Bench().begin()
    assert command(room, "config.apply", CONFIG, seen={}) == ["cmd.accepted", "config.tried"]
    assert ApplyConfig("c1", 3, CONFIG["set"]) in room.effects  # type: ignore[arg-type]
    room.feed("command_result", {"id": "c1", "result": "kept", **CONFIG})
    assert room.types() == ["config.applied", "cmd.done"]
    assert room.only("config.applied") == {"id": "c1", **CONFIG}
    command(room, "config.apply", CONFIG, cid="c2", seen={})
    room.feed("command_result", {"id": "c2", "result": "reverted", "cause": "no_round_trip"})
    assert room.only("config.reverted") == {"id": "c2", "cause": "no_round_trip"}
    assert room.only("cmd.done")["result"] == "reverted"
    assert command(room, "config.apply", CONFIG, cid="c3", seen={"unchanged": True}) == [
        "cmd.accepted",
        "cmd.done",
    ]
    assert room.only("cmd.done")["result"] == "unchanged"
    room.check_fold()


@pytest.mark.parametrize(
    ("args", "seen", "reason", "where"),
    [
        ({"version": 1, "set": 4}, {}, "bad_argument", "set"),
        ({"version": "1", "set": {}}, {}, "bad_argument", "version"),
        (
            CONFIG,
            {"refused": {"reason": "not_live", "where": "media.dir"}},
            "not_live",
            "media.dir",
        ),
        (CONFIG, {"refused": {}}, "bad_argument", ""),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(
    args: dict[str, Any], seen: dict[str, Any], reason: str, where: str
) -> None:
    room = Bench().begin()
    assert command(room, "config.apply", args, seen=seen) == ["config.refused", "cmd.refused"]
    assert refused(room)[0] == reason
    told = room.only("config.refused")
    assert (told["id"], told["reason"], told["where"]) == ("c1", reason, where)


def test_a_start_settles_what_was_on_its_way() -> None:
    room = Bench().begin()
    command(room, "journal.reopen", {}, cid="c1")
    command(room, "clip.fetch", {"segments": [SHA]}, cid="c2", seen={})
    command(room, "locker.override", {"locker": 1}, cid="c3")
    command(room, "config.apply", CONFIG, cid="c4", seen={})
    room.feed("started", {"software": "x", "config_hash": "", "uplink": "first"})
    done = {row.data["id"]: row.data["result"] for row in room.last if row.type == "cmd.done"}
    assert done == {"c1": "reopened", "c2": "interrupted", "c4": "reverted"}
    assert room.only("config.reverted") == {"id": "c4", "cause": "restart"}
    assert room.state.pending == {"c3": "locker.override"}, "its door says what became of it"
    command(room, "network.switch", {}, cid="c5", seen=LINES)
    room.feed("started", {"software": "x", "config_hash": "", "uplink": "first"})
    about = {"id": "c5", "uplink": "first", "before": "", "state": "reverted", "cause": "restart"}
    assert room.only("network.switched") == about
    room.check_fold()


def test_an_answer_the_journal_found_is_the_answer() -> None:
    room = Bench().begin()
    assert command(room, "device.selftest", {}, stored="done") == []
    assert room.answer() == {"ok": True, "result": "done", "repeated": True}
    room.order("open", id="o1", stored="accepted")
    assert (room.last, room.answer()) == ((), {"ok": True, "repeated": True})
    room.order("open", id="", stored="accepted")
    assert room.types()[0] == "order.accepted", "nothing is known of an order without an id"


def test_a_clock_known_to_be_off_refuses_the_start_until_somebody_answers_for_it() -> None:
    room = Bench().begin()
    limit = room.pack.clock.refuse_start_ms
    room.order("open")
    for no in (3, 4, 5):
        room.admit(no)
    assert "clock" not in {one["key"] for one in conditions(room)}, "unknown is not a condition"
    for offset, keys in ((-limit - 601, {"clock"}), (limit + 600, set()), (limit + 601, {"clock"})):
        room.feed("clock_offset", {"offset_ms": offset, "bound_ms": 600})
        assert {one["key"] for one in conditions(room) if not one["met"]} == keys
    room.order("start")
    assert (room.answer()["reason"], room.answer()["missing"]) == ("needs", ["clock"])
    room.feed("clock_offset", {"offset_ms": "late"})
    assert room.last == ()
    room.staff("start.exception", need="clock", reason="battery clock, watch compared")
    room.order("start")
    assert room.phase() == "evaluating"
    room.feed("started", {"software": "x", "config_hash": ""})
    assert room.state.clock_off_ms is None
    room.check_fold()


def conditions(room: Bench) -> list[dict[str, Any]]:
    (session,) = room_view(room.state, room.pack, room.now_ms)["sessions"]
    found: list[dict[str, Any]] = session["start_conditions"]
    return found
