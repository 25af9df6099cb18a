"""The hub's own facts: events of a stream of its own, written with the change they tell about.

A fact is appended in the transaction of the change, sealed with the hub's key like a batch of
one, and copied to the mirror before that transaction is committed. Each run of the hub opens an
epoch of its own, whose first event names the tip of the one before.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.clock import Clock, iso_ms
from hub.store.engine import Store
from hub.store.tables_core import epochs, events, seals, streams
from protocols.messages.bodies import seal_batch
from protocols.messages.event import Event, decode_event, encode_event, event_hash, first_prev
from protocols.messages.signed import Signer

EPOCH_BYTES: Final = 16
TAIL_PARTS: Final = 2


@dataclass(frozen=True, slots=True)
class FactRef:
    """Where a fact stands in the hub's stream."""

    epoch: str
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Tip:
    """The last row of a stream's epoch."""

    epoch: str
    seq: int
    hash: str


class Facts:
    """Writer of the hub's stream.

    Args:
        store: the database; its mirror gets every fact's bytes.
        clock: `wall` for `at`, `mono_ms` beside it.
        hub: the hub's id, `h-` + 12 hex.
        signer: the hub's key in the role `hub`.
        entropy: random bytes of a length; tests bring their own.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        hub: str,
        signer: Signer,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.hub = hub
        self._store = store
        self._clock = clock
        self._signer = signer
        self._entropy = entropy
        self._epoch = entropy(EPOCH_BYTES).hex()
        self._boot = entropy(EPOCH_BYTES).hex()
        self._appended: list[Callable[[], None]] = []

    @property
    def epoch(self) -> str:
        """The epoch of this run of the hub."""
        return self._epoch

    def on_append(self, act: Callable[[], None]) -> None:
        """`act` runs after the commit of every transaction with a fact."""
        self._appended.append(act)

    def append(
        self,
        conn: Connection,
        *,
        type: str,  # noqa: A002 - the event's own word
        session: str,
        data: Mapping[str, Any],
    ) -> FactRef:
        """Writes one fact in this transaction.

        Args:
            conn: connection of an open `Store.write()`.
            type: event type, for example `booking.accepted`.
            session: session id, or '' for what belongs to none.
            data: JSON without floats and without names of persons.

        Raises:
            LocalError: the fact breaks the event contract.
        """
        tip = self._tip(conn)
        if tip is None:
            tip = self._open_epoch(conn)
        ref = self._write(conn, tip, type=type, session=session, data=data)
        for act in self._appended:
            self._store.after_commit(act)
        return ref

    def _tip(self, conn: Connection) -> Tip | None:
        newest = newest_tip(conn, self.hub)
        return newest if newest is not None and newest.epoch == self._epoch else None

    def _open_epoch(self, conn: Connection) -> Tip:
        # Another process of this hub (`hub enroll`) may have written since: the chain goes on from
        # its tip, in an epoch of our own.
        before = newest_tip(conn, self.hub)
        if _has_epoch(conn, self.hub, self._epoch):
            self._epoch = self._entropy(EPOCH_BYTES).hex()
        data: dict[str, Any] = {
            "pred_epoch": before.epoch if before else "",
            "pred_seq": before.seq if before else 0,
            "pred_hash": before.hash if before else first_prev(),
            "cause": "start",
        }
        _insert_epoch(conn, self.hub, self._epoch, data, self._clock.wall())
        tip = Tip(self._epoch, 0, data["pred_hash"])
        ref = self._write(conn, tip, type="epoch.opened", session="", data=data)
        found = self._tip(conn)
        return found or Tip(ref.epoch, ref.seq, "")

    def _write(
        self,
        conn: Connection,
        tip: Tip,
        *,
        type: str,  # noqa: A002 - the event's own word
        session: str,
        data: Mapping[str, Any],
    ) -> FactRef:
        at = self._clock.wall()
        event = Event(
            v=1,
            ctl=self.hub,
            epoch=self._epoch,
            seq=tip.seq + 1,
            prev=tip.hash,
            session=session,
            boot=self._boot,
            mono_ms=self._clock.mono_ms(),
            at=iso_ms(at),
            at_trust=self._clock.trust(),
            type=type,
            data=data,
        )
        raw = encode_event(event)
        sealed = seal_batch(
            ctl=self.hub, epoch=self._epoch, first=event.seq, lines=[raw], signers=[self._signer]
        )
        insert_fact(conn, raw, sealed, at)
        self._store.record_fact(sealed)
        return FactRef(epoch=self._epoch, seq=event.seq, at=at)


def newest_tip(conn: Connection, ctl: str) -> Tip | None:
    """Head of the newest epoch of a stream, or None if it has none."""
    row = conn.execute(
        select(epochs.c.epoch, epochs.c.head, epochs.c.head_hash)
        .where(epochs.c.ctl == ctl)
        .order_by(epochs.c.order.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Tip(str(row.epoch), int(row.head), str(row.head_hash))


def insert_fact(conn: Connection, raw: bytes, sealed: bytes, at: datetime) -> None:
    """Stores one event of the hub with its seal and moves the head; also used by a restore."""
    event = decode_event(raw)
    digest = event_hash(raw)
    if event.type == "epoch.opened" and not _has_epoch(conn, event.ctl, event.epoch):
        _insert_epoch(conn, event.ctl, event.epoch, event.data, at)
    row = conn.execute(
        events.insert().values(
            ctl=event.ctl,
            epoch=event.epoch,
            seq=event.seq,
            hash=digest,
            session=event.session,
            type=event.type,
            raw=raw,
            recorded_at=at,
            late=False,
        )
    )
    parts = sealed.split(b"\n")
    conn.execute(
        seals.insert().values(
            ctl=event.ctl,
            epoch=event.epoch,
            first=event.seq,
            last=event.seq,
            header=parts[0],
            sigs=parts[-TAIL_PARTS],
            recorded_at=at,
        )
    )
    conn.execute(
        epochs.update()
        .where(epochs.c.ctl == event.ctl, epochs.c.epoch == event.epoch)
        .values(head=event.seq, head_hash=digest)
    )
    _move_stream(conn, event.ctl, event.epoch, int((row.inserted_primary_key or (0,))[0]), at)


def _move_stream(conn: Connection, ctl: str, epoch: str, row_id: int, at: datetime) -> None:
    values = {"newest_epoch": epoch, "head_id": row_id, "seen_at": at}
    done = conn.execute(streams.update().where(streams.c.ctl == ctl).values(**values))
    if done.rowcount == 0:
        conn.execute(streams.insert().values(ctl=ctl, **values))


def _has_epoch(conn: Connection, ctl: str, epoch: str) -> bool:
    found = conn.execute(select(epochs.c.epoch).where(epochs.c.ctl == ctl, epochs.c.epoch == epoch))
    return found.first() is not None


def _insert_epoch(
    conn: Connection, ctl: str, epoch: str, data: Mapping[str, Any], at: datetime
) -> None:
    order = conn.execute(
        select(func.coalesce(func.max(epochs.c.order), 0)).where(epochs.c.ctl == ctl)
    ).scalar_one()
    conn.execute(
        epochs.insert().values(
            ctl=ctl,
            epoch=epoch,
            head=0,
            head_hash=data["pred_hash"],
            after_gap=False,
            pending=[],
            pred_epoch=data["pred_epoch"],
            pred_seq=data["pred_seq"],
            pred_hash=data["pred_hash"],
            cause=data["cause"],
            standing="open",
            opened_at=at,
            order=int(order) + 1,
        )
    )
