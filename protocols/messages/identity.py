"""Identities of WIRE §1: recorders, persons, key ids and the shard of a topic.

A recorder is a controller (`c-` + 12 hex) or a hub (`h-` + 12 hex): both write event streams.
Ids are drawn once, at enrolment, from entropy the caller brings.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from protocols.messages.errors import LocalError

ID_ENTROPY_BYTES = 6
"""48 random bits: twelve hex digits; a collision among 10 000 rooms is below 1 in 5 million."""

PUBLIC_KEY_BYTES = 32
"""Raw Ed25519 and X25519 public keys (RFC 8032, RFC 7748)."""

SHARD_COUNT = 64
"""Topics are spread over 64 shards so that ingest workers can lease parts of the fleet."""

CLIENT_BYTES = 16
"""Nobody guesses 128 bits of what somebody calls himself at a broker."""

_CONTROLLER = re.compile(r"c-[0-9a-f]{12}\Z")
_HUB = re.compile(r"h-[0-9a-f]{12}\Z")
_PERSON = re.compile(r"p-[0-9a-f]{12}\Z")
_KID = re.compile(r"[0-9a-f]{16}\Z")


def kid(raw_public_key: bytes) -> str:
    """Key id: the first 16 hex digits of SHA-256 of the raw 32-byte public key."""
    if len(raw_public_key) != PUBLIC_KEY_BYTES:
        raise LocalError(
            "a key id is made from a raw public key",
            where="kid",
            expected=f"{PUBLIC_KEY_BYTES} bytes",
            got=f"{len(raw_public_key)} bytes",
        )
    return hashlib.sha256(raw_public_key).hexdigest()[:16]


def shard(ctl: str) -> str:
    """Shard of a recorder: SHA-256(ASCII id)[0] & 63 as two decimal digits, "00".."63"."""
    if not is_ctl(ctl):
        raise LocalError(
            "not a recorder's id", where="shard", expected="c- or h- + 12 hex", got=ctl
        )
    return f"{hashlib.sha256(ctl.encode('ascii')).digest()[0] & (SHARD_COUNT - 1):02d}"


def controller_id(entropy: bytes) -> str:
    """A new controller's id from at least 6 random bytes; the first 6 are used."""
    return "c-" + _twelve(entropy)


def hub_id(entropy: bytes) -> str:
    """A new hub's id from at least 6 random bytes; the first 6 are used."""
    return "h-" + _twelve(entropy)


def person_id(entropy: bytes) -> str:
    """A new person's id from at least 6 random bytes; the first 6 are used."""
    return "p-" + _twelve(entropy)


def client_id(name: str, seed: bytes) -> str:
    """What a hub or controller calls itself at a broker (MQTT ClientId), the same at each connect.

    A broker that lets anybody use any id ends the connection that has it already: so that nobody
    can end another's, none but the holder of its key can know its id.

    Args:
        name: whose it is, for the broker's own log.
        seed: its private key.
    """
    return f"{name}-{hmac.digest(seed, b'er1/client', 'sha256')[:CLIENT_BYTES].hex()}"


def is_ctl(s: object) -> bool:
    """Whether `s` names a recorder: a controller or a hub (both have event streams)."""
    return is_controller(s) or is_hub(s)


def is_controller(s: object) -> bool:
    """Whether `s` names a controller: `c-` + 12 lower-case hex."""
    return isinstance(s, str) and _CONTROLLER.match(s) is not None


def is_hub(s: object) -> bool:
    """Whether `s` names a hub: `h-` + 12 lower-case hex."""
    return isinstance(s, str) and _HUB.match(s) is not None


def is_person(s: object) -> bool:
    """Whether `s` names a person: `p-` + 12 lower-case hex."""
    return isinstance(s, str) and _PERSON.match(s) is not None


def is_kid(s: object) -> bool:
    """Whether `s` is a key id: 16 lower-case hex."""
    return isinstance(s, str) and _KID.match(s) is not None


def _twelve(entropy: bytes) -> str:
    if len(entropy) < ID_ENTROPY_BYTES:
        raise LocalError(
            "too little entropy for an id",
            where="identity",
            expected=f"at least {ID_ENTROPY_BYTES} random bytes",
            got=f"{len(entropy)} bytes",
        )
    return entropy[:ID_ENTROPY_BYTES].hex()
