"""A controller that was found twice: commands wait until a named person lets them go."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.__main__ import main
from hub.accounts.actor import Actor
from hub.alarms import rows
from hub.app import Hub
from hub.fleet import clones
from hub.problems import Problem
from hub.store.tables_core import events
from hub.web.app import create_app
from protocols.messages.event import decode_event
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient

REASON = "备用卡已收回，现场只剩一台"


@pytest.fixture
def hub(open_hub: Callable[..., Hub]) -> Hub:
    made = open_hub(services=True)
    made.rooms.rebuild()
    made.fleet.transport = scripted.Wire()
    return made


@pytest.fixture
def room(room_folder: Path) -> Any:
    return scripted.ScriptedRoom(room_folder)


def _cloned(hub: Hub, room: Any) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    for batch in (room.batch(stream), room.batch(room.open(after=stream, seq=4))):
        hub.ingest.handle(room.topic(UP_EV), batch)
    room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 5))
    hub.projector.run_pending()
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "command", "c" * 32, b"command")


def _who(hub: Hub, login: str) -> Actor:
    found = hub.accounts.register.actor_by_login(login)
    assert found is not None
    return found


def _sent(hub: Hub) -> int:
    wire: Any = hub.fleet.transport
    return int(wire.leaves().count("down/cmd"))


def test_releasing_is_a_fact_in_a_persons_name_and_lets_the_commands_go(
    hub: Hub, room: Any
) -> None:
    _cloned(hub, room)
    manager = _who(hub, "changsha.home_manager")
    with hub.store.read() as conn:
        (alarm,) = rows.standing(conn)[room.ctl]
    with pytest.raises(Problem) as caught:
        hub.contingency.alarms.close(manager, room.ctl, alarm.alarm, REASON)
    assert caught.value.code == "still_held"
    assert _sent(hub) == 0
    assert clones.release(hub, manager, room.ctl, REASON) == {"ctl": room.ctl, "held": False}
    assert _sent(hub) == 1
    with hub.store.read() as conn:
        raw = conn.execute(events.select().where(events.c.type == "stream.clone_released")).one()
    data = decode_event(bytes(raw.raw)).data
    assert (data["by"]["person"], data["reason"]) == (manager.person, REASON)
    assert len(data["branches"]) == 1
    hub.projector.run_pending()
    with hub.store.read() as conn:
        (alarm,) = [one for one in rows.standing(conn)[room.ctl] if one.kind == "stream.clone"]
    assert alarm.returned_at is not None
    hub.contingency.ack_alarm(_who(hub, "changsha.fault_handler"), room.ctl, alarm.alarm)
    with hub.store.read() as conn:
        assert rows.standing(conn) == {}


@pytest.mark.parametrize(
    ("login", "reason", "status"),
    [
        ("changsha.witness", REASON, 403),
        ("hubei.home_manager", REASON, 404),
        ("changsha.home_manager", "  ", 422),
    ],
)
def test_releasing_is_refused_to_others_and_without_a_reason(
    hub: Hub, room: Any, login: str, reason: str, status: int
) -> None:
    _cloned(hub, room)
    with pytest.raises(Problem) as caught:
        clones.release(hub, _who(hub, login), room.ctl, reason)
    assert caught.value.status == status
    assert _sent(hub) == 0


def test_what_is_not_held_cannot_be_released(hub: Hub, room: Any) -> None:
    with pytest.raises(Problem) as caught:
        clones.release(hub, _who(hub, "changsha.home_manager"), room.ctl, REASON)
    assert (caught.value.status, caught.value.code) == (409, "not_held")


def test_the_device_page_shows_the_hold_and_its_button_lets_go(
    hub: Hub, room: Any, accounts: dict[str, dict[str, Any]]
) -> None:
    _cloned(hub, room)
    with TestClient(create_app(hub)) as client:
        for login, shown in (("hubei.home_manager", False), ("changsha.home_manager", True)):
            client.cookies.clear()
            pair = {"login": login, "password": accounts[login]["password"]}
            assert client.post("/api/v1/sign-in", json=pair).is_success
            page = client.get("/devices", headers={"accept": "text/html"}).text
            assert (f"/api/v1/controllers/{room.ctl}/release" in page) is shown
            assert ("指令已暂停" in page) is shown
        csrf = client.get("/api/v1/me").json()["csrf"]
        path = f"/api/v1/controllers/{room.ctl}/release"
        answer = client.post(path, json={"reason": REASON}, headers={"X-CSRF": csrf})
        assert answer.json() == {"ctl": room.ctl, "held": False}
        assert "指令已暂停" not in client.get("/devices", headers={"accept": "text/html"}).text
    assert _sent(hub) == 1


def test_the_command_line_asks_for_the_persons_password(
    hub: Hub,
    room: Any,
    hub_data: Path,
    tmp_path: Path,
    accounts: dict[str, dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _cloned(hub, room)
    secret = tmp_path / "secret"
    words = ["hub", "release", str(hub_data), "--ctl", room.ctl, "--by", "changsha.home_manager"]
    words += ["--reason", REASON, "--secret-file", str(secret)]
    secret.write_text("wrong\n", encoding="utf-8")
    assert main(words) == 64
    assert "password is not right" in capsys.readouterr().err
    secret.write_text(accounts["changsha.home_manager"]["password"] + "\n", encoding="utf-8")
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ctl"], told["held"]) == (room.ctl, False)
    hub.rooms.refresh()
    view = hub.rooms.view(room.ctl)
    assert view is not None
    assert not view.held
    assert main(words) == 64
    assert "not held" in capsys.readouterr().err
