"""The tree of one log as the database holds it: tiles of hashes, grown behind a cursor.

A tile holds 256 hashes of complete subtrees of 256^level leaves, as in C2SP tlog-tiles: appending n
rows writes n/256 tiles and a few halves, and any proof reads a few of them. Which row stands where
needs no table of its own, for the ids of rows follow one another: `log_run` names the places where
they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from hub.store.prepared import Prepared
from hub.store.tables_core import events
from hub.store.tables_log import log_run, log_state, log_tile
from protocols.evidence.checkpoint import log_entry
from protocols.evidence.merkle import HASH_BYTES, CompactRange, leaf_hash, node_hash

TILE_BITS: Final = 8
TILE_HASHES: Final = 1 << TILE_BITS
TILE_BYTES: Final = TILE_HASHES * HASH_BYTES

_ENTRY: Final = select(events.c.id, events.c.ctl, events.c.epoch, events.c.seq, events.c.hash)
_ROWS: Final = Prepared(
    _ENTRY.where(events.c.id > bindparam("after"), events.c.id != bindparam("first"))
    .order_by(events.c.id)
    .limit(bindparam("at_most"))
)
_ROW: Final = Prepared(_ENTRY.where(events.c.id == bindparam("of_id")))
_TILE: Final = select(log_tile.c.hashes).where(
    log_tile.c.origin == bindparam("of_origin"),
    log_tile.c.level == bindparam("of_level"),
    log_tile.c.tile == bindparam("of_tile"),
)

LogRow = Any
"""A row of `events` with `id, ctl, epoch, seq, hash`."""


class LogMovedError(Exception):
    """Another process has grown the log meanwhile; the next turn goes on from there."""


@dataclass(slots=True)
class Growing:
    """The newest log as it stands, and how far it has read.

    `first_id`: a row that stands before all others in this log, 0 where there is none.
    """

    origin: int
    range: CompactRange
    after_id: int
    first_id: int

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self.range.size


@dataclass(slots=True)
class Portion:
    """Rows that are ready to be stored: what `grow` worked out outside any transaction."""

    before: int
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    runs: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0


def leaf_of(row: LogRow) -> bytes:
    """The leaf of a recorded row: its place in its stream and the hash of its bytes."""
    return leaf_hash(log_entry(row.ctl, row.epoch, row.seq, row.hash))


def begin(conn: Connection, origin: int, *, first_id: int = 0) -> Growing:
    """A new, empty log."""
    conn.execute(
        log_state.insert().values(origin=origin, size=0, after_id=0, first_id=first_id, peaks=b"")
    )
    return Growing(origin, CompactRange(), 0, first_id)


def load(conn: Connection) -> Growing | None:
    """The newest log; None before the first."""
    row = conn.execute(select(log_state).order_by(log_state.c.origin.desc()).limit(1)).first()
    if row is None:
        return None
    peaks = _hashes(bytes(row.peaks))
    return Growing(row.origin, CompactRange(int(row.size), peaks), row.after_id, row.first_id)


def next_rows(conn: Connection, log: Growing, at_most: int) -> Sequence[LogRow]:
    """Rows behind the cursor, in the order they were stored; a new log's first row before them."""
    if log.size == 0 and log.first_id:
        return _ROW.all(conn, of_id=log.first_id)
    return _ROWS.all(conn, after=log.after_id, first=log.first_id, at_most=at_most)


def grow(conn: Connection, log: Growing, rows: Sequence[LogRow]) -> Portion:
    """Append rows to `log` in memory; `save` stores what came of it."""
    leaves = [leaf_of(row) for row in rows]
    portion, size = Portion(before=log.size), log.size
    made = {0: leaves}
    for level, _, value in log.range.extend(leaves):
        if level % TILE_BITS == 0:
            made.setdefault(level // TILE_BITS, []).append(value)
    for level, hashes in made.items():
        _fill(conn, log.origin, portion, level, at=size >> TILE_BITS * level, hashes=hashes)
    last = log.after_id
    for index, row in enumerate(rows, start=size):
        if row.id == log.first_id:
            continue
        if not last or row.id != last + 1:
            portion.runs.append((index, row.id))
        last = row.id
    log.after_id, portion.rows = last, len(rows)
    return portion


def _fill(
    conn: Connection, origin: int, portion: Portion, level: int, *, at: int, hashes: list[bytes]
) -> None:
    """Puts hashes into the tiles of a level from place `at` on."""
    tile, raw = at >> TILE_BITS, b"".join(hashes)
    if held := (at % TILE_HASHES) * HASH_BYTES:
        raw = _tile(conn, origin, level, tile)[:held] + raw
    for start in range(0, len(raw), TILE_BYTES):
        portion.tiles[level, tile] = raw[start : start + TILE_BYTES]
        tile += 1


def save(conn: Connection, log: Growing, portion: Portion) -> None:
    """Store what `grow` worked out, its cursor with it.

    Raises:
        LogMovedError: the stored log is not the one it grew from.
    """
    moved = conn.execute(
        log_state.update()
        .where(log_state.c.origin == log.origin, log_state.c.size == portion.before)
        .values(size=log.size, after_id=log.after_id, peaks=b"".join(log.range.peaks))
    )
    if moved.rowcount != 1:
        raise LogMovedError
    for (level, tile), raw in portion.tiles.items():
        place = {"origin": log.origin, "level": level, "tile": tile}
        conn.execute(log_tile.delete().filter_by(**place))
        conn.execute(log_tile.insert().values(**place, hashes=raw))
    if portion.runs:
        names = ("first_index", "first_id")
        rows = [dict(zip(names, run, strict=True), origin=log.origin) for run in portion.runs]
        conn.execute(log_run.insert(), rows)


class Nodes:
    """The hashes of complete subtrees of one log, for proofs; reads each tile once."""

    def __init__(self, conn: Connection, origin: int) -> None:
        self._conn = conn
        self._origin = origin
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """(level, index) -> the subtree's hash."""
        high, low = divmod(level, TILE_BITS)
        first = index << low
        key = (high, first >> TILE_BITS)
        if key not in self._tiles:
            self._tiles[key] = _tile(self._conn, self._origin, *key)
        start = first % TILE_HASHES * HASH_BYTES
        hashes = _hashes(self._tiles[key][start : start + (HASH_BYTES << low)])
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]


def indexes_of(conn: Connection, log: Growing, ids: Iterable[int]) -> dict[int, int]:
    """Row id -> index in the log, for rows that are in it."""
    runs = conn.execute(
        select(log_run.c.first_id, log_run.c.first_index)
        .where(log_run.c.origin == log.origin)
        .order_by(log_run.c.first_id.desc())
    ).all()
    found, waiting = dict[int, int](), sorted(set(ids), reverse=True)
    at = 0
    for one in waiting:
        if one == log.first_id and log.size:
            found[one] = 0
            continue
        if one > log.after_id:
            continue
        while at < len(runs) and runs[at].first_id > one:
            at += 1
        if at < len(runs):
            found[one] = int(runs[at].first_index) + one - int(runs[at].first_id)
    return found


def newest_id(conn: Connection) -> int:
    """Id of the row stored last."""
    return int(conn.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


def _tile(conn: Connection, origin: int, level: int, tile: int) -> bytes:
    place = {"of_origin": origin, "of_level": level, "of_tile": tile}
    return bytes(conn.execute(_TILE, place).scalar_one())


def _hashes(raw: bytes) -> list[bytes]:
    return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
