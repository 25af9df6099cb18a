"""The hub's work on PostgreSQL: recording by many writers, bookings, a session, its package."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from hub.archive.checking import check as check_package
from hub.bus import Bus
from hub.clock import Clock
from hub.problems import Problem
from hub.projection import Projector
from hub.recording import streams
from hub.recording.ingest import Ingest
from hub.store.engine import Store
from hub.store.tables_business import booking_station
from hub.store.tables_core import events, gaps, seals, unreadable
from protocols.messages.event import decode_event, encode_event, event_hash
from protocols.messages.recording import StreamHead
from protocols.messages.strict import INTEGER_MAX
from protocols.messages.topics import UP_EV, topic
from tests.hub.booking.roomscript import evaluated, order, rooms_of
from tests.hub.booking.town import (
    CTLS,
    NOW,
    PASSWORD,
    PIN,
    Town,
    published,
    request_body,
    room_signer,
)
from tests.hub.scripted_room import ScriptedRoom, Stream, Wire

pytestmark = pytest.mark.slow

CROWD = 50
ALTERED = 2


@pytest.fixture
def store(served: Store) -> Store:
    """The hub's tables in an empty database."""
    return served


@pytest.fixture
def town(served_town: Town) -> Town:
    """Two venues with people, rooms and keys."""
    return served_town


def scripted(town: Town) -> ScriptedRoom:
    """The guest room, with the real messages."""
    room = ScriptedRoom.__new__(ScriptedRoom)  # its keys lie in no enrolment folder here
    room.ctl, room.signer = CTLS["changsha"], room_signer(town, "changsha")
    room.streams, room.at, room.ask = {}, "2026-11-16T02:00:00.000Z", "0" * 16
    room.at_trust = "ntp"
    return room


def together(*acts: Callable[[], object]) -> None:
    """Runs acts in threads that start at one moment; what one raises fails the test."""
    ready, failed = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []


# Recording


def test_batches_by_many_writers_are_recorded_once_in_order_as_they_were_written(
    town: Town, second: Town
) -> None:
    room = scripted(town)
    opened = [room.open()]
    opened.append(room.open(after=opened[0], seq=1))
    for stream in opened:
        for _ in range(30):
            room.write(stream)
    pieces = [
        room.batch(stream, first, first + size)
        for stream in opened
        for first in range(1, len(stream.lines) + 1, 5)
        for size in (3, 7)
    ]

    def send(here: Town, seed: int) -> None:
        mixed = random.Random(seed).sample(pieces, len(pieces))  # noqa: S311 - a script, no secret
        for raw in (*mixed, *pieces):
            here.recorder.batch(room.ctl, raw)

    together(*(partial(send, here, n) for n in range(3) for here in (town, second)))
    with town.store.read() as conn:
        for stream in opened:
            rows = conn.execute(
                select(events.c.seq, events.c.raw)
                .where(events.c.ctl == room.ctl, events.c.epoch == stream.epoch)
                .order_by(events.c.id)
            ).all()
            assert [row.seq for row in rows] == list(range(1, len(stream.lines) + 1))
            assert [bytes(row.raw) for row in rows] == stream.lines
            head = streams.load_head(conn, room.ctl, stream.epoch)
            assert head is not None
            assert (head.head, head.head_hash) == (len(stream.lines), stream.tip)
            covered = conn.execute(
                select(seals.c.first, seals.c.last)
                .where(seals.c.epoch == stream.epoch)
                .order_by(seals.c.id)
            ).all()
            assert covered[-1].last == len(stream.lines)


def test_two_writers_without_the_lock_cannot_both_move_a_head(town: Town) -> None:
    """The lock only keeps the order of row ids; what makes recording safe is compare-and-set."""
    room = scripted(town)
    stream = room.open()
    town.recorder.batch(room.ctl, room.batch(stream))
    first, other = town.store.engine.connect(), town.store.engine.connect()
    with closing(first), closing(other):
        seen = [streams.load_head(conn, room.ctl, stream.epoch) for conn in (first, other)]
        assert seen[0] is not None
        moved = replace(seen[0], head=2, head_hash=event_hash(b"2"))
        streams.save_head(first, seen[0], moved, at=NOW)
        first.commit()
        with pytest.raises(streams.HeadMovedError):
            streams.save_head(other, seen[1], moved, at=NOW)
        other.rollback()
        fresh = StreamHead(ctl=room.ctl, epoch="f" * 32)
        streams.save_head(first, None, fresh, at=NOW)
        first.commit()
        with pytest.raises(streams.HeadMovedError):
            streams.save_head(other, None, fresh, at=NOW)


def test_a_batch_is_acknowledged_after_its_commit_and_a_lost_race_is_run_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    town.fleet.transport = wire
    ingest = Ingest(
        store=town.store,
        clock=cast("Clock", town.clock),
        keys=town.keys,
        facts=town.facts,
        rooms=town.rooms,
        fleet=town.fleet,
        bus=town.bus,
    )
    room = scripted(town)
    stream = room.open()
    room.write(stream)
    save, races = streams.save_head, []

    def raced(*args: Any, **more: Any) -> None:
        if not races:
            races.append(1)
            raise streams.HeadMovedError("another writer was quicker")
        save(*args, **more)

    monkeypatch.setattr(streams, "save_head", raced)
    ingest.handle(topic(room.ctl, UP_EV), room.batch(stream))
    (ack,) = wire.acks()
    assert (ack.upto, ack.hash, races) == (2, stream.tip, [1])


def test_numbers_up_to_the_contracts_largest_are_kept(town: Town) -> None:
    room = scripted(town)
    stream = room.open()
    town.recorder.batch(room.ctl, room.batch(stream))
    ahead = room.write(Stream(stream.epoch, list(stream.lines)))
    told = decode_event(ahead)
    far = encode_event(replace(told, seq=INTEGER_MAX))
    assert town.recorder.notice(room.ctl, room.seal(stream.epoch, INTEGER_MAX, [far])) == 1
    child = room.open(after=stream)
    lost = {"epoch": stream.epoch, "from": 2, "to": INTEGER_MAX - 1, "cause": "rot"}
    room.write(child, "record.gap", lost)
    assert town.recorder.batch(room.ctl, room.batch(child)).recorded == 2
    with town.store.read() as conn:
        assert conn.execute(select(gaps.c.last)).scalar_one() == INTEGER_MAX - 1


def test_projections_go_on_behind_their_cursor(town: Town, second: Town) -> None:
    seen: list[int] = []
    for here in (town, second):
        with here.store.write() as conn:
            here.facts.append(conn, type="alarm.acked", session="", data={"n": len(seen)})
    projector = Projector(store=town.store, clock=cast("Clock", town.clock), bus=Bus())
    projector.register("n", lambda _c, row: seen.append(row.id), ("alarm.acked",))
    projector.run_pending()
    projector.run_pending()
    assert len(seen) == 2
    assert seen == sorted(seen)


# Booking, session, cases


def test_of_fifty_at_once_for_one_slot_exactly_one_gets_it(town: Town, second: Town) -> None:
    outcomes: list[str] = []

    def ask(here: Town) -> None:
        try:
            here.booking.request(here.who("hubei.operator"), request_body())
            outcomes.append("held")
        except Problem as problem:
            outcomes.append(problem.code)

    together(*(partial(ask, here) for _ in range(CROWD // 2) for here in (town, second)))
    assert sorted(outcomes) == ["booking_no_overlap"] * (CROWD - 1) + ["held"]


def test_the_constraint_alone_keeps_a_station_from_being_held_twice(store: Store) -> None:
    """Without the hub's lock and checks; times may touch, and what was declined holds nothing."""

    def hold(begins: int, ends: int, state: str = "confirmed") -> str:
        row = {"kind": "block", "org": "hubei", "station_id": "hubei-301-1", "state": state}
        hours = [NOW + timedelta(hours=n) for n in (begins, ends)]
        try:
            with store.engine.begin() as conn:
                held = {**row, "occupied_from": hours[0], "occupied_to": hours[1]}
                conn.execute(insert(booking_station).values(held))
        except IntegrityError as error:
            return "refused" if "booking_no_overlap" in str(error) else str(error)
        return "held"

    outcomes: list[str] = []
    together(*(lambda: outcomes.append(hold(0, 4)) for _ in range(8)))
    assert sorted(outcomes) == ["held"] + ["refused"] * 7
    assert [hold(4, 8), hold(-4, 0), hold(3, 5), hold(3, 5, "declined")] == [
        "held",
        "held",
        "refused",
        "held",
    ]


def test_a_session_with_orders_statements_a_case_and_its_decision(town: Town) -> None:
    published(town)
    rooms = rooms_of(town)
    session = rooms["hubei"].session
    order(town, rooms, "open", "check_in")
    rooms["hubei"].check_in(1, 1)
    order(town, rooms, "start", "evaluating")
    rooms["hubei"].segment(b"ftyp" * 50)
    manager = town.who("hubei.home_manager")
    town.sessions.statement_by_two(
        manager,
        session,
        1,
        "report",
        "signed",
        PIN,
        "hubei.witness",
        PIN,
        digest="0" * 64,
    )
    fault = {"fault": "power-1", "kind": "power", "device": "", "what": "lost", "p": "unset"}
    rooms["changsha"].say("fault.raised", {**fault, "consequence": "ups_carries", "cause": ""})
    (case,) = town.contingency.list(open_only=True)
    town.contingency.ack(manager, case["case"])
    town.contingency.decide(
        manager, case["case"], "wait", PIN, "hubei.witness", PIN, reason="等待", scope="venue"
    )
    view = town.sessions.view(session)
    assert (view["state"], view["phase"]) == ("in_use", "evaluating")
    assert [one["order"] for one in view["orders"]] == ["open", "start"]
    assert [(one["member"], one["outcome"]) for one in view["statements"]] == [(1, "signed")]
    assert sum(lane["segments"] for lane in view["lanes"]) == 1
    assert town.sessions.timeline(session)["entries"]
    (kept,) = town.contingency.view(case["case"])["decisions"]
    assert len(kept["proof"]["sigs"]) == 2
    with town.store.read() as conn:
        assert conn.execute(select(unreadable.c.reason)).scalars().all() == []


def test_a_whole_day_is_handed_over_and_nothing_in_it_is_altered(town: Town) -> None:
    published(town)
    session = evaluated(town)["hubei"].session
    coordinator = town.who("changsha.guest_coordinator")
    for member in (4, 5):
        town.archive.enter_appraisal(coordinator, session, member, [], None, "履职正常。")
    made = town.archive.build_package(town.who("changsha.home_manager"), session, PASSWORD)
    folder = town.data / "packages" / str(made["package"])
    report = check_package(folder, town.keys.trust().encode(), "en")
    assert made["state"] == "offered"
    assert report.code != ALTERED, "\n".join(report.lines())
    assert report.counts["segments"] == 3
