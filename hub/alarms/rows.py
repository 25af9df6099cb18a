"""Rows of alarms: raised, said again, returned, acknowledged, closed; each act bears repetition.

Everything here is derived from recorded rows and facts and can be derived again in any order: an
acknowledgement may be read before the row it is about (after a restore, rooms send theirs last).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.alarms.kinds import KINDS, Over, Said
from hub.store.tables_core import alarm, alarm_act

ACK: Final = "ack"
CLOSE: Final = "close"
FAULT: Final = "fault"
"""`kind` of an acknowledgement of a fault the room itself raised."""
STANDING_MAX: Final = 500
"""Standing alarms that are read for screens; the same trouble twice is one alarm."""
FLAP: Final = timedelta(minutes=10)
"""What comes and goes by itself calls people once in this time, acknowledged or not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The row an alarm rests on. `id`: its place in the hub's record, which orders everything."""

    source: str
    epoch: str
    seq: int
    id: int
    at: datetime
    found_later: bool


@dataclass(frozen=True, slots=True)
class Act:
    """Who acknowledged or closed, and when; `post` is all that is ever shown of a person."""

    post: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HubAlarm:
    """One standing alarm.

    `at`: first row's time; `times`: rows that said it; `returned_at`: when it was over by itself.
    """

    ctl: str
    alarm: str
    kind: str
    subject: str
    session: str
    detail: Mapping[str, Any]
    source: str
    epoch: str
    seq: int
    at: datetime
    last_epoch: str
    last_seq: int
    times: int
    found_later: bool
    returned_at: datetime | None
    acked: Act | None


def ident(kind: str, epoch: str, seq: int) -> str:
    """The alarm's id: the same row always makes the same one."""
    return f"{kind}-{epoch[:8]}-{seq}"


def put(conn: Connection, said: Said, row: Evidence) -> bool:
    """Raises the alarm a row tells of, or counts it to the one that stands: whether it is new."""
    name = ident(said.kind, row.epoch, row.seq)
    if _known(conn, said.ctl, name) or _closed_before(conn, said, row):
        return False
    standing = conn.execute(
        select(alarm).where(
            alarm.c.ctl == said.ctl,
            alarm.c.kind == said.kind,
            alarm.c.subject == said.subject,
            ~alarm.c.over,
        )
    ).first()
    if standing is None and KINDS[said.kind].flaps:
        standing = _just_over(conn, said, row)
    if standing is not None:
        _again(conn, standing, row)
        _settle(conn, said.ctl, standing.alarm)
        return False
    conn.execute(
        alarm.insert().values(
            ctl=said.ctl,
            alarm=name,
            kind=said.kind,
            subject=said.subject,
            session=said.session,
            detail=dict(said.detail),
            source=row.source,
            epoch=row.epoch,
            seq=row.seq,
            at=row.at,
            found_later=row.found_later,
            times=1,
            last_id=row.id,
            last_epoch=row.epoch,
            last_seq=row.seq,
            last_at=row.at,
            over=False,
        )
    )
    _settle(conn, said.ctl, name)
    return True


def returned(conn: Connection, what: Over, *, at: datetime, row_id: int) -> None:
    """The cause is gone; alarms raised by later rows stay."""
    rows = conn.execute(
        select(alarm.c.alarm).where(
            alarm.c.ctl == what.ctl,
            alarm.c.kind.in_(what.kinds),
            alarm.c.subject == what.subject,
            alarm.c.last_id < row_id,
            alarm.c.returned_at.is_(None),
            ~alarm.c.over,
        )
    ).scalars()
    for name in list(rows):
        key = (alarm.c.ctl == what.ctl) & (alarm.c.alarm == name)
        conn.execute(alarm.update().where(key).values(returned_at=at))
        _settle(conn, what.ctl, name)


def seen(conn: Connection, what: Over, by: Act, *, row_id: int) -> None:
    """Somebody acknowledged in the room what earlier rows raised."""
    found = conn.execute(
        select(alarm.c.alarm, alarm.c.kind).where(
            alarm.c.ctl == what.ctl,
            alarm.c.kind.in_(what.kinds),
            alarm.c.subject == what.subject,
            alarm.c.last_id < row_id,
            ~alarm.c.over,
        )
    ).all()
    for row in found:
        about = Said(row.kind, what.ctl, what.subject)
        act(conn, what.ctl, row.alarm, ACK, by, about=about)


def act(
    conn: Connection,
    ctl: str,
    name: str,
    what: str,
    by: Act,
    *,
    about: Said | None = None,
    upto: tuple[str, int] = ("", 0),
) -> None:
    """Keeps an acknowledgement or a closing; of two the newer counts, the same twice is one.

    Args:
        conn: connection of an open `Store.write()`.
        ctl: the controller.
        name: id of the alarm, or of a fault of the room.
        what: `ACK` or `CLOSE`.
        by: who and when.
        about: kind and subject of a hub alarm; None for a fault the room raised.
        upto: (epoch, seq) of the last row a closing covers.
    """
    key = (alarm_act.c.ctl == ctl) & (alarm_act.c.alarm == name) & (alarm_act.c.what == what)
    known = conn.execute(select(alarm_act.c.at).where(key)).scalar_one_or_none()
    if known is not None and known >= by.at:
        return
    values = {
        "kind": FAULT if about is None else about.kind,
        "subject": "" if about is None else about.subject,
        "post": by.post[:32],
        "reason": by.reason,
        "upto_epoch": upto[0],
        "upto_seq": upto[1],
        "at": by.at,
    }
    if known is None:
        conn.execute(alarm_act.insert().values(ctl=ctl, alarm=name, what=what, **values))
    else:
        conn.execute(alarm_act.update().where(key).values(**values))
    _settle(conn, ctl, name)


def standing(conn: Connection) -> dict[str, list[HubAlarm]]:
    """Controller -> its alarms that somebody still has to end, oldest first."""
    rows = conn.execute(
        select(alarm).where(~alarm.c.over).order_by(alarm.c.at).limit(STANDING_MAX)
    ).all()
    acks = acknowledged(conn, [row.alarm for row in rows])
    found: dict[str, list[HubAlarm]] = {}
    for row in rows:
        found.setdefault(row.ctl, []).append(_read(row, acks.get((row.ctl, row.alarm))))
    return found


def load(conn: Connection, ctl: str, name: str) -> HubAlarm | None:
    """One standing alarm."""
    row = conn.execute(
        select(alarm).where(alarm.c.ctl == ctl, alarm.c.alarm == name, ~alarm.c.over)
    ).first()
    return None if row is None else _read(row, acknowledged(conn, [name]).get((ctl, name)))


def acknowledged(conn: Connection, names: Iterable[str]) -> dict[tuple[str, str], Act]:
    """(controller, alarm or fault) -> who acknowledged it at the hub."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    rows = conn.execute(
        select(alarm_act).where(alarm_act.c.alarm.in_(wanted), alarm_act.c.what == ACK)
    )
    return {(row.ctl, row.alarm): Act(row.post, row.at, row.reason) for row in rows}


def _read(row: Any, acked: Act | None) -> HubAlarm:
    return HubAlarm(
        ctl=row.ctl,
        alarm=row.alarm,
        kind=row.kind,
        subject=row.subject,
        session=row.session,
        detail=row.detail,
        source=row.source,
        epoch=row.epoch,
        seq=row.seq,
        at=row.at,
        last_epoch=row.last_epoch,
        last_seq=row.last_seq,
        times=row.times,
        found_later=row.found_later,
        returned_at=row.returned_at,
        acked=acked,
    )


def _known(conn: Connection, ctl: str, name: str) -> bool:
    query = select(alarm.c.alarm).where(alarm.c.ctl == ctl, alarm.c.alarm == name)
    return conn.execute(query).first() is not None


def _closed_before(conn: Connection, said: Said, row: Evidence) -> bool:
    """Whether a person closed the alarm this row belonged to when it was first read."""
    query = select(alarm_act.c.alarm).where(
        alarm_act.c.ctl == said.ctl,
        alarm_act.c.what == CLOSE,
        alarm_act.c.kind == said.kind,
        alarm_act.c.subject == said.subject,
        alarm_act.c.upto_epoch == row.epoch,
        alarm_act.c.upto_seq >= row.seq,
    )
    return conn.execute(query).first() is not None


def _just_over(conn: Connection, said: Said, row: Evidence) -> Any:
    """The alarm of the same trouble that was acknowledged and went by itself a moment ago."""
    newest = conn.execute(
        select(alarm)
        .where(
            alarm.c.ctl == said.ctl,
            alarm.c.kind == said.kind,
            alarm.c.subject == said.subject,
            alarm.c.returned_at >= row.at - FLAP,
        )
        .order_by(alarm.c.last_id.desc())
        .limit(1)
    ).first()
    closed = alarm_act.c.alarm == ("" if newest is None else newest.alarm)
    by_hand = conn.execute(
        select(alarm_act.c.alarm).where(
            alarm_act.c.ctl == said.ctl, alarm_act.c.what == CLOSE, closed
        )
    ).first()
    return None if by_hand is not None else newest


def _again(conn: Connection, known: Any, row: Evidence) -> None:
    if row.id <= known.last_id:
        return
    key = (alarm.c.ctl == known.ctl) & (alarm.c.alarm == known.alarm)
    conn.execute(
        alarm.update()
        .where(key)
        .values(
            times=known.times + 1,
            last_id=row.id,
            last_epoch=row.epoch,
            last_seq=row.seq,
            last_at=row.at,
            found_later=known.found_later and row.found_later,
            returned_at=None,
        )
    )


def _settle(conn: Connection, ctl: str, name: str) -> None:
    """Whether an alarm is over: closed, or acknowledged and gone (a notice is gone when read)."""
    key = (alarm.c.ctl == ctl) & (alarm.c.alarm == name)
    row = conn.execute(select(alarm).where(key)).first()
    if row is None:
        return
    acts = set(
        conn.execute(
            select(alarm_act.c.what).where(alarm_act.c.ctl == ctl, alarm_act.c.alarm == name)
        ).scalars()
    )
    kind = KINDS.get(row.kind)
    gone = row.returned_at is not None or (kind is not None and kind.notice)
    done = CLOSE in acts or (ACK in acts and gone)
    if done is not row.over:
        conn.execute(alarm.update().where(key).values(over=done))
