"""The hub and its witnesses: two real sides of the topic, joined by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from edge.clock import Clock
from edge.inbox import Inbox
from edge.journal import Journal
from edge.runtime import Runtime
from edge.witness import BEGAN, KV_WITNESS, Witness
from hub import crypto
from hub.app import Hub, build
from hub.cli.enroll import enroll
from hub.cli.reopen import reopen_log
from hub.config import ConfigError
from hub.store.tables_core import quarantine
from hub.store.tables_log import log_cosignature, log_witness
from hub.transparency import tree
from hub.transparency.log import SHRUNK, known_note, newest_checkpoint
from hub.transparency.witnesses import Witnesses, asked_now
from protocols.evidence.checkpoint import (
    TYPE_COSIGNATURE,
    NoteSignature,
    cosigned_at,
    joined,
    key_id,
    parse_note,
    parse_question,
)
from protocols.messages.topics import DOWN_CHECKPOINT, UP_COSIGN, topic
from protocols.messages.trust import TrustFile
from tests.edge.room_bench import config, demo_pack
from tests.hub.scripted_room import ScriptedRoom
from tests.hub.transparency.test_log import facts, read_all, record
from tests.protocols.evidence.test_checkpoint import SPEC
from tests.protocols.messages.wire_keys import verify


@dataclass
class Line:
    """Carries what the hub publishes to the rooms, and their answers back at once."""

    hub: Hub
    rooms: dict[str, Room] = field(default_factory=dict)
    up: bool = True
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        del qos
        for ctl, room in self.rooms.items():
            if name == topic(ctl, DOWN_CHECKPOINT):
                self.asked.append((ctl, payload))
                answer = room.hears(payload) if self.up else b""
                if answer:
                    self.hub.ingest.handle(topic(ctl, UP_COSIGN), answer)


class Room:
    """A real journal, runtime and witness with the keys of an enrolment folder."""

    def __init__(self, folder: Path, where: Path) -> None:
        self.ctl = json.loads((folder / "id.json").read_text(encoding="utf-8"))["ctl"]
        trust = TrustFile.decode((folder / "trust.json").read_bytes())
        seed = crypto.read_private(folder / "sign.key")
        clock, draws = Clock(), iter(range(1, 10_000))
        self.journal = Journal.open(
            where,
            ctl=self.ctl,
            boot="boot",
            clock=clock,
            entropy=lambda count: next(draws).to_bytes(count, "big"),
        )
        self.public = crypto.public_of(seed)
        self.runtime = Runtime(
            config=config(),
            pack=demo_pack(),
            journal=self.journal,
            clock=clock,
            inbox=Inbox(),
            run_effect=lambda _effect: None,
            on_change=lambda: None,
            heartbeat=lambda: None,
            software="test",
            config_hash="",
        )
        self.witness = Witness(
            ctl=self.ctl,
            hub=trust.hub,
            journal=self.journal,
            public=self.public,
            sign=crypto.signer(seed, "controller").sign,
            wall_s=lambda: 1_800_000_000,
            mono_ms=lambda: 5,
        )

    def hears(self, payload: bytes) -> bytes:
        answer, turns = self.witness.asked(payload, retained=False)
        self.runtime.feed(turns)
        return answer

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [dict(one.data) for one in self.journal.replay() if one.type == kind]


@dataclass
class Site:
    """A hub with a home and a guest room that witness, and a third that nobody asks."""

    hub: Hub
    witnesses: Witnesses
    line: Line
    room: ScriptedRoom
    now: list[int]

    def checkpoint(self, rows: int = 5) -> int:
        """Something new is recorded and a checkpoint signed; its size."""
        record(self.hub, self.room, rows)
        self.hub.event_log.close_up()
        with self.hub.store.read() as conn:
            known = newest_checkpoint(conn)
        assert known is not None
        return known.size

    def wait(self, ms: int) -> None:
        for _ in range(0, ms, 1_000):
            self.now[0] += 1_000
            self.witnesses.tick()

    def signed(self) -> dict[str, set[int]]:
        """What each of them has co-signed, by size."""
        found: dict[str, set[int]] = {ctl: set() for ctl in self.line.rooms}
        with self.hub.store.read() as conn:
            for row in conn.execute(select(log_cosignature)):
                found[row.ctl].add(row.size)
        return found


@pytest.fixture
def site(hub: Hub, room_folder: Path, tmp_path: Path, accounts, monkeypatch) -> Iterator[Site]:
    now = [1_000_000]
    monkeypatch.setattr(type(hub.clock), "mono_ms", lambda _self: now[0])
    for org, room in (("hubei", "301"), ("changsha", "1")):
        secret = accounts[f"{org}.home_manager"]["password"]
        enroll(hub, org=org, room=room, name=room, secret=secret, out=tmp_path / f"{org}-{room}")
    line = Line(hub)
    for n, folder in enumerate((room_folder, tmp_path / "hubei-301")):
        room = Room(folder, tmp_path / f"journal-{n}.sqlite")
        line.rooms[room.ctl] = room
    hub.fleet.transport = line
    witnesses = Witnesses(
        store=hub.store, clock=hub.clock, keys=hub.keys, fleet=hub.fleet, log=hub.event_log
    )
    hub.ingest.on_leaf(UP_COSIGN, witnesses.heard)
    read_all(hub)
    yield Site(hub, witnesses, line, ScriptedRoom(room_folder), now)
    for one in line.rooms.values():
        one.journal.close()


def test_one_controller_of_each_venue_is_asked(site: Site):
    site.checkpoint()
    with site.hub.store.read() as conn:
        assert {(one.ctl, one.org) for one in asked_now(conn)} == {
            (ctl, org) for ctl, org in zip(site.line.rooms, ("changsha", "hubei"), strict=True)
        }


def test_a_witness_signs_from_the_second_checkpoint_on(site: Site):
    first = site.checkpoint()
    assert all(not sizes for sizes in site.signed().values())
    site.wait(5_000)
    second = site.checkpoint()
    third = site.checkpoint(300)
    for ctl, sizes in site.signed().items():
        assert sizes == {second, third}, ctl
        assert len(site.line.rooms[ctl].told(BEGAN)) == 1
    assert first < second < third


def test_what_is_kept_is_the_witness_own_line(site: Site):
    site.checkpoint()
    site.wait(5_000)
    site.checkpoint()
    with site.hub.store.read() as conn:
        known = newest_checkpoint(conn)
        assert known is not None
        for row in conn.execute(select(log_cosignature)):
            note = parse_note(known.text + b"\n" + bytes(row.line))
            room = site.line.rooms[row.ctl]
            at = cosigned_at(note, name=row.ctl, public=room.public, verify=verify)
            assert at == 1_800_000_000


def test_lost_questions_and_answers_are_asked_again_and_a_restart_forgets_nothing(
    site: Site,
):
    site.checkpoint()
    site.wait(5_000)
    site.checkpoint()
    site.line.up = False
    last = site.checkpoint()
    site.wait(20_000)
    assert all(last not in sizes for sizes in site.signed().values())
    site.line.up = True
    site.wait(40_000)
    assert all(last in sizes for sizes in site.signed().values())

    again = Witnesses(
        store=site.hub.store,
        clock=site.hub.clock,
        keys=site.hub.keys,
        fleet=site.hub.fleet,
        log=site.hub.event_log,
    )
    site.line.asked.clear()
    again.ask_all()
    assert {parse_question(raw).old for _, raw in site.line.asked} == {last}


def test_a_witness_that_lost_its_memory_does_not_sign_until_it_has_seen_a_proof(site: Site):
    site.checkpoint()
    site.wait(5_000)
    site.checkpoint()
    ctl, room = next(iter(site.line.rooms.items()))
    room.journal.append((), kv={KV_WITNESS: b""})
    lost = site.checkpoint()
    site.wait(10_000)
    later = site.checkpoint()

    assert lost not in site.signed()[ctl]
    assert later in site.signed()[ctl]
    assert [one["reason"] for one in room.told(BEGAN)] == ["no_memory", "no_memory"]


def test_a_witness_shows_a_hub_without_a_mirror_what_it_has_lost(site: Site, accounts):
    site.checkpoint()
    site.wait(5_000)
    seen = site.checkpoint(40)
    with site.hub.store.write() as conn:
        # As an old copy of the database: neither tree nor checkpoint reach so far.
        for table in (tree.log_state, tree.log_tile, tree.log_run, log_cosignature):
            conn.execute(table.delete())
        conn.exec_driver_sql("DELETE FROM log_checkpoint")
        log = tree.begin(conn, 1)
        portion = tree.grow(conn, log, tree.next_rows(conn, log, 10))
        tree.save(conn, log, portion)
    site.witnesses._held.clear()
    site.hub.event_log.make_checkpoint(at_once=True)
    site.witnesses.ask_all()
    assert [(one["size"], one["here"]) for one in facts(site.hub, SHRUNK)] == [(seen, 10)]

    before = len(site.line.asked)
    record(site.hub, site.room, 200)
    site.hub.event_log.close_up()
    site.wait(60_000)
    assert len(site.line.asked) == before
    admin = site.hub.accounts.sign_in(
        "changsha.administrator", accounts["changsha.administrator"]["password"], "test"
    )[1].actor
    assert reopen_log(site.hub, admin, "旧备份恢复").endswith("/2")
    site.checkpoint()
    site.wait(5_000)
    last = site.checkpoint()
    for ctl, sizes in site.signed().items():
        assert sizes == {last}
        assert [one["reason"] for one in site.line.rooms[ctl].told(BEGAN)] == [
            "no_memory",
            "new_origin",
        ]
    with pytest.raises(ConfigError, match="whole"):
        reopen_log(site.hub, admin, "再来一次")


def test_an_answer_of_no_witness_or_with_a_false_signature_goes_into_quarantine(site: Site):
    site.checkpoint()
    site.wait(5_000)
    site.checkpoint()
    one, other = site.line.rooms
    site.line.up = False
    size = site.checkpoint()
    with site.hub.store.read() as conn:
        newest = parse_note(known_note(conn).encode())
    room = site.line.rooms[one]
    mine = key_id(one, TYPE_COSIGNATURE, room.public)
    false = joined(newest, [NoteSignature(one, mine, bytes(72))])
    for ctl, raw in ((site.room.ctl, b"rubbish"), (one, false.encode()), (one, SPEC.encode())):
        site.hub.ingest.handle(topic(ctl, UP_COSIGN), raw)
    with site.hub.store.read() as conn:
        kept = conn.execute(select(quarantine.c.reason).filter_by(leaf=UP_COSIGN)).scalars().all()
        known = conn.execute(select(log_witness.c.ctl)).scalars().all()
    assert len(kept) == 3
    assert size not in site.signed()[one]
    assert set(known) == {one, other}


def test_the_wired_hub_asks_and_hears(hub: Hub):
    made = build(hub.config, services=False)
    try:
        names = {act.__qualname__ for act in made.timers}  # type: ignore[attr-defined]
        assert {"EventLog.tick", "Witnesses.tick"} <= names
        assert UP_COSIGN in made.ingest._others
    finally:
        made.close()
