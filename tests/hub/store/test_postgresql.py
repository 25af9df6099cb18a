"""The whole hub on PostgreSQL: one server in a temporary folder, a fresh database for each test."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, Table, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from hub import streams
from hub.app import build
from hub.archive.checking import check as check_package
from hub.bus import Bus
from hub.clock import Clock
from hub.config import Config, ConfigError, load
from hub.ingest import Ingest
from hub.initialise import init, new_hub_id
from hub.problems import Problem
from hub.projection import Projector
from hub.store import engine
from hub.store.engine import Store, get_meta, set_meta
from hub.store.migrate import SchemaError, check, upgrade
from hub.store.tables_business import booking_station, session_order
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
    build_town,
    published,
    request_body,
    room_signer,
)
from tests.hub.scripted_room import ScriptedRoom, Stream, Wire

pytestmark = pytest.mark.slow

PROGRAMS = Path("/usr/lib/postgresql")
CROWD = 50
ALTERED = 2


def _bin() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed: sudo apt-get install -y postgresql")
    return found[-1].parent


def _free_port() -> int:
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a fresh cluster; PostgreSQL never runs as root, so root borrows its user."""
    programs, port = _bin(), _free_port()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data = folder / "data"

    def run(*words: str | Path) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **who)

    run(programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    run(*control, "-o", options, "start")
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    run(*control, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> str:
    """Address of an empty database of this test's own."""
    root = Store(f"{server}/postgres")
    with root.engine.connect() as raw:
        conn = raw.execution_options(isolation_level="AUTOCOMMIT")
        many = conn.execute(text("SELECT count(*) FROM pg_database")).scalar_one()
        name = f"t{many}"
        conn.execute(text(f"CREATE DATABASE {name}"))
    root.close()
    return f"{server}/{name}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The same with the hub's tables."""
    made = Store(url)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def town(url: str, tmp_path: Path) -> Iterator[Town]:
    """Two venues with people, rooms and keys."""
    made = build_town(tmp_path, url=url)
    yield made
    made.store.close()


@pytest.fixture
def second(url: str, tmp_path: Path, town: Town) -> Iterator[Town]:
    """Another process' worth of the same hub: connections, locks and state of its own."""
    made = build_town(tmp_path, url=url, like=town)
    yield made
    made.store.close()


def scripted(town: Town) -> ScriptedRoom:
    """The guest room, with the real messages."""
    room = ScriptedRoom.__new__(ScriptedRoom)  # its keys lie in no enrolment folder here
    room.ctl, room.signer = CTLS["changsha"], room_signer(town, "changsha")
    room.streams, room.at, room.ask = {}, "2026-11-16T02:00:00.000Z", "0" * 16
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


# The schema and what it refuses


def test_an_empty_database_gets_every_table_and_a_second_start_changes_nothing(
    store: Store,
) -> None:
    check(store)
    with store.read() as conn:
        before = conn.execute(text("SELECT count(*) FROM pg_class")).scalar_one()
    upgrade(store)
    check(store)
    with store.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM pg_class")).scalar_one() == before


DAMAGES = (
    ("DROP TRIGGER events_keep ON events", "events_keep"),
    ("ALTER TABLE events DISABLE TRIGGER events_keep", "events_keep"),
    ("DROP TRIGGER case_decision_is_final ON case_decision", "case_decision_is_final"),
    ("ALTER TABLE booking_station DROP CONSTRAINT booking_no_overlap", "booking_no_overlap"),
    ("ALTER TABLE rooms ADD COLUMN x TEXT", "unknown column rooms.x"),
    ("DROP TABLE notices", "no table notices"),
)


def test_a_database_that_differs_is_refused(store: Store) -> None:
    for damage, named in DAMAGES:
        with suppress(_UndoneError), store.write() as conn:
            conn.execute(text(damage))
            with pytest.raises(SchemaError, match=named):
                check(store)
            raise _UndoneError
    check(store)


class _UndoneError(Exception):
    """Rolls a transaction back."""


EVENT = {
    "ctl": "c-000000000000",
    "epoch": "0" * 32,
    "seq": 1,
    "hash": "0" * 64,
    "session": "",
    "type": "x",
    "raw": b"x",
    "recorded_at": NOW,
    "late": False,
}
ORDER = {
    "id": "o",
    "session": "s",
    "n": 1,
    "order": "open",
    "members": [],
    "venues": [],
    "by": {},
    "via": "hub",
    "raw": b"x",
    "issued_at": NOW,
}


@pytest.mark.parametrize(("table", "row"), [(events, EVENT), (session_order, ORDER)])
def test_what_was_recorded_or_ordered_is_never_rewritten(
    store: Store, table: Table, row: dict[str, Any]
) -> None:
    with store.write() as conn:
        conn.execute(table.insert().values(row))
    for act in ("UPDATE {} SET raw = raw", "DELETE FROM {}", "TRUNCATE {}"):
        refused = pytest.raises(IntegrityError, match=f"{table.name}_is_final")
        with refused, store.write() as conn:
            conn.execute(text(act.format(table.name)))
    with store.read() as conn:
        assert bytes(conn.execute(select(table.c.raw)).scalar_one()) == b"x"


def test_what_was_acknowledged_is_on_the_servers_disk(url: str, store: Store) -> None:
    name = url.rsplit("/", 1)[1]
    with store.write() as conn:
        conn.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    with closing(Store(url)) as fresh, fresh.read() as conn:
        assert conn.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        assert conn.execute(text("SHOW lock_timeout")).scalar_one() == "30s"


def test_a_reading_sees_one_state_whatever_is_written_meanwhile(store: Store) -> None:
    def generation(conn: Connection) -> str:
        return get_meta(conn, "generation", "1")

    with store.read() as conn:
        assert generation(conn) == "1"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_set_generation, store, "2").result()
        assert generation(conn) == "1"
    with store.read() as conn:
        assert generation(conn) == "2"


def _set_generation(store: Store, value: str) -> None:
    with store.write() as conn:
        set_meta(conn, "generation", value)


def test_lines_a_restarted_server_cut_are_replaced(store: Store) -> None:
    with store.read() as conn:
        assert get_meta(conn, "x") == ""
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> :own"
        " AND datname = current_database()"
    )
    with closing(Store(store.engine.url.render_as_string())) as other, other.write() as conn:
        own = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert True in conn.execute(cut, {"own": own}).scalars().all()
    _set_generation(store, "3")
    with store.read() as conn:
        assert get_meta(conn, "generation") == "3"


def test_a_writer_waits_for_the_other_process_and_not_for_ever(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    with closing(Store(url)) as other, store.write() as conn:
        set_meta(conn, "generation", "1")
        with pytest.raises(OperationalError, match="lock timeout"), other.write():
            raise AssertionError("two writers at once")
    with closing(Store(url)) as other, other.write() as conn:
        set_meta(conn, "generation", "2")


def test_a_hub_is_made_and_opened_on_it(url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    init(Config(data=data, hub=new_hub_id(), database=url))
    hub = build(load(data))
    with closing(hub), hub.store.read() as conn:
        assert hub.store.dialect == "postgresql"
        assert get_meta(conn, "hub") == hub.config.hub
    assert not (data / "hub.sqlite").exists()


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    where = f"postgresql+psycopg://hub:secret@127.0.0.1:{_free_port()}/evalroom"
    with pytest.raises(ConfigError, match=r"(?s)where.*expected.*got.*do:") as caught:
        build(Config(data=tmp_path, hub=new_hub_id(), database=where))
    assert "secret" not in str(caught.value)


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
