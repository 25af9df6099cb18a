"""A controller made of a script: signs and sends what a test tells it, with the real messages."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import crypto
from protocols.messages.bodies import Ack, Birth, PlanRef, Pong, RoomKeys, seal_batch
from protocols.messages.event import Event, encode_event, event_hash, first_prev
from protocols.messages.signed import Signer, parse_message
from protocols.messages.topics import DOWN_ACK, UP_EV, UP_ST, UP_TM, topic

AT = "2026-11-23T09:00:00.000Z"


@dataclass
class Stream:
    """One epoch of the room's journal: lines in order."""

    epoch: str
    lines: list[bytes] = field(default_factory=list)

    @property
    def tip(self) -> str:
        return event_hash(self.lines[-1]) if self.lines else first_prev()


class ScriptedRoom:
    """A room with a journal in memory and the keys of its enrolment folder."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "id.json").read_text(encoding="utf-8"))
        self.ctl: str = about["ctl"]
        self.mqtt: dict[str, Any] = about["mqtt"]
        self.signer: Signer = crypto.signer(crypto.read_private(folder / "sign.key"), "controller")
        self.streams: dict[str, Stream] = {}
        self.ask = secrets.token_hex(8)
        self.at, self.at_trust = AT, "ntp"

    def open(
        self, *, after: Stream | None = None, seq: int | None = None, cause: str = "start"
    ) -> Stream:
        """Begins an epoch behind the tip of another, or behind its row `seq`."""
        stream = Stream(secrets.token_hex(16))
        self.streams[stream.epoch] = stream
        upto = 0 if after is None else (len(after.lines) if seq is None else seq)
        pred = event_hash(after.lines[upto - 1]) if after is not None and upto else first_prev()
        data = {
            "pred_epoch": after.epoch if after is not None else "",
            "pred_seq": upto,
            "pred_hash": pred,
            "cause": cause,
        }
        self.write(stream, "epoch.opened", data, prev=pred)
        return stream

    def write(
        self,
        stream: Stream,
        type_: str = "seat.state",
        data: dict[str, Any] | None = None,
        *,
        session: str = "",
        prev: str = "",
    ) -> bytes:
        """Appends one event."""
        seq = len(stream.lines) + 1
        event = Event(
            v=1,
            ctl=self.ctl,
            epoch=stream.epoch,
            seq=seq,
            prev=prev or stream.tip,
            session=session,
            boot="boot",
            mono_ms=seq * 1000,
            at=self.at,
            at_trust=self.at_trust,
            type=type_,
            data={"station": 1, "state": "vacant"} if data is None else data,
        )
        line = encode_event(event)
        stream.lines.append(line)
        return line

    def batch(self, stream: Stream, first: int = 1, last: int | None = None) -> bytes:
        """A signed batch of rows `first`..`last`."""
        return self.seal(stream.epoch, first, stream.lines[first - 1 : last])

    def seal(self, epoch: str, first: int, lines: Sequence[bytes]) -> bytes:
        """A signed batch of any lines."""
        return seal_batch(
            ctl=self.ctl, epoch=epoch, first=first, lines=lines, signers=[self.signer]
        )

    def birth(self, stream: Stream, *, wire: int = 1, generation: int = 0) -> bytes:
        """The birth message."""
        self.ask = secrets.token_hex(8)
        return Birth(
            ctl=self.ctl,
            boot="boot",
            epoch=stream.epoch,
            seq=len(stream.lines),
            ask=self.ask,
            plan=PlanRef(generation, 0, ""),
            software="test",
            keys=RoomKeys(sign="0" * 64),
            wire=wire,
        ).encode()

    def pong(self, stream: Stream, *, acked: int, re: str = "") -> bytes:
        """A pong; `re`: the question's nonce."""
        self.ask = secrets.token_hex(8)
        return Pong(
            re=re,
            ask=self.ask,
            epoch=stream.epoch,
            seq=len(stream.lines),
            acked=acked,
            outbox=len(stream.lines) - acked,
            journal_ok=True,
            loop_ms=3,
        ).encode()

    def topic(self, leaf: str) -> str:
        return topic(self.ctl, leaf)


class Wire:
    """Stands where the broker's line would be: keeps what the hub sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, int]] = []

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        self.sent.append((name, payload, qos))

    def acks(self, *, clear: bool = True) -> list[Ack]:
        """Every ack sent since the last look."""
        found = [
            Ack.read(parse_message(raw, limit=64 * 1024))
            for name, raw, _ in self.sent
            if name.endswith(DOWN_ACK)
        ]
        if clear:
            self.sent.clear()
        return found

    def leaves(self) -> list[str]:
        """The leaves of the topics sent to, in order."""
        return ["/".join(name.split("/")[4:]) for name, _, _ in self.sent]


__all__ = ["UP_EV", "UP_ST", "UP_TM", "ScriptedRoom", "Stream", "Wire"]
