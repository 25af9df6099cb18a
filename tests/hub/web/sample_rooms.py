"""Rooms as the hub folds them: one running with its mains gone, one silent, one never heard of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from hub.fleet.rooms import Link, RoomView
from protocols.policy.pack import Pack
from protocols.policy.room_model import RoomConfig, RoomState
from protocols.policy.room_state import apply, initial

PACKS = Path(__file__).resolve().parents[3] / "protocols" / "policy" / "packs"
SESSION = "s-0123456789ab"
AT = "2026-11-24T02:34:44.000Z"
PLAN = {"generation": 1, "n": 1, "hash": "ab" * 32}

Row = tuple[str, str, dict[str, Any]]


def pack() -> Pack:
    """The demonstration's policy."""
    return Pack.parse(yaml.safe_load((PACKS / "demo.yaml").read_text("utf-8")))


def prepared() -> dict[str, Any]:
    """A session of two members in this room."""
    members = [
        {"no": no, "kind": "expert", "org": "changsha", "here": True, "station": no, "locker": no}
        for no in (1, 2)
    ]
    venue = {
        "org": "changsha",
        "role": "guest",
        "ctl": "c-000000000002",
        "place": "changsha-2",
        "name": "二室",
    }
    return {
        "booking": "2026-1124-03",
        "kind": "evaluation",
        "start_at": "2026-11-24T01:00:00.000Z",
        "org": "changsha",
        "role": "guest",
        "home_org": "hubei",
        "venues": [venue],
        "members": members,
        "pack_hash": "cd" * 32,
        "plan": PLAN,
    }


def evaluating() -> list[Row]:
    """The session runs, the mains are gone, one camera is lost as a consequence."""
    return [
        ("plan.accepted", "", {**PLAN, "sessions": [SESSION]}),
        ("session.prepared", SESSION, prepared()),
        ("selftest.done", "", {"ok": True, "results": []}),
        ("network.state", "", {"rung": "ok"}),
        ("recording.state", "", {"stream": "overview", "state": "on"}),
        ("locker.state", "", {"locker": 1, "door": "closed", "item": "absent"}),
        ("seat.state", "", {"station": 1, "state": "occupied"}),
        ("seat.state", "", {"station": 2, "state": "unknown"}),
        (
            "phase.changed",
            SESSION,
            {"from": "prepared", "to": "check_in", "by": "order", "order": "aa" * 16},
        ),
        (
            "phase.changed",
            SESSION,
            {"from": "check_in", "to": "evaluating", "by": "order", "order": "bb" * 16},
        ),
        ("power.state", "", {"mains": "off", "ups": "battery", "charge_pct": 78}),
        (
            "fault.raised",
            "",
            {
                "fault": "power-1",
                "kind": "power",
                "device": "",
                "what": "lost",
                "p": "unset",
                "consequence": "ups_carries",
                "cause": "",
            },
        ),
        ("device.lost", "", {"device": "cam-3", "kind": "camera", "reason": "silent"}),
        (
            "fault.raised",
            "",
            {
                "fault": "av-2",
                "kind": "av",
                "device": "cam-3",
                "what": "lost",
                "p": "unset",
                "consequence": "recording_gap",
                "cause": "power-1",
            },
        ),
    ]


def fold(rows: list[Row]) -> RoomState:
    """The state after these events, one a second."""
    state = initial(RoomConfig(ctl="c-000000000002", place="changsha-2", stations=(1, 2, 3)))
    for seq, (kind, session, data) in enumerate(rows, start=1):
        state = apply(state, kind, session, data, seq=seq, mono_ms=seq * 1000, at=AT)
    return state


def room(
    name: str, state: RoomState | None, reachable: bool | None, *, org: str = "changsha"
) -> RoomView:
    """One room as the fleet sees it."""
    pong = datetime(2026, 11, 24, 2, 31, 40, tzinfo=UTC)
    link = Link(reachable=reachable, pong_at=pong if state else None, outbox=0)
    return RoomView(
        ctl=f"c-00000000000{name}",
        place=f"{org}-{name}",
        org=org,
        name=name,
        held=False,
        state=state,
        link=link,
        as_of=AT if state else "",
        recorded_at=pong if state else None,
        age_s=2.0 if reachable else 627.0 if state else None,
        catching_up=False,
        unreadable=0,
        notices=(),
    )


def rooms() -> list[RoomView]:
    """Three rooms of one organisation."""
    return [
        room("2", fold(evaluating()), reachable=True),
        room("3", fold([]), reachable=False),
        room("4", None, reachable=None),
    ]
