"""The log over stored rows: order, restarts, checkpoints, and a hub that came back older."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.app import Hub, build
from hub.cli.restore import backup, restore
from hub.config import load
from hub.store.tables_core import events
from hub.store.tables_log import log_checkpoint, log_tile
from hub.transparency import tree
from hub.transparency.log import REOPENED, SHRUNK, known_note, newest_checkpoint
from protocols.evidence.checkpoint import parse_note, signed_by_log
from protocols.evidence.merkle import (
    CompactRange,
    consistency_proof,
    inclusion_proof,
    joint_proof,
    joint_root,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from protocols.messages.event import decode_event
from tests.hub.booking.town import CHEAP
from tests.hub.scripted_room import ScriptedRoom
from tests.protocols.evidence.test_merkle import naive_root
from tests.protocols.messages.wire_keys import verify


@pytest.fixture
def room(room_folder: Path) -> ScriptedRoom:
    return ScriptedRoom(room_folder)


def record(hub: Hub, room: ScriptedRoom, count: int) -> None:
    stream = room.open()
    for _ in range(count - 1):
        room.write(stream)
    for first in range(1, count + 1, 64):
        hub.ingest.handle(room.topic("up/ev"), room.batch(stream, first, first + 63))


def read_all(hub: Hub) -> None:
    while hub.event_log.read():
        pass


def leaves(hub: Hub) -> list[bytes]:
    with hub.store.read() as conn:
        return [tree.leaf_of(row) for row in conn.execute(select(events).order_by(events.c.id))]


def state(hub: Hub) -> tree.Growing:
    with hub.store.read() as conn:
        found = tree.load(conn)
    assert found is not None
    return found


def facts(hub: Hub, kind: str) -> list[dict[str, object]]:
    with hub.store.read() as conn:
        rows = conn.execute(
            select(events.c.raw).where(events.c.type == kind, events.c.ctl == hub.config.hub)
        ).scalars()
        return [dict(decode_event(bytes(raw)).data) for raw in rows]


def test_every_stored_row_is_a_leaf_in_the_order_of_storing(hub: Hub, room: ScriptedRoom):
    read_all(hub)
    for count in (1, 254, 3, 300):
        record(hub, room, count)
        read_all(hub)
        every = leaves(hub)
        assert state(hub).size == len(every)
        assert state(hub).range.root() == naive_root(every)

    with hub.store.read() as conn:
        nodes, log = tree.Nodes(conn, 1), state(hub)
        assert root_at(len(every), nodes) == naive_root(every)
        rows = conn.execute(select(events.c.id).order_by(events.c.id)).scalars().all()
        assert tree.indexes_of(conn, log, rows) == {row: n for n, row in enumerate(rows)}
        for index in (0, 255, 256, 300, len(every) - 1):
            proof = inclusion_proof(index, len(every), nodes)
            assert verify_inclusion(
                index=index,
                size=len(every),
                leaf=every[index],
                proof=proof,
                root=naive_root(every),
            )
        some = range(100, 400, 7)
        proof = joint_proof(some, len(every), nodes)
        found = {n: every[n] for n in some}
        assert joint_root(found, len(every), proof) == naive_root(every)


def test_a_restart_goes_on_where_the_log_was(hub: Hub, room: ScriptedRoom, open_hub):
    record(hub, room, 70)
    read_all(hub)
    before = state(hub)
    hub.close()

    again = open_hub()
    record(again, room, 300)
    read_all(again)

    assert state(again).range.root() == naive_root(leaves(again))
    with again.store.read() as conn:
        proof = consistency_proof(before.size, state(again).size, tree.Nodes(conn, 1))
    assert verify_consistency(
        old=before.size,
        new=state(again).size,
        old_root=before.range.root(),
        new_root=state(again).range.root(),
        proof=proof,
    )


def test_a_turn_that_was_not_stored_is_worked_out_again(hub: Hub, room: ScriptedRoom):
    record(hub, room, 300)
    with hub.store.read() as conn:
        log = tree.Growing(1, CompactRange(), 0, 0)
        portion = tree.grow(conn, log, tree.next_rows(conn, log, 10))
    read_all(hub)

    with pytest.raises(tree.LogMovedError), hub.store.write(mirrored=False) as conn:
        tree.save(conn, log, portion)
    assert state(hub).range.root() == naive_root(leaves(hub))


def test_a_checkpoint_is_signed_when_there_is_something_new_and_its_time_has_come(
    hub: Hub, room: ScriptedRoom, monkeypatch: pytest.MonkeyPatch
):
    now = [1_000_000]
    monkeypatch.setattr(type(hub.clock), "mono_ms", lambda _self: now[0])
    made: list[int] = []
    hub.event_log.on_checkpoint(lambda: made.append(now[0]))
    hub.event_log.tick()
    hub.event_log.tick()
    assert made == [1_000_000]
    record(hub, room, 5)
    for now[0] in range(1_001_000, 1_062_000, 1_000):
        hub.event_log.tick()
    assert made == [1_000_000, 1_060_000]
    record(hub, room, 60)
    hub.event_log.tick()
    assert len(made) == 2
    record(hub, room, 60)
    hub.event_log.tick()
    assert len(made) == 3

    with hub.store.read() as conn:
        notes = [
            parse_note(bytes(raw)) for raw in conn.execute(select(log_checkpoint.c.note)).scalars()
        ]
    assert len(notes) == 3
    assert all(signed_by_log(note, hub.keys.hub_public(), verify) for note in notes)
    assert notes[-1].checkpoint.root == naive_root(leaves(hub)[: notes[-1].checkpoint.size])


@pytest.fixture
def restored(hub: Hub, room: ScriptedRoom, tmp_path: Path) -> Iterator[tuple[Hub, str]]:
    """A hub with checkpoints, then the same from an older backup with its mirror."""
    record(hub, room, 40)
    hub.event_log.tick()
    backup(hub.config, tmp_path / "backup")
    record(hub, room, 40)
    read_all(hub)
    hub.event_log.make_checkpoint(at_once=True)
    with hub.store.read() as conn:
        last = known_note(conn)
    hub.close()
    mirror = hub.config.mirror_file
    restore(tmp_path / "backup", tmp_path / "new", mirror=mirror)
    again = build(load(tmp_path / "new"), services=False, stretch=CHEAP)
    yield again, last
    again.close()


def test_a_hub_restored_to_a_smaller_log_opens_a_new_origin_that_says_why(restored, room):
    hub, last = restored
    record(hub, room, 20)
    read_all(hub)
    note = hub.event_log.make_checkpoint(at_once=True)

    assert note is not None
    assert note.checkpoint.origin == f"evalroom/{hub.config.hub}/2"
    (told,) = facts(hub, REOPENED)
    assert told["was"] == last
    assert "backup of" in str(told["reason"])
    with hub.store.read() as conn:
        log = tree.load(conn)
        assert log is not None
        rows = conn.execute(select(events).order_by(events.c.id)).all()
        (first,) = [row for row in rows if row.type == REOPENED]
        order = [first, *(row for row in rows if row.id != first.id)]
        assert log.range.root() == naive_root([tree.leaf_of(row) for row in order])
        indexes = tree.indexes_of(conn, log, [row.id for row in rows])
        assert [indexes[row.id] for row in order] == list(range(len(rows)))


def test_a_hub_that_only_finds_a_longer_checkpoint_signs_nothing_and_says_so_once(
    hub: Hub, room: ScriptedRoom
):
    record(hub, room, 40)
    hub.event_log.tick()
    with hub.store.write() as conn:
        known = newest_checkpoint(conn)
        assert known is not None
        conn.execute(log_checkpoint.update().values(size=known.size + 100))
        raw = parse_note(known_note(conn).encode())
        longer = raw.encode().replace(
            f"\n{known.size}\n".encode(), f"\n{known.size + 100}\n".encode()
        )
        conn.execute(log_checkpoint.update().values(note=longer))
    record(hub, room, 200)
    for _ in range(3):
        hub.event_log.tick()

    assert len(facts(hub, SHRUNK)) == 1
    with hub.store.read() as conn:
        assert len(conn.execute(select(log_checkpoint)).all()) == 1
    with hub.store.write() as conn:
        hub.event_log.reopen(conn, reason="维修后恢复", by="HB-01")
    hub.event_log.tick()
    with hub.store.read() as conn:
        newest = newest_checkpoint(conn)
    assert newest is not None
    assert newest.origin.endswith("/2")


def test_a_tree_that_was_changed_under_its_checkpoint_is_noticed(hub: Hub, room: ScriptedRoom):
    record(hub, room, 40)
    hub.event_log.tick()
    with hub.store.write() as conn:
        raw = conn.execute(select(log_tile.c.hashes).where(log_tile.c.level == 0)).scalar_one()
        conn.execute(log_tile.update().values(hashes=bytes(32) + bytes(raw)[32:]))
    record(hub, room, 200)
    hub.event_log.tick()

    assert len(facts(hub, SHRUNK)) == 1
    with hub.store.read() as conn:
        assert len(conn.execute(select(log_checkpoint)).all()) == 1
