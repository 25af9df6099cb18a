"""The pure core of sending at the room (WIRE §6): what to send next, what an ack means.

The journal is the outbox; this is the cursor over it, one position per epoch. An ack moves a
position and deletes nothing, so a hub restored from an old backup can ask again. Each epoch is
sent by itself: one that makes no progress never holds back another.

The caller keeps `generation`, `run`, `n` and every changed position durable, writes the events
the outcomes name, checks an ack's signature before `on_ack` (else `on_bad_ack`), and brings
monotonic milliseconds and entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from protocols.messages.acks import BATCH_OVERHEAD_BYTES, CREDIT_MAX, Ack
from protocols.messages.event import GENESIS
from protocols.messages.topics import BATCH_EVENTS_LIVE_MAX, MESSAGE_BYTES_MAX

RESEND_MS_MIN: Final = 5_000
RESEND_MS_MAX: Final = 60_000
"""Without progress a room sends again after 5 s at the earliest, 60 s at the latest."""

BATCH_EVENTS_MAX: Final = 1024
"""When behind, bytes bound a batch; an event is never below 128 bytes."""

ENTROPY_RANGE: Final = 2**32
"""Entropy comes as an integer below this."""

JournalLookup = Callable[[str, int], "str | None"]
"""(epoch, seq) -> hash of the row, GENESIS for seq 0, None if the journal cannot say."""


class EpochHead(Protocol):
    """One epoch of the journal."""

    @property
    def epoch(self) -> str:
        """32 hex digits."""
        ...

    @property
    def last(self) -> int:
        """Highest seq ever written."""
        ...


@dataclass(frozen=True, slots=True)
class EpochCursor:
    """Position in one epoch. `flights`: last seqs of batches in flight; `tries`: in vain so far.

    `hole`: the first flights up to here are declared holes and no batches; `due_ms`: when patience
    ends, `wait_ms` after sending or after the last progress (`moved`); `asked`: a resend from here
    was already answered and waits for progress.
    """

    acked: int = 0
    flights: tuple[int, ...] = ()
    hole: int = 0
    tries: int = 0
    due_ms: int = 0
    wait_ms: int = RESEND_MS_MIN
    moved: bool = False
    asked: bool = False

    @property
    def sent(self) -> int:
        """Last seq that is acked or in flight."""
        return self.flights[-1] if self.flights else self.acked

    @property
    def batched(self) -> bool:
        """Whether rows are in flight, and not only holes in front of them."""
        return self.sent > max(self.acked, self.hole)


@dataclass(frozen=True, slots=True)
class CursorState:
    """The room's whole sending state. `ask`: the nonce of the latest birth or pong."""

    ctl: str
    generation: int = 0
    run: str = ""
    n: int = 0
    ask: str = ""
    credit: int = CREDIT_MAX
    epochs: Mapping[str, EpochCursor] = field(default_factory=dict)
    bad_reported: bool = False
    lost_reported: frozenset[str] = frozenset()
    ahead: Mapping[str, tuple[int, str, int, int]] = field(default_factory=dict)
    """Epoch -> generation, run, highest n and highest `upto` of a run not proved yet."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The hub has this epoch up to `upto`: make the position durable."""

    epoch: str
    upto: int


@dataclass(frozen=True, slots=True)
class Rewound:
    """The hub lost rows it had: event `hub.rollback`, make the position durable."""

    epoch: str
    acked: int
    upto: int
    generation: int


@dataclass(frozen=True, slots=True)
class JournalRolledBack:
    """The hub has rows this journal never wrote: event `journal.rolled_back`, local red.

    `reopen`: it is the epoch being written, so a new one must be opened before the next row.
    """

    epoch: str
    upto: int
    last: int
    reopen: bool


@dataclass(frozen=True, slots=True)
class AckBad:
    """Event `ack.bad`, local red; said once until a good ack comes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do. reason: generation, old, behind, stale, unread."""

    reason: str


Outcome = Advanced | Rewound | JournalRolledBack | AckBad | Ignored


@dataclass(frozen=True, slots=True)
class SendPlan:
    """Send rows of `epoch` from `first`, cut at the first of both bounds (bytes with LF)."""

    epoch: str
    first: int
    events_max: int
    bytes_max: int


def on_ask(state: CursorState, ask: str) -> CursorState:
    """A birth or pong with this nonce went out."""
    return replace(state, ask=ask)


def on_bad_ack(state: CursorState, reason: str) -> tuple[CursorState, tuple[Outcome, ...]]:
    """An ack that cannot be trusted: ignored, reported once; sending goes on."""
    if state.bad_reported:
        return state, ()
    return replace(state, bad_reported=True), (AckBad(reason),)


def on_ack(
    state: CursorState,
    ack: Ack,
    journal_lookup: JournalLookup,
    heads: Sequence[EpochHead],
    *,
    gap_ends: Collection[tuple[str, int]] = frozenset(),
) -> tuple[CursorState, tuple[Outcome, ...]]:
    """What a genuine ack changes.

    `heads`: all epochs of the journal, oldest first; `gap_ends`: (epoch, last seq) of every hole
    this room has declared, where the hub has no row and says `GENESIS`. Where another holder of
    this journal has declared one (a copy of the card), the hub keeps the rows sent beside its
    record: its word counts once it says so again of rows that were sent again.

    A row that the journal has no more cannot be compared: going on behind it takes its declaration
    as lost, going back to it does not, for that loses nothing.
    """
    if ack.ctl != state.ctl:
        return on_bad_ack(state, f"an ack for {ack.ctl}")
    if ack.generation < state.generation:
        return state, (Ignored("generation"),)
    same_run = (ack.generation, ack.run) == (state.generation, state.run)
    if same_run and ack.n <= state.n:
        return state, (Ignored("old"),)
    head = next((one for one in heads if one.epoch == ack.epoch), None)
    known = journal_lookup(ack.epoch, ack.upto) if head is not None else None
    now = state.epochs.get(ack.epoch, EpochCursor())
    sent_again = now.tries > 0 and ack.upto in now.flights
    declared = (ack.epoch, ack.upto) in gap_ends
    hole = ack.hash == GENESIS and (declared or sent_again)
    if ack.upto and not hole and known is not None and known != ack.hash:
        return on_bad_ack(state, f"another hash at {ack.epoch} {ack.upto}")
    fresh = same_run or (state.ask != "" and ack.re == state.ask)
    # The ack that proves a run may be older than one of it that has moved this epoch already, or
    # answer an older batch that was delivered again. Only a run that asks again takes a word back.
    generation, run, n, upto = state.ahead.get(ack.epoch, (0, "", 0, 0))
    said_more = ack.n < n or (ack.upto < upto and not ack.resend)
    overtaken = (generation, run) == (ack.generation, ack.run) and said_more
    state = replace(state, bad_reported=False)
    if fresh:
        # Only a run that proved to be the present one may brake, and may rewind from now on.
        state = replace(state, generation=ack.generation, run=ack.run, n=ack.n, credit=ack.credit)
    if head is None or ack.upto > head.last:
        return _beyond(state, ack, head, heads)
    rewind = fresh and not overtaken and (ack.resend or not same_run)
    return _place(
        _ahead(state, ack, fresh=fresh),
        ack,
        rewind=rewind,
        fresh=fresh,
        read=known is not None or declared,
    )


def _ahead(state: CursorState, ack: Ack, *, fresh: bool) -> CursorState:
    """Remembers an ack of a run that has not proved itself; there is one place for each epoch."""
    if fresh:
        return state
    said = (ack.generation, ack.run, ack.n, ack.upto)
    before = state.ahead.get(ack.epoch, said)
    if before[:2] == said[:2]:
        said = (*said[:2], max(said[2], before[2]), max(said[3], before[3]))
    return replace(state, ahead={**state.ahead, ack.epoch: said})


def _place(
    state: CursorState, ack: Ack, *, rewind: bool, fresh: bool, read: bool
) -> tuple[CursorState, tuple[Outcome, ...]]:
    """Move the position of one epoch; `read`: its row could be compared, or is declared lost."""
    now = state.epochs.get(ack.epoch, EpochCursor())
    if ack.upto > now.acked and not read:
        return state, (Ignored("unread"),)
    if ack.upto > now.acked:
        flights = tuple(last for last in now.flights if last > ack.upto)
        if ack.resend:
            flights = ()
        moved = replace(now, acked=ack.upto, flights=flights, tries=0, moved=True, asked=ack.resend)
        return _with(state, ack.epoch, moved), (Advanced(ack.epoch, ack.upto),)
    if ack.upto == now.acked:
        if not ack.resend or not now.flights or now.asked or not fresh:
            return state, (Ignored("behind"),)
        return _with(state, ack.epoch, replace(now, flights=(), asked=True)), ()
    if not rewind:
        return state, (Ignored("stale" if not fresh else "behind"),)
    state = _with(state, ack.epoch, EpochCursor(acked=ack.upto, asked=True))
    # Rows that are not kept any more are found when they are to be sent, wherever they lie.
    return state, (Rewound(ack.epoch, acked=now.acked, upto=ack.upto, generation=ack.generation),)


def _beyond(
    state: CursorState, ack: Ack, head: EpochHead | None, heads: Sequence[EpochHead]
) -> tuple[CursorState, tuple[Outcome, ...]]:
    """The hub knows more than this journal: report once per epoch, send nothing more of it."""
    last = 0 if head is None else head.last
    if head is not None:
        state = _with(state, ack.epoch, EpochCursor(acked=last))
    if ack.epoch in state.lost_reported:
        return state, (Ignored("old"),)
    state = replace(state, lost_reported=state.lost_reported | {ack.epoch})
    reopen = bool(heads) and heads[-1].epoch == ack.epoch
    return state, (JournalRolledBack(ack.epoch, upto=ack.upto, last=last, reopen=reopen),)


def next_batch(
    state: CursorState, heads: Sequence[EpochHead], now_ms: int
) -> tuple[CursorState, SendPlan | None]:
    """What to send now, or None. Call again after `on_sent` until None.

    Epochs that make progress come first, oldest first, within the credit. Of those that make
    none, one batch at a time goes beside the window, so that they cannot fill it.
    """
    state = _expire(state, now_ms)
    if state.credit == 0:
        return state, None
    pending = [head for head in heads if _cursor(state, head).sent < head.last]
    moving = [head for head in pending if _cursor(state, head).tries == 0]
    in_flight = sum(len(c.flights) for c in state.epochs.values() if c.tries == 0)
    if moving and in_flight < state.credit:
        return state, _plan(state, moving[0], pending)
    stuck = [head for head in pending if _cursor(state, head).tries > 0]
    if any(c.batched for c in state.epochs.values() if c.tries > 0) or not stuck:
        return state, None
    first = min(stuck, key=lambda head: _cursor(state, head).tries)
    return state, _plan(state, first, pending)


def _plan(state: CursorState, head: EpochHead, pending: Sequence[EpochHead]) -> SendPlan:
    waiting = sum(one.last - _cursor(state, one).sent for one in pending)
    behind = waiting > BATCH_EVENTS_LIVE_MAX
    return SendPlan(
        epoch=head.epoch,
        first=_cursor(state, head).sent + 1,
        events_max=BATCH_EVENTS_MAX if behind else BATCH_EVENTS_LIVE_MAX,
        bytes_max=MESSAGE_BYTES_MAX - BATCH_OVERHEAD_BYTES,
    )


def on_sent(state: CursorState, *, epoch: str, last: int, now_ms: int, entropy: int) -> CursorState:
    """A batch of this epoch up to `last` was handed to the broker."""
    now = state.epochs.get(epoch, EpochCursor())
    if not now.flights:
        wait = resend_ms(now.tries, entropy)
        now = replace(now, due_ms=now_ms + wait, wait_ms=wait, moved=False, hole=0)
    return _with(state, epoch, replace(now, flights=(*now.flights, last)))


def on_hole(state: CursorState, *, epoch: str, last: int, now_ms: int, entropy: int) -> CursorState:
    """Rows up to `last` cannot be served and were declared lost (`record.gap`).

    They count like a batch in flight: what comes behind them is sent at once, and the hub's ack at
    `last`, once it has recorded the gap, moves the position past them. Without it they are passed
    again after the rows in front of them.
    """
    front = not state.epochs.get(epoch, EpochCursor()).batched
    state = on_sent(state, epoch=epoch, last=last, now_ms=now_ms, entropy=entropy)
    return _with(state, epoch, replace(state.epochs[epoch], hole=last)) if front else state


def on_disconnect(state: CursorState) -> CursorState:
    """The connection was lost: what was in flight may be gone, nothing was in vain."""
    epochs = {
        epoch: replace(cursor, flights=(), tries=0, asked=False)
        for epoch, cursor in state.epochs.items()
    }
    return replace(state, epochs=epochs)


def resend_ms(tries: int, entropy: int) -> int:
    """Full jitter between 5 s and a ceiling of 10, 20, 40, 60, 60… s."""
    ceiling = min(RESEND_MS_MAX, RESEND_MS_MIN << min(tries + 1, 8))
    return RESEND_MS_MIN + (ceiling - RESEND_MS_MIN) * (entropy % ENTROPY_RANGE) // ENTROPY_RANGE


def _expire(state: CursorState, now_ms: int) -> CursorState:
    """Give up on batches without progress for too long: they go again from the position."""
    for epoch, cursor in state.epochs.items():
        if not cursor.flights:
            continue
        if cursor.moved:
            patient = replace(cursor, due_ms=now_ms + cursor.wait_ms, moved=False)
            state = _with(state, epoch, patient)
        elif now_ms >= cursor.due_ms:
            late = replace(cursor, flights=(), tries=cursor.tries + 1, asked=False)
            state = _with(state, epoch, late)
    return state


def _cursor(state: CursorState, head: EpochHead) -> EpochCursor:
    return state.epochs.get(head.epoch, EpochCursor())


def _with(state: CursorState, epoch: str, cursor: EpochCursor) -> CursorState:
    return replace(state, epochs={**state.epochs, epoch: cursor})
