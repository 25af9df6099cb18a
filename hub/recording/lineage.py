"""How a room's epochs follow each other, and what is wrong where they do not (WIRE §5).

Judged again whenever one of them is appended to, or a room answers in it: a branch may turn out to
be a second controller with the same keys only later.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from hub.facts import Facts, newest_tip
from hub.fleet.outbound import hold
from hub.recording import streams
from hub.recording.liveness import Liveness
from hub.store.engine import Store
from protocols.messages.recording import (
    Branch,
    Lineage,
    Opened,
    StreamHead,
    StreamState,
    judge_opened,
)

ALARMING: Final = frozenset(
    {StreamState.CLONE, StreamState.FORK, StreamState.ROLLBACK, StreamState.TAIL_LOST}
)
BRANCHES: Final = frozenset({StreamState.ROLLBACK.value, StreamState.TAIL_LOST.value})
"""Standings that are a clone's once the other branch turns out to live."""
FACT_OF: Final = {
    StreamState.CLONE: "stream.clone",
    StreamState.FORK: "stream.fork",
    StreamState.ROLLBACK: "stream.rollback",
    StreamState.TAIL_LOST: "stream.tail_lost",
}


class Lineages:
    """Standing of every epoch.

    Args:
        store, facts: the hub's own.
    """

    def __init__(self, *, store: Store, facts: Facts) -> None:
        self._store = store
        self._facts = facts
        self._alive = Liveness()

    def heard(self, ctl: str, epoch: str) -> None:
        """An epoch was appended to."""
        self._alive.heard(ctl, epoch)

    def opened(self, conn: Connection, ctl: str, epoch: str) -> set[str]:
        """Judges an epoch whose first row was just recorded; returns who is asked for."""
        self._alive.opened(ctl, epoch)
        return self._judge(conn, ctl, epoch)

    def pinged(self, ctl: str, nonce: str) -> None:
        """A room was asked for a sign of life."""
        self._alive.pinged(ctl, nonce)

    def ponged(self, ctl: str, epoch: str, nonce: str) -> None:
        """A room answered in this epoch: where a later one is known, it may exist twice."""
        if not self._alive.ponged(ctl, epoch, nonce):
            return
        with self._store.read() as conn:
            newest = newest_tip(conn, ctl)
            known = streams.load_head(conn, ctl, epoch) is not None
        if known and newest is not None and newest.epoch != epoch:
            with self._store.write() as conn:
                self.moved(conn, ctl, epoch)

    def moved(self, conn: Connection, ctl: str, epoch: str) -> set[str]:
        """Judges what may stand otherwise because this epoch moved; returns who is asked for."""
        asked: set[str] = set()
        rows = streams.epoch_rows(conn, ctl)
        own = next((row for row in rows if row.epoch == epoch), None)
        for row in rows:
            child = row.pred_epoch == epoch
            # What went on from the tip is a branch once the other one appends or answers.
            passed = child and (
                (own is not None and own.head > row.pred_seq)
                or self._alive.ponged_later(ctl, epoch, row.epoch)
            )
            first = row.cause and not row.pred_epoch
            waits = (child or first) and row.standing == StreamState.WAITING.value
            if passed or waits or row.standing in BRANCHES:
                asked |= self._judge(conn, ctl, row.epoch)
        return asked

    def _judge(self, conn: Connection, ctl: str, epoch: str) -> set[str]:
        """Judges one epoch; returns its predecessor where that is still waited for."""
        head = streams.load_head(conn, ctl, epoch)
        if head is None:
            return set()
        opened = Opened(head.pred_epoch, head.pred_seq, head.pred_hash, self._cause(conn, head))
        pred = streams.load_head(conn, ctl, opened.pred_epoch) if opened.pred_epoch else None
        known = (
            streams.recorded_hash(conn, ctl, opened.pred_epoch, opened.pred_seq)
            if pred is not None
            else None
        )
        lineage = judge_opened(opened, pred, known, self._branch(conn, head))
        if lineage.state is not head.state and head.state not in {
            StreamState.CLONE,
            StreamState.FORK,
        }:
            self._new_standing(conn, head, lineage.state)
        return {opened.pred_epoch} - {""} if lineage is Lineage.WAITS else set()

    def _branch(self, conn: Connection, head: StreamHead) -> Branch:
        rows = streams.epoch_rows(conn, head.ctl)
        firsts, unclear = streams.beginnings(rows)
        tip = (head.pred_epoch, head.pred_seq)
        at_tip = [row for row in rows if (row.pred_epoch, row.pred_seq) == tip]
        pred = next((row for row in rows if row.epoch == head.pred_epoch), None)
        ponged = self._alive.ponged_later(head.ctl, head.pred_epoch, head.epoch)
        # A backlog of rows up to the tip is the same room's; rows behind the tip are another's.
        passed = (
            pred is not None
            and pred.head > head.pred_seq
            and self._alive.later(head.ctl, head.pred_epoch, head.epoch)
        )
        return Branch(
            sibling=bool(head.pred_epoch) and len(at_tip) > 1,
            other_alive=ponged or passed or self._beside_lives(rows, head),
            pred_ponged=ponged,
            others=bool(firsts - {head.epoch}),
            unclear=unclear,
        )

    def _beside_lives(self, rows: list[Any], head: StreamHead) -> bool:
        """Whether another line of epochs and this one were both heard of since both are there."""
        # Once for all epochs, not once for each.
        ctl, known = head.ctl, {row.epoch: row.pred_epoch for row in rows}
        own = set(streams.line(known, head.epoch))
        heard = [row.epoch for row in rows if self._alive.was_heard(ctl, row.epoch)]
        lines = {one: streams.line(known, one) for one in heard}
        mine = [one for one in heard if head.epoch in lines[one]]
        for other in heard:
            beside = [one for one in lines[other] if one not in own]
            if other in mine or not beside or not self._alive.later(ctl, other, head.epoch):
                continue
            if any(self._alive.later(ctl, one, beside[-1]) for one in mine):
                return True
        return False

    def _new_standing(self, conn: Connection, head: StreamHead, state: StreamState) -> None:
        streams.set_standing(conn, head.ctl, head.epoch, state)
        if state not in ALARMING:
            return
        if state is StreamState.CLONE:
            hold(conn, head.ctl, held=True)
        data: dict[str, Any] = {
            "ctl": head.ctl,
            "epoch": head.epoch,
            "pred_epoch": head.pred_epoch,
            "pred_seq": head.pred_seq,
        }
        self._facts.append(conn, type=FACT_OF[state], session="", data=data)

    @staticmethod
    def _cause(conn: Connection, head: StreamHead) -> str:
        for row in streams.epoch_rows(conn, head.ctl):
            if row.epoch == head.epoch:
                return str(row.cause)
        return ""
