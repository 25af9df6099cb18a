"""What is true in a history, written down beside it, and the judge of safety.

The ledger watches the two databases at their commits and never asks the program. A violation is
raised where it happens, so that the trace ends at its cause.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from edge.clock import iso_ms
from protocols.messages.event import GENESIS
from tests.edge.crash_disk import ApswPort

Place = tuple[str, str, int]
"""(controller, epoch, seq)."""
ALARMING = frozenset({"clone", "fork", "rollback", "tail_lost"})
KEEP = timedelta(days=35)
KEPT_TYPES = frozenset({"epoch.opened", "record.gap"})


class Violation(BaseException):
    """A promise is broken. `kind` is `safety` or `convergence`.

    Not an `Exception`: the hub's loop catches those, so that no message can stop it.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def unsafe(text: str) -> Violation:
    return Violation("safety", text)


@dataclass
class Ledger:
    """`wrote`: every row a room was told is on its disk; `held`: rows of the hub's database now.

    `ever`: rows the hub committed at any time; `acked`: how far this database was acknowledged;
    `went_back`: times at which the hub's database did; `branched`: rooms of which an image came
    back; `spoilt`: rows that rotted on a room's disk; `false_words`: how far the hub's own key
    falsely said to be.
    """

    wrote: dict[Place, bytes] = field(default_factory=dict)
    opened: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    gaps: set[tuple[str, str, int, int]] = field(default_factory=set)
    held: dict[Place, str] = field(default_factory=dict)
    ever: dict[Place, str] = field(default_factory=dict)
    acked: dict[tuple[str, str], int] = field(default_factory=dict)
    went_back: int = 0
    branched: set[str] = field(default_factory=set)
    pruned: set[Place] = field(default_factory=set)
    spoilt: set[Place] = field(default_factory=set)
    false_words: set[Place] = field(default_factory=set)
    checks: dict[str, int] = field(default_factory=dict)
    _last_id: int = 0

    def counted(self, what: str) -> None:
        """How often each oracle had something to judge; an idle oracle proves nothing."""
        self.checks[what] = self.checks.get(what, 0) + 1

    # The room's side

    def room_wrote(self, ctl: str, line: bytes) -> None:
        """A row is on a room's disk."""
        event = json.loads(line)
        place = (ctl, str(event["epoch"]), int(event["seq"]))
        self.counted("wrote")
        if self.wrote.setdefault(place, line) != line:
            raise unsafe(f"a room wrote {place} twice, with other bytes")
        data = event["data"]
        if event["type"] == "epoch.opened":
            self.opened[ctl, place[1]] = data
        elif event["type"] == "record.gap":
            self.gaps.add((ctl, data["epoch"], data["from"], data["to"]))
        elif event["type"] == "hub.rollback":
            self.counted("rewind")
            to = (ctl, str(data["epoch"]), int(data["upto"]))
            # What the hub's own key says of a row that is gone cannot be compared.
            if not self.went_back and to not in self.false_words & self.spoilt:
                raise unsafe(f"{place}: a room rewound though the hub never lost anything")
        elif event["type"] == "journal.rolled_back" and ctl not in self.branched:
            raise unsafe(f"{place}: a room lost rows that it had sent, and no card was restored")

    def room_moved(self, ctl: str, epoch: str, upto: int, digest: str) -> None:
        """A room's cursor went forward: what it stands on was committed at the hub."""
        self.counted("cursor")
        if upto and not self._known(self.ever, (ctl, epoch, upto), digest):
            raise unsafe(f"{ctl} {epoch}: the cursor is at {upto}, which the hub never recorded")

    def room_pruned(self, ctl: str, epoch: str, seq: int, digest: str, *, old: bool) -> None:
        """A row left the room's disk."""
        if not old:
            raise unsafe(f"{ctl} {epoch} {seq}: deleted before its time")
        self.counted("pruned")
        self.pruned.add((ctl, epoch, seq))
        if not self._known(self.ever, (ctl, epoch, seq), digest):
            raise unsafe(f"{ctl} {epoch} {seq}: pruned, but never recorded at the hub")

    def _known(self, rows: Mapping[Place, str], place: Place, digest: str) -> bool:
        if place in rows:
            return rows[place] == digest or not digest
        return any(
            (ctl, epoch) == place[:2] and first <= place[2] <= last
            for ctl, epoch, first, last in self.gaps
        )

    # The hub's side

    def hub_committed(self, port: apsw.Connection) -> None:
        """Rows just committed at the hub: the bytes a room wrote, the next in line."""
        query = "SELECT id, ctl, epoch, seq, hash, raw FROM events WHERE id > ? ORDER BY id"
        for number, ctl, epoch, seq, digest, raw in port.execute(query, (self._last_id,)):
            self._last_id = number
            if ctl.startswith("h-"):
                continue
            self.counted("recorded")
            self.hub_row((ctl, epoch, seq), digest, raw)

    def hub_row(self, place: Place, digest: str, raw: bytes) -> None:
        """One row of the hub."""
        if self.wrote.get(place) != raw:
            raise unsafe(f"the hub holds {place}, which no room wrote with these bytes")
        if hashlib.sha256(raw).hexdigest() != digest:
            raise unsafe(f"the hub holds {place} under another hash")
        if place in self.held:
            raise unsafe(f"the hub holds {place} twice")
        before = (*place[:2], place[2] - 1)
        if place[2] > 1 and before not in self.held and not self._known({}, before, ""):
            raise unsafe(
                f"the hub holds {place} and not the row before it, and nobody named a hole"
            )
        self.held[place] = self.ever[place] = digest

    def hub_said(self, ctl: str, epoch: str, upto: int, digest: str) -> None:
        """An acknowledgement is on its way: what it says stands in the database."""
        self.counted("ack")
        if upto and digest != GENESIS and self.held.get((ctl, epoch, upto)) != digest:
            raise unsafe(f"{ctl} {epoch}: {upto} was acknowledged before it was committed")
        if upto and digest == GENESIS and not self._known({}, (ctl, epoch, upto), ""):
            raise unsafe(f"{ctl} {epoch}: {upto} was acknowledged as a hole that nobody named")
        self.acked[ctl, epoch] = max(upto, self.acked.get((ctl, epoch), 0))

    def hub_restarted(self, port: apsw.Connection, *, went_back: bool) -> None:
        """The hub's database as a start found it; it may lack rows only when it `went_back`."""
        before, self.held, self._last_id = self.held, {}, 0
        if went_back:
            self.went_back += 1
            self.acked.clear()
        self.hub_committed(port)
        if went_back:
            return
        self.counted("hub restart")
        for place in before:
            if place not in self.held:
                raise unsafe(f"the hub lost {place}, which it had committed")

    def hub_holes(self, port: apsw.Connection) -> None:
        """Each stream is its rows from 1 on, and each hole lies in a gap that the hub names too."""
        gaps = list(port.execute("SELECT ctl, epoch, first, last FROM gaps"))
        for ctl, epoch, head in port.execute("SELECT ctl, epoch, head FROM epochs"):
            if ctl.startswith("h-"):
                continue
            self.counted("stream")
            for seq in range(1, head + 1):
                if (ctl, epoch, seq) not in self.held and not any(
                    (ctl, epoch) == gap[:2] and gap[2] <= seq <= gap[3] for gap in gaps
                ):
                    raise unsafe(f"the hub's head of {ctl} {epoch} is {head}, {seq} has no name")

    def hub_forks(self, port: apsw.Connection) -> None:
        """Where two branches went on from one row, or one from before the end, an alarm stands."""
        query = (
            "SELECT ctl, epoch, head, pred_epoch, pred_seq, standing FROM epochs"
            " WHERE ctl LIKE 'c-%'"
        )
        rows = list(port.execute(query))
        heads = {(row[0], row[1]): row[2] for row in rows}
        for ctl, epoch, _, pred, pred_seq, standing in rows:
            older = bool(pred) and heads.get((ctl, pred), 0) > pred_seq
            place = (ctl, pred, pred_seq)
            tips = [row[5] for row in rows if pred and (row[0], row[3], row[4]) == place]
            if standing == "fork" and any(gap[:2] == (ctl, epoch) for gap in self.gaps):
                self.counted("late row")  # of a hole that was declared while it was on its way
                continue
            if not older and len(tips) < 2:
                if standing in ALARMING:
                    raise unsafe(f"{ctl} {epoch} stands as {standing}, and nothing happened to it")
                continue
            self.counted("branch")
            if standing not in ALARMING and (older or not ALARMING & set(tips)):
                raise unsafe(
                    f"{ctl} {epoch} branched at {pred} {pred_seq} and stands as {standing}"
                )


class WatchedPort(ApswPort):
    """A journal's connection whose commits the ledger sees."""

    def __init__(
        self,
        connection: apsw.Connection,
        ctl: str,
        ledger: Ledger,
        wall: Callable[[], datetime],
    ) -> None:
        super().__init__(connection)
        self.ctl, self.ledger, self.wall = ctl, ledger, wall
        self._lines: list[bytes] = []
        self._moves: list[tuple[str, int]] = []

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if sql.startswith("DELETE FROM event "):
            self._pruning(sql, parameters)
        found = super().execute(sql, parameters)
        if sql.startswith("UPDATE epoch SET acked"):
            self._moves.append((str(parameters[1]), int(parameters[0])))
        elif sql == "COMMIT":
            self._committed()
        elif sql == "ROLLBACK":
            self._lines, self._moves = [], []
        return found

    def executemany(self, sql: str, parameters: Any) -> None:
        rows = list(parameters)
        super().executemany(sql, rows)
        if sql.startswith("INSERT INTO event "):
            self._lines += [row[2] for row in rows]

    def _committed(self) -> None:
        lines, moves = self._lines, self._moves
        self._lines, self._moves = [], []
        for line in lines:
            self.ledger.room_wrote(self.ctl, line)
        for epoch, upto in moves:
            known = self.ledger.wrote.get((self.ctl, epoch, upto), b"")
            digest = hashlib.sha256(known).hexdigest() if known else ""
            self.ledger.room_moved(self.ctl, epoch, upto, digest)

    def _pruning(self, sql: str, parameters: Sequence[Any]) -> None:
        where = sql.partition(" WHERE ")[2]
        columns = "(SELECT epoch FROM epoch WHERE n = event.n), seq, hash, type, at, trusted"
        going = f"SELECT {columns} FROM event WHERE {where}"  # noqa: S608 - the journal's own words
        rows = super().execute(going, parameters)
        before = iso_ms(self.wall() - KEEP)
        for epoch, seq, digest, kind, at, trusted in rows:
            if kind in KEPT_TYPES:
                raise unsafe(f"{self.ctl} {epoch} {seq}: a {kind} was pruned")
            old = at < before or not trusted
            self.ledger.room_pruned(self.ctl, str(epoch), int(seq), str(digest), old=old)


def journal_rows(path: Path) -> dict[tuple[str, int], str]:
    """(epoch, seq) -> hash of the rows in a journal's file; for a file nobody has open."""
    with apsw.Connection(str(path)) as port:
        found = port.execute("SELECT epoch, seq, line FROM event JOIN epoch USING (n)")
        rows = {(e, s): hashlib.sha256(line).hexdigest() for e, s, line in found}
    port.close()
    return rows


__all__ = ["Ledger", "Violation", "WatchedPort", "journal_rows", "unsafe"]
