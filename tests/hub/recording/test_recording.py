"""What rooms send is recorded exactly once, in order, and every trouble has a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError

from hub.app import Hub
from hub.store.tables_core import controllers, epochs, events, forks, gaps, quarantine, seals
from protocols.messages.event import GENESIS, event_hash
from protocols.messages.status import Will
from protocols.messages.topics import UP_EV, UP_NOTICE, UP_ST, UP_TM
from tests.hub import scripted_room as scripted
from tests.hub.booking.town import StandingClock


@pytest.fixture
def room(room_folder: Path) -> Any:
    return scripted.ScriptedRoom(room_folder)


@pytest.fixture
def wire(hub: Hub) -> Any:
    made = scripted.Wire()
    hub.fleet.transport = made
    return made


def _rows(hub: Hub, ctl: str) -> list[bytes]:
    with hub.store.read() as conn:
        query = select(events.c.raw).where(events.c.ctl == ctl).order_by(events.c.id)
        return [bytes(raw) for raw in conn.execute(query).scalars()]


def _facts(hub: Hub) -> list[str]:
    with hub.store.read() as conn:
        query = select(events.c.type).where(events.c.ctl == hub.config.hub)
        return list(conn.execute(query.order_by(events.c.id)).scalars())


def _standing(hub: Hub, epoch: str) -> str:
    with hub.store.read() as conn:
        return str(
            conn.execute(select(epochs.c.standing).where(epochs.c.epoch == epoch)).scalar_one()
        )


def _count(hub: Hub, table: Any) -> int:
    with hub.store.read() as conn:
        return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_batch_is_recorded_verbatim_and_acknowledged(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    for _ in range(4):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    assert _rows(hub, room.ctl) == stream.lines
    (ack,) = wire.acks()
    assert (ack.epoch, ack.upto, ack.hash, ack.resend) == (stream.epoch, 5, stream.tip, False)
    assert _count(hub, seals.select().where(seals.c.ctl == room.ctl).subquery()) == 1


def test_the_same_batch_twice_is_recorded_once(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    room.write(stream)
    for _ in range(3):
        hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    assert _rows(hub, room.ctl) == stream.lines
    assert [ack.upto for ack in wire.acks()] == [2, 2, 2]
    assert _count(hub, seals.select().where(seals.c.ctl == room.ctl).subquery()) == 1


def test_a_batch_of_a_later_epoch_is_recognised_when_it_comes_again(
    hub: Hub, room: Any, wire: Any
) -> None:
    """Both epochs have a row of every number; which is which is told by the epoch."""
    stream = room.open()
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    second = room.open(after=stream)
    room.write(second)
    for _ in range(2):
        hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    assert _rows(hub, room.ctl) == [*stream.lines, *second.lines]
    assert _standing(hub, second.epoch) == "open"
    assert [ack.hash for ack in wire.acks() if ack.epoch == second.epoch] == [second.tip] * 2


def test_what_was_not_committed_is_not_acknowledged(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()

    def refuse(_: object) -> None:
        raise OperationalError("COMMIT", {}, OSError("the disk went away"))

    event.listen(hub.store.engine, "commit", refuse)
    hub.ingest.take(room.topic(UP_EV), room.batch(stream))
    assert wire.acks() == []
    event.remove(hub.store.engine, "commit", refuse)
    assert _rows(hub, room.ctl) == []
    hub.ingest.take(room.topic(UP_EV), room.batch(stream))
    assert [ack.upto for ack in wire.acks()] == [1]


def test_a_hole_is_asked_for_again(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    for _ in range(5):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 1, 2))
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 4, 5))
    last = wire.acks()[-1]
    assert (last.upto, last.resend) == (2, True)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 3, 6))
    assert _rows(hub, room.ctl) == stream.lines


def test_another_version_of_a_row_is_kept_beside_and_alarmed(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    other = scripted.Stream(stream.epoch, stream.lines[:1])
    forged = room.write(other, data={"station": 2, "state": "taken"})
    hub.ingest.handle(room.topic(UP_EV), room.seal(stream.epoch, 2, [forged]))
    assert _rows(hub, room.ctl) == stream.lines
    assert _count(hub, forks) == 1
    assert "stream.fork" in _facts(hub)
    assert _standing(hub, stream.epoch) == "fork"
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 3))
    assert len(_rows(hub, room.ctl)) == 3
    assert wire.acks()[-1].upto == 3


@pytest.mark.parametrize(("trust", "late"), [("ntp", True), ("rtc", True), ("none", False)])
@pytest.mark.usefixtures("wire")
def test_only_a_trusted_clock_makes_an_event_old(
    hub: Hub, room: Any, trust: str, late: bool
) -> None:
    """A room whose clock was never set must not be a room whose faults page nobody."""
    room.at, room.at_trust = "2020-01-01T00:00:00.000Z", trust
    hub.ingest.handle(room.topic(UP_EV), room.batch(room.open()))
    with hub.store.read() as conn:
        found = conn.execute(select(events.c.late).where(events.c.ctl == room.ctl))
        assert found.scalar_one() is late


def test_a_declared_gap_closes_and_recording_goes_on(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    for _ in range(6):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 1, 2))
    second = room.open(after=stream)
    gap = {"epoch": stream.epoch, "from": 3, "to": 5, "cause": "rot"}
    room.write(second, "record.gap", gap)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    moved = {ack.epoch: ack for ack in wire.acks()}
    assert (moved[stream.epoch].upto, moved[stream.epoch].hash) == (5, GENESIS)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 6))
    assert wire.acks()[-1].upto >= 2
    with hub.store.read() as conn:
        (lost,) = conn.execute(select(gaps)).all()
        head = conn.execute(
            select(epochs.c.head).where(epochs.c.epoch == stream.epoch)
        ).scalar_one()
    assert (lost.epoch, lost.first, lost.last, lost.cause) == (stream.epoch, 3, 5, "rot")
    assert lost.told_in_epoch == second.epoch
    assert head == 7


@pytest.mark.usefixtures("wire")
def test_a_gap_that_was_waited_for_keeps_its_name_when_another_gap_reaches_it(
    hub: Hub, room: Any
) -> None:
    stream = room.open()
    for _ in range(5):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 1, 2))
    second = room.open(after=stream)
    for first, last, cause in ((5, 6, "pruned"), (3, 4, "rotten")):
        gap = {"epoch": stream.epoch, "from": first, "to": last, "cause": cause}
        room.write(second, "record.gap", gap)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    with hub.store.read() as conn:
        lost = {(one.first, one.last, one.cause) for one in conn.execute(select(gaps))}
    assert lost == {(3, 4, "rotten"), (5, 6, "pruned")}
    assert _facts(hub).count("stream.gap") == 2


def _cloned(hub: Hub, room: Any) -> Any:
    """Two living branches of one tip; returns the copy's stream."""
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    copy = room.open(after=stream, seq=3)
    hub.ingest.handle(room.topic(UP_EV), room.batch(copy))
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 5))
    return copy


def test_two_living_branches_are_a_clone_and_commands_wait(hub: Hub, room: Any, wire: Any) -> None:
    copy = _cloned(hub, room)
    assert _standing(hub, copy.epoch) == "clone"
    assert "stream.clone" in _facts(hub)
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "command", "c" * 32, b"command")
    assert "down/cmd" not in wire.leaves()
    with hub.store.write() as conn:
        hub.fleet.hold(conn, room.ctl, held=False)
    assert wire.leaves().count("down/cmd") == 1


def test_orders_and_plans_reach_a_clone_commands_wait_over_a_restart(
    open_hub: Callable[..., Hub], hub: Hub, room: Any, wire: Any
) -> None:
    _cloned(hub, room)
    again = open_hub()
    again.fleet.transport = line = scripted.Wire()
    again.rooms.rebuild()
    with again.store.write() as conn:
        again.fleet.publish_plan(conn, room.ctl)
        again.fleet.send(conn, room.ctl, "command", "c" * 32, b"command")
        again.fleet.send(conn, room.ctl, "order", "a" * 32, b"order")
        again.fleet.send(conn, room.ctl, "statement", "b" * 32, b"statement")
    assert line.leaves().count("down/cmd") == 2
    assert "down/plan" in line.leaves()
    with again.store.read() as conn:
        assert again.fleet.states(conn, "c" * 32)[room.ctl]["state"] == "queued"
    assert again.rooms.view(room.ctl).held  # type: ignore[union-attr]
    assert wire.leaves().count("down/cmd") == 0


@pytest.mark.parametrize("size", [20 * 1024, 300 * 1024])
@pytest.mark.usefixtures("wire")
def test_an_oversize_message_is_quarantined_and_blocks_nothing(
    hub: Hub, room: Any, size: int
) -> None:
    stream = room.open()
    good = room.batch(stream)
    big = good.replace(b'"cause":"start"', b'"cause":"' + b"s" * size + b'"')
    hub.ingest.handle(room.topic(UP_EV), big)
    assert _rows(hub, room.ctl) == []
    assert _count(hub, quarantine) == 1
    assert "stream.quarantine" in _facts(hub)
    hub.ingest.handle(room.topic(UP_EV), good)
    assert _rows(hub, room.ctl) == stream.lines


def test_an_event_above_16_kib_in_a_genuine_batch_is_kept_apart(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    line = room.write(stream)
    poison = line[:-2] + b',"pad":"' + b"x" * (20 * 1024) + b'"}}'
    hub.ingest.handle(room.topic(UP_EV), room.seal(stream.epoch, 1, [stream.lines[0], poison]))
    assert _rows(hub, room.ctl) == stream.lines[:1]
    assert wire.acks()[-1].upto == 1
    assert _count(hub, quarantine) == 1


@pytest.mark.parametrize("damage", ["signature", "other_key", "garbage"])
def test_what_is_not_genuine_is_quarantined_once_and_counted(
    hub: Hub, room: Any, wire: Any, damage: str
) -> None:
    stream = room.open()
    good = room.batch(stream)
    at = good.index(b'"sig":"') + len(b'"sig":"')
    bad = {
        "signature": good[:at] + b"%x" % (int(good[at : at + 1], 16) ^ 1) + good[at + 1 :],
        "other_key": good.replace(room.signer.kid.encode(), b"0" * 16),
        "garbage": b"\xff\x00 no message",
    }[damage]
    for _ in range(3):
        hub.ingest.handle(room.topic(UP_EV), bad)
    with hub.store.read() as conn:
        (row,) = conn.execute(select(quarantine)).all()
    assert row.times == 3
    assert wire.acks() == []
    assert _facts(hub).count("stream.quarantine") == 1
    hub.ingest.handle(room.topic(UP_EV), good)
    assert _rows(hub, room.ctl) == stream.lines


def test_an_unknown_type_is_recorded_and_blocks_no_projection(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    room.write(stream, "future.thing", {"x": 1})
    room.write(stream, "media.segment", {"not": "a segment"})
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert _rows(hub, room.ctl) == stream.lines
    assert wire.acks()[-1].upto == 4
    with hub.store.read() as conn:
        marked = conn.exec_driver_sql("SELECT handler, seq FROM unreadable").all()
    assert [tuple(row) for row in marked] == [("media.refs", 3)]


def test_what_is_no_event_to_this_program_is_recorded_all_the_same(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    line = room.write(stream).replace(b'"seat.state"', b'"seat.\xff"')
    hub.ingest.handle(room.topic(UP_EV), room.seal(stream.epoch, 1, [stream.lines[0], line]))
    assert _rows(hub, room.ctl) == [stream.lines[0], line]
    assert [ack.upto for ack in wire.acks()] == [2]


def test_a_will_makes_the_hub_look_and_takes_nothing_away(hub: Hub, room: Any, wire: Any) -> None:
    """Wills come late, twice, or from a connection that has long been replaced."""
    stream = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    before = hub.rooms.link(room.ctl)
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_ST), Will(room.ctl, "boot").encode())
    assert wire.leaves() == ["down/ping"]
    assert hub.rooms.link(room.ctl).birth == before.birth
    assert before.birth is not None


def test_a_room_nobody_enrolled_gets_no_answer(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    with hub.store.write() as conn:
        conn.execute(controllers.update().values(state="replaced"))
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    assert _rows(hub, room.ctl) == []
    assert wire.sent == []


def test_a_birth_is_answered_with_ack_plan_commands_in_this_order(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    with hub.store.write() as conn:
        hub.fleet.publish_plan(conn, room.ctl)
        hub.fleet.send(conn, room.ctl, "order", "a" * 32, b"an order")
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    assert wire.leaves() == ["down/ack", "down/plan", "down/cmd", "down/ping"]
    assert wire.acks()[0].re == room.ask


def test_a_pong_behind_the_head_is_acknowledged_again(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=2))
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=2))
    assert wire.acks() == []
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=0))
    (ack,) = wire.acks()
    assert (ack.upto, ack.resend, ack.re) == (2, False, room.ask)


def test_what_a_room_was_told_of_older_epochs_is_told_again_each_minute(
    hub: Hub, room: Any, wire: Any
) -> None:
    """No pong names an older epoch: what was said of it at the greeting may have been lost."""
    clock = hub.ingest._clock = StandingClock()  # type: ignore[assignment]
    older = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(older))
    newer = room.open(after=older)
    hub.ingest.handle(room.topic(UP_EV), room.batch(newer))
    hub.ingest.handle(room.topic(UP_TM), room.pong(newer, acked=1))
    wire.sent.clear()

    clock.pass_s(59)
    hub.ingest.handle(room.topic(UP_TM), room.pong(newer, acked=1))
    assert wire.acks() == []
    clock.pass_s(1)
    hub.ingest.handle(room.topic(UP_TM), room.pong(newer, acked=1))
    told = {ack.epoch: (ack.upto, ack.resend) for ack in wire.acks()}
    assert told == {older.epoch: (1, True), newer.epoch: (1, False)}


def test_a_greeting_asks_for_the_predecessor_that_never_came(
    hub: Hub, room: Any, wire: Any
) -> None:
    """After a restore whole epochs are unknown here, and the room believes them acknowledged."""
    older = room.open()
    newer = room.open(after=older)
    hub.ingest.handle(room.topic(UP_EV), room.batch(newer))
    wire.sent.clear()

    hub.ingest.handle(room.topic(UP_ST), room.birth(newer))

    told = {ack.epoch: (ack.upto, ack.hash, ack.resend) for ack in wire.acks()}
    assert told[older.epoch] == (0, GENESIS, True)


def test_a_wire_the_hub_does_not_speak_is_refused(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    newer = {**json.loads(room.birth(stream, wire=2)), "what_we_do_not_know_yet": 1}
    hub.ingest.handle(room.topic(UP_ST), json.dumps(newer).encode())
    assert wire.sent == []
    assert _count(hub, quarantine) == 0
    assert "wire 2" in hub.rooms.link(room.ctl).refused
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=0))
    assert wire.sent == [], "nor is its pong answered"
    assert hub.rooms.link(room.ctl).reachable is True
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    assert wire.acks() != [], "one it speaks is"


def test_a_restored_hub_goes_beyond_what_a_room_without_a_plan_has_seen(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    seen = {**json.loads(room.birth(stream)), "seen": 7}
    hub.ingest.handle(room.topic(UP_ST), json.dumps(seen).encode())
    assert {ack.generation for ack in wire.acks()} == {8}


def test_a_birth_of_an_impossible_generation_moves_nothing(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    for generation in (2**53 - 1, 1_002):
        hub.ingest.handle(room.topic(UP_ST), room.birth(stream, generation=generation))
    assert wire.sent == []
    assert "stream.quarantine" in _facts(hub)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    assert wire.acks()[0].generation == 1


def test_a_room_whose_clock_is_set_back_is_as_of_its_newest_row(hub: Hub, room: Any) -> None:
    stream = room.open()
    room.at = "2026-11-30T04:46:13.000Z"
    room.write(stream)
    room.at = "2026-11-24T01:01:40.000Z"
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.rooms.refresh()
    view = hub.rooms.view(room.ctl)
    assert view is not None
    assert view.as_of == room.at


def test_a_notice_is_shown_until_its_row_arrives(hub: Hub, room: Any) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_NOTICE), room.batch(stream, 4))
    view = hub.rooms.view(room.ctl)
    assert view is not None
    assert [event.seq for event in view.notices] == [4]
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    after = hub.rooms.view(room.ctl)
    assert after is not None
    assert after.notices == ()


def test_a_restarted_hub_goes_on_where_it_was(
    open_hub: Callable[..., Hub], hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    run = wire.acks()[0].run
    again = open_hub()
    again.fleet.transport = line = scripted.Wire()
    again.rooms.rebuild()
    room.write(stream)
    again.ingest.handle(room.topic(UP_EV), room.batch(stream))
    (ack,) = line.acks()
    assert (ack.upto, ack.hash) == (3, event_hash(stream.lines[2]))
    assert ack.run != run
    assert _rows(again, room.ctl) == stream.lines


def test_an_event_on_a_day_that_never_was_is_recorded_like_any_other(
    hub: Hub, room: Any, wire: Any
) -> None:
    stream = room.open()
    line = room.write(stream)
    stream.lines[-1] = line.replace(b"2026-11-23T", b"2026-02-30T")
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    assert _rows(hub, room.ctl) == stream.lines
    assert wire.acks()[-1].upto == 2
    assert hub.ingest.counts.failed == 0
