"""Projections: what stored rows mean, worked out behind a cursor, after they were recorded.

A handler reads rows in the order they were stored, in a transaction that also moves its cursor:
after a crash it goes on where it was. A row it cannot read is written down as unreadable and
blocks nothing; each start tries it again, for the program may be a newer one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select
from sqlalchemy.exc import OperationalError

from hub.bus import Bus
from hub.clock import Clock
from hub.decoded import decoded
from hub.store.engine import Store
from hub.store.prepared import Prepared
from hub.store.tables_core import cursors, events, unreadable
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event

ROWS_PER_TURN: Final = 200
"""Rows of one transaction: short enough that recording never waits for long."""
REASON_CHARS_MAX: Final = 500
ROWS_BEHIND_MAX: Final = 1_000
"""Some tenths of a second of reading: what another room says meanwhile is not late by more."""
CATCH_UP_S: Final = 0.5
"""The record never stops for a projection that fails: it goes on at this pace."""

_STATEMENTS: Final = 64
"""Sets of types that are behind together: mostly all handlers', sometimes one's."""
_NEWEST: Final = Prepared(select(func.coalesce(func.max(events.c.id), 0)))
_CURSORS: Final = Prepared(select(cursors))
_ROWS: Final = (
    select(events)
    .where(events.c.id > bindparam("after"), events.c.id <= bindparam("upto"))
    .order_by(events.c.id)
    .limit(ROWS_PER_TURN)
)
_ALL_ROWS: Final = Prepared(_ROWS)
_MOVE: Final = Prepared(
    cursors.update()
    .where(cursors.c.handler == bindparam("of_handler"))
    .values(after_id=bindparam("upto"))
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A recorded row with its decoded event. `late`: more than 10 min old when recorded."""

    id: int
    ctl: str
    epoch: str
    seq: int
    event: Event
    recorded_at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A recorded row that a handler could not read, as it was just marked."""

    handler: str
    id: int
    ctl: str
    epoch: str
    seq: int
    session: str
    recorded_at: datetime
    late: bool


Handler = Callable[[Connection, StoredEvent], None]
OnUnreadable = Callable[[Connection, Unreadable], None]


@dataclass(frozen=True, slots=True)
class _Registered:
    name: str
    handle: Handler
    types: frozenset[str]

    def wants(self, kind: str) -> bool:
        """Whether rows of this type are for it; no types means all."""
        return not self.types or kind in self.types


class Projector:
    """Runs every handler over the rows behind its cursor.

    Args:
        store: the database.
        clock: when an unreadable row was seen.
        bus: is told `events` and `board` after every turn that read something.
    """

    def __init__(self, *, store: Store, clock: Clock, bus: Bus) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._handlers: dict[str, _Registered] = {}
        self._turn = threading.Lock()
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._read_upto = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._before: list[Callable[[], None]] = []
        self._unread: list[OnUnreadable] = []

    def before_turn(self, act: Callable[[], None]) -> None:
        """`act` runs before each portion: live folds are up to date when a handler asks them."""
        self._before.append(act)

    def on_unreadable(self, act: OnUnreadable) -> None:
        """`act` runs in the transaction that marks a row as unreadable, once per mark."""
        self._unread.append(act)

    def register(self, name: str, handler: Handler, types: Iterable[str] = ()) -> None:
        """Adds a handler; its cursor is kept under `name`.

        Args:
            name: stable for ever: another name starts from the first row.
            handler: may read and write by its connection; must bear the same row twice.
            types: event types it wants; none means all.
        """
        if name in self._handlers:
            raise ValueError(f"projection: expected a new handler name, got {name!r} again")
        self._handlers[name] = _Registered(name, handler, frozenset(types))

    def run_pending(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Reads everything that is stored; returns how many rows were given to handlers.

        Args:
            stop: asked between two portions; the rest waits for the next time.
        """
        total = 0
        with self._turn:
            behind = True
            while behind and not stop():
                for act in self._before:
                    act()
                done, behind = self._round()
                total += done
                with self._moved:
                    self._moved.notify_all()
        if total:
            self._bus.publish("events")
            self._bus.publish("board")
        return total

    def reread(self) -> int:
        """Gives rows marked as unreadable to their handlers once more; returns how many were read.

        Called at a start, for the program may be a newer one. What it reads only now is late.
        """
        place = [unreadable.c[key] == events.c[key] for key in ("ctl", "epoch", "seq")]
        with self._turn, self._store.write() as conn:
            rows = conn.execute(
                select(unreadable.c.handler, events)
                .join(events, and_(*place))
                .order_by(events.c.id)
            ).all()
            return sum(self._read_now(conn, row) for row in rows)

    def _read_now(self, conn: Connection, row: Row[tuple[object, ...]]) -> bool:
        one = self._handlers.get(row.handler)
        if one is None or self._handle(conn, one, row, again=True):
            return False
        key = {"handler": one.name, "ctl": row.ctl, "epoch": row.epoch, "seq": row.seq}
        conn.execute(unreadable.delete().where(*(unreadable.c[k] == v for k, v in key.items())))
        return True

    def wake(self) -> None:
        """Something was stored; the thread looks at once."""
        self._wake.set()

    def let_catch_up(self) -> bool:
        """Waits while more rows than `ROWS_BEHIND_MAX` are unread, `CATCH_UP_S` at most.

        Recording is faster than reading: the backlog of one room would be recorded at once, and
        what all others say would mean nothing until it is read.

        Returns:
            Whether so few are unread now.
        """
        if self._thread is None:
            return True
        with self._store.read() as conn:
            enough = int(_NEWEST.value(conn)) - ROWS_BEHIND_MAX
        with self._moved:
            return self._moved.wait_for(lambda: self._read_upto >= enough, CATCH_UP_S)

    def start(self) -> None:
        """Runs in a thread of its own until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._loop, name="projector", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after its turn."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            try:
                self.run_pending(self._stopping.is_set)
            except OperationalError:
                log.warning("projection: the database was busy; trying again", exc_info=True)

    def _round(self) -> tuple[int, bool]:
        """The next rows given to every handler that is behind: (rows handled, whether one was)."""
        with self._store.read() as conn:
            newest = int(_NEWEST.value(conn))
            at = {row.handler: int(row.after_id) for row in _CURSORS.all(conn)}
            behind = [one for one in self._handlers.values() if at.get(one.name, 0) < newest]
            if not behind:
                self._read_upto = newest
                return 0, False
            after = min(at.get(one.name, 0) for one in behind)
            if all(one.types for one in behind):  # most rows say how things are: nobody's business
                wants = frozenset[str]().union(*(one.types for one in behind))
                rows = _rows_of(wants).all(conn, after=after, upto=newest)
            else:
                rows = _ALL_ROWS.all(conn, after=after, upto=newest)
        upto = int(rows[-1].id) if len(rows) == ROWS_PER_TURN else newest
        handled, idle, wanting = 0, [], []
        for one in behind:
            wanted = [row for row in rows if row.id > at.get(one.name, 0) and one.wants(row.type)]
            handled += len(wanted)
            if wanted:
                wanting.append((one, wanted))
            elif at.get(one.name, 0) < upto:
                idle.append(one.name)
        # Most handlers want few types: those that have nothing to read cost no commit of their own.
        for one, wanted in wanting:
            self._turn_of(one, wanted, upto=upto, idle=idle)
            idle = []
        if idle:
            with self._store.write() as conn:
                _set_cursors(conn, idle, upto)
        self._read_upto = upto
        return handled, True

    def _turn_of(
        self, one: _Registered, rows: Sequence[Any], *, upto: int, idle: Sequence[str]
    ) -> None:
        """One transaction of one handler, its cursor with it, and those of the idle."""
        with self._store.write() as conn:
            for row in rows:
                reason = self._handle(conn, one, row)
                if reason:
                    self._mark(conn, one.name, row, reason=reason)
            _set_cursors(conn, [one.name, *idle], upto)

    def _handle(
        self,
        conn: Connection,
        one: _Registered,
        row: Row[tuple[object, ...]],
        *,
        again: bool = False,
    ) -> str:
        """Gives one row to one handler; returns why it could not be read, '' where it was."""
        try:
            stored = stored_event(row)
            with conn.begin_nested():
                one.handle(conn, replace(stored, late=True) if again else stored)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - the loop's edge: no row may block those behind
            log.warning("projection %s: row %s unreadable: %s", one.name, row.id, error)
            return f"{type(error).__name__}: {error}"
        return ""

    def _mark(
        self, conn: Connection, name: str, row: Row[tuple[object, ...]], *, reason: str
    ) -> None:
        key = {"handler": name, "ctl": row.ctl, "epoch": row.epoch, "seq": row.seq}
        known = conn.execute(select(unreadable.c.seq).filter_by(**key)).first()
        if known is None:
            seen = self._clock.wall()
            conn.execute(
                unreadable.insert().values(**key, reason=reason[:REASON_CHARS_MAX], seen_at=seen)
            )
            for act in self._unread:
                act(
                    conn,
                    Unreadable(
                        handler=name,
                        id=row.id,
                        ctl=row.ctl,
                        epoch=row.epoch,
                        seq=row.seq,
                        session=row.session,
                        recorded_at=row.recorded_at,
                        late=row.late,
                    ),
                )
            self._bus.publish("unreadable")


def stored_event(row: Row[tuple[object, ...]]) -> StoredEvent:
    """A row of `events` with its decoded event.

    Raises:
        RemoteError: the bytes are recorded but say nothing this program can read.
    """
    return StoredEvent(
        id=row.id,
        ctl=row.ctl,
        epoch=row.epoch,
        seq=row.seq,
        event=decoded(bytes(row.raw)),
        recorded_at=row.recorded_at,
        late=row.late,
    )


@lru_cache(_STATEMENTS)
def _rows_of(types: frozenset[str]) -> Prepared:
    """The next rows of these types."""
    return Prepared(_ROWS.where(or_(*(events.c.type == one for one in sorted(types)))))


def _set_cursors(conn: Connection, names: Sequence[str], after_id: int) -> None:
    for name in names:
        if _MOVE.changed(conn, of_handler=name, upto=after_id) == 0:
            conn.execute(cursors.insert().values(handler=name, after_id=after_id))


__all__ = ["Handler", "Projector", "RemoteError", "StoredEvent", "stored_event"]
