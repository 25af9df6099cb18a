"""Heads of streams in the database: loading, compare-and-set, lineage of epochs.

The verdicts come from `protocols.messages.recording`; here they are applied in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select
from sqlalchemy.exc import IntegrityError

from hub.recording.family import Kin
from hub.store.prepared import Prepared
from hub.store.tables_core import epochs, events, gaps, streams
from protocols.messages.errors import RemoteError
from protocols.messages.event import GENESIS, decode_event
from protocols.messages.recording import Gap, Opened, StreamHead, StreamState, read_gap

EPOCHS_ACKED_MAX: Final = 32
"""Epochs named to a room when a line begins: a room opens one per start, older ones are done."""
BRANCHES: Final = frozenset({StreamState.ROLLBACK, StreamState.TAIL_LOST})
"""Standings that are a clone's once the other branch turns out to live."""
ENDS: Final = frozenset({StreamState.CLONE, StreamState.FORK})
"""Standings that nothing changes any more."""
MOVING: Final = ("head", "head_hash", "after_gap", "pending")
"""What a batch changes of an epoch; what it goes on from is set by itself, for it is indexed."""

_OF_CTL: Final = epochs.c.ctl == bindparam("of_ctl")
_OF_EPOCH: Final = and_(_OF_CTL, epochs.c.epoch == bindparam("of_epoch"))
_AFTER_EPOCH: Final = and_(_OF_CTL, epochs.c.pred_epoch == bindparam("of_epoch"))
_HEAD: Final = Prepared(select(epochs).where(_OF_EPOCH))
_NEWEST: Final = Prepared(
    select(epochs).where(_OF_CTL).order_by(epochs.c.order.desc()).limit(EPOCHS_ACKED_MAX)
)
_KIN: Final = Prepared(select(epochs.c.epoch, epochs.c.pred_epoch, epochs.c.cause).where(_OF_CTL))
_AT_TIP: Final = Prepared(
    select(func.count()).where(_AFTER_EPOCH, epochs.c.pred_seq == bindparam("of_seq"))
)


def _unrelated(standings: Iterable[StreamState]) -> ColumnElement[bool]:
    """Epochs that go on from nothing this hub knows as the tip: by standing, and first ones."""
    first = and_(
        epochs.c.standing == StreamState.WAITING.value,
        epochs.c.pred_epoch == "",
        epochs.c.cause != "",
    )
    named = (epochs.c.standing == one.value for one in standings)
    return and_(_OF_CTL, or_(first, *named))


_CONCERNED: Final = Prepared(
    select(epochs)
    .where(
        _OF_CTL,
        or_(epochs.c.pred_epoch == bindparam("of_epoch"), _unrelated(BRANCHES)),
    )
    .order_by(epochs.c.order.desc())
)
_UNRELATED: Final = Prepared(select(func.count()).where(_unrelated(BRANCHES | ENDS)))
_EMPTY: Final = Prepared(select(func.count()).where(_OF_CTL, epochs.c.head == 0))
_WAITING_FOR: Final = Prepared(
    select(func.count()).where(_AFTER_EPOCH, epochs.c.standing == StreamState.WAITING.value)
)
_OF_ROW: Final = and_(
    events.c.ctl == bindparam("of_ctl"),
    events.c.epoch == bindparam("of_epoch"),
    events.c.seq == bindparam("of_seq"),
)
_HASH: Final = Prepared(select(events.c.hash).where(_OF_ROW))
_SWAP: Final = Prepared(
    epochs.update()
    .where(
        _OF_EPOCH,
        epochs.c.head == bindparam("was_head"),
        epochs.c.head_hash == bindparam("was_hash"),
    )
    .values({name: bindparam(name) for name in MOVING})
)
_ROW_ID: Final = select(events.c.id).where(_OF_ROW)
_ID: Final = Prepared(_ROW_ID)
_MOVE: Final = Prepared(
    streams.update()
    .where(streams.c.ctl == bindparam("of_ctl"))
    .values(
        newest_epoch=bindparam("of_epoch"),
        head_id=_ROW_ID.scalar_subquery(),
        seen_at=bindparam("at"),
    )
)


class HeadMovedError(Exception):
    """Another writer moved the head meanwhile; the transaction must be done again."""


def load_head(conn: Connection, ctl: str, epoch: str) -> StreamHead | None:
    """The stream's head, or None if it is unknown."""
    row = _HEAD.first(conn, of_ctl=ctl, of_epoch=epoch)
    return None if row is None else head_of(row)


def load_row(conn: Connection, ctl: str, epoch: str) -> Any:
    """The row of a known epoch."""
    return _HEAD.first(conn, of_ctl=ctl, of_epoch=epoch)


def head_of(row: Any) -> StreamHead:
    """A row of `epochs` as the judge wants it."""
    return StreamHead(
        ctl=row.ctl,
        epoch=row.epoch,
        head=row.head,
        head_hash=row.head_hash,
        pred_epoch=row.pred_epoch,
        pred_seq=row.pred_seq,
        pred_hash=row.pred_hash,
        state=StreamState(row.standing),
        after_gap=row.after_gap,
        pending=tuple(Gap(**one) for one in row.pending),
    )


def save_head(
    conn: Connection, before: StreamHead | None, after: StreamHead, *, at: datetime
) -> None:
    """Writes a head that is still what it was when it was read.

    Raises:
        HeadMovedError: it is not.
    """
    if before is None:
        order = conn.execute(
            select(func.coalesce(func.max(epochs.c.order), 0)).where(epochs.c.ctl == after.ctl)
        ).scalar_one()
        row = {
            "ctl": after.ctl,
            "epoch": after.epoch,
            "pred_epoch": after.pred_epoch,
            "pred_seq": after.pred_seq,
            "pred_hash": after.pred_hash,
            "cause": "",
            "standing": after.state.value,
            "opened_at": at,
            **_moving(after),
        }
        try:
            conn.execute(epochs.insert().values(order=int(order) + 1, **row))
        except IntegrityError as error:
            raise HeadMovedError(f"{after.ctl} {after.epoch}: another writer opened it") from error
        return
    was = {"was_head": before.head, "was_hash": before.head_hash}
    of = {"of_ctl": before.ctl, "of_epoch": before.epoch}
    if _SWAP.changed(conn, **of, **was, **_moving(after)) != 1:
        raise HeadMovedError(f"{before.ctl} {before.epoch}: the head moved while it was written")


def set_opened(conn: Connection, ctl: str, epoch: str, opened: Opened) -> None:
    """Keeps what an epoch's first row says of its predecessor."""
    conn.execute(
        epochs.update()
        .where(epochs.c.ctl == ctl, epochs.c.epoch == epoch)
        .values(
            pred_epoch=opened.pred_epoch,
            pred_seq=opened.pred_seq,
            pred_hash=opened.pred_hash,
            cause=opened.cause,
        )
    )


def set_standing(conn: Connection, ctl: str, epoch: str, state: StreamState) -> None:
    """Keeps how an epoch relates to its predecessor."""
    conn.execute(
        epochs.update()
        .where(epochs.c.ctl == ctl, epochs.c.epoch == epoch)
        .values(standing=state.value)
    )


def recorded_hash(conn: Connection, ctl: str, epoch: str, seq: int) -> str | None:
    """Hash of a recorded row, None if there is none."""
    found = _HASH.value(conn, of_ctl=ctl, of_epoch=epoch, of_seq=seq)
    return None if found is None else str(found)


def newest_epochs(conn: Connection, ctl: str) -> list[Any]:
    """The newest `EPOCHS_ACKED_MAX` epochs, newest first by the order in which they were seen."""
    return _NEWEST.all(conn, of_ctl=ctl)


def kin(conn: Connection, ctl: str) -> list[Kin]:
    """Every known epoch of a controller."""
    return [
        Kin(row.epoch, row.pred_epoch, opened=row.cause != "") for row in _KIN.all(conn, of_ctl=ctl)
    ]


def concerned(conn: Connection, ctl: str, epoch: str) -> list[Any]:
    """Rows of the epochs that name this one as predecessor, and of all that stand by themselves."""
    return _CONCERNED.all(conn, of_ctl=ctl, of_epoch=epoch)


def count_at_tip(conn: Connection, ctl: str, epoch: str, seq: int) -> int:
    """How many epochs go on from this row."""
    return int(_AT_TIP.value(conn, of_ctl=ctl, of_epoch=epoch, of_seq=seq))


def count_unrelated(conn: Connection, ctl: str) -> int:
    """How many epochs of a controller go on from nothing that was its tip."""
    return int(_UNRELATED.value(conn, of_ctl=ctl))


def count_empty(conn: Connection, ctl: str) -> int:
    """How many epochs of a controller are known by name only."""
    return int(_EMPTY.value(conn, of_ctl=ctl))


def count_waiting_for(conn: Connection, ctl: str, epoch: str) -> int:
    """How many epochs wait for this one."""
    return int(_WAITING_FOR.value(conn, of_ctl=ctl, of_epoch=epoch))


def move_stream(conn: Connection, ctl: str, epoch: str, *, seq: int, at: datetime) -> None:
    """Notes that a controller appended; `seq`: its newest row, which stands already."""
    row = {"of_ctl": ctl, "of_epoch": epoch, "of_seq": seq}
    if _MOVE.changed(conn, **row, at=at) == 0:
        row_id = _ID.value(conn, **row)
        values = {"newest_epoch": epoch, "head_id": row_id, "seen_at": at}
        conn.execute(streams.insert().values(ctl=ctl, **values))


def told_gap(conn: Connection, ctl: str, gap: Gap) -> tuple[str, int]:
    """(epoch, seq) of the row that declared this gap."""
    rows = conn.execute(
        select(events.c.epoch, events.c.seq, events.c.raw).where(
            events.c.ctl == ctl, events.c.type == "record.gap"
        )
    )
    for row in rows:
        try:
            if read_gap(decode_event(bytes(row.raw))) == gap:
                return str(row.epoch), int(row.seq)
        except RemoteError:
            continue
    return gap.epoch, 0


def keep_gap(
    conn: Connection, ctl: str, gap: Gap, lost: tuple[int, int], told_in: tuple[str, int]
) -> bool:
    """Writes down rows that are lost and where the room said so, once: whether it is news."""
    told_epoch, told_seq = told_in
    known = conn.execute(
        select(gaps.c.id).where(
            gaps.c.ctl == ctl, gaps.c.told_in_epoch == told_epoch, gaps.c.told_in_seq == told_seq
        )
    ).first()
    if known is not None:
        return False
    conn.execute(
        gaps.insert().values(
            ctl=ctl,
            epoch=gap.epoch,
            first=lost[0],
            last=lost[1],
            cause=gap.cause,
            told_in_epoch=told_epoch,
            told_in_seq=told_seq,
        )
    )
    return True


def _moving(head: StreamHead) -> dict[str, Any]:
    pending = [asdict(gap) for gap in head.pending]
    return dict(
        zip(MOVING, (head.head, head.head_hash or GENESIS, head.after_gap, pending), strict=True)
    )
