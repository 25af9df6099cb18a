"""A room for the screen: real events folded by the real rules, acts answered as the room would."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from edge.duty import DutyError
from protocols.policy.pack import Pack
from protocols.policy.room_model import RoomConfig, RoomState
from protocols.policy.room_state import apply, initial
from protocols.policy.room_view import room_view

PACKS = Path(__file__).resolve().parents[3] / "protocols" / "policy" / "packs"
SESSION = "s-0123456789ab"
AT = "2026-11-24T00:41:00.000Z"
PIN = "20261124"
PLAN = {"generation": 1, "n": 1, "hash": "ab" * 32}


def pack() -> Pack:
    """The demonstration's policy."""
    return Pack.parse(yaml.safe_load((PACKS / "demo.yaml").read_text("utf-8")))


def prepared(role: str = "guest") -> dict[str, Any]:
    """A session of five members, three of them here."""
    members = [
        {
            "no": no,
            "kind": "expert",
            "org": "changsha" if no > 2 else "hubei",
            "here": no > 2,
            "station": no - 2 if no > 2 else None,
            "locker": {3: 2, 4: 4, 5: 7}.get(no),
        }
        for no in range(1, 6)
    ]
    return {
        "booking": "2026-1124-03",
        "kind": "evaluation",
        "start_at": "2026-11-24T01:00:00.000Z",
        "org": "changsha",
        "role": role,
        "home_org": "hubei",
        "members": members,
        "venues": [
            {
                "org": "hubei",
                "role": "home",
                "ctl": "c-000000000001",
                "place": "hubei-301",
                "name": "301",
            },
            {
                "org": "changsha",
                "role": "guest",
                "ctl": "c-000000000002",
                "place": "changsha-2",
                "name": "二室",
            },
        ],
        "pack_hash": "cd" * 32,
        "plan": PLAN,
    }


def morning(role: str = "guest") -> list[tuple[str, str, dict[str, Any]]]:
    """Self-test, two members in, the third expected; locker 9 gives no reading."""
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("plan.accepted", "", {**PLAN, "sessions": [SESSION]}),
        ("session.prepared", SESSION, prepared(role)),
        ("selftest.done", "", {"ok": True, "results": []}),
        ("power.state", "", {"mains": "on", "ups": "online", "charge_pct": 100}),
        ("network.state", "", {"rung": "ok"}),
    ]
    rows.extend(
        ("recording.state", "", {"stream": name, "state": "on"})
        for name in ("overview", "station-1", "station-2", "audio")
    )
    for locker in range(1, 13):
        door = "unknown" if locker == 9 else "closed"
        item = "unknown" if locker == 9 else "absent"
        rows.append(("locker.state", "", {"locker": locker, "door": door, "item": item}))
    rows += [("seat.state", "", {"station": n, "state": "vacant"}) for n in range(1, 5)]
    rows.append(
        (
            "phase.changed",
            SESSION,
            {"from": "prepared", "to": "check_in", "by": "order", "order": "aa" * 16},
        )
    )
    for no, locker, station in ((3, 2, 1), (4, 4, 2)):
        rows += arrived(no, locker, station)
    return rows


def arrived(no: int, locker: int, station: int) -> list[tuple[str, str, dict[str, Any]]]:
    """One member from the card to the seat."""
    by = [{"person": "p-00000000000c", "post": "CS-12", "role": "room_staff", "org": "changsha"}]
    return [
        (
            "member.identified",
            SESSION,
            {"no": no, "method": "card", "document": "id_card", "by": []},
        ),
        ("deposit.declared", SESSION, {"no": no, "items": ["phone"], "by": by}),
        ("locker.state", "", {"locker": locker, "door": "closed", "item": "present"}),
        (
            "member.deposited",
            SESSION,
            {"no": no, "locker": locker, "items": ["phone"], "item": "present", "confirmed_by": []},
        ),
        ("seat.state", "", {"station": station, "state": "occupied"}),
        ("member.seated", SESSION, {"no": no, "station": station}),
    ]


def power_fault() -> list[tuple[str, str, dict[str, Any]]]:
    """The mains go while the evaluation runs."""
    return [
        *arrived(5, 7, 3),
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
                "what": "mains_lost",
                "p": "unset",
                "consequence": "ups_carries",
                "cause": "",
            },
        ),
    ]


def fold(rows: list[tuple[str, str, dict[str, Any]]]) -> RoomState:
    """The state after these events, one a second."""
    config = RoomConfig(
        ctl="c-000000000002",
        place="changsha-2",
        stations=(1, 2, 3, 4),
        lockers=tuple(range(1, 13)),
        streams=("overview", "station-1", "station-2", "audio"),
    )
    state = initial(config)
    for seq, (kind, session, data) in enumerate(rows, start=1):
        state = apply(state, kind, session, data, seq=seq, mono_ms=seq * 1000, at=AT)
    return state


class SamplePort:
    """Answers as the room's desk; `silent` makes it stop answering."""

    def __init__(self, rows: list[tuple[str, str, dict[str, Any]]], *, people: bool = True) -> None:
        self.state = fold(rows)
        self.acts: list[tuple[str, str, Mapping[str, Any], Sequence[tuple[str, str]]]] = []
        self.orders: list[Mapping[str, Any]] = []
        self.typed: list[Mapping[str, Any]] = []
        self.answer: dict[str, Any] = {"ok": True, "recorded": [{"seq": 9, "type": "note"}]}
        self.silent = False
        self.ended = threading.Event()
        self._people = people

    def view(self) -> dict[str, Any]:
        if self.silent:
            raise TimeoutError
        shown = room_view(self.state, pack(), self.state.mono_ms + 42_000)
        return {**shown, "link": {"up": True, "waiting": 0}, "at": "2026-11-24T00:41:42+00:00"}

    def subscribe(self) -> Iterator[int]:
        yield 1
        self.ended.wait(5)

    def act(
        self, act: str, session: str, args: Mapping[str, Any], by: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        for person, pin in by:
            if pin != PIN:
                raise DutyError(
                    "PIN",
                    expected="this person's PIN",
                    got="another; 4 tries left",
                    do="enter it again",
                    reason="pin_wrong",
                    left=4,
                )
            assert person.startswith("p-")
        self.acts.append((act, session, args, by))
        return self.answer

    def order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.orders.append(body)
        return self.answer

    def typed_order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.typed.append(body)
        return self.answer

    def passed_on(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.typed.append(body)
        code = "04HM-ASW9-NF6Y-Y093-X"
        codes = [{"org": "changsha", "name": "长沙 二室", "code": code}]
        return {"ok": True, "n": body["n"], "order": "open", "codes": codes, "text": "ER1ABC"}

    def duty(self) -> list[dict[str, str]]:
        if not self._people:
            return []
        posts = (
            ("p-00000000000c", "CS-12", "guest_coordinator"),
            ("p-00000000000d", "CS-21", "room_staff"),
        )
        return [
            {"person": p, "post": post, "role": role, "org": "changsha", "session": SESSION}
            for p, post, role in posts
        ]

    def facts(self) -> dict[str, Any]:
        return {
            "place": "评标二室",
            "org": "长沙公共资源交易中心",
            "cameras": {},
            "at": "2026-11-24T00:41:42+00:00",
        }
