"""The board says what is so: one level a trouble, what is due, and what is only last known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.alarms.kinds import SILENT
from hub.alarms.rows import HubAlarm
from hub.web.i18n import Both, catalogue
from hub.web.views_alarm_make import BoardData, alarm_row, alarms_of
from hub.web.views_board_make import board_view, waits_text
from hub.web.views_devices import devices_view
from protocols.policy.pack import Pack
from tests.hub.web.sample_rooms import SESSION, evaluating, fold, room
from tests.hub.web.sample_views import NOW

PACKS = Path(__file__).resolve().parents[3] / "protocols" / "policy" / "packs"
BOOKING: dict[str, Any] = {
    "number": "2026-1124-03",
    "kind": "evaluation",
    "session": SESSION,
    "home_org": "changsha",
    "start_at": "2026-11-24T01:00:00.000Z",
    "published_n": 1,
    "state": "in_use",
    "venues": [
        {
            "org": "changsha",
            "role": "home",
            "place": "changsha-3",
            "room": "三室",
            "name": "长沙",
            "name_en": "Changsha",
            "experts": 2,
            "tenderer_reps": 0,
        }
    ],
}
CASE: dict[str, Any] = {
    "case": "k-000000000001",
    "number": "#0002",
    "place": "changsha-3",
    "kind": "network",
    "state": "paused",
    "priority": "P1",
    "acked_at": None,
    "waiting_for": "decision",
}


def silence(ctl: str) -> HubAlarm:
    """What the hub wrote down when it heard nothing more of a room."""
    return HubAlarm(
        ctl=ctl,
        alarm="a-1",
        kind=SILENT,
        subject=ctl,
        session="",
        detail={},
        source="h-000000000001",
        epoch="0" * 32,
        seq=1,
        at=NOW,
        last_epoch="0" * 32,
        last_seq=1,
        times=1,
        found_later=False,
        returned_at=None,
        acked=None,
    )


def silent(**case: Any) -> BoardData:
    """One room in the middle of an evaluation that does not answer, its case open."""
    pack = Pack.parse(yaml.safe_load((PACKS / "demo.yaml").read_text("utf-8")))
    told = room("3", fold(evaluating()[:-4]), reachable=False)
    return BoardData(
        now=NOW,
        rooms=[replace(told, alarms=(silence(told.ctl),))],
        sessions=[BOOKING],
        cases=[{**CASE, **case}],
        names={"changsha": Both("长沙", "Changsha")},
        home_orgs=frozenset({"changsha"}),
        pack=pack,
        may_ack=True,
    )


def zh(text: Any) -> str:
    return catalogue().render("zh", text)


def test_a_silent_room_is_as_grave_as_its_case() -> None:
    view = board_view(silent())
    assert [(one.level, one.acked) for one in view.alarms] == [("p1", False)]
    assert (view.p1, view.p2) == (1, 0)


@pytest.mark.parametrize(
    ("waiting_for", "said"),
    [
        ("ack", "未确认"),
        ("decision", "待决定"),
        ("fault", "待故障恢复"),
        ("close", "待结案"),
        ("", "已结案"),
    ],
)
def test_a_case_says_what_it_waits_for(waiting_for: str, said: str) -> None:
    (row,) = board_view(silent(waiting_for=waiting_for)).today
    assert zh(row.attention.text) == f"#0002 {said}"


def test_members_of_a_silent_room_are_as_last_known() -> None:
    (row,) = board_view(silent()).today
    assert zh(row.members).startswith("最后已知：")


def test_whoever_has_it_in_hand_is_not_asked_to_acknowledge_again() -> None:
    data = silent(acked_at=NOW.isoformat(), acked_by="HB-08")
    (row,) = board_view(data).alarms
    assert zh(row.must) == "故障处置人员：按处置单办理"


def test_an_overdue_acknowledgement_is_counted_in_hours_after_the_first() -> None:
    data = silent()
    (alarm,) = alarms_of(data)
    late = alarm.since + timedelta(hours=25, minutes=2, seconds=7)
    row = alarm_row(replace(data, now=late), alarm)
    assert zh(row.ack_text) == "确认已超时 25:00:07"


def test_what_a_silent_room_said_of_its_devices_is_last_known() -> None:
    (shown,) = devices_view([room("3", fold(evaluating()), reachable=False)], {}, NOW).rooms
    assert shown.devices
    assert all(zh(one.state.text).startswith("最后已知：") for one in shown.devices)


def test_an_exercise_is_marked_on_its_tile_and_in_the_day() -> None:
    data = silent()
    (found,) = data.rooms
    assert found.state is not None
    sessions = {name: replace(one, kind="drill") for name, one in found.state.sessions.items()}
    drilled = replace(
        found,
        state=replace(found.state, sessions=sessions),
        link=replace(found.link, reachable=True),
    )
    data = replace(data, rooms=[drilled], sessions=[{**BOOKING, "kind": "drill"}], cases=[])
    shown = board_view(data)
    assert shown.venues[0].tiles[0].drill
    assert (shown.today[0].short, shown.today[0].drill) == ("D-1124-03", True)
    assert not board_view(silent()).today[0].drill


def test_members_who_are_waited_for_are_listed_as_the_language_does() -> None:
    waited = waits_text([1, 2, 3])
    assert ("1、2" in zh(waited), "1, 2" in catalogue().render("en", waited)) == (True, True)
