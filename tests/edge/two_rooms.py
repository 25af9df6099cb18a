"""A home room and a guest's, built from their files, their loops turned by hand; no line between.

What the hub would carry is carried by the test: plans, and the home room's signed list of hashes.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from edge.app import build
from edge.clock import Clock
from edge.code_side import KV_CODE_TRIES
from edge.config import read_room_file
from edge.service import RoomService
from edge.turn import Turn
from hub import crypto
from protocols.messages.acts import CommandWrapper, Order
from protocols.messages.event import Event, decode_event
from protocols.messages.plan import seal_plan
from protocols.messages.signed import parse_message
from protocols.policy.room_model import Session
from tests.system.room_hub import PIN, Keys, Person, body_of, demo_pack, session_plan
from tests.system.room_rig import NUMBERS, SESSION, Rig

CHEAP = crypto.Stretch(wrap_n=2**6)
"""The stretching of PINs is not the matter here."""


class Direct:
    """The loop's inbox where the test is the loop."""

    def ask(self, work: Callable[[], Any], _timeout_s: float) -> Any:
        return work()


@dataclass
class Back:
    """A clock whose wall was set back; its steady side cannot be."""

    clock: Clock
    by: timedelta

    def mono_ms(self) -> int:
        return self.clock.mono_ms()

    def wall(self) -> datetime:
        return self.clock.wall() - self.by

    def trust(self) -> str:
        return "none"


@dataclass
class Room:
    """One built room; `now` is the clock of the wrong codes."""

    rig: Rig
    now: list[int] = field(default_factory=lambda: [1_000_000])
    plans: int = 0
    generation: int = 1
    years_back: int = 0
    service: RoomService = field(init=False)

    def __post_init__(self) -> None:
        self.rig.folder.mkdir(parents=True)
        self.rig.write_files()
        self.start()

    def start(self) -> None:
        self.service = build(read_room_file(self.rig.toml))
        desk = self.service.desk
        desk.inbox = Direct()  # type: ignore[assignment]
        desk.roster.wrap_n = CHEAP.wrap_n
        tries = desk.codes.entry.tries
        tries.now_ms = lambda: self.now[0]
        tries.recall(self.service.journal.kv_get(KV_CODE_TRIES))
        # This machine's own clock may be undisciplined: that is a test of its own.
        self.service.intake.at_trust = lambda: "ntp"
        if self.years_back:
            back = Back(self.service.clock, timedelta(days=365 * self.years_back))
            self.service.runtime.clock = self.service.journal.clock = back
        self.service.runtime.open()
        self.service.runtime.feed(self.service.intake.resume())

    def restart(self) -> None:
        """As after a power cut: only what is on the disk goes on."""
        self.service.close()
        self.start()

    def close(self) -> None:
        self.service.close()
        self.rig.stop()

    @property
    def session(self) -> Session:
        return self.service.runtime.state.sessions[SESSION]

    def plan(self, **more: Any) -> None:
        """A plan of the hub arrives."""
        self.plans += 1
        keys, org = self.rig.keys, self.rig.org
        wrap = crypto.derive(PIN, bytes(16), CHEAP)
        session = session_plan(
            keys,
            session=SESSION,
            org=org,
            members=NUMBERS,
            seal_public=self.rig.seal_public,
            wrapped={one.person: crypto.wrap_with(wrap, one.seed, CHEAP) for one in keys.people},
        )
        certs = more.pop("certs", [])
        body = body_of(
            keys, place=f"{org}-1", org=org, sessions=[{**session, **more}], pack=demo_pack()
        )
        body["certs"] += [base64.b64encode(one).decode("ascii") for one in certs]
        hub = [crypto.signer(keys.hub, "hub")]
        raw = seal_plan(
            ctl=self.rig.ctl, generation=self.generation, n=self.plans, body=body, signers=hub
        )
        self.service.runtime.feed(self.service.intake.plan(raw, retained=False))

    def events(self, *types: str) -> list[Event]:
        return [one for one in self.service.journal.replay() if one.type in types]

    def feed(self, turns: list[Turn]) -> dict[str, Any]:
        fed = self.service.runtime.feed(turns)
        types = [decode_event(row.line).type for row in fed.rows]
        return {**(dict(fed.answers[-1].result) if fed.answers else {}), "types": types}

    def wrapped(self, kind: str, raw: bytes, *, re: str = "", ctl: str = "") -> bytes:
        """The hub's wrapper around somebody's message."""
        wrapper = CommandWrapper(ctl or self.rig.ctl, re, secrets.token_hex(16), kind, raw)
        return wrapper.seal([crypto.signer(self.rig.keys.hub, "hub")])

    def hub_sends(self, raw: bytes, *, retained: bool = False) -> dict[str, Any]:
        """A message on `down/cmd`."""
        return self.feed(self.service.intake.command(raw, retained=retained))

    # -- the screen --------------------------------------------------------------------------
    def order(self, word: str, **more: Any) -> dict[str, Any]:
        manager = self.rig.keys.manager
        about = {"session": SESSION, "person": manager.person, "pin": PIN}
        return self.service.desk.order({**about, "order": word, **more})

    def passed_on(self, n: int, by: Person | None = None) -> dict[str, Any]:
        who = by or self.rig.keys.manager
        body = {"session": SESSION, "n": n, "person": who.person, "pin": PIN}
        return self.service.desk.passed_on(body)

    def typed(self, text: str, by: Person | None = None) -> dict[str, Any]:
        who = by or self.rig.keys.staff
        body = {"session": SESSION, "text": text, "person": who.person, "pin": PIN}
        return self.service.desk.typed_order(body)


@dataclass
class TwoRooms:
    """Home (hubei) and guest (changsha) of one session, the guest with the home's hashes."""

    folder: Path
    keys: Keys = field(default_factory=Keys)
    home: Room = field(init=False)
    guest: Room = field(init=False)

    def __post_init__(self) -> None:
        self.home = Room(Rig(self.folder / "home", org="hubei", seats=1, keys=self.keys))
        self.guest = Room(Rig(self.folder / "guest", org="changsha", seats=1, keys=self.keys))
        self.home.plan()
        self.guest.plan(**self.carried())

    def carried(self) -> dict[str, Any]:
        """What the hub puts into the guest's plan."""
        told = self.home.events("codes.drawn")[-1]
        rig = self.home.rig
        cert = self.keys.certify(rig.ctl, "controller", "controller", "hubei", rig.sign_key)
        return {"codes": told.data["raw"], "certs": [cert]}

    def issued(self, word: str, **more: Any) -> tuple[int, bytes]:
        """An order on the home room's screen: its number and signed bytes."""
        answer = self.home.order(word, **more)
        assert answer["ok"], answer
        event: Mapping[str, Any] = self.home.events("order.issued")[-1].data
        raw = str(event["raw"]).encode()
        return Order.read(parse_message(raw, limit=len(raw))).n, raw

    def read_out(self, n: int) -> str:
        """The code the home manager reads to the guest over the telephone."""
        (one,) = self.home.passed_on(n)["codes"]
        return str(one["code"])

    def close(self) -> None:
        self.home.close()
        self.guest.close()
