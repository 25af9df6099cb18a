"""What a controller tells of itself: newest wins, kept over a restart, shown with its age."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from hub.app import Hub
from hub.fleet.rooms import TELEMETRY_KEPT_MS, Told
from hub.recording.waiting import ROOM_MAX
from hub.store.tables_core import telemetry
from hub.web.app import create_app
from hub.web.i18n import Say, catalogue
from hub.web.views_common import Shape
from hub.web.views_told import ToldView, told_view
from protocols.messages.status import Telemetry
from protocols.messages.topics import UP_EV, UP_TM
from tests.hub import scripted_room as scripted
from tests.hub.fleet.test_clones import TestClient

GB = 1_000_000_000
VALUES: dict[str, Any] = {
    "power": {"mains": "on", "ups": "online", "charge_pct": 88},
    "devices_lost": 1,
    "storage": "ok",
    "clock": "ntp",
    "outbox": {"rows": 12, "oldest_s": 90},
    "journal": {"free_bytes": 20 * GB, "held": 0},
    "media": {"free_bytes": GB, "segments_waiting": 3},
    "loop_ms": 7,
}


@pytest.fixture
def room(room_folder: Path, hub: Hub) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


def _tell(hub: Hub, room: Any, values: dict[str, Any], mono_ms: int = 3_600_000) -> None:
    raw = Telemetry(mono_ms=mono_ms, values=values).encode()
    hub.ingest.handle(room.topic(UP_TM), raw)


def _told(hub: Hub, room: Any) -> Told | None:
    view = hub.rooms.view(room.ctl)
    assert view is not None
    return view.told


def _rows(view: ToldView) -> dict[str, tuple[str, bool]]:
    found = {}
    for label, value, bad in view.rows:
        assert isinstance(label, Say)
        found[label.key] = (catalogue().render("zh", value), bad)
    return found


def test_the_newest_is_kept_and_survives_a_restart(
    open_hub: Callable[..., Hub], hub: Hub, room: Any
) -> None:
    assert _told(hub, room) is None
    _tell(hub, room, {"loop_ms": 1})
    _tell(hub, room, VALUES)
    told = _told(hub, room)
    assert told is not None
    assert told.values["loop_ms"] == 7
    again = open_hub()
    again.rooms.rebuild()
    kept = _told(again, room)
    assert kept is not None
    # Written at most every half minute: the last one written is what a restart knows.
    assert kept.values["loop_ms"] == 1
    assert kept.at <= told.at


def test_it_is_written_seldom_and_once_per_controller(hub: Hub, room: Any) -> None:
    class Ticking:
        ms = 0

        def mono_ms(self) -> int:
            return self.ms

        wall = staticmethod(hub.clock.wall)

    clock = Ticking()
    hub.rooms._clock = clock  # type: ignore[assignment]
    for n in range(5):
        clock.ms += TELEMETRY_KEPT_MS // 2 + 1
        _tell(hub, room, {"loop_ms": n})
    with hub.store.read() as conn:
        assert conn.execute(select(func.count()).select_from(telemetry)).scalar_one() == 1
        raw = bytes(conn.execute(select(telemetry.c.raw)).scalar_one())
    assert b'"loop_ms":4' in raw


def test_its_values_stand_with_their_age(hub: Hub) -> None:
    now = hub.clock.wall()
    view = told_view(Told(VALUES, 3_600_000, now - timedelta(seconds=20)), now)
    assert view.state.shape is Shape.OK
    rows = _rows(view)
    assert rows["told.journal_free"] == ("20.0 GB", False)
    assert rows["told.media_free"] == ("1.0 GB", True)
    assert rows["told.outbox"][0].startswith("12")
    assert rows["told.segments"] == ("3", False)
    assert rows["told.devices_lost"] == ("1", True)
    assert rows["told.charge"] == ("88%", False)
    assert rows["told.clock"] == ("网络授时", False)
    assert rows["told.loop"] == ("7 毫秒", False)
    assert "1" in rows["told.up"][0]


def test_old_is_shown_as_old_and_nothing_as_unknown(hub: Hub) -> None:
    now = hub.clock.wall()
    old = told_view(Told(VALUES, 1, now - timedelta(minutes=5)), now)
    assert old.state.shape is Shape.UNKNOWN
    assert "过时" in catalogue().render("zh", old.state.text)
    none = told_view(None, now)
    assert none.state.shape is Shape.UNKNOWN
    assert catalogue().render("zh", none.state.text).startswith("未知")
    assert none.rows == ()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"outbox": "many", "journal": 3, "media": [], "power": None, "devices_lost": True},
        {"outbox": {"rows": -1, "oldest_s": "x"}, "journal": {"free_bytes": "lots"}, "clock": 7},
    ],
)
def test_values_of_another_shape_are_unknown_and_break_nothing(
    hub: Hub, values: dict[str, Any]
) -> None:
    now = hub.clock.wall()
    rows = _rows(told_view(Told(values, 1, now), now))
    for key in ("told.storage", "told.journal_free", "told.segments", "told.charge", "told.clock"):
        assert rows[key] == ("待确认", False), key
    assert rows["told.devices_lost"] == ("待确认", False)
    assert rows["told.outbox"][0] == "待确认"


@pytest.fixture
def served(open_hub: Callable[..., Hub]) -> Iterator[tuple[Hub, Any]]:
    made = open_hub(services=True)
    made.rooms.rebuild()
    made.fleet.transport = scripted.Wire()
    with TestClient(create_app(made)) as client:
        yield made, client


def test_readyz_says_what_was_taken_dropped_and_failed(
    served: tuple[Hub, Any], room_folder: Path
) -> None:
    hub, client = served
    room = scripted.ScriptedRoom(room_folder)
    hub.ingest.handle(room.topic(UP_EV), room.batch(room.open()))
    for _ in range(ROOM_MAX + 3):
        hub.ingest.offer(room.topic(UP_TM), b"x")
    told = client.get("/readyz").json()
    assert told["ok"] is True
    assert told["ingest"] == {
        "taken": 1,
        "dropped": 3,
        "failed": 0,
        "notices_dropped": 0,
        "waiting": ROOM_MAX,
    }


def test_the_device_page_shows_it(
    served: tuple[Hub, Any], room_folder: Path, accounts: dict[str, dict[str, Any]]
) -> None:
    hub, client = served
    room = scripted.ScriptedRoom(room_folder)
    login = "changsha.home_manager"
    pair = {"login": login, "password": accounts[login]["password"]}
    assert client.post("/api/v1/sign-in", json=pair).is_success
    page = client.get("/devices", headers={"accept": "text/html"}).text
    assert "未知：还没有收到" in page
    _tell(hub, room, VALUES)
    page = client.get("/devices", headers={"accept": "text/html"}).text
    assert "20.0 GB" in page
    assert "控制器自报" in page
