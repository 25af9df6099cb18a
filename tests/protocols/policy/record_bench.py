"""A record under the pen, for tests of the fold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocols.policy import room_model
from protocols.policy.room_state import DeviceConfig, RoomConfig, RoomState, apply, initial

AT = "2026-11-24T01:00:00.000Z"
S = "s-0123456789ab"
PREPARED: dict[str, Any] = {
    "booking": "2026-1124-03",
    "kind": "evaluation",
    "start_at": AT,
    "org": "changsha",
    "role": "guest",
    "home_org": "hubei",
    "venues": [{"org": "hubei", "role": "home", "ctl": "c-1", "place": "p", "name": "n"}],
    "members": [
        {"no": 3, "kind": "expert", "org": "changsha", "here": True, "station": 1, "locker": 1},
        {"no": 4, "kind": "expert", "org": "changsha", "here": True, "station": 2, "locker": 2},
        {
            "no": 1,
            "kind": "tenderer_rep",
            "org": "hubei",
            "here": False,
            "station": None,
            "locker": None,
        },
    ],
    "pack_hash": "ab",
    "plan": {"generation": 1, "n": 1, "hash": "cd"},
}


class Record:
    """A record under the pen: each event a second after the last."""

    def __init__(self) -> None:
        config = RoomConfig(
            "c-1", "p", (1, 2), (1, 2), True, ("room",), (DeviceConfig("locker", "cu16"),)
        )
        self.state = initial(config)
        self.mono_ms = 0

    def write(self, kind: str, session: str = "", /, **data: Any) -> RoomState:
        return self.put(kind, session, data)

    def put(self, kind: str, session: str, data: Mapping[str, Any]) -> RoomState:
        self.mono_ms += 1000
        self.state = apply(
            self.state,
            kind,
            session,
            data,
            seq=self.state.seq + 1,
            mono_ms=self.mono_ms,
            at=AT,
            epoch="e",
        )
        return self.state

    def prepared(self) -> Record:
        self.put("session.prepared", S, PREPARED)
        return self

    def member(self, no: int = 3) -> room_model.Member:
        return self.state.sessions[S].members[no]

    def deposited(self) -> Record:
        self.prepared()
        self.write("phase.changed", S, **{"from": "prepared", "to": "check_in", "by": "order"})
        self.write("member.identified", S, no=3, method="card")
        self.write("deposit.declared", S, no=3, items=["phone"])
        self.write("locker.opening", S, locker=1, no=3, why="deposit", intent="i-1", by=[])
        self.write("locker.state", S, locker=1, door="open", item="absent")
        self.write("locker.opened", S, locker=1, intent="i-1")
        self.write("locker.state", S, locker=1, door="closed", item="present")
        self.write("locker.closed", S, locker=1, no=3, item="present")
        self.write("member.deposited", S, no=3, locker=1, items=["phone"], item="present")
        return self
