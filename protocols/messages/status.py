"""Unsigned bodies of WIRE §3: birth and will (`up/st`), pong and telemetry (`up/tm`), ping.

They prove nothing: they make the other side look. A will makes the hub ping, a birth is the pull
request that is answered with ack, plan and open commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from protocols.messages.strict import HEX32, HEX64, NONCE, Json, Reader, dump, load

WIRE_VERSION: Final = 1
"""What this code speaks. A birth with another number is refused clearly, not half understood."""

_CTL = re.compile(r"c-[0-9a-f]{12}\Z")
_BOOT = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_HASH_OR_NONE = re.compile(r"(?:[0-9a-f]{64})?\Z")
_SEALING = re.compile(r"(?:[0-9a-f]{64})?\Z")


@dataclass(frozen=True, slots=True)
class PlanRef:
    """A plan's version `(generation, n)` and SHA-256 of its body; (0, 0, '') for no plan yet."""

    generation: int = 0
    n: int = 0
    hash: str = ""

    def value(self) -> Json:
        """As JSON: `{"version":[generation,n],"hash":hex}`."""
        return {"version": [self.generation, self.n], "hash": self.hash}

    @classmethod
    def read(cls, reader: Reader) -> PlanRef:
        """From JSON; `RemoteError` otherwise."""
        version = reader.integers("version", 2)
        ref = cls(version[0], version[1], reader.text("hash", _HASH_OR_NONE))
        reader.end()
        return ref


@dataclass(frozen=True, slots=True)
class RoomKeys:
    """A room's raw public keys in hex; a hint only: certificates say which keys count."""

    sign: str
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Birth:
    """Retained at every connect. `seq` is the newest row of `epoch`, `ask` a fresh nonce.

    `seen`: the newest generation of an ack; said only where the plan's does not say as much.
    """

    ctl: str
    boot: str
    epoch: str
    seq: int
    ask: str
    plan: PlanRef
    software: str
    keys: RoomKeys
    wire: int = WIRE_VERSION
    seen: int = 0

    @property
    def generation(self) -> int:
        """The newest generation of the hub that this room knows."""
        return max(self.plan.generation, self.seen)

    def encode(self) -> bytes:
        """The message's bytes."""
        said = {"seen": self.seen} if self.seen > self.plan.generation else {}
        body = {
            "kind": "birth",
            "ctl": self.ctl,
            "boot": self.boot,
            "epoch": self.epoch,
            "seq": self.seq,
            "ask": self.ask,
            "plan": self.plan.value(),
            "software": self.software,
            "wire": self.wire,
            "keys": {"sign": self.keys.sign, "seal": self.keys.seal},
            **said,
        }
        return dump(body, where="birth")


@dataclass(frozen=True, slots=True)
class Will:
    """Sent by the broker when the connection is lost; an orderly stop publishes it itself."""

    ctl: str
    boot: str

    def encode(self) -> bytes:
        """The message's bytes."""
        return dump({"kind": "will", "ctl": self.ctl, "boot": self.boot}, where="will")


@dataclass(frozen=True, slots=True)
class OtherWire:
    """A birth in a wire version this program does not speak; what else it says is not looked at."""

    ctl: str
    wire: int


def decode_status(raw: bytes) -> Birth | Will | OtherWire:
    """What `up/st` carries. `RemoteError` for anything else."""
    reader = Reader(load(raw, where="up/st"), where="up/st")
    kind = reader.one_of("kind", ("birth", "will"))
    ctl, boot = reader.text("ctl", _CTL), reader.text("boot", _BOOT)
    if kind == "will":
        reader.end()
        return Will(ctl=ctl, boot=boot)
    wire = reader.integer("wire", 1, 999)
    if wire != WIRE_VERSION:
        return OtherWire(ctl, wire)
    keys = reader.object("keys")
    birth = Birth(
        ctl=ctl,
        boot=boot,
        epoch=reader.text("epoch", HEX32),
        seq=reader.integer("seq"),
        ask=reader.text("ask", NONCE),
        plan=PlanRef.read(reader.object("plan")),
        software=reader.text("software", chars_max=128),
        keys=RoomKeys(sign=keys.text("sign", HEX64), seal=keys.text("seal", _SEALING)),
        seen=reader.integer("seen") if reader.has("seen") else 0,
    )
    keys.end()
    reader.end()
    return birth


@dataclass(frozen=True, slots=True)
class Pong:
    """Answer to a ping, made by the room's loop.

    `re` is the hub's nonce, `ask` the room's own fresh one; `epoch`, `seq`: the newest row,
    `acked`: the cursor in that epoch; `outbox`: rows of all epochs not acked; `journal_ok`: a
    real write was proven in the last 60 s; `loop_ms`: the longest turn of the loop since the last
    pong.
    """

    re: str
    ask: str
    epoch: str
    seq: int
    acked: int
    outbox: int
    journal_ok: bool
    loop_ms: int

    def encode(self) -> bytes:
        """The message's bytes."""
        body = {
            "kind": "pong",
            "re": self.re,
            "ask": self.ask,
            "epoch": self.epoch,
            "seq": self.seq,
            "acked": self.acked,
            "outbox": self.outbox,
            "journal_ok": self.journal_ok,
            "loop_ms": self.loop_ms,
        }
        return dump(body, where="pong")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Newest wins, on change and each 60 s. `values` is JSON without floats, `mono_ms` its age."""

    mono_ms: int
    values: Mapping[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The message's bytes."""
        body = {"kind": "telemetry", "mono_ms": self.mono_ms, "values": dict(self.values)}
        return dump(body, where="telemetry")


def decode_tm(raw: bytes) -> Pong | Telemetry:
    """What `up/tm` carries. `RemoteError` for anything else."""
    reader = Reader(load(raw, where="up/tm"), where="up/tm")
    body: Pong | Telemetry
    if reader.one_of("kind", ("pong", "telemetry")) == "telemetry":
        body = Telemetry(mono_ms=reader.integer("mono_ms"), values=reader.mapping("values"))
    else:
        body = Pong(
            re=reader.text("re", NONCE),
            ask=reader.text("ask", NONCE),
            epoch=reader.text("epoch", HEX32),
            seq=reader.integer("seq"),
            acked=reader.integer("acked"),
            outbox=reader.integer("outbox"),
            journal_ok=reader.truth("journal_ok"),
            loop_ms=reader.integer("loop_ms"),
        )
    reader.end()
    return body


@dataclass(frozen=True, slots=True)
class Ping:
    """The hub's question each 5 s; `nonce` comes back as the pong's `re`."""

    nonce: str

    def encode(self) -> bytes:
        """The message's bytes."""
        return dump({"nonce": self.nonce}, where="ping")

    @classmethod
    def decode(cls, raw: bytes) -> Ping:
        """What `down/ping` carries. `RemoteError` for anything else."""
        reader = Reader(load(raw, where="down/ping"), where="down/ping")
        ping = cls(nonce=reader.text("nonce", NONCE))
        reader.end()
        return ping
