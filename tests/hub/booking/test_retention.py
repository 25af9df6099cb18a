"""Identities go by themselves when their time is over; the record counts what is left."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.booking import retention
from hub.booking.erasure import FACT, again
from hub.booking.retention import LOOK_MS, Retention
from hub.config import ConfigError, load
from hub.store.mirror import Mirror
from hub.store.tables_business import booking, booking_identity
from hub.store.tables_core import events
from protocols.messages.event import decode_event
from tests.hub.booking.town import Town, booked, members_of

DAYS = 90


def _over(town: Town, **changes: Any) -> str:
    number = str(booked(town, **changes)["number"])
    town.booking.set_members(town.who("hubei.home_manager"), number, "hubei", members_of("hubei"))
    with town.store.write() as conn:
        here = booking.c.number == number
        now = town.clock.now
        conn.execute(update(booking).where(here).values(state="ended", ended_at=now))
    return number


def _keys(town: Town) -> list[str | None]:
    with town.store.read() as conn:
        return list(conn.execute(select(booking_identity.c.key_wrapped)).scalars())


def _facts(town: Town) -> list[dict[str, Any]]:
    with town.store.read() as conn:
        rows = conn.execute(select(events.c.raw).where(events.c.type == FACT).order_by(events.c.id))
        return [dict(decode_event(bytes(raw)).data) for raw in rows.scalars()]


def test_they_stay_to_the_last_day_and_then_go_with_a_count(town: Town) -> None:
    town.store.mirror = Mirror(town.data / "mirror.jsonl")
    number = _over(town)
    wrapped = [key for key in _keys(town) if key]
    job = Retention(town, DAYS)
    town.clock.pass_s(timedelta(days=DAYS).total_seconds())
    assert job.tick() == []
    town.clock.pass_s(LOOK_MS / 1000)
    assert job.tick() == [number]
    assert _keys(town) == [None] * len(wrapped)
    (told,) = _facts(town)
    assert (told["members"], told["left"], told["kept_days"]) == ([1, 2, 3], 0, DAYS)
    assert told["by"] == {"person": "", "post": "", "org": "hubei", "role": "policy"}
    held = (town.data / "hub.sqlite").read_bytes() + (town.data / "mirror.jsonl").read_bytes()
    assert wrapped
    assert not any(key.encode() in held for key in wrapped)
    assert Retention(town, DAYS).tick() == []  # a hub that starts again finds nothing more


@pytest.mark.parametrize("state", ["requested", "accepted", "confirmed", "in_use"])
def test_who_may_still_be_expected_stays(town: Town, state: str) -> None:
    _over(town)
    with town.store.write() as conn:
        conn.execute(update(booking).values(state=state))
    town.clock.pass_s(timedelta(days=DAYS + 1).total_seconds())
    assert Retention(town, DAYS).tick() == []
    assert all(_keys(town))


def test_what_is_left_for_the_next_turn_is_said(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BOOKINGS_MAX", 1)
    first = _over(town)
    with town.store.write() as conn:
        row = dict(conn.execute(select(booking)).mappings().one())
        later = {"ended_at": town.clock.now + timedelta(hours=1), "session": "s-00000000000f"}
        conn.execute(booking.insert().values({**row, "number": "other", **later}))
        mine = conn.execute(select(booking_identity)).mappings().all()
        conn.execute(booking_identity.insert(), [{**one, "booking": "other"} for one in mine])
    town.clock.pass_s(timedelta(days=DAYS + 1).total_seconds())
    job = Retention(town, DAYS)
    assert job.tick() == [first]
    assert job.tick() == []  # not before an hour has passed
    town.clock.pass_s(LOOK_MS / 1000)
    assert job.tick() == ["other"]
    assert [one["left"] for one in _facts(town)] == [3, 0]


def test_a_restored_backup_loses_them_again(town: Town) -> None:
    number = _over(town)
    wrapped = _keys(town)
    town.clock.pass_s(timedelta(days=DAYS + 1).total_seconds())
    assert Retention(town, DAYS).tick() == [number]
    with town.store.write() as conn:
        conn.execute(update(booking_identity).values(key_wrapped=wrapped[0]))  # as in the backup
        assert again(conn) == len(wrapped)
    assert not any(_keys(town))


@pytest.mark.parametrize("days", ["0", "3651", '"90"'])
def test_a_time_that_cannot_be_is_an_error(hub_data: Path, days: str) -> None:
    file = hub_data / "hub.toml"
    kept = [line for line in file.read_text("utf-8").splitlines() if "identity_keep" not in line]
    file.write_text("\n".join([*kept, f"identity_keep_days = {days}"]) + "\n", "utf-8")
    with pytest.raises(ConfigError, match="identity_keep_days"):
        load(hub_data)
