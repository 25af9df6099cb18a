"""What the hub does not hear: a fact, an alarm, a case; told once, over restarts too."""

from __future__ import annotations

from sqlalchemy import update

from hub.alarms import rows
from hub.fleet.deafness import RETURN
from hub.fleet.ears import DEAF_MS, RETURN_MS, UNREACHABLE_MS
from hub.store.engine import set_meta
from hub.store.tables_core import cursors
from protocols.messages.bodies import Pong
from tests.hub.booking.roomscript import Room
from tests.hub.booking.town import CTLS, Town, build_town
from tests.hub.contingency.test_cases import raised

PONG = Pong("", "", "e" * 32, 1, 1, 0, journal_ok=True, loop_ms=1)
OURS, THEIRS = CTLS["changsha"], CTLS["hubei"]


def pass_s(town: Town, seconds: int, *heard: str) -> None:
    for _ in range(seconds):
        town.clock.pass_s(1)
        for ctl in heard:
            town.rooms.pong(ctl, PONG)
        town.fleet.tick()
    town.contingency.tick()
    town.projector.run_pending()


def alarms(town: Town, ctl: str) -> list[tuple[str, int, bool]]:
    with town.store.read() as conn:
        found = rows.standing(conn).get(ctl, [])
    return [(one.kind, one.times, one.returned_at is not None) for one in found]


def restarted(town: Town) -> Town:
    made = build_town(town.data, like=town, url=f"sqlite:///{town.data}/hub.sqlite")
    made.rooms.rebuild()
    made.projector.run_pending()
    made.contingency.begin()
    return made


def ack(town: Town, ctl: str) -> None:
    with town.store.read() as conn:
        (one,) = rows.standing(conn)[ctl]
    town.contingency.ack_alarm(town.who("changsha.fault_handler"), ctl, one.alarm)


def test_a_silent_room_is_an_alarm_and_a_case_and_its_answer_ends_what_it_ends(
    ready: Town, rooms: dict[str, Room]
) -> None:
    assert rooms
    pass_s(ready, 6, OURS, THEIRS)
    pass_s(ready, UNREACHABLE_MS // 1000 + 1, THEIRS)
    assert alarms(ready, OURS) == [("room.silent", 1, False)]
    assert [one["kind"] for one in ready.contingency.list()] == ["network"]
    ack(ready, OURS)
    pass_s(ready, 2, OURS, THEIRS)
    assert alarms(ready, OURS) == []


def test_a_silence_is_told_once_over_a_restart(ready: Town) -> None:
    pass_s(ready, 6, OURS, THEIRS)
    pass_s(ready, UNREACHABLE_MS // 1000 + 1, THEIRS)
    again = restarted(ready)
    assert again.rooms.link(OURS).reachable is False
    pass_s(again, UNREACHABLE_MS // 1000 + 1, THEIRS)
    assert alarms(again, OURS) == [("room.silent", 1, False)]
    pass_s(again, 1, OURS, THEIRS)
    assert alarms(again, OURS) == [("room.silent", 1, True)]


def test_a_line_that_comes_and_goes_is_one_alarm(ready: Town) -> None:
    pass_s(ready, 6, OURS, THEIRS)
    for _ in range(4):
        pass_s(ready, UNREACHABLE_MS // 1000 + 1, THEIRS)
        if alarms(ready, OURS)[0][1] == 1:
            ack(ready, OURS)
        pass_s(ready, 10, OURS, THEIRS)
    pass_s(ready, UNREACHABLE_MS // 1000 + 1, THEIRS)
    assert alarms(ready, OURS) == [("room.silent", 5, False)]
    before = alarms(ready, OURS)
    with ready.store.write() as conn:
        conn.execute(update(cursors).where(cursors.c.handler == "alarms").values(after_id=0))
    ready.projector.run_pending()
    assert alarms(ready, OURS) == before


def test_when_nobody_is_heard_it_is_one_alarm_and_no_case(
    ready: Town, rooms: dict[str, Room]
) -> None:
    pass_s(ready, 6, OURS, THEIRS)
    pass_s(ready, DEAF_MS // 1000 + 20)
    assert alarms(ready, ready.facts.hub) == [("hub.deaf", 1, False)]
    assert (alarms(ready, OURS), alarms(ready, THEIRS)) == ([], [])
    pass_s(ready, 2, OURS, THEIRS)
    assert alarms(ready, ready.facts.hub) == [("hub.deaf", 1, True)]
    # What a room noticed of it is the same trouble, however late it says so.
    rooms["changsha"].say("fault.raised", raised("network-1", "network"))
    assert ready.contingency.list() == []
    view = ready.rooms.view(OURS)
    assert view is not None
    assert view.excused == frozenset({"network-1"})


def test_a_network_fault_that_outlasts_the_hubs_silence_is_the_rooms_own(
    ready: Town, rooms: dict[str, Room]
) -> None:
    pass_s(ready, 6, OURS, THEIRS)
    pass_s(ready, DEAF_MS // 1000 + 20)
    pass_s(ready, 2, OURS, THEIRS)
    rooms["changsha"].say("fault.raised", raised("network-1", "network"))
    pass_s(ready, RETURN_MS // 1000 + 3, OURS, THEIRS)
    assert [one["kind"] for one in ready.contingency.list()] == ["network"]
    view = ready.rooms.view(OURS)
    assert view is not None
    assert view.excused == frozenset()


def test_a_hub_that_was_away_says_so_and_calls_nobody(ready: Town, rooms: dict[str, Room]) -> None:
    pass_s(ready, 6, OURS, THEIRS)
    ready.clock.pass_s(300)
    again = restarted(ready)
    again.projector.run_pending()
    assert alarms(again, again.facts.hub) == [("hub.stopped", 1, False)]
    rooms["changsha"].town = again
    rooms["changsha"].say("fault.raised", raised("network-1", "network"))
    assert again.contingency.list() == []
    again.clock.pass_s(RETURN.total_seconds() + 1)
    with again.store.write() as conn:
        set_meta(conn, "alive", "")
    rooms["changsha"].say("fault.raised", raised("network-2", "network"))
    assert [one["kind"] for one in again.contingency.list()] == ["network"]
