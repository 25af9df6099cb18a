"""A room on the bench: feed inputs, look at what it drafted, and check the fold at every step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from edge.room import Answer, Draft, Effect, Input, Pulse, step
from protocols.policy.pack import Pack
from protocols.policy.room_state import (
    DeviceConfig,
    RoomConfig,
    RoomState,
    apply,
    initial,
    recorded,
)

SESSION = "s-0123456789ab"
START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
PACKS = Path(__file__).parents[2] / "protocols" / "policy" / "packs"
STAFF = {"person": "p-staff", "post": "CS-01", "role": "room_staff", "org": "changsha"}
STAFF2 = {"person": "p-staff2", "post": "CS-02", "role": "room_staff", "org": "changsha"}
COORDINATOR = {
    "person": "p-coord",
    "post": "CS-03",
    "role": "guest_coordinator",
    "org": "changsha",
}
MANAGER = {"person": "p-manager", "post": "HB-01", "role": "home_manager", "org": "hubei"}
CODE = {"person": "code", "post": "", "role": "", "org": "hubei"}
"""Who gives an order that is typed as an offline code."""
DOCUMENTS = ("personal_sheet", "summary", "report")


@cache
def demo_pack() -> Pack:
    return Pack.parse(yaml.safe_load((PACKS / "demo.yaml").read_text(encoding="utf-8")))


def committee_pack() -> Pack:
    pack = demo_pack()
    return replace(pack, gate=replace(pack.gate, documents_quantifier="committee"))


def config(*, item_sensor: bool = True) -> RoomConfig:
    return RoomConfig(
        ctl="c-0123456789ab",
        place="changsha-2",
        stations=(1, 2, 3, 4),
        lockers=(1, 2, 3, 4),
        item_sensor=item_sensor,
        streams=("room", "desk"),
        devices=(
            DeviceConfig("locker", "cu16"),
            DeviceConfig("id_reader", "idcard"),
            DeviceConfig("mat-1", "mat"),
            DeviceConfig("radar-1", "radar"),
            DeviceConfig("ups", "ups"),
            DeviceConfig("mains", "mains"),
        ),
    )


def member(no: int, *, here: bool = True, kind: str = "expert", **more: Any) -> dict[str, Any]:
    place = {"station": no - 2, "locker": no - 2} if here else {"station": None, "locker": None}
    org = "changsha" if here else "hubei"
    return {"no": no, "kind": kind, "org": org, "here": here, **place, **more}


def session_plan(session: str = SESSION, **more: Any) -> dict[str, Any]:
    return {
        "session": session,
        "booking": "2026-1124-03",
        "kind": "evaluation",
        "start_at": iso(START),
        "duration_min": 240,
        "org": "changsha",
        "role": "guest",
        "home_org": "hubei",
        "venues": [
            {"org": "hubei", "role": "home", "ctl": "c-1", "place": "hubei-301", "name": "一室"},
            {"org": "changsha", "role": "guest", "ctl": "c-2", "place": "changsha-2", "name": "二"},
        ],
        "members": [member(1, here=False), member(3), member(4), member(5)],
        **more,
    }


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


@dataclass
class Bench:
    """One room; `rows` is its journal, `last` what the last input drafted."""

    pack: Pack = field(default_factory=demo_pack)
    item_sensor: bool = True
    state: RoomState = field(init=False)
    now_ms: int = 1_000
    at: datetime = START - timedelta(minutes=20)
    rows: list[tuple[Draft, int, int, str]] = field(default_factory=list)
    last: tuple[Draft, ...] = ()
    effects: tuple[Effect, ...] = ()
    orders: int = 0
    doors: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = initial(config(item_sensor=self.item_sensor))

    def feed(self, kind: str, data: dict[str, Any] | None = None) -> tuple[Draft, ...]:
        inp = Input(kind, data or {}, self.now_ms, iso(self.at))
        first = self.state.seq
        self.state, self.last, self.effects = step(self.state, inp, self.pack)
        for at, draft in enumerate(self.last):
            self.rows.append((draft, first + at + 1, inp.mono_ms, inp.at))
        return self.last

    def refold(self) -> RoomState:
        """The state a restart would find: only what was journalled."""
        state = initial(self.state.config)
        for draft, seq, mono_ms, at in self.rows:
            state = apply(
                state, draft.type, draft.session, draft.data, seq=seq, mono_ms=mono_ms, at=at
            )
        return state

    def check_fold(self) -> None:
        found, live = self.refold(), recorded(self.state)
        if self.rows:
            assert found == live

    def wait(self, seconds: float) -> list[Draft]:
        """Seconds go by, a tick each."""
        drafts: list[Draft] = []
        for _ in range(round(seconds)):
            self.now_ms += 1000
            self.at += timedelta(seconds=1)
            drafts += self.feed("tick")
        return drafts

    # -- people ------------------------------------------------------------------------------
    def plan(self, *sessions: dict[str, Any], n: int = 1) -> tuple[Draft, ...]:
        rows = list(sessions) or [session_plan()]
        return self.feed(
            "plan",
            {"generation": 1, "n": n, "hash": f"{n:064x}", "sessions": rows, "pack_hash": "ab"},
        )

    def order(self, order: str, **more: Any) -> tuple[Draft, ...]:
        self.orders += 1
        data = {
            "id": f"{self.orders:032x}",
            "session": SESSION,
            "n": self.orders,
            "order": order,
            "members": [],
            "venues": [],
            "committee": "",
            "by": MANAGER,
            "via": "hub",
            "raw": "r",
        }
        return self.feed("order", {**data, **more})

    def staff(self, act: str, *by: dict[str, str], **args: Any) -> tuple[Draft, ...]:
        people = list(by) or [STAFF]
        return self.feed("staff", {"act": act, "session": SESSION, "args": args, "by": people})

    def card(self, no: int) -> tuple[Draft, ...]:
        return self.feed(
            "card", {"matches": [{"session": SESSION, "no": no}], "layout": "resident"}
        )

    def state_ment(self, no: int, document: str, outcome: str = "signed") -> tuple[Draft, ...]:
        data = {
            "id": f"st{no}{document}",
            "session": SESSION,
            "member": no,
            "document": document,
            "outcome": outcome,
            "digest": "0" * 64,
            "by": [STAFF, COORDINATOR],
            "raw": "r",
        }
        return self.feed("statement", data)

    def sign_all(self, *numbers: int) -> None:
        for no in numbers:
            for document in DOCUMENTS:
                self.state_ment(no, document)

    # -- things ------------------------------------------------------------------------------
    def door(self, number: int, door: str, item: str) -> tuple[Draft, ...]:
        self.doors[str(number)] = [door, item]
        return self.feed("lockers", {"states": dict(self.doors)})

    def all_shut(self) -> None:
        self.doors = {str(number): ["closed", "absent"] for number in self.state.lockers}
        self.feed("lockers", {"states": dict(self.doors)})

    def sit(self, station: int) -> tuple[Draft, ...]:
        self.feed("radar", {"station": station, "target": "both"})
        return self.feed("mat", {"station": station, "on": True})

    def stand_up(self, station: int) -> list[Draft]:
        self.feed("radar", {"station": station, "target": "none"})
        self.feed("mat", {"station": station, "on": False})
        return self.wait(self.pack.seat.clear_s + 1)

    def healthy(self) -> None:
        """Everything in the room is heard and well."""
        self.all_shut()
        self.feed("mains", {"present": True})
        self.feed("ups", {"utility_fail": False, "battery_low": False, "charge_pct": 100})
        self.feed("network", {"rung": "ok", "detail": ""})
        self.feed("system_probe", {"ok": True})
        for stream in self.state.streams:
            self.feed("recording", {"stream": stream, "state": "on"})
        for station in self.state.seats:
            self.feed("radar", {"station": station, "target": "none"})
            self.feed("mat", {"station": station, "on": False})
        self.wait(self.pack.seat.clear_s + 1)

    # -- the day -----------------------------------------------------------------------------
    def begin(self) -> Bench:
        self.feed("started", {"software": "0.1.0", "config_hash": "cd"})
        self.plan()
        self.healthy()
        return self

    def admit(self, no: int, *, seated: bool = True) -> None:
        self.card(no)
        self.staff("steps.record", no=no, health=True, recusal=False, commitment=True)
        self.staff("deposit.declare", no=no, items=["phone"])
        locker = self.state.sessions[SESSION].members[no].locker
        assert locker is not None
        self.door(locker, "open", "absent")
        self.door(locker, "open", "present")
        self.door(locker, "closed", "present")
        if seated:
            self.sit(no - 2)

    def evaluating(self) -> Bench:
        self.begin()
        self.order("open")
        for no in (3, 4, 5):
            self.admit(no)
        self.order("start")
        assert self.phase() == "evaluating"
        return self

    def signing(self) -> Bench:
        self.evaluating()
        self.order("sign")
        return self

    def ended(self) -> Bench:
        self.signing()
        self.sign_all(3, 4, 5)
        self.order("end", committee="complete")
        assert self.phase() == "ended"
        return self

    def collect(self, no: int) -> None:
        self.card(no)
        locker = no - 2
        self.door(locker, "open", "present")
        self.door(locker, "open", "absent")
        self.door(locker, "closed", "absent")

    # -- looks -------------------------------------------------------------------------------
    def phase(self) -> str:
        return self.state.sessions[SESSION].phase.value

    def step_of(self, no: int) -> str:
        return self.state.sessions[SESSION].members[no].step.value

    def types(self) -> list[str]:
        return [draft.type for draft in self.last]

    def only(self, event_type: str) -> dict[str, Any]:
        found = [draft.data for draft in self.last if draft.type == event_type]
        assert len(found) == 1, self.types()
        return found[0]

    def journal(self, event_type: str) -> list[dict[str, Any]]:
        return [draft.data for draft, *_ in self.rows if draft.type == event_type]

    def pulses(self) -> list[int]:
        return [effect.lock for effect in self.effects if isinstance(effect, Pulse)]

    def answer(self) -> dict[str, Any]:
        (found,) = [effect for effect in self.effects if isinstance(effect, Answer)]
        return dict(found.result)

    def unmet(self) -> set[str]:
        return {row["key"] for row in self.only("gate.refused")["conditions"] if not row["met"]}
