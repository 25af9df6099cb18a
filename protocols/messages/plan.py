"""The plan (WIRE §3 `down/plan`): a room's signed desired state.

Header `{ctl, generation, n, hash}`; one body line, canonical JSON, whose SHA-256 is `hash`. A
plan above `MESSAGE_BYTES_MAX` goes without its body line; the room fetches the body by hash.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import Signed, Signer, fields, seal_message
from protocols.messages.status import PlanRef
from protocols.messages.strict import HEX64, Json, canonical, load
from protocols.messages.topics import MESSAGE_BYTES_MAX

PLAN_KEYS: Final = ("v", "place", "pack", "calendar", "certs", "sessions")
"""Every plan's body has these; `certs` is a list of base64 of signed certificate messages."""

RECEIPTED: Final = "receipted"
"""A body may have it: session id -> what the home venue's receipt is for. What the room holds of
these sessions may go by the rules of keeping (WIRE §4, §8); without it nothing goes."""

RECEIPTED_MAX: Final = 400
"""Newest receipts a body names: a year of a room's sessions, 20 KiB."""

PLAN_BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""Largest body a room fetches; a day with 60 sessions stays below 2 MiB."""

_HEADER_ROOM_BYTES = 2048
_CTL = re.compile(r"c-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; `body` is None while it still has to be fetched by `hash`."""

    ctl: str
    generation: int
    n: int
    hash: str
    body: Json | None

    @property
    def ref(self) -> PlanRef:
        """Its version and hash, as a birth reports them."""
        return PlanRef(self.generation, self.n, self.hash)


class PlanVerdict(enum.Enum):
    """What a room does with a plan; a refusal's value is the reason that the hub's alarm knows."""

    APPLY = "apply"
    SAME = "same"
    LOWER = "older"
    """Refused: a lower version than the one in force."""
    DIFFERENT = "other_hash"
    """Refused and alarmed: the version in force, with another hash."""


def plan_body(body: Mapping[str, Any]) -> bytes:
    """A body's line: canonical JSON (floats allowed: nobody re-serialises them)."""
    _required(body, LocalError)
    return canonical(body, where="plan", floats=True)


def seal_plan(
    *, ctl: str, generation: int, n: int, body: Mapping[str, Any], signers: Sequence[Signer]
) -> bytes:
    """A plan's bytes; without its body line where that is too large for a message."""
    line = plan_body(body)
    header = {
        "ctl": ctl,
        "generation": generation,
        "n": n,
        "hash": hashlib.sha256(line).hexdigest(),
    }
    fits = len(line) + _HEADER_ROOM_BYTES <= MESSAGE_BYTES_MAX
    return seal_message(
        ctx="er1/plan", header=header, lines=(line,) if fits else (), signers=signers
    )


def read_plan(signed: Signed) -> Plan:
    """The plan in a parsed message. `RemoteError` if it is none."""
    reader = fields(signed, "er1/plan")
    ctl = reader.text("ctl", _CTL)
    generation, n = reader.integer("generation"), reader.integer("n", 1)
    digest = reader.text("hash", HEX64)
    reader.end()
    if len(signed.lines) > 1:
        raise RemoteError("a plan has one body line", where="er1/plan", expected="0 or 1 lines")
    body = parse_plan_body(signed.lines[0], digest) if signed.lines else None
    return Plan(ctl=ctl, generation=generation, n=n, hash=digest, body=body)


def parse_plan_body(line: bytes, digest: str) -> Json:
    """A body, sent or fetched, checked against the signed hash. `RemoteError` otherwise."""
    got = hashlib.sha256(line).hexdigest()
    if got != digest or len(line) > PLAN_BODY_BYTES_MAX:
        raise RemoteError(
            "the plan's body is not the signed one",
            where="er1/plan.hash",
            expected=f"{digest}, at most {PLAN_BODY_BYTES_MAX} bytes",
            got=f"{got}, {len(line)} bytes",
            do="fetch it again",
        )
    body = load(line, where="plan", floats=True)
    _required(body, RemoteError)
    return body


def judge_plan(current: PlanRef, offered: PlanRef) -> PlanVerdict:
    """Whether to apply a plan, by version `(generation, n)` and hash."""
    now, then = (offered.generation, offered.n), (current.generation, current.n)
    if now > then:
        return PlanVerdict.APPLY
    if now < then:
        return PlanVerdict.LOWER
    return PlanVerdict.SAME if offered.hash == current.hash else PlanVerdict.DIFFERENT


def _required(body: Mapping[str, Any], error: type[LocalError | RemoteError]) -> None:
    missing = [key for key in PLAN_KEYS if key not in body]
    if missing:
        raise error(
            "the plan lacks parts",
            where="plan",
            expected=", ".join(PLAN_KEYS),
            got="without " + ", ".join(missing),
        )
