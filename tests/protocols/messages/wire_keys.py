"""Real Ed25519 keys and a small world of venues, persons and controllers for the tests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocols.messages.bodies import Certificate, HubKey, TrustFile, VenueKey
from protocols.messages.event import GENESIS, Event, encode_event, event_hash
from protocols.messages.identity import kid
from protocols.messages.signed import Signer

CTL = "c-0123456789ab"
HUB = "h-0123456789ab"
EPOCH = "e" * 32
SESSION = "s-00000000abcd"
AT = "2026-05-07T01:02:03.004Z"


@dataclass(frozen=True)
class Key:
    """A key pair drawn from its name, so that every run has the same."""

    name: str

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @cached_property
    def pub(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @cached_property
    def kid(self) -> str:
        return kid(self.pub)

    def signer(self, role: str = "controller") -> Signer:
        return Signer(kid=self.kid, role=role, sign=self.private.sign)


def verify(pub: bytes, sig: bytes, msg: bytes) -> bool:
    """The fast check the programs use."""
    try:
        Ed25519PublicKey.from_public_bytes(pub).verify(sig, msg)
    except InvalidSignature:
        return False
    return True


HOME, GUEST, HUB_KEY, ROOM = Key("home"), Key("guest"), Key("hub"), Key("room")


def trust_file(*, hub_orders: bool = False, venues=(("hubei", HOME), ("changsha", GUEST)), **more):
    return TrustFile(
        hub_orders=hub_orders,
        checkpoint="none",
        venues=tuple(VenueKey(org, org, key.kid, key.pub.hex()) for org, key in venues),
        hub=HubKey(HUB, HUB_KEY.kid, HUB_KEY.pub.hex()),
        **more,
    )


def certify(key: Key, subject: str, *, kind="person", roles=("home_manager",), issuer=HOME):
    """A certificate message; the issuer signs in the role of a venue."""
    return Certificate(
        subject=subject,
        kind=kind,
        roles=tuple(roles),
        kid=key.kid,
        pub=key.pub.hex(),
        from_at=AT,
    ).seal([issuer.signer("venue")])


def event(seq=1, prev=GENESIS, **changes) -> Event:
    known = {
        "v": 1,
        "ctl": CTL,
        "epoch": EPOCH,
        "seq": seq,
        "prev": prev,
        "session": "",
        "boot": "b0",
        "mono_ms": 1000 + seq,
        "at": AT,
        "at_trust": "ntp",
        "type": "power.state",
        "data": {"mains": "on"},
    }
    return Event(**{**known, **changes})


def chain(count: int, *, first: int = 1, prev: str = GENESIS, **changes) -> list[bytes]:
    """Event lines that link."""
    lines = []
    for seq in range(first, first + count):
        line = encode_event(event(seq, prev, **changes))
        lines.append(line)
        prev = event_hash(line)
    return lines
