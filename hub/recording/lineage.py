"""How a room's epochs follow each other, and what is wrong where they do not (WIRE §5).

Judged again whenever one of them is appended to, or a room answers in it: a branch may turn out to
be a second controller with the same keys only later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from hub.facts import Facts, newest_tip
from hub.fleet.outbound import hold
from hub.recording import streams
from hub.recording.family import Family
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
UNRELATED: Final = frozenset({Lineage.FIRST, Lineage.ROLLBACK, Lineage.TAIL_LOST})
UNRELATED_MAX: Final = 64
"""Epochs of one room that go on from nothing known as its tip, or that wait for the same unknown
one, or of which no row is here. A room has one for each card that was restored or replaced."""
LOOKS_A_BATCH: Final = 4_096
"""Epochs of a room that may be looked at for each of its batches: a few milliseconds. A room with
64 branches and as many lives is judged each time; one with more than that, less often."""
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
        self._owed: dict[str, int] = {}

    def heard(self, ctl: str, epoch: str) -> None:
        """An epoch was appended to."""
        self._alive.heard(ctl, epoch)

    def admits(self, conn: Connection, ctl: str, opened: Opened | None) -> bool:
        """Whether an epoch that begins so may be recorded now; None: its first row is not there.

        Always, where it goes on from the tip; of those that do not, a room has a bounded number.
        """
        pred = "" if opened is None else opened.pred_epoch
        beside = streams.count_waiting_for(conn, ctl, pred) if pred else 0
        empty = streams.count_empty(conn, ctl) if opened is None else 0
        if max(beside, empty, streams.count_unrelated(conn, ctl)) < UNRELATED_MAX:
            return True
        if opened is None:
            return False
        taken = streams.count_at_tip(conn, ctl, pred, opened.pred_seq) > 0
        branch = Branch(sibling=taken, others=True)
        goes_on = judge_opened(opened, *_predecessor(conn, ctl, opened), branch)
        return goes_on is Lineage.CONTINUES

    def opened(self, conn: Connection, ctl: str, epoch: str) -> set[str]:
        """Judges an epoch whose first row was just recorded; returns who is asked for."""
        self._alive.opened(ctl, epoch)
        family = self._family(conn, ctl)
        asked = self._judge(conn, streams.load_row(conn, ctl, epoch), family)
        self._owe(family)
        return asked

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
        rows = streams.concerned(conn, ctl, epoch)
        if not rows:
            return asked
        branches = {one.value for one in streams.BRANCHES}
        family = self._family(conn, ctl)
        own = streams.load_head(conn, ctl, epoch)
        alone = [row for row in rows if row.pred_epoch != epoch or row.standing in branches]
        for row in (one for one in rows if one.pred_epoch == epoch):
            # What went on from the tip is a branch once the other one appends or answers.
            passed = (own is not None and own.head > row.pred_seq) or self._alive.ponged_later(
                ctl, epoch, row.epoch
            )
            waits = row.standing == StreamState.WAITING.value
            if waits or (passed and row.standing == StreamState.OPEN.value):
                asked |= self._judge(conn, row, family)
        if alone and self._may_look(ctl):
            for row in alone:
                asked |= self._judge(conn, row, family)
        self._owe(family)
        return asked

    def _family(self, conn: Connection, ctl: str) -> Family:
        return Family(ctl, partial(streams.kin, conn, ctl), self._alive)

    def _may_look(self, ctl: str) -> bool:
        """Whether what was looked at before is paid for by the batches since."""
        owed = self._owed.get(ctl, 0)
        self._owed[ctl] = max(0, owed - LOOKS_A_BATCH)
        return owed < LOOKS_A_BATCH

    def _owe(self, family: Family) -> None:
        if family.looks:
            self._owed[family.ctl] = self._owed.get(family.ctl, 0) + family.looks

    def _judge(self, conn: Connection, row: Any, family: Family) -> set[str]:
        """Judges one epoch; returns its predecessor where that is still waited for."""
        head = streams.head_of(row)
        opened = Opened(head.pred_epoch, head.pred_seq, head.pred_hash, row.cause)
        pred, known = _predecessor(conn, head.ctl, opened)
        branch = self._at_tip(conn, head)
        lineage = judge_opened(opened, pred, known, branch)
        if lineage in UNRELATED:  # only of these the whole family has to be looked at
            lineage = judge_opened(opened, pred, known, self._in_family(branch, head, pred, family))
        if lineage.state is not head.state and head.state not in streams.ENDS:
            self._new_standing(conn, head, lineage.state)
        return {opened.pred_epoch} - {""} if lineage is Lineage.WAITS else set()

    def _at_tip(self, conn: Connection, head: StreamHead) -> Branch:
        """What is known of the row it goes on from."""
        if not head.pred_epoch:
            return Branch()
        at_tip = streams.count_at_tip(conn, head.ctl, head.pred_epoch, head.pred_seq)
        ponged = self._alive.ponged_later(head.ctl, head.pred_epoch, head.epoch)
        return Branch(sibling=at_tip > 1, pred_ponged=ponged)

    def _in_family(
        self, branch: Branch, head: StreamHead, pred: StreamHead | None, family: Family
    ) -> Branch:
        # A backlog of rows up to the tip is the same room's; rows behind the tip are another's.
        passed = (
            pred is not None
            and pred.head > head.pred_seq
            and self._alive.later(head.ctl, head.pred_epoch, head.epoch)
        )
        return replace(
            branch,
            other_alive=branch.pred_ponged or passed or family.lives_beside(head.epoch),
            others=bool(family.firsts - {head.epoch}),
            unclear=family.unclear,
        )

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


def _predecessor(
    conn: Connection, ctl: str, opened: Opened
) -> tuple[StreamHead | None, str | None]:
    """The predecessor, and the recorded hash of the row it is left at; None where unknown."""
    pred = streams.load_head(conn, ctl, opened.pred_epoch) if opened.pred_epoch else None
    if pred is None:
        return None, None
    return pred, streams.recorded_hash(conn, ctl, opened.pred_epoch, opened.pred_seq)
