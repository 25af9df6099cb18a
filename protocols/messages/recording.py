"""The pure core of recording at the hub (WIRE §5).

Each (controller, epoch) is a stream of its own. Here is decided what becomes of each line of a
batch and of each stream; the caller loads the stream's head, applies the verdicts, and writes rows
and head by compare-and-set in one transaction.

What is checked of a line: ctl, epoch, seq, prev, size. Nothing else: the bytes are opaque.
After recording, the caller decodes `epoch.opened` and `record.gap` rows and asks `judge_opened`
and `declare_gap` here; a row it cannot decode is recorded all the same.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from protocols.messages.acks import Batch, decode_batch, seal_batch
from protocols.messages.errors import RemoteError
from protocols.messages.event import GENESIS, Envelope, Event, envelope_of, event_hash
from protocols.messages.strict import HEX32, HEX64, INTEGER_MAX, NAME, Reader
from protocols.messages.topics import EVENT_BYTES_MAX

__all__ = [
    "AlreadyRecorded",
    "Batch",
    "BatchVerdict",
    "Branch",
    "Fork",
    "Gap",
    "GapVerdict",
    "Lineage",
    "Opened",
    "Quarantine",
    "Record",
    "Resend",
    "StreamHead",
    "StreamState",
    "Verdict",
    "ack_point",
    "declare_gap",
    "decode_batch",
    "head_after",
    "judge",
    "judge_batch",
    "judge_opened",
    "judge_quarantine",
    "read_gap",
    "read_opened",
    "seal_batch",
]

QUARANTINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Per controller; beyond it only digests and counts per hour are kept: a broken room must not
fill the hub's disk."""

PENDING_GAPS_MAX: Final = 256
"""Gaps a stream may have declared ahead of its rows; a room opens one epoch per gap."""


class StreamState(enum.Enum):
    """What is known about a stream. Recording goes on in every state."""

    OPEN = "open"
    WAITING = "waiting"
    """Its predecessor, or the end of it, has not arrived yet."""
    TAIL_LOST = "tail_lost"
    """The room salvaged its journal and goes on from before the predecessor's last row."""
    ROLLBACK = "rollback"
    """The room goes on from before the predecessor's last row: a restored card."""
    CLONE = "clone"
    """Two branches of one tip are alive: commands to both wait for a person."""
    FORK = "fork"
    """The stream or its predecessor has two versions of one row."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows `first`..`last` of `epoch` that the room declared lost (`record.gap`)."""

    epoch: str
    first: int
    last: int
    cause: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What `epoch.opened` says of the predecessor: ('', 0, zeros) for the first epoch ever."""

    pred_epoch: str
    pred_seq: int
    pred_hash: str
    cause: str


@dataclass(frozen=True, slots=True)
class StreamHead:
    """A stream's tip: `head` 0 and `GENESIS` before its first row.

    `after_gap`: the head is the end of a declared gap, so the next row's prev is not checked.
    `pending`: gaps declared before the rows in front of them arrived.
    """

    ctl: str
    epoch: str
    head: int = 0
    head_hash: str = GENESIS
    pred_epoch: str = ""
    pred_seq: int = 0
    pred_hash: str = GENESIS
    state: StreamState = StreamState.OPEN
    after_gap: bool = False
    pending: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Insert the row; the stream's head goes with it."""

    seq: int
    hash: str
    line: bytes


@dataclass(frozen=True, slots=True)
class AlreadyRecorded:
    """The same bytes are there: acknowledge again."""

    seq: int


@dataclass(frozen=True, slots=True)
class Fork:
    """Another version of a row: keep it beside the record, alarm.

    `known` is the recorded hash, '' where the row lies in a declared gap; `kind`: row | prev (the
    line claims another predecessor than the head) | gap (a row declared lost turned up).
    """

    seq: int
    known: str
    got: str
    kind: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Resend:
    """Rows in between are missing: acknowledge the head with `resend: true`."""

    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The line is not what its batch says: keep the bytes apart, alarm, go on."""

    reason: str
    line: bytes


Verdict = Record | AlreadyRecorded | Fork | Resend | Quarantine
Recorded = Callable[[int], "str | None"]
"""seq -> hash of the recorded row of this stream, None if there is none."""


def judge(head: StreamHead, envelope: Envelope, line: bytes, recorded: Recorded) -> Verdict:
    """What becomes of one line whose envelope belongs to this stream."""
    digest = event_hash(line)
    if envelope.seq <= head.head:
        known = recorded(envelope.seq)
        if known == digest:
            return AlreadyRecorded(envelope.seq)
        kind = "gap" if known is None else "row"
        return Fork(envelope.seq, known=known or "", got=digest, kind=kind, line=line)
    if envelope.seq > head.head + 1:
        return Resend(expected=head.head + 1, got=envelope.seq)
    # A stream's first row names the predecessor's tip: only epoch.opened can say if that is right.
    if head.head and not head.after_gap and envelope.prev != head.head_hash:
        return Fork(head.head, known=head.head_hash, got=envelope.prev, kind="prev", line=line)
    return Record(envelope.seq, digest, line)


def head_after(head: StreamHead, record: Record) -> StreamHead:
    """The stream's head once the row that follows it stands; gaps it reaches come true."""
    moved = replace(head, head=record.seq, head_hash=record.hash, after_gap=False)
    return _close_pending(moved) if head.pending else moved


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """A batch's verdicts in order, the head after it, and whether to ask for a resend."""

    verdicts: tuple[Verdict, ...]
    head: StreamHead
    resend: bool

    @property
    def records(self) -> tuple[Record, ...]:
        """The rows to insert; a batch with at least one keeps its seal."""
        return tuple([v for v in self.verdicts if isinstance(v, Record)])


def judge_batch(head: StreamHead | None, batch: Batch, recorded: Recorded) -> BatchVerdict:
    """What becomes of a batch whose signature was found good. `head` None: an unknown stream.

    Stops at the first line that cannot be placed: what follows it would only be asked for again.
    """
    now = head or StreamHead(ctl=batch.ctl, epoch=batch.epoch)
    verdicts: list[Verdict] = [*_following(now, batch)]
    if verdicts and isinstance(verdicts[-1], Record):
        now = head_after(now, verdicts[-1])
    for offset in range(len(verdicts), len(batch.lines)):
        verdict = _judge_line(now, batch, offset, recorded)
        verdicts.append(verdict)
        if isinstance(verdict, Record):
            now = head_after(now, verdict)
        elif not isinstance(verdict, AlreadyRecorded) and not _beside(verdict):
            break
    resend = any(isinstance(verdict, Resend) for verdict in verdicts)
    return BatchVerdict(tuple(verdicts), head=now, resend=resend)


def _following(head: StreamHead, batch: Batch) -> list[Record]:
    """The first lines, as far as each follows the one before as nearly all lines do.

    How such a line begins is known before it is looked at: a third of the work of taking it apart.
    The first line that begins in any other way is judged by `judge`, and all behind it.
    """
    if head.pending or batch.first != head.head + 1 or batch.last > INTEGER_MAX:
        return []
    begin = f'{{"v":1,"ctl":"{head.ctl}","epoch":"{head.epoch}","seq":'
    found, prev = [], head.head_hash
    for seq, line in enumerate(batch.lines, start=batch.first):
        follows = line.startswith(f'{begin}{seq},"prev":"{prev}",'.encode("ascii"))
        if not follows or len(line) > EVENT_BYTES_MAX:
            break
        prev = event_hash(line)
        found.append(Record(seq, prev, line))
    return found


def _beside(verdict: Verdict) -> bool:
    """A fork of an old row is kept beside the record and does not stop its batch."""
    return isinstance(verdict, Fork) and verdict.kind != "prev"


def _judge_line(head: StreamHead, batch: Batch, offset: int, recorded: Recorded) -> Verdict:
    line, seq = batch.lines[offset], batch.first + offset
    try:
        envelope = envelope_of(line)
    except RemoteError as error:
        return Quarantine(str(error), line)
    if (envelope.ctl, envelope.epoch, envelope.seq) != (batch.ctl, batch.epoch, seq):
        said = f"{envelope.ctl} {envelope.epoch} {envelope.seq}"
        return Quarantine(f"a line of {said} in a batch for {seq}", line)
    return judge(head, envelope, line, recorded)


@dataclass(frozen=True, slots=True)
class GapVerdict:
    """What a declared gap did: the named stream's head after it and the seqs newly lost.

    `lost` None: nothing is missing (the rows were recorded before the room lost them), or the
    rows in front of the gap have not arrived and it waits in `head.pending`. `refused`: too many
    gaps wait already; declare it again when some have come true.
    """

    head: StreamHead
    lost: tuple[int, int] | None
    pending: bool = False
    refused: bool = False


def declare_gap(head: StreamHead, gap: Gap) -> GapVerdict:
    """Apply a recorded `record.gap` to the stream it names; applying it twice changes nothing.

    The caller opens a case where `lost` is given; `pending` gaps come true in `head_after`
    when the rows before them arrive (compare `pending` before and after).
    """
    if gap.last <= head.head:
        return GapVerdict(head, lost=None)
    if gap.first <= head.head + 1:
        lost = (head.head + 1, gap.last)
        moved = replace(head, head=gap.last, head_hash=GENESIS, after_gap=True)
        return GapVerdict(_close_pending(moved), lost=lost)
    if gap in head.pending:
        return GapVerdict(head, lost=None, pending=True)
    if len(head.pending) >= PENDING_GAPS_MAX:
        return GapVerdict(head, lost=None, refused=True)
    return GapVerdict(replace(head, pending=(*head.pending, gap)), lost=None, pending=True)


def _close_pending(head: StreamHead) -> StreamHead:
    """Apply the pending gaps that the head has reached."""
    ready = [gap for gap in head.pending if gap.first <= head.head + 1]
    if not ready:
        return head
    left = tuple(gap for gap in head.pending if gap not in ready)
    last = max(gap.last for gap in ready)
    if last <= head.head:
        return replace(head, pending=left)
    moved = replace(head, head=last, head_hash=GENESIS, after_gap=True, pending=left)
    return _close_pending(moved)


class Lineage(enum.Enum):
    """How a new epoch relates to what the hub has."""

    FIRST = "first"
    CONTINUES = "continues"
    WAITS = "waits"
    TAIL_LOST = "tail_lost"
    ROLLBACK = "rollback"
    CLONE = "clone"
    FORK = "fork"

    @property
    def state(self) -> StreamState:
        """The stream's state that follows."""
        if self in (Lineage.FIRST, Lineage.CONTINUES):
            return StreamState.OPEN
        return StreamState.WAITING if self is Lineage.WAITS else StreamState(self.value)


@dataclass(frozen=True, slots=True)
class Branch:
    """What else is known about the predecessor's tip.

    `sibling`: another stream names the same predecessor and seq; `other_alive`: another line of
    epochs, or the predecessor itself, was appended to or ponged after this epoch opened;
    `pred_ponged`: a room still answers in the predecessor; `others`: another epoch was the first
    ever too; `unclear`: of some epoch it is not known yet where it began.
    """

    sibling: bool = False
    other_alive: bool = False
    pred_ponged: bool = False
    others: bool = False
    unclear: bool = False


def judge_opened(
    opened: Opened, pred: StreamHead | None, pred_hash_at: str | None, branch: Branch
) -> Lineage:
    """How an epoch relates to its predecessor. Ask again when the predecessor's head moves.

    On WAITS the caller acknowledges the predecessor's epoch, if one is named, at its head (0 and
    `GENESIS` if it is unknown) with `resend: true`: after a restore that is how the room learns
    what is missing.
    `pred` None: the predecessor is unknown here; `pred_hash_at`: the recorded hash of its row
    `pred_seq`, None if it is not recorded.
    """
    if not opened.pred_epoch:
        if branch.others:
            return _older(opened, branch)
        return Lineage.WAITS if branch.unclear else Lineage.FIRST
    if pred is None or opened.pred_seq > pred.head:
        return Lineage.WAITS
    if pred_hash_at is not None and pred_hash_at != opened.pred_hash:
        return Lineage.FORK
    if opened.pred_seq < pred.head or branch.sibling or branch.pred_ponged:
        return _older(opened, branch)
    return Lineage.CONTINUES


def _older(opened: Opened, branch: Branch) -> Lineage:
    if branch.other_alive:
        return Lineage.CLONE
    return Lineage.TAIL_LOST if opened.cause == "salvage" else Lineage.ROLLBACK


def read_opened(event: Event) -> Opened:
    """What an `epoch.opened` event says. `RemoteError` if it is not one."""
    reader = _data_of(event, "epoch.opened")
    first_ever = event.data.get("pred_epoch") == ""
    opened = Opened(
        pred_epoch=reader.text("pred_epoch", None if first_ever else HEX32),
        pred_seq=reader.integer("pred_seq", 0),
        pred_hash=reader.text("pred_hash", HEX64),
        cause=reader.text("cause", NAME),
    )
    if opened.pred_hash != event.prev or event.seq != 1:
        reader.fail("pred_hash", f"the prev of row 1, {event.prev}", opened.pred_hash)
    return opened


def read_gap(event: Event) -> Gap:
    """What a `record.gap` event says. `RemoteError` if it is not one, or names its own epoch."""
    reader = _data_of(event, "record.gap")
    gap = Gap(
        epoch=reader.text("epoch", HEX32),
        first=reader.integer("from", 1),
        last=reader.integer("to", 1),
        cause=reader.text("cause", NAME),
    )
    if gap.epoch == event.epoch or gap.last < gap.first:
        reader.fail("epoch", "another epoch, from not after to", (gap.epoch, gap.first, gap.last))
    return gap


def _data_of(event: Event, kind: str) -> Reader:
    if event.type != kind:
        raise RemoteError("another event", where="event.type", expected=kind, got=event.type)
    return Reader(event.data, where=kind)


def ack_point(
    head: StreamHead, *, batch_last: int | None, recorded: Recorded, room_acked: int | None = None
) -> tuple[int, str, bool]:
    """(upto, hash, resend) of an ack: at min(head, the batch's last seq), never beyond.

    `batch_last` None: answer to a birth or pong, so the head itself; `room_acked`: the cursor the
    room reported; where it is ahead of the head the hub was restored, and the room must rewind.
    With neither (a birth names no cursor) `resend` is true, so that a restored hub gets back what
    it lost of any epoch; a room that stands at the same row just goes on from there.
    """
    upto = head.head if batch_last is None else min(head.head, batch_last)
    rewind = batch_last is None if room_acked is None else room_acked > head.head
    if upto == head.head:
        return upto, head.head_hash, rewind
    return upto, recorded(upto) or GENESIS, rewind


def judge_quarantine(*, used_bytes: int, size: int) -> bool:
    """Whether refused bytes are kept whole; otherwise their digest is kept and counted."""
    return used_bytes + size <= QUARANTINE_BYTES_MAX
