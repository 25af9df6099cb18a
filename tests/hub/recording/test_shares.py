"""What one room may have recorded: a disk that one room can fill is everybody's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub.app import Hub
from hub.recording.recorder import FORKS_MAX
from hub.recording.shares import DAY, DAY_BYTES_MAX, ROW_BYTES, Shares
from hub.store.tables_core import epochs, events, forks, quarantine
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted
from tests.hub.booking.town import StandingClock

CTL, OTHER = "c-000000000001", "c-000000000002"
AT = datetime(2026, 11, 30, 9, tzinfo=UTC)


def test_a_day_has_an_end_for_each_room_and_begins_anew() -> None:
    shares = Shares()
    assert shares.take(CTL, 1, DAY_BYTES_MAX - 2 * ROW_BYTES, AT)
    assert not shares.take(CTL, 0, 0, AT)
    assert not shares.take(CTL, 0, 0, AT + DAY - timedelta(seconds=1))
    assert shares.take(OTHER, 0, 0, AT)
    assert shares.take(CTL, 0, 0, AT + DAY)


def test_a_month_behind_the_line_has_its_place_in_a_day() -> None:
    shares = Shares()
    assert all(shares.take(CTL, 150, 150 * 500 + 1_000, AT) for _ in range(1_000))


def test_a_clock_that_was_set_back_keeps_no_room_waiting_for_years() -> None:
    shares = Shares()
    assert shares.take(CTL, 1, DAY_BYTES_MAX - 2 * ROW_BYTES, AT)
    assert shares.take(CTL, 1, 1, AT - timedelta(days=9_000))


@pytest.fixture
def room(hub: Hub, room_folder: Path) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


def _count(hub: Hub, what: Any, ctl: str) -> int:
    query = select(func.count()).select_from(what).where(what.c.ctl == ctl)
    with hub.store.read() as conn:
        return int(conn.execute(query).scalar_one())


def test_what_is_beyond_the_share_of_a_day_is_not_acknowledged_and_recorded_the_next(
    hub: Hub, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = hub.ingest.recorder._clock = StandingClock()  # type: ignore[assignment]
    monkeypatch.setattr("hub.recording.shares.DAY_BYTES_MAX", 10_000)
    stream = room.open()
    for _ in range(20):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 1, 8))
    hub.fleet.transport.acks()  # type: ignore[union-attr]
    for _ in range(3):
        hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 9, 16))
    assert _count(hub, events, room.ctl) == 8
    assert hub.fleet.transport.acks() == []  # type: ignore[union-attr]
    with hub.store.read() as conn:
        (kept,) = conn.execute(select(quarantine)).all()
    assert kept.times == 3
    assert "sends it again" in kept.reason
    clock.pass_s(24 * 3600)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 9, 16))
    assert _count(hub, events, room.ctl) == 16
    assert hub.fleet.transport.acks()[-1].upto == 16  # type: ignore[union-attr]


def test_of_forks_a_bounded_number_is_kept_beside_and_told_each(hub: Hub, room: Any) -> None:
    stream = room.open()
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    for station in range(FORKS_MAX + 5):
        other = scripted.Stream(stream.epoch, stream.lines[:1])
        forged = room.write(other, data={"station": station, "state": "taken"})
        hub.ingest.handle(room.topic(UP_EV), room.seal(stream.epoch, 2, [forged]))
    assert _count(hub, forks, room.ctl) == FORKS_MAX
    assert _count(hub, quarantine, room.ctl) == 5
    with hub.store.read() as conn:
        told = select(func.count()).where(events.c.type == "stream.fork")
        assert conn.execute(told).scalar_one() == FORKS_MAX


@pytest.mark.slow
def test_of_epochs_without_a_row_a_bounded_number_is_known(hub: Hub, room: Any) -> None:
    for _ in range(70):
        stream = room.open()
        room.write(stream)
        hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 2))
    assert _count(hub, epochs, room.ctl) == 64
    assert _count(hub, quarantine, room.ctl) == 6
