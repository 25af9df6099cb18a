"""The log over everything that was recorded, and its checkpoints.

Rows are read behind a cursor, in the order they were stored, hub's own facts too; recording knows
nothing of it and never waits for it. A checkpoint is signed when there are new entries and its time
has come. It goes to the mirror, the tree does not: tiles are derived from rows. So a hub restored
from an older copy finds a checkpoint it made and no tree that long. It must not go on under the
same name, for its rows come back in another order: it stops signing, says so, and an administrator
opens a new origin whose first entry is the fact that holds the old checkpoint and the reason.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.facts import Facts
from hub.keys.keyring import Keys
from hub.store.engine import Store, get_meta, set_meta
from hub.store.tables_core import events
from hub.store.tables_log import log_checkpoint
from hub.transparency import tree
from protocols.evidence.checkpoint import (
    Checkpoint,
    Note,
    origin_name,
    parse_note,
    read_origin,
    sign_checkpoint,
)
from protocols.evidence.merkle import CompactRange, root_at

ROWS_PER_TURN: Final = 2_000
"""Hashed in some hundredths of a second, stored by a transaction of a dozen statements."""
ROWS_PER_TICK: Final = 20_000
"""A backlog waits for the next second: the thread of the timers has pings to send."""
SHRUNK: Final = "log.shrunk"
DISOWNED: Final = "log_disowned"
"""Setting: number of the newest origin under which nothing may be signed any more."""
REOPENED: Final = "log.reopened"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Period:
    """When a checkpoint is due: this long after the last, or with so many new entries.

    `wait_s`: how long a package waits for co-signatures of its own.
    """

    seconds: int = 60
    rows: int = 100
    wait_s: float = 0


class EventLog:
    """The newest log of a hub.

    Args:
        store, clock, keys, facts: the hub's own.
        period: when a checkpoint is due.
    """

    def __init__(
        self, *, store: Store, clock: Clock, keys: Keys, facts: Facts, period: Period
    ) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._facts = facts
        self._period = period
        self.wait_s = period.wait_s
        self._turn = threading.Lock()
        self._made_ms: int | None = None
        self._made: list[Callable[[], None]] = []
        self._signed = threading.Condition()

    def on_checkpoint(self, act: Callable[[], None]) -> None:
        """`act` runs after a checkpoint was made and stored."""
        self._made.append(act)

    def tick(self) -> None:
        """Reads what was stored since, and signs a checkpoint where one is due."""
        read = 0
        while read < ROWS_PER_TICK and (now := self.read()):
            read += now
        if self.make_checkpoint() is not None:
            for act in self._made:
                act()

    def read(self) -> int:
        """Takes the next rows in; returns how many, 0 where there are none or none may be taken."""
        with self._turn:
            with self._store.read() as conn:
                state = tree.load(conn)
                if state is not None and _stopped(conn, state):
                    return 0
                if state is None:
                    state = tree.Growing(0, CompactRange(), 0, 0)
                rows = tree.next_rows(conn, state, ROWS_PER_TURN)
                if not rows:
                    return 0
                fresh = state.origin == 0
                state.origin = state.origin or 1
                portion = tree.grow(conn, state, rows)
            with self._store.write(mirrored=False) as conn:
                if fresh:
                    tree.begin(conn, state.origin)
                try:
                    tree.save(conn, state, portion)
                except tree.LogMovedError:
                    return 0
        return portion.rows

    def make_checkpoint(self, *, at_once: bool = False) -> Note | None:
        """Signs and stores a checkpoint where there are new entries and one is due.

        Args:
            at_once: as soon as there is one new entry.
        """
        now_ms = self._clock.mono_ms()
        with self._turn, self._store.read() as conn:
            state = tree.load(conn)
            if state is None or state.size == 0:
                return None
            known, stopped = newest_checkpoint(conn), _stopped(conn, state)
        if stopped:
            self._tell_shrunk(state)
            return None
        new = state.size - (known.size if known and _number(known) == state.origin else 0)
        if new == 0 or not (at_once or self._due(new, now_ms)):
            return None
        note = self._sign(state)
        with self._store.write() as conn:
            conn.execute(
                log_checkpoint.insert().values(
                    origin=state.origin,
                    size=state.size,
                    root=note.checkpoint.root.hex(),
                    note=note.encode(),
                    made_at=self._clock.wall(),
                )
            )
        self._made_ms = now_ms
        return note

    def close_up(self, done: Callable[[], bool] = lambda: True, *, wait_s: float = 0) -> bool:
        """Has a checkpoint over everything that is stored, signed now if need be.

        Args:
            done: asked after each co-signature whether they are enough.
            wait_s: how long to wait for them.

        Returns:
            The last word of `done`.
        """
        while self.read():
            pass
        if self.make_checkpoint(at_once=True) is not None:
            for act in self._made:
                act()
        with self._signed:
            return self._signed.wait_for(done, wait_s)

    def cosigned(self) -> None:
        """A co-signature was stored."""
        with self._signed:
            self._signed.notify_all()

    def reopen(self, conn: Connection, *, reason: str, by: str) -> str:
        """Begins a new log whose first entry is the fact that says why; its origin's name.

        Args:
            conn: of an open `Store.write()`.
            reason: an administrator's, for everybody to read.
            by: the administrator's post, or the command that an administrator ran.
        """
        state, known = tree.load(conn), newest_checkpoint(conn)
        numbers = (state.origin if state else 0, _number(known) if known else 0, disowned(conn))
        n = max(numbers) + 1
        name = origin_name(self._facts.hub, n)
        was = known_note(conn)
        hub = self._facts.hub
        data = {"ctl": hub, "origin": name, "was": was, "reason": reason, "by": by}
        ref = self._facts.append(conn, type=REOPENED, session="", data=data)
        place = {"ctl": hub, "epoch": ref.epoch, "seq": ref.seq}
        row_id = conn.execute(select(events.c.id).filter_by(**place)).scalar_one()
        tree.begin(conn, n, first_id=int(row_id))
        return name

    def disown(self, note: Note, *, seen_by: str) -> None:
        """Signs no more under this origin: there is a checkpoint its tree does not begin with.

        Args:
            note: that checkpoint, signed by this hub.
            seen_by: who brought it: a witness, or the hub that found it in its own record.
        """
        seen = note.checkpoint
        n = _number(seen)
        with self._store.write() as conn:
            if n <= disowned(conn):
                return
            set_meta(conn, DISOWNED, str(n))
            state = tree.load(conn)
            data = {
                "ctl": self._facts.hub,
                "seen_by": seen_by,
                "origin": seen.origin,
                "size": seen.size,
                "here": state.size if state is not None and state.origin == n else 0,
                "note": note.encode().decode(),
            }
            self._facts.append(conn, type=SHRUNK, session="", data=data)
        log.warning("log: %s had %d entries; this hub does not have them", seen.origin, seen.size)

    def behind(self, conn: Connection) -> bool:
        """Whether a checkpoint is known that the newest log does not begin with."""
        state, known = tree.load(conn), newest_checkpoint(conn)
        return known is not None if state is None else _stopped(conn, state)

    def _due(self, new: int, now_ms: int) -> bool:
        if self._made_ms is None or new >= self._period.rows:
            return True
        return now_ms - self._made_ms >= self._period.seconds * 1000

    def _sign(self, state: tree.Growing) -> Note:
        name = origin_name(self._facts.hub, state.origin)
        checkpoint = Checkpoint(name, state.size, state.range.root())
        public, sign = self._keys.hub_public(), self._keys.hub_signer().sign
        return sign_checkpoint(checkpoint, public=public, sign=sign)

    def _tell_shrunk(self, state: tree.Growing) -> None:
        with self._store.read() as conn:
            if disowned(conn) >= state.origin:
                return  # said already
            note = parse_note(known_note(conn).encode())
        self.disown(note, seen_by=self._facts.hub)


def newest_checkpoint(conn: Connection) -> Checkpoint | None:
    """The hub's last checkpoint of its newest origin."""
    raw = known_note(conn)
    return parse_note(raw.encode()).checkpoint if raw else None


def known_note(conn: Connection) -> str:
    """The note of the last checkpoint, '' before the first."""
    raw = conn.execute(
        select(log_checkpoint.c.note)
        .order_by(log_checkpoint.c.origin.desc(), log_checkpoint.c.size.desc())
        .limit(1)
    ).scalar_one_or_none()
    return "" if raw is None else bytes(raw).decode()


def _number(checkpoint: Checkpoint) -> int:
    return read_origin(checkpoint.origin)[1]


def disowned(conn: Connection) -> int:
    """Number of the newest origin that this hub may sign no more; 0 for none."""
    return int(get_meta(conn, DISOWNED, "0"))


def _stopped(conn: Connection, state: tree.Growing) -> bool:
    return disowned(conn) >= state.origin or _shrunk(conn, state) is not None


def _shrunk(conn: Connection, state: tree.Growing) -> Checkpoint | None:
    """The newest checkpoint, if this tree is not one that begins with it."""
    known = newest_checkpoint(conn)
    if known is None or _number(known) < state.origin:
        return None
    if _number(known) > state.origin or known.size > state.size:
        return known
    root = root_at(known.size, tree.Nodes(conn, state.origin))
    return None if root == known.root else known
