"""Recording one batch: verdicts applied, rows and head in one transaction (WIRE §5).

Time is an argument of every act. Nothing here knows of MQTT: bytes come in, what to acknowledge
goes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from hub import crypto
from hub.clock import Clock
from hub.decoded import decoded
from hub.facts import Facts
from hub.keys.keyring import Keys
from hub.recording import streams
from hub.recording.lineage import UNRELATED_MAX, Lineages
from hub.recording.quarantine import Refused
from hub.recording.shares import DAY_BYTES_MAX, Shares
from hub.store.bulk import insert_rows
from hub.store.engine import Store
from hub.store.prepared import Prepared
from hub.store.tables_core import controllers, events, forks, notices, seals
from protocols.messages.bodies import Batch, decode_batch
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event, event_hash
from protocols.messages.recording import (
    AlreadyRecorded,
    BatchVerdict,
    Fork,
    Gap,
    Quarantine,
    Record,
    StreamHead,
    StreamState,
    declare_gap,
    judge_batch,
    read_gap,
    read_opened,
)
from protocols.messages.signed import Signed, check_signatures, parse_message
from protocols.messages.strict import INTEGER_MAX
from protocols.messages.topics import MESSAGE_BYTES_MAX, UP_EV, UP_NOTICE

LATE: Final = timedelta(minutes=10)
"""WIRE §5: cases from older events open as found later and page nobody."""
NOTICES_MAX: Final = 1_000
"""Notices of one controller that wait for their rows; what comes beyond waits for its row."""
OPENED: Final = "epoch.opened"
MEANING: Final = frozenset((OPENED, "record.gap"))
"""Types of rows that say something of the streams themselves."""
TOO_MANY: Final = (
    f"an epoch that goes on from nothing known, beside {UNRELATED_MAX} such epochs of this room:"
    " find out what starts it again and again, then enrol it anew"
)
TOO_MUCH: Final = (
    f"more than {DAY_BYTES_MAX} bytes of one room in a day: the room keeps it and sends it again;"
    " find out what it writes so much of"
)
FORKS_MAX: Final = 64
"""Of one controller, kept beside the record and told each; the rest is kept apart."""
_EACH: Final = ("seq", "hash", "session", "type", "raw", "late")
"""Columns of a row that are not its batch's."""
_SEAL_VALUES: Final = ("ctl", "epoch", "first", "last", "header", "sigs", "recorded_at", "others")
_SEAL: Final = Prepared(
    seals.insert().inline().values({name: bindparam(name) for name in _SEAL_VALUES})
)
_ARRIVED: Final = Prepared(
    notices.update()
    .where(
        notices.c.ctl == bindparam("of_ctl"),
        notices.c.epoch == bindparam("of_epoch"),
        notices.c.seq.between(bindparam("of_first"), bindparam("of_last")),
    )
    .values(state="recorded")
)


@dataclass(slots=True)
class Outcome:
    """What to tell the room after the commit: the batch's own end, and streams that moved.

    `asked`: epochs nobody knows here and somebody names as predecessor.
    """

    epoch: str = ""
    upto: int = 0
    resend: bool = False
    recorded: int = 0
    refused: str = ""
    moved: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)


class Recorder:
    """Takes batches and notices in.

    Args:
        store, clock, keys, facts: the hub's own.

    Attributes:
        notices_dropped: notices that had no place since the start; shown at `/readyz`.
    """

    def __init__(self, *, store: Store, clock: Clock, keys: Keys, facts: Facts) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._facts = facts
        self._lineage = Lineages(store=store, facts=facts)
        self._refused = Refused()
        self._shares = Shares()
        self.notices_dropped = 0
        self._told_dropped: dict[str, datetime] = {}

    def batch(self, ctl: str, raw: bytes) -> Outcome:
        """Records what can be recorded of one `up/ev` message.

        Raises:
            HeadMovedError: another writer was quicker; call again.
        """
        now = self._clock.wall()
        with self._store.write() as conn:
            try:
                signed, batch = self._genuine(conn, ctl, raw)
            except RemoteError as error:
                self._quarantine(conn, ctl, UP_EV, raw, reason=str(error), now=now)
                return Outcome(refused=str(error))
            return self._record(conn, signed, batch, now)

    def notice(self, ctl: str, raw: bytes) -> int:
        """Keeps events that run ahead of a backlog; returns how many are new."""
        now = self._clock.wall()
        with self._store.write() as conn:
            try:
                _, batch = self._genuine(conn, ctl, raw)
            except RemoteError as error:
                self._quarantine(conn, ctl, UP_NOTICE, raw, reason=str(error), now=now)
                return 0
            return sum(self._notice(conn, batch, line, now) for line in batch.lines)

    def refuse(self, ctl: str, leaf: str, raw: bytes, reason: str) -> None:
        """Keeps bytes of any topic that nobody can read."""
        with self._store.write() as conn:
            self._quarantine(conn, ctl, leaf, raw, reason=reason, now=self._clock.wall())

    def pinged(self, ctl: str, nonce: str) -> None:
        """A room was asked for a sign of life."""
        self._lineage.pinged(ctl, nonce)

    def ponged(self, ctl: str, epoch: str, nonce: str) -> None:
        """A room answered in this epoch."""
        self._lineage.ponged(ctl, epoch, nonce)

    # A batch

    def _genuine(self, conn: Connection, ctl: str, raw: bytes) -> tuple[Signed, Batch]:
        """The batch in these bytes, signed by the key a venue certified for this controller.

        Raises:
            RemoteError: anything else.
        """
        signed = parse_message(raw, limit=MESSAGE_BYTES_MAX)
        batch = decode_batch(signed)
        if batch.ctl != ctl:
            raise RemoteError(
                "a batch of another", where="er1/batch.ctl", expected=ctl, got=batch.ctl
            )
        key = self._keys.controller_key(conn, ctl)

        def lookup(kid: str) -> bytes | None:
            return key[1] if key is not None and key[0] == kid else None

        verdicts = check_signatures(signed, lookup, crypto.verify)
        if not any(one.ok and one.role == "controller" for one in verdicts):
            raise RemoteError(
                "the batch is not signed by this controller",
                where="er1/batch.sigs",
                expected=f"the key certified for {ctl}",
                got=", ".join(f"{one.kid} {one.reason}" for one in verdicts),
                do="enrol the room again if its key changed",
            )
        return signed, batch

    def _record(self, conn: Connection, signed: Signed, batch: Batch, now: datetime) -> Outcome:
        ctl, epoch = batch.ctl, batch.epoch
        before = streams.load_head(conn, ctl, epoch)
        verdict = judge_batch(
            before, batch, lambda seq: streams.recorded_hash(conn, ctl, epoch, seq)
        )
        records = verdict.records
        beyond = ""
        if not (before and before.head) and not self._admits(conn, batch):
            beyond = TOO_MANY
        elif records and not self._shares.take(ctl, len(records), len(signed.raw), now):
            beyond = TOO_MUCH
        if beyond:
            self._quarantine(conn, ctl, UP_EV, signed.raw, reason=beyond, now=now)
            return Outcome(refused=beyond)
        outcome = Outcome(epoch=epoch, upto=batch.last, resend=verdict.resend)
        outcome.moved.add(epoch)
        if before is None or records:
            streams.save_head(conn, before, verdict.head, at=now)
        for one in verdict.verdicts:
            if isinstance(one, Fork):
                self._fork(conn, batch, one, now)
            elif isinstance(one, Quarantine):
                self._quarantine(conn, ctl, UP_EV, one.line, reason=one.reason, now=now)
        if before is not None and not records:
            return outcome
        outcome.recorded = len(records)
        read: list[Event | None] = []
        if records:
            read = _insert(conn, batch, records, now)
            _keep_seal(conn, signed, batch, verdict, now)
            self._lineage.heard(ctl, epoch)
        for event in read:
            if event is not None and event.type in MEANING:
                self._meaning(conn, event, outcome, now)
        self._pending_closed(conn, before, verdict.head)
        outcome.asked |= self._lineage.moved(conn, ctl, epoch)
        return outcome

    def _admits(self, conn: Connection, batch: Batch) -> bool:
        """Whether an epoch without rows may begin; a first row that means nothing always may."""
        opened = None
        if batch.first == 1:
            event = _readable(batch.lines[0])
            with suppress(RemoteError):
                opened = read_opened(event) if event is not None and event.type == OPENED else None
            if opened is None:
                return True
        return self._lineage.admits(conn, batch.ctl, opened)

    def _fork(self, conn: Connection, batch: Batch, fork: Fork, now: datetime) -> None:
        digest = event_hash(fork.line)
        key = {"ctl": batch.ctl, "epoch": batch.epoch, "seq": fork.seq, "hash": digest}
        if conn.execute(forks.select().filter_by(**key)).first() is not None:
            return
        of_ctl = select(func.count()).select_from(forks).where(forks.c.ctl == batch.ctl)
        if conn.execute(of_ctl).scalar_one() >= FORKS_MAX:
            reason = f"a further fork, at row {fork.seq}, beside {FORKS_MAX} of this room"
            self._quarantine(conn, batch.ctl, UP_EV, fork.line, reason=reason, now=now)
            return
        conn.execute(forks.insert().values(**key, raw=fork.line, seen_at=now))
        streams.set_standing(conn, batch.ctl, batch.epoch, StreamState.FORK)
        data = {
            "ctl": batch.ctl,
            "epoch": batch.epoch,
            "seq": fork.seq,
            "kind": fork.kind,
            "known": fork.known,
            "got": fork.got,
        }
        self._facts.append(conn, type="stream.fork", session="", data=data)

    def _quarantine(
        self, conn: Connection, ctl: str, leaf: str, raw: bytes, *, reason: str, now: datetime
    ) -> None:
        if not _is_here(conn, ctl):
            return  # whoever makes up ids must not fill this disk
        if self._refused.put(conn, ctl=ctl, leaf=leaf, raw=raw, reason=reason, now=now):
            data = {
                "ctl": ctl,
                "epoch": "",
                "leaf": leaf,
                "reason": reason[:300],
                "bytes": len(raw),
            }
            self._facts.append(conn, type="stream.quarantine", session="", data=data)

    # What two types of rows mean for the streams themselves

    def _meaning(self, conn: Connection, event: Event, outcome: Outcome, now: datetime) -> None:
        """`epoch.opened` and `record.gap`; one that is malformed is recorded and means nothing."""
        act = self._opened if event.type == OPENED else self._gap
        try:
            act(conn, event, outcome, now)
        except RemoteError as error:
            data = {
                "ctl": event.ctl,
                "epoch": event.epoch,
                "seq": event.seq,
                "reason": str(error)[:300],
            }
            self._facts.append(conn, type="stream.unreadable", session="", data=data)

    def _opened(self, conn: Connection, event: Event, outcome: Outcome, _now: datetime) -> None:
        opened = read_opened(event)
        streams.set_opened(conn, event.ctl, event.epoch, opened)
        # Rows behind the tip it goes on from are not in the room's journal any more.
        behind = (opened.pred_seq + 1, INTEGER_MAX)
        self._source_lost(conn, event.ctl, opened.pred_epoch, behind)
        outcome.asked |= self._lineage.opened(conn, event.ctl, event.epoch)

    def _gap(self, conn: Connection, event: Event, outcome: Outcome, now: datetime) -> None:
        gap = read_gap(event)
        before = streams.load_head(conn, event.ctl, gap.epoch)
        verdict = declare_gap(before or StreamHead(ctl=event.ctl, epoch=gap.epoch), gap)
        streams.save_head(conn, before, verdict.head, at=now)
        outcome.moved.add(gap.epoch)
        if verdict.lost is not None:
            self._lost(conn, event.ctl, gap, verdict.lost, told=(event.epoch, event.seq))
        self._pending_closed(conn, before, verdict.head)
        outcome.asked |= self._lineage.moved(conn, event.ctl, gap.epoch)

    def _pending_closed(
        self, conn: Connection, before: StreamHead | None, after: StreamHead
    ) -> None:
        """Gaps declared ahead of their rows that have come true now."""
        for gap in before.pending if before is not None else ():
            if gap not in after.pending and gap.last <= after.head:
                told = streams.told_gap(conn, after.ctl, gap)
                self._lost(conn, after.ctl, gap, (gap.first, gap.last), told=told)

    def _lost(
        self,
        conn: Connection,
        ctl: str,
        gap: Gap,
        lost: tuple[int, int],
        *,
        told: tuple[str, int],
    ) -> None:
        """Rows nobody has any more: a fact of the hub, from which the case follows."""
        self._source_lost(conn, ctl, gap.epoch, lost)
        if not streams.keep_gap(conn, ctl, gap, lost, told):
            return
        data = {
            "ctl": ctl,
            "epoch": gap.epoch,
            "from": lost[0],
            "to": lost[1],
            "cause": gap.cause,
            "told": {"epoch": told[0], "seq": told[1]},
        }
        self._facts.append(conn, type="stream.gap", session="", data=data)

    @staticmethod
    def _source_lost(conn: Connection, ctl: str, epoch: str, lost: tuple[int, int]) -> None:
        conn.execute(
            notices.update()
            .where(
                notices.c.ctl == ctl,
                notices.c.epoch == epoch,
                notices.c.seq.between(*lost),
                notices.c.state == "ahead",
            )
            .values(state="source_lost")
        )

    # Notices

    def _notice(self, conn: Connection, batch: Batch, line: bytes, now: datetime) -> bool:
        try:
            event = decode_event(line)
        except RemoteError as error:
            self._quarantine(conn, batch.ctl, UP_NOTICE, line, reason=str(error), now=now)
            return False
        key = {"ctl": batch.ctl, "epoch": event.epoch, "seq": event.seq}
        known = conn.execute(notices.select().filter_by(**key)).first()
        waiting = conn.execute(
            select(func.count())
            .select_from(notices)
            .where(notices.c.ctl == batch.ctl, notices.c.state == "ahead")
        ).scalar_one()
        stored = streams.recorded_hash(conn, batch.ctl, event.epoch, event.seq)
        if known is not None or stored is not None or event.ctl != batch.ctl:
            return False
        if int(waiting) >= NOTICES_MAX:
            self._notice_dropped(conn, batch.ctl, now)
            return False
        conn.execute(
            notices.insert().values(
                **key, hash=event_hash(line), raw=line, state="ahead", seen_at=now
            )
        )
        return True

    def _notice_dropped(self, conn: Connection, ctl: str, now: datetime) -> None:
        """Counts each, tells once per hour: the event itself comes with its row."""
        self.notices_dropped += 1
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._told_dropped.get(ctl) == hour:
            return
        self._told_dropped[ctl] = hour
        data = {"ctl": ctl, "waiting": NOTICES_MAX}
        self._facts.append(conn, type="stream.notices_dropped", session="", data=data)


def _insert(
    conn: Connection, batch: Batch, records: Sequence[Record], now: datetime
) -> list[Event | None]:
    """Writes the rows; the events of those this program can read."""
    found = [_readable(one.line) for one in records]
    shared = {"ctl": batch.ctl, "epoch": batch.epoch, "recorded_at": now}
    rows = [
        (
            one.seq,
            one.hash,
            event.session if event else "",
            event.type if event else "",
            one.line,
            event is not None and _is_late(event, now),
        )
        for one, event in zip(records, found, strict=True)
    ]
    insert_rows(conn, events, shared, _EACH, rows)
    whose = {"of_ctl": batch.ctl, "of_epoch": batch.epoch}
    streams.move_stream(conn, batch.ctl, batch.epoch, seq=records[-1].seq, at=now)
    span = {"of_first": records[0].seq, "of_last": records[-1].seq}
    _ARRIVED.changed(conn, **whose, **span)
    return found


def _is_here(conn: Connection, ctl: str) -> bool:
    """Whether this controller is or was one of this hub's."""
    found = conn.execute(select(controllers.c.ctl).where(controllers.c.ctl == ctl))
    return found.first() is not None


def _readable(line: bytes) -> Event | None:
    try:
        return decoded(line)
    except RemoteError:
        return None


def _keep_seal(
    conn: Connection, signed: Signed, batch: Batch, verdict: BatchVerdict, now: datetime
) -> None:
    """The batch's header and signature line: with the rows' hashes they prove who wrote them.

    Also the hashes of those of its lines that did not become rows: without them nobody could check
    the seal of the others. It counts up to the last row; what is behind comes again.
    """
    records = verdict.records
    others: list[list[object]] = []
    if len(records) < len(batch.lines):
        placed = {v.seq for v in verdict.verdicts if isinstance(v, Record | AlreadyRecorded)}
        lines = enumerate(batch.lines, start=batch.first)
        others = [[seq, event_hash(line)] for seq, line in lines if seq not in placed]
    _SEAL.changed(
        conn,
        ctl=batch.ctl,
        epoch=batch.epoch,
        first=batch.first,
        last=records[-1].seq,
        header=signed.header_line,
        sigs=signed.raw[:-1].rpartition(b"\n")[2],
        recorded_at=now,
        others=others,
    )


def _is_late(event: Event, now: datetime) -> bool:
    """Whether it is known to be old: a clock nobody trusts says nothing of an event's age."""
    return event.at_trust != "none" and now - datetime.fromisoformat(event.at) > LATE
