"""A hub that comes back from an old backup asks its rooms again, and loses nothing it had told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.app import Hub, build
from hub.cli.restore import backup, restore
from hub.cli.sole import sole
from hub.config import ConfigError, load
from hub.store.engine import get_meta
from hub.store.tables_core import blobs, events, organisations
from protocols.messages.cursor import CursorState, Rewound, on_ack, on_ask
from protocols.messages.event import GENESIS, decode_event, event_hash, first_prev
from protocols.messages.topics import UP_EV, UP_ST, UP_TM
from protocols.policy.workdays import add_workdays
from tests.hub import scripted_room as scripted


class _Head:
    def __init__(self, stream: Any) -> None:
        self.epoch, self.first, self.last = stream.epoch, 1, len(stream.lines)


def _lines(hub: Hub, ctl: str) -> list[bytes]:
    with hub.store.read() as conn:
        query = select(events.c.raw).where(events.c.ctl == ctl)
        return [bytes(raw) for raw in conn.execute(query.order_by(events.c.id)).scalars()]


def _decide(hub: Hub, ident: str) -> None:
    """A change only the hub knows, with its fact."""
    with hub.store.write() as conn:
        conn.execute(
            organisations.insert().values(
                id=ident, name=ident, name_en="", level="city", kind="assisting"
            )
        )
        hub.facts.append(conn, type="appraisal.entered", session="", data={"id": ident})


def test_restore_replays_the_mirror_and_rooms_rewind(
    hub: Hub, hub_data: Path, room_folder: Path, tmp_path: Path
) -> None:
    room = scripted.ScriptedRoom(room_folder)
    hub.fleet.transport = wire = scripted.Wire()
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    _decide(hub, "before")
    backup(hub.config, tmp_path / "backup")
    for _ in range(4):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 5))
    second = room.open(after=stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    _decide(hub, "after")
    state = CursorState(ctl=room.ctl)
    journal = {s.epoch: s for s in (stream, second)}

    def lookup(epoch: str, seq: int) -> str | None:
        return event_hash(journal[epoch].lines[seq - 1]) if seq else GENESIS

    heads = [_Head(stream), _Head(second)]
    for ack in wire.acks():
        state = on_ask(state, ack.re)
        state, _ = on_ack(state, ack, lookup, heads)
    assert state.epochs[stream.epoch].acked == 8
    told = _lines(hub, hub.config.hub)
    hub.close()

    done = restore(tmp_path / "backup", hub_data)
    assert done["lost"] == []
    assert done["facts"] >= 1
    again = build(load(hub_data), services=False)
    assert _lines(again, hub.config.hub)[: len(told)] == told
    names = json.loads(again.config.broker_users.read_text(encoding="utf-8"))
    assert names[room.ctl] == room.mqtt["password"]
    with again.store.read() as conn:
        known = set(conn.execute(select(organisations.c.id)).scalars())
    assert {"before", "after"} <= known
    assert len(_lines(again, room.ctl)) == 4

    again.fleet.transport = line = scripted.Wire()
    again.rooms.rebuild()
    again.ingest.begin()
    again.ingest.handle(room.topic(UP_ST), room.birth(second, generation=7))
    assert line.acks() == []
    again.ingest.tick()
    with again.store.read() as conn:
        assert get_meta(conn, "generation") == "8"
    rewound: list[Any] = []
    state = on_ask(state, room.ask)
    pong = room.pong(second, acked=1)
    again.ingest.handle(room.topic(UP_TM), pong)
    state = on_ask(state, room.ask)
    for ack in line.acks():
        assert ack.generation == 8
        state, outcomes = on_ack(state, ack, lookup, heads)
        rewound += [one for one in outcomes if isinstance(one, Rewound)]
    assert {one.epoch for one in rewound} == {stream.epoch, second.epoch}
    for one in (stream, second):
        acked = state.epochs[one.epoch].acked
        again.ingest.handle(room.topic(UP_EV), room.batch(one, acked + 1))
    assert sorted(_lines(again, room.ctl)) == sorted(stream.lines + second.lines)
    again.close()


def test_media_are_stored_where_their_files_are_whatever_the_backup_knew(
    hub: Hub, hub_data: Path, tmp_path: Path
) -> None:
    arrived, missing = "a" * 64, "b" * 64
    with hub.store.write() as conn:
        conn.execute(blobs.insert().values(sha256=arrived, bytes=1, state="expected"))
        conn.execute(blobs.insert().values(sha256=missing, bytes=1, state="stored"))
    backup(hub.config, tmp_path / "backup")
    path = hub.config.blobs / arrived[:2] / arrived
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")  # uploaded after the backup: the room will not send it again
    hub.close()
    restore(tmp_path / "backup", hub_data)
    again = build(load(hub_data), services=False)
    with again.store.read() as conn:
        found = {row.sha256: row.state for row in conn.execute(select(blobs))}
    assert found == {arrived: "stored", missing: "expected"}
    again.close()


def test_the_hubs_own_chain_holds_across_a_restore(
    hub: Hub, hub_data: Path, tmp_path: Path
) -> None:
    _decide(hub, "one")
    backup(hub.config, tmp_path / "backup")
    _decide(hub, "two")
    hub.close()
    restore(tmp_path / "backup", hub_data)
    again = build(load(hub_data), services=False)
    _decide(again, "three")
    tips = {"": first_prev()}
    for raw in _lines(again, again.config.hub):
        event = decode_event(raw)
        prev = tips[event.epoch] if event.epoch in tips else tips[event.data["pred_epoch"]]
        assert event.prev == prev
        tips[event.epoch] = event_hash(raw)
    again.close()


def test_without_a_mirror_the_loss_is_named(hub: Hub, hub_data: Path, tmp_path: Path) -> None:
    backup(hub.config, tmp_path / "backup")
    _decide(hub, "gone")
    hub.close()
    done = restore(tmp_path / "backup", tmp_path / "elsewhere")
    assert len(done["lost"]) == 1
    again = build(load(tmp_path / "elsewhere"), services=False)
    last = decode_event(_lines(again, again.config.hub)[-1])
    assert last.type == "hub.restored"
    assert last.data["lost"] == done["lost"]
    assert load(hub_data).hub == again.config.hub
    again.close()


def test_a_torn_mirror_line_is_overruled_and_what_follows_counts(
    hub: Hub, hub_data: Path, tmp_path: Path
) -> None:
    backup(hub.config, tmp_path / "backup")
    with hub.config.mirror_file.open("ab") as file:
        file.write(b"0000 torn {")
    _decide(hub, "kept")
    hub.close()
    assert restore(tmp_path / "backup", hub_data)["lost"] == []
    again = build(load(hub_data), services=False)
    with again.store.read() as conn:
        assert "kept" in set(conn.execute(select(organisations.c.id)).scalars())
    again.close()


def test_a_backup_is_never_overwritten_and_not_made_up(hub: Hub, tmp_path: Path) -> None:
    backup(hub.config, tmp_path / "backup")
    with pytest.raises(ConfigError, match="never overwritten"):
        backup(hub.config, tmp_path / "backup")
    with pytest.raises(ConfigError, match="not a backup"):
        restore(tmp_path, tmp_path / "new")


def test_a_hub_that_runs_is_not_restored_over(hub: Hub, hub_data: Path, tmp_path: Path) -> None:
    backup(hub.config, tmp_path / "backup")
    with sole(hub_data), pytest.raises(ConfigError, match="a hub runs from this folder already"):
        restore(tmp_path / "backup", hub_data)
    assert (hub_data / "hub.sqlite").exists()


def test_a_holiday_notice_in_the_data_folder_counts_and_is_backed_up(
    hub_data: Path, tmp_path: Path
) -> None:
    new_year = {"name": "元旦", "date": "2027-01-01", "isOffDay": True}
    notice = {"year": 2027, "papers": [], "days": [new_year]}
    name = "calendar-2027.json"
    (hub_data / name).write_text(json.dumps(notice), encoding="utf-8")
    backup(load(hub_data), tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    hub = build(load(tmp_path / "again"), services=False)
    hub.close()
    due = add_workdays(date(2026, 12, 30), 3, hub.calendar)
    assert (due.date, due.provisional) == (date(2027, 1, 5), False)


@pytest.mark.parametrize("text", ["{", "[]", '{"year": 2027, "papers": [], "days": [7]}'])
def test_a_holiday_notice_that_is_none_is_named(hub_data: Path, text: str) -> None:
    path = hub_data / "calendar-2027.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        build(load(hub_data), services=False)
    assert str(path) in str(caught.value)
    assert "do: mend the file" in str(caught.value)
