"""Which faults and which lost rows open a case, for whom, and when nobody is paged."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from hub.archive.records import decisions_json
from hub.archive.wording import label
from hub.clock import iso_ms
from hub.contingency import lost_rows
from hub.contingency.lost_rows import Hole
from hub.problems import Problem
from hub.store.tables_business import booking, booking_venue
from hub.store.tables_core import cursors
from protocols.policy.pack import Pack
from tests.hub.booking.roomscript import Room
from tests.hub.booking.town import PIN, Town, booking_of
from tests.hub.contingency.test_cases import cut, decide, mended, one_case, raised

OTHER = "s-00000000beef"


def lose(room: Room, rows: int, *, at: str = "", epoch: str = "ee") -> Room:
    """The room writes rows that are never sent, opens a new epoch and declares them lost."""
    first = room.seq + 1
    for _ in range(rows):
        room.write("seat.state", {"station": 1, "state": "vacant"}, session=room.session)
    room.waiting.clear()
    gone = {"epoch": room.epoch, "from": first, "to": room.seq, "cause": "rot"}
    opened = {
        "pred_epoch": room.epoch,
        "pred_seq": room.seq,
        "pred_hash": room.tip,
        "cause": "gap",
    }
    later = replace(room, epoch=epoch * 16, waiting=[])
    later.seq = 0
    later.write("epoch.opened", opened, at=at)
    later.write("record.gap", gone, at=at)
    later.send()
    return later


def second_session(town: Town, room: Room) -> None:
    """Another session runs in the same room."""
    known = booking_of(town)
    with town.store.write() as conn:
        row = conn.execute(booking.select()).mappings().one()
        conn.execute(insert(booking).values({**row, "number": "2026-1124-02", "session": OTHER}))
        venue = conn.execute(
            booking_venue.select().where(booking_venue.c.org == room.org)
        ).mappings()
        conn.execute(insert(booking_venue).values({**venue.one(), "booking": "2026-1124-02"}))
    assert known["session"] == room.session
    prepared = {"booking": "2026-1124-02", "kind": "evaluation", "start_at": known["start_at"]}
    more: dict[str, Any] = {
        "org": room.org,
        "role": "guest",
        "home_org": "hubei",
        "venues": [],
        "members": [],
        "pack_hash": "0" * 64,
        "plan": {"generation": 1, "n": 1, "hash": "0" * 64},
    }
    room.say("session.prepared", {**prepared, **more}, session=OTHER)


def reread(town: Town, handler: str) -> None:
    """The handler's cursor is lost: every row comes again."""
    with town.store.write() as conn:
        conn.execute(update(cursors).where(cursors.c.handler == handler).values(after_id=0))
    town.projector.run_pending()


def with_opens(town: Town, **words: str) -> Pack:
    raw = json.loads(town.pack.canonical())
    raw["contingency"]["opens"]["value"].update(words)
    return Pack.parse(raw)


# Faults


@pytest.mark.parametrize("kind", ["power", "network", "device", "system", "av"])
def test_a_fault_of_a_kind_the_pack_names_opens_a_case(
    ready: Town, rooms: dict[str, Room], kind: str
) -> None:
    cut(rooms["changsha"], f"{kind}-1", kind)
    assert one_case(ready)["kind"] == kind


def test_an_empty_seat_is_an_alarm_a_reported_station_is_a_case(
    ready: Town, rooms: dict[str, Room]
) -> None:
    room = rooms["changsha"]
    room.say("fault.raised", raised("station-1", "station", device="station-1", what="seat_empty"))
    assert ready.contingency.list() == []
    room.say("fault.raised", raised("station-2", "station", device="reported", what="reported"))
    assert one_case(ready)["kind"] == "station"


def test_what_the_pack_does_not_want_opens_nothing(ready: Town, rooms: dict[str, Room]) -> None:
    ready.pack = with_opens(ready, device="never")
    cut(rooms["changsha"], "device-1", "device")
    assert ready.contingency.list() == []


def test_a_fault_belongs_to_each_session_running_in_the_room(
    ready: Town, rooms: dict[str, Room]
) -> None:
    room = rooms["changsha"]
    second_session(ready, room)
    cut(room)
    cut(room)
    found = ready.contingency.list()
    assert {one["session"] for one in found} == {room.session, OTHER}
    assert {one["kind"] for one in found} == {"power"}
    room.say("fault.raised", raised("network-2", "network", cause="power-1"))
    for one in ready.contingency.list():
        case = ready.contingency.view(one["case"])
        assert [fault["fault"] for fault in case["faults"]] == ["power-1", "network-2"]
    mended(room)
    mended(room, "network-2", "network")
    assert all(one["cleared_at"] for one in ready.contingency.list())
    by = [{"person": "p-1", "post": "CH-03", "role": "room_staff"}]
    room.say("fault.acked", {"fault": "power-1", "by": by})
    assert {one["acked_by"] for one in ready.contingency.list()} == {"CH-03"}


def test_reading_every_row_again_opens_no_second_case(ready: Town, rooms: dict[str, Room]) -> None:
    cut(rooms["changsha"])
    lose(rooms["changsha"], 3)
    before = [(one["case"], one["state"]) for one in ready.contingency.list()]
    assert len(before) == 2
    reread(ready, "contingency")
    assert [(one["case"], one["state"]) for one in ready.contingency.list()] == before


# Lost rows


def test_lost_rows_open_a_case_of_the_session_they_touch(
    ready: Town, rooms: dict[str, Room]
) -> None:
    lose(rooms["changsha"], 3)
    case = one_case(ready)
    assert (case["kind"], case["session"]) == ("record", rooms["changsha"].session)
    assert (case["org"], case["priority"]) == ("changsha", "P2")
    assert case["kind_text"]["zh"] == "证据记录缺口"
    assert case["clock"]["article"]["zh"].startswith("证据记录")
    assert case["clock"]["running"]
    assert not case["clock"]["verified"]
    whole = ready.contingency.view(case["case"])
    assert whole["steps"][0]["key"] == "hole_range"
    assert "go_on_recorded" in [one["key"] for one in whole["options"]]


def test_a_hole_stands_until_a_named_person_has_decided(
    ready: Town, rooms: dict[str, Room]
) -> None:
    lose(rooms["changsha"], 3)
    case = one_case(ready)["case"]
    manager = ready.who("hubei.home_manager")
    with pytest.raises(Problem) as caught:
        ready.contingency.close(manager, case, "完")
    assert "fault_cleared" in caught.value.got
    decide(ready, case, "go_on_recorded", reason="见证人员已书面说明")
    assert one_case(ready)["cleared_at"] is not None
    assert not one_case(ready)["clock"]["running"]
    assert ready.contingency.close(manager, case, "已说明")["state"] == "closed"


def test_the_packages_case_table_bears_the_hole(ready: Town, rooms: dict[str, Room]) -> None:
    lose(rooms["changsha"], 3)
    decide(ready, one_case(ready)["case"], "go_on_recorded", reason="见证人员已书面说明")
    with ready.store.read() as conn:
        (case,) = decisions_json(conn, rooms["changsha"].session)["cases"]
    assert label("fault", case["kind"]) == "证据记录缺口"
    assert str(case["article"]).startswith("证据记录")
    assert case["rule"]["verified"] is False
    assert [one["option"] for one in case["decisions"]] == ["go_on_recorded"]


def test_the_limit_makes_a_decision_due_for_a_hole_too(ready: Town, rooms: dict[str, Room]) -> None:
    lose(rooms["changsha"], 3)
    ready.clock.pass_s(one_case(ready)["clock"]["limit_s"] + 1)
    ready.contingency.tick()
    assert one_case(ready)["state"] == "decision_due"


def test_a_second_hole_joins_the_open_case(ready: Town, rooms: dict[str, Room]) -> None:
    later = lose(rooms["changsha"], 3)
    lose(later, 2, epoch="dd")
    assert len(ready.contingency.view(one_case(ready)["case"])["faults"]) == 2


def test_a_hole_found_later_pages_nobody(ready: Town, rooms: dict[str, Room]) -> None:
    at = iso_ms(ready.clock.wall())
    ready.clock.pass_s(700)
    lose(rooms["changsha"], 3, at=at)
    case = one_case(ready)
    assert case["found_later"]
    assert case["waiting_for"] == "decision"


@pytest.mark.parametrize("at", ["1970-01-01T00:00:07.000Z", "2027-11-23T01:00:00.000Z"])
def test_a_hole_told_by_a_clock_nothing_has_set_begins_when_it_was_heard_of(
    ready: Town, rooms: dict[str, Room], at: str
) -> None:
    rooms["changsha"].at_trust = "none"
    lose(rooms["changsha"], 3, at=at)
    case = one_case(ready)
    assert (case["clock"]["elapsed_s"], case["clock"]["exact"]) == (0, False)
    ready.clock.pass_s(5)
    assert ready.contingency.tick() == []
    assert one_case(ready)["clock"]["elapsed_s"] == 5


def test_rows_the_hub_has_are_no_hole(ready: Town, rooms: dict[str, Room]) -> None:
    room = rooms["changsha"]
    later = replace(room, epoch="ee" * 16, waiting=[])
    later.seq = 0
    opened = {"pred_epoch": room.epoch, "pred_seq": room.seq, "pred_hash": room.tip, "cause": "gap"}
    later.write("epoch.opened", opened)
    later.write("record.gap", {"epoch": room.epoch, "from": 2, "to": room.seq, "cause": "rot"})
    later.send()
    assert ready.contingency.list() == []


def test_a_hole_outside_of_every_session_is_the_organisations_own(town: Town) -> None:
    room = Room(town, "changsha")
    lose(room, 3)
    case = one_case(town)
    assert (case["session"], case["booking"], case["org"]) == ("", None, "changsha")
    assert case["clock"]["limit_s"] is None
    assert town.contingency.list_for(town.who("hubei.home_manager")) == []
    own = town.who("changsha.home_manager")
    assert [one["case"] for one in town.contingency.list_for(own)] == [case["case"]]
    given = {"reason": "换卡，无场次", "scope": "venue"}
    with pytest.raises(Problem) as caught:
        town.contingency.decide(own, case["case"], "note_only", PIN, "hubei.witness", PIN, **given)
    assert caught.value.code == "other_organisation"
    town.contingency.decide(own, case["case"], "note_only", PIN, "changsha.witness", PIN, **given)
    assert town.contingency.close(own, case["case"], "已查明")["state"] == "closed"


def test_only_sessions_whose_time_in_the_room_covers_the_hole_are_touched(
    ready: Town, rooms: dict[str, Room]
) -> None:
    room = rooms["changsha"]
    with ready.store.read() as conn:
        first = conn.exec_driver_sql(
            "SELECT min(seq) FROM events WHERE session = ? AND ctl = ?", (room.session, room.ctl)
        ).scalar_one()
        early = lost_rows.touched(conn, Hole(room.ctl, room.epoch, 1, int(first) - 1))
        inside = lost_rows.touched(conn, Hole(room.ctl, room.epoch, int(first), int(first)))
        unknown = lost_rows.touched(conn, Hole(room.ctl, "0" * 32, 1, 1))
    assert (early, unknown) == ([], [])
    assert inside == [(room.session, "evaluating")]
    room.phase("closed", before="evaluating")
    with ready.store.read() as conn:
        after = lost_rows.touched(conn, Hole(room.ctl, room.epoch, room.seq + 1, room.seq + 9))
        still = lost_rows.touched(conn, Hole(room.ctl, room.epoch, int(first), int(first)))
    assert after == []
    assert still == [(room.session, "closed")]
