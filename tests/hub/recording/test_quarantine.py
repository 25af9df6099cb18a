"""What refused bytes cost a hub: a flood is bounded, and the last costs what the first did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from hub.app import Hub
from hub.recording import quarantine as refused
from hub.store.tables_core import quarantine
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted

MIB = 1024**2


@pytest.fixture
def room(hub: Hub, room_folder: Path) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


@pytest.fixture
def asked(hub: Hub) -> Iterator[list[str]]:
    """Every statement the hub gives its database from now on."""
    said: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(hub.store.engine, "before_cursor_execute", note)
    yield said
    event.remove(hub.store.engine, "before_cursor_execute", note)


def flood(hub: Hub, room: Any, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        hub.ingest.handle(room.topic(UP_EV), b"rubbish %d" % number)


def test_what_is_kept_is_counted_once_and_not_with_every_message(
    hub: Hub, room: Any, asked: list[str]
) -> None:
    flood(hub, room, 40)

    assert sum("sum(" in one for one in asked) == 1
    assert sum("ORDER BY quarantine.id DESC" in one for one in asked) == 40


def test_the_smallest_rubbish_is_bounded_as_the_largest(
    hub: Hub, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert refused.ROW_BYTES >= 1_024, "less than a row takes: 64 MiB would be millions of rows"
    monkeypatch.setattr(refused, "ROW_BYTES", 16 * MIB - 100)
    flood(hub, room, 20)
    # Another start of the hub knows it from the table.
    hub.ingest.recorder._refused = refused.Refused()
    flood(hub, room, 20, first=20)

    with hub.store.read() as conn:
        rows = conn.execute(select(quarantine.c.times, quarantine.c.raw)).all()
    assert sorted(row.times for row in rows) == [1, 1, 1, 1, 36]
    assert [row.times for row in rows if row.raw is None] == [36]
