"""Batch and ack: the two messages that carry the record (WIRE §3, §5, §6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import Signed, Signer, fields, seal_message
from protocols.messages.strict import HEX32, HEX64, NONCE
from protocols.messages.topics import MESSAGE_BYTES_MAX

CREDIT_MAX: Final = 4
"""Batches in flight at most; the hub lowers it to brake a room."""

_RECORDER = re.compile(r"[ch]-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True)
class Batch:
    """`count` event lines of one epoch from seq `first` on, as the room wrote them."""

    ctl: str
    epoch: str
    first: int
    count: int
    lines: tuple[bytes, ...]

    @property
    def last(self) -> int:
        """Seq of the last line."""
        return self.first + self.count - 1


def seal_batch(
    *, ctl: str, epoch: str, first: int, lines: Sequence[bytes], signers: Sequence[Signer]
) -> bytes:
    """A batch's bytes. `LocalError` if it would be larger than `MESSAGE_BYTES_MAX`."""
    header = {"ctl": ctl, "epoch": epoch, "first": first, "count": len(lines)}
    raw = seal_message(ctx="er1/batch", header=header, lines=lines, signers=signers)
    if len(raw) > MESSAGE_BYTES_MAX:
        raise LocalError(
            "the batch is too large",
            where=f"{ctl} {epoch} from {first}",
            expected=f"at most {MESSAGE_BYTES_MAX} bytes",
            got=f"{len(raw)} bytes in {len(lines)} events",
            do="cut it by bytes: see BATCH_OVERHEAD_BYTES",
        )
    return raw


BATCH_OVERHEAD_BYTES: Final = 1024
"""Header and one signature of a batch need less; leave this much of `MESSAGE_BYTES_MAX`."""


def decode_batch(signed: Signed) -> Batch:
    """The batch in a parsed message. `RemoteError` if it is none; events are not looked at."""
    reader = fields(signed, "er1/batch")
    batch = Batch(
        ctl=reader.text("ctl", _RECORDER),
        epoch=reader.text("epoch", HEX32),
        first=reader.integer("first", 1),
        count=reader.integer("count", 1),
        lines=signed.lines,
    )
    reader.end()
    if batch.count != len(batch.lines):
        raise RemoteError(
            "the batch's count differs from its lines",
            where="er1/batch.count",
            expected=f"{len(batch.lines)} lines",
            got=str(batch.count),
        )
    return batch


@dataclass(frozen=True, slots=True)
class Ack:
    """The hub's word after its commit.

    `upto`, `hash`: last row recorded (0 and `GENESIS` for none; `GENESIS` too where a declared
    gap ends); `resend`: the room must send from `upto`+1 again; `credit`: batches in flight
    allowed; `re`: the room's last ask known to the hub; `generation` rises with every restore,
    `run` names the hub's process run, `n` counts up within it.
    """

    ctl: str
    generation: int
    run: str
    n: int
    epoch: str
    upto: int
    hash: str
    resend: bool = False
    credit: int = CREDIT_MAX
    re: str = ""

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes."""
        header = {
            "ctl": self.ctl,
            "generation": self.generation,
            "run": self.run,
            "n": self.n,
            "epoch": self.epoch,
            "upto": self.upto,
            "hash": self.hash,
            "resend": self.resend,
            "credit": self.credit,
            "re": self.re,
        }
        return seal_message(ctx="er1/ack", header=header, lines=(), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> Ack:
        """The ack in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, "er1/ack")
        ack = cls(
            ctl=reader.text("ctl", _RECORDER),
            generation=reader.integer("generation"),
            run=reader.text("run", HEX32),
            n=reader.integer("n", 1),
            epoch=reader.text("epoch", HEX32),
            upto=reader.integer("upto"),
            hash=reader.text("hash", HEX64),
            resend=reader.truth("resend"),
            credit=reader.integer("credit", 0, CREDIT_MAX),
            re=reader.text("re", NONCE),
        )
        reader.end()
        if signed.lines:
            raise RemoteError("an ack has no body", where="er1/ack", expected="no body lines")
        return ack
