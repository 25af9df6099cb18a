"""Chains of events: what must hold between the lines of one epoch (WIRE §4).

For programs that hold the lines themselves: a journal at its start, a hub after a restore. The
package verifier has its own, because it must stand alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocols.messages.errors import RemoteError
from protocols.messages.event import envelope_of, event_hash
from protocols.messages.signed import Signed, signing_bytes_from_hashes


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a run of events stands: the last seq and the hash of its bytes."""

    ctl: str
    epoch: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first line that does not follow. reason: unreadable, stream, seq, prev."""

    index: int
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """How far a run holds; `broken` None: to its end."""

    tip: Tip
    count: int
    broken: Break | None


def check_chain(start: Tip, lines: Iterable[bytes]) -> ChainVerdict:
    """Follow lines from `start` (seq 0 and the predecessor's hash at an epoch's beginning)."""
    tip, count = start, 0
    for index, line in enumerate(lines):
        reason, seq = _fault(tip, line)
        if reason:
            return ChainVerdict(tip, count, Break(index, seq, reason))
        tip = Tip(tip.ctl, tip.epoch, seq, event_hash(line))
        count += 1
    return ChainVerdict(tip, count, None)


def _fault(tip: Tip, line: bytes) -> tuple[str, int]:
    try:
        envelope = envelope_of(line)
    except RemoteError:
        return "unreadable", 0
    if (envelope.ctl, envelope.epoch) != (tip.ctl, tip.epoch):
        return "stream", envelope.seq
    if envelope.seq != tip.seq + 1:
        return "seq", envelope.seq
    return ("", envelope.seq) if envelope.prev == tip.hash else ("prev", envelope.seq)


def batch_digest(hashes: Sequence[str]) -> str:
    """The digest a batch's signature covers, from its lines' hashes in hex."""
    return hashlib.sha256(b"".join(bytes.fromhex(one) for one in hashes)).hexdigest()


def seal_payload(seal: Signed, hashes: Sequence[str]) -> bytes:
    """The bytes a kept batch seal signed, from its lines' hashes in hex."""
    raw = (bytes.fromhex(one) for one in hashes)
    return signing_bytes_from_hashes(seal.ctx, seal.header_line, raw)
