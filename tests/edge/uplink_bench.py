"""What the uplink's tests are played with: keys, a cable, a hub's acks, a clock moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.intake import Intake
from edge.journal import Journal
from edge.turn import Turn
from edge.uplink import Uplink
from protocols.messages.acks import Ack
from protocols.messages.identity import kid
from protocols.messages.signed import Signer
from protocols.messages.topics import (
    DOWN_ACK,
    topic,
)

CTL = "c-0123456789ab"
HUB = "h-0123456789ab"
RUN = "ab" * 16


@dataclass(frozen=True)
class Key:
    """A key pair and who signs with it."""

    role: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        """Raw public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def signer(self) -> Signer:
        """Signs in its role."""
        return Signer(kid(self.public), self.role, self.private.sign)


@dataclass
class Cable:
    """A pipe that keeps what was sent; the port of `edge.pipe` without a broker behind it."""

    sent: list[tuple[str, bytes, bool]] = field(default_factory=list)

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """Takes one message."""
        assert qos in (0, 1)
        self.sent.append((topic, payload, retain))
        return True

    def take(self, leaf: str) -> list[bytes]:
        """Payloads sent on a leaf, which are forgotten."""
        name = topic(CTL, leaf)
        found = [payload for where, payload, _ in self.sent if where == name]
        self.sent = [one for one in self.sent if one[0] != name]
        return found


@dataclass(frozen=True)
class Fact:
    """A record for the journal."""

    type: str
    session: str
    data: dict[str, Any]


@dataclass
class Bench:
    """An uplink with its journal, a hub's key and a clock moved by hand."""

    hub: Key
    room: Key
    journal: Journal
    cable: Cable
    intake: Intake
    uplink: Uplink
    now: list[int]
    n: int = 0

    def ack(self, **changes: Any) -> list[Turn]:
        """A genuine ack of everything, with changes."""
        self.n += 1
        about = {
            "ctl": CTL,
            "generation": 1,
            "run": RUN,
            "n": self.n,
            "epoch": self.journal.epoch,
            "upto": self.journal.seq,
            "hash": self.journal.head,
            "re": self.uplink.state.ask,
        }
        signer = changes.pop("signer", self.hub.signer)
        uplink = changes.pop("uplink", self.uplink)
        ack = Ack(**{**about, **changes})
        return uplink.arrived(DOWN_ACK, ack.seal([signer]), retained=False)
