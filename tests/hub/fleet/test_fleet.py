"""Pings, silence, plans and the four states of what was sent, with a clock the test turns."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub import crypto
from hub.app import Hub
from hub.store.tables_core import outgoing, plans
from protocols.messages.bodies import Ping, read_plan
from protocols.messages.event import decode_event
from protocols.messages.signed import parse_message
from protocols.messages.topics import UP_EV, UP_ST, UP_TM
from protocols.policy.pack import Pack
from tests.hub import scripted_room as scripted

SESSION = "s-0123456789ab"
ORDER = "d" * 32


class HandClock:
    """A clock the test turns."""

    def __init__(self) -> None:
        self.ms = 1_000_000
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def mono_ms(self) -> int:
        return self.ms

    def wall(self) -> datetime:
        return self.now

    def trust(self) -> str:
        return "ntp"

    def go(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(hub: Hub) -> HandClock:
    made = HandClock()
    for part in (hub.fleet, hub.rooms, hub.ingest, hub.ingest.recorder, hub.keys, hub.facts):
        part._clock = made  # type: ignore[assignment]
    hub.rooms.rebuild()
    hub.rooms._rooms.clear()
    hub.rooms.rebuild()
    return made


@pytest.fixture
def room(room_folder: Path) -> Any:
    return scripted.ScriptedRoom(room_folder)


@pytest.fixture
def wire(hub: Hub) -> Any:
    made = scripted.Wire()
    hub.fleet.transport = made
    return made


def test_a_ping_every_five_seconds(hub: Hub, clock: HandClock, wire: Any) -> None:
    pings = 0
    for _ in range(20):
        hub.fleet.tick()
        clock.go(1)
    pings = wire.leaves().count("down/ping")
    assert pings == 4
    nonces = {Ping.decode(raw).nonce for _, raw, _ in wire.sent}
    assert len(nonces) == 4
    assert {qos for _, _, qos in wire.sent} == {0}


@pytest.mark.usefixtures("wire")
def test_fifteen_seconds_without_a_pong_is_unreachable_and_said_once(
    hub: Hub, clock: HandClock, room: Any
) -> None:
    turns: list[bool | None] = []
    hub.rooms.on_link(lambda _ctl, link: turns.append(link.reachable))
    stream = room.open()
    assert hub.rooms.link(room.ctl).reachable is None
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=0))
    for _ in range(14):
        clock.go(1)
        hub.fleet.tick()
    assert hub.rooms.link(room.ctl).reachable is True
    for _ in range(10):
        clock.go(1)
        hub.fleet.tick()
    view = hub.rooms.view(room.ctl)
    assert view is not None
    assert view.link.reachable is False
    assert view.age_s == 24
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=0))
    assert turns == [True, False, True]


@pytest.mark.usefixtures("wire")
def test_a_room_that_never_answered_is_unknown_first(hub: Hub, clock: HandClock, room: Any) -> None:
    clock.go(14)
    hub.fleet.tick()
    assert hub.rooms.link(room.ctl).reachable is None
    clock.go(1)
    hub.fleet.tick()
    assert hub.rooms.link(room.ctl).reachable is False


def test_a_plan_carries_pack_and_calendar_and_is_made_once(hub: Hub, room: Any, wire: Any) -> None:
    with hub.store.write() as conn:
        assert hub.fleet.publish_plan(conn, room.ctl) == (1, 1)
        assert hub.fleet.publish_plan(conn, room.ctl) == (1, 1)
    (raw, *_) = [raw for name, raw, _ in wire.sent if name.endswith("down/plan")]
    plan = read_plan(parse_message(raw, limit=128 * 1024))
    assert plan.body is not None
    assert plan.body["place"]["id"] == "changsha-2"
    canonical = json.dumps(
        plan.body["pack"], ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
    assert Pack.from_canonical(canonical.encode()).hash == hub.pack.hash
    stream = room.open()
    answer = {"generation": 1, "n": 1, "hash": plan.hash, "sessions": []}
    room.write(stream, "plan.accepted", answer)
    other = {"generation": 1, "n": 1, "hash": "0" * 64, "reason": "other_hash"}
    room.write(stream, "plan.refused", other)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    with hub.store.read() as conn:
        assert conn.execute(select(plans.c.state)).scalar_one() == "accepted", "ours, by its hash"


def _state(hub: Hub) -> str:
    with hub.store.read() as conn:
        return str(conn.execute(select(outgoing.c.state)).scalar_one())


def test_an_order_is_sent_until_the_rooms_events_answer(
    hub: Hub, clock: HandClock, room: Any, wire: Any
) -> None:
    stream = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "order", ORDER, b"raw")
        hub.fleet.send(conn, room.ctl, "order", ORDER, b"raw")
    assert _state(hub) == "sent"
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    assert wire.leaves().count("down/cmd") == 1
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=1))
    assert "down/cmd" not in wire.leaves()
    clock.go(25)
    hub.ingest.handle(room.topic(UP_TM), room.pong(stream, acked=1))
    assert wire.leaves().count("down/cmd") == 1
    change = {"from": "idle", "to": "check_in", "by": "order", "order": ORDER}
    room.write(stream, "phase.changed", change, session=SESSION)
    room.write(stream, "order.accepted", {"id": ORDER}, session=SESSION)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert _state(hub) == "acted"
    wire.sent.clear()
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))
    assert "down/cmd" not in wire.leaves()
    room.write(stream, "order.refused", {"id": ORDER, "reason": "again"}, session=SESSION)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert _state(hub) == "acted", "what was done is not undone by a refusal"


@pytest.mark.usefixtures("wire")
def test_a_refusal_keeps_its_reason(hub: Hub, room: Any) -> None:
    stream = room.open()
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "order", ORDER, b"raw")
    refused = {"id": ORDER, "order": "start", "reason": "members_missing", "missing": []}
    room.write(stream, "order.refused", refused, session=SESSION)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    with hub.store.read() as conn:
        states = hub.fleet.states(conn, ORDER)
    assert states[room.ctl]["state"] == "refused"
    assert states[room.ctl]["reason"] == "members_missing"


@pytest.mark.usefixtures("wire")
def test_what_only_bore_an_orders_name_is_refused_and_the_order_may_still_come(
    hub: Hub, room: Any
) -> None:
    stream = room.open()
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "order", ORDER, b"raw")
    forged = {"id": "", "named": ORDER, "order": "start", "reason": "unsigned", "missing": []}
    room.write(stream, "order.refused", forged, session=SESSION)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert _state(hub) == "refused"
    room.write(stream, "order.accepted", {"id": ORDER}, session=SESSION)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert _state(hub) == "accepted"


def test_an_unknown_kind_is_our_own_mistake(hub: Hub, room: Any) -> None:
    with pytest.raises(ValueError, match="expected one of"), hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "wish", ORDER, b"")


@pytest.mark.usefixtures("wire")
def test_rows_older_than_ten_minutes_are_found_later(hub: Hub, clock: HandClock, room: Any) -> None:
    late: dict[int, bool] = {}
    hub.projector.register("test.late", lambda _c, row: late.update({row.seq: row.late}))
    stream = room.open()
    clock.go(9 * 60)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    room.write(stream)
    clock.go(2 * 60)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.projector.run_pending()
    assert (late[1], late[2]) == (False, True)


@pytest.mark.usefixtures("wire")
def test_the_live_fold_is_the_same_after_a_rebuild(hub: Hub, room: Any) -> None:
    stream = room.open()
    room.write(stream, "power.state", {"mains": "off", "ups": "battery", "charge_pct": 80})
    room.write(stream, "network.state", {"rung": "ok"})
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    hub.rooms.refresh()
    before = hub.rooms.state(room.ctl)
    assert before is not None
    assert before.power.mains == "off"
    hub.rooms.rebuild()
    assert hub.rooms.state(room.ctl) == before


def test_the_hubs_facts_are_sealed_and_chained(hub: Hub) -> None:
    with hub.store.read() as conn:
        rows = conn.exec_driver_sql(
            "SELECT e.raw, e.seq, s.header, s.sigs FROM events e JOIN seals s ON s.ctl = e.ctl"
            " AND s.epoch = e.epoch AND s.first = e.seq ORDER BY e.id"
        ).all()
    assert len(rows) > 20
    ring = hub.keys.keyring()
    for raw, seq, header, sigs in rows:
        sealed = parse_message(b"\n".join((header, raw, sigs, b"")), limit=64 * 1024)
        (actor,) = ring.signers(sealed, crypto.verify)
        assert actor.principal.kind == "hub"
        assert decode_event(raw).seq == seq


def test_a_room_of_another_wire_version_is_refused_in_words_until_it_is_updated(
    hub: Hub, clock: HandClock, room: Any
) -> None:
    """Not a failure: the hub pings it, answers nothing, and says which versions these are."""
    stream = room.open()
    wire = scripted.Wire()
    hub.fleet.transport = wire
    hub.ingest.handle(room.topic(UP_ST), room.birth(stream, wire=2))
    assert hub.rooms.link(room.ctl).refused == "wire 2, this hub speaks 1"
    clock.go(6)
    hub.fleet.tick()
    assert {name.rsplit("/", 1)[1] for name, *_ in wire.sent} == {"ping"}

    hub.ingest.handle(room.topic(UP_ST), room.birth(stream))

    assert hub.rooms.link(room.ctl).refused == ""
    assert "ack" in {name.rsplit("/", 1)[1] for name, *_ in wire.sent}
