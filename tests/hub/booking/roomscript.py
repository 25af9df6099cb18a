"""A room of the test town: writes signed events, and a whole evaluation in a few lines."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from hub.clock import iso_ms
from hub.store.tables_business import session_order, session_plan
from protocols.evidence.tally import ROOM_TYPE, tally
from protocols.messages.bodies import seal_batch
from protocols.messages.event import Event, encode_event, event_hash, first_prev
from protocols.messages.signed import parse_message
from tests.hub.booking.town import CTLS, PIN, PLACES, Town, room_signer

PREPARED = "session.prepared"
DOCUMENTS = ("personal_sheet", "summary", "report")


@dataclass
class Room:
    """One controller with one epoch."""

    town: Town
    org: str
    session: str = ""
    epoch: str = ""
    seq: int = 0
    tip: str = field(default_factory=first_prev)
    waiting: list[bytes] = field(default_factory=list)
    at_trust: str = "ntp"
    rows: tuple[tuple[int, str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.seq:
            return
        self.epoch = hashlib.sha256(f"{self.org}{self.town.data}".encode()).hexdigest()[:32]
        opened = {"pred_epoch": "", "pred_seq": 0, "pred_hash": first_prev(), "cause": "start"}
        self.say("epoch.opened", opened)

    @property
    def ctl(self) -> str:
        return CTLS[self.org]

    def say(self, kind: str, data: dict[str, Any], *, session: str = "", at: str = "") -> None:
        """Records one event at the hub and lets it be read."""
        self.write(kind, data, session=session, at=at)
        self.send()

    def mine(self, kind: str, data: dict[str, Any]) -> None:
        """The same for the session."""
        self.say(kind, data, session=self.session)

    def write(self, kind: str, data: dict[str, Any], *, session: str = "", at: str = "") -> None:
        """Writes without sending."""
        self.seq += 1
        event = Event(
            v=1,
            ctl=self.ctl,
            epoch=self.epoch,
            seq=self.seq,
            prev=self.tip,
            session=session,
            boot="boot",
            mono_ms=self.town.clock.mono_ms(),
            at=at or iso_ms(self.town.clock.wall()),
            at_trust=self.at_trust,
            type=kind,
            data=data,
        )
        line = encode_event(event)
        self.tip = event_hash(line)
        self.waiting.append(line)
        self.rows += ((self.seq, session, kind),)

    def sealed(self) -> None:
        """What the journal counts when the session closes."""
        prepared = next(s for s, one, kind in self.rows if (one, kind) == (self.session, PREPARED))
        mine = {"", self.session}
        counted = [seq for seq, one, _ in self.rows if seq >= prepared and one in mine]
        self.mine(ROOM_TYPE, tally((self.epoch, seq) for seq in counted))

    def send(self) -> None:
        """Sends what waits as one batch."""
        lines, self.waiting = self.waiting, []
        first = self.seq - len(lines) + 1
        raw = seal_batch(
            ctl=self.ctl,
            epoch=self.epoch,
            first=first,
            lines=lines,
            signers=[room_signer(self.town, self.org)],
        )
        outcome = self.town.recorder.batch(self.ctl, raw)
        assert outcome.refused == ""
        self.town.projector.run_pending()

    def prepare(self) -> None:
        """The plan has arrived."""
        with self.town.store.read() as conn:
            mine = session_plan.c.ctl == self.ctl
            plan = conn.execute(select(session_plan.c.body).where(mine)).scalar_one()
        self.session = plan["session"]
        data = {
            key: plan[key] for key in ("booking", "kind", "start_at", "org", "role", "home_org")
        }
        more = {
            "venues": plan["venues"],
            "members": plan["members"],
            "pack_hash": self.town.pack.hash,
            "plan": {"generation": 1, "n": 1, "hash": "0" * 64},
        }
        self.write("session.prepared", {**data, **more}, session=self.session)
        moved = {"from": "idle", "to": "prepared", "by": "policy", "order": ""}
        self.mine("phase.changed", moved)

    def phase(self, to: str, *, before: str, order: str = "") -> None:
        self.mine("phase.changed", {"from": before, "to": to, "by": "order", "order": order})

    def check_in(self, no: int, locker: int) -> None:
        """A member comes in by card, deposits a phone and sits down."""
        self.write(
            "member.identified",
            {"no": no, "method": "card", "document": "id_card", "by": []},
            session=self.session,
        )
        deposit = {
            "no": no,
            "locker": locker,
            "items": ["phone"],
            "item": "present",
            "confirmed_by": [],
        }
        self.write("member.deposited", deposit, session=self.session)
        self.write("member.seated", {"no": no, "station": locker}, session=self.session)
        self.send()

    def signed(self, no: int, document: str, raw: bytes = b"") -> None:
        data = {
            "id": hashlib.sha256(f"{no}{document}".encode()).hexdigest()[:32],
            "no": no,
            "document": document,
            "outcome": "signed",
            "by": [],
        }
        if raw:
            data["raw"] = base64.b64encode(raw).decode()
        self.mine("statement.accepted", data)

    def segment(
        self,
        content: bytes,
        *,
        stored: bool = True,
        stream: str = "panorama",
        first: datetime | None = None,
    ) -> str:
        """Ten seconds of video from now on, or the ten since `first`, at the hub too."""
        digest = hashlib.sha256(content).hexdigest()
        if first is None:
            first = self.town.clock.wall()
            self.town.clock.pass_s(10)
        data = {
            "stream": stream,
            "first_at": iso_ms(first),
            "last_at": iso_ms(first + timedelta(seconds=10)),
            "sha256": digest,
            "bytes": len(content),
            "pts": 0,
            "recovered": False,
        }
        self.say("media.segment", data)
        if stored:
            path = self.town.media.path(digest)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self.town.media.adopt(digest)
        return digest


def copied(room: Room, town: Town) -> Room:
    """The same room, going on at another copy of the platform."""
    return replace(room, town=town, waiting=[])


def rooms_of(town: Town) -> dict[str, Room]:
    """Both rooms, prepared for the published session."""
    rooms = {org: Room(town, org) for org in CTLS}
    for room in rooms.values():
        room.prepare()
    return rooms


def order(town: Town, rooms: dict[str, Room], word: str, to: str, **more: Any) -> str:
    """The home manager orders; both rooms accept and act."""
    session = rooms["hubei"].session
    view = town.sessions.view(session)
    before = view["phase"]
    manager = town.who("hubei.home_manager")
    made = town.sessions.issue_order(manager, session, word, PIN, **more)
    with town.store.read() as conn:
        mine = session_order.c.id == made["id"]
        raw = conn.execute(select(session_order.c.raw).where(mine)).scalar_one()
    assert parse_message(bytes(raw), limit=100_000).header["order"] == word
    for room in rooms.values():
        data = {
            "id": made["id"],
            "n": made["n"],
            "order": word,
            "members": [],
            "by": [{"person": manager.person, "post": manager.post, "role": "home_manager"}],
            "via": "hub",
            "committee": more.get("committee", ""),
            "raw": base64.b64encode(bytes(raw)).decode(),
        }
        room.mine("order.accepted", data)
        room.phase(to, before=before, order=made["id"])
    return str(made["id"])


def evaluated(town: Town) -> dict[str, Room]:
    """A day from check-in to left, with video, in both rooms."""
    town.clock.now = town.clock.now.replace(day=24, hour=0, minute=30)
    rooms = rooms_of(town)
    order(town, rooms, "open", "check_in")
    for no, locker in ((1, 1), (2, 2), (3, 3)):
        rooms["hubei"].check_in(no, locker)
    for no, locker in ((4, 1), (5, 2)):
        rooms["changsha"].check_in(no, locker)
    order(town, rooms, "start", "evaluating")
    for n in range(3):
        begun = town.clock.wall()
        town.clock.pass_s(10)
        for org, room in rooms.items():
            room.segment(f"ftyp {org} {n}".encode() * 50, first=begun)
    order(town, rooms, "sign", "signing")
    for no in range(1, 6):
        for document in DOCUMENTS:
            for room in rooms.values():
                room.signed(no, document)
    order(town, rooms, "end", "ended", committee="complete")
    for org, room in rooms.items():
        for no in (1, 2, 3) if org == "hubei" else (4, 5):
            room.mine("member.released", {"no": no, "locker": 1})
            room.mine("member.left", {"no": no, "by": []})
        room.sealed()
    return rooms


__all__ = ["PLACES", "Room", "copied", "evaluated", "order", "rooms_of"]
