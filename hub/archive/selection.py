"""Which recorded bytes a package shows: the streams of the venue's own rooms and of the hub.

The rule is `protocols.evidence.package.select_streams` (WIRE §9); this file finds the windows and
writes hashes, seals and events exactly as they were recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, or_, select

from hub.booking_link import SessionLink
from hub.keys.codes import DRAWN
from hub.store.tables_core import certificates, epochs, events, seals
from protocols.evidence.package import (
    RowInfo,
    SealSpan,
    Selection,
    Window,
    certificate_line,
    hash_list,
    seal_line_of,
    select_streams,
)
from protocols.evidence.tally import ROOM_TYPE, EpochTally, read_tally, tally
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event

AFTER_TYPES: Final = ("media.segment", "media.gap", "media.lost", "media.damaged", "record.gap")
"""What a room may still write about a session after its last own event: the end of uploads."""
HEADS_MAX: Final = 24
"""Newest epochs of the venue's rooms in one fact: 180 bytes each, beside the hub's own count."""


@dataclass(frozen=True, slots=True)
class StreamFiles:
    """The three files of one stream."""

    ctl: str
    epoch: str
    hashes: bytes
    seals: bytes
    events: bytes
    shown: int

    @property
    def seqs(self) -> list[int]:
        """Rows listed by their hash."""
        return [int(line.split(b" ", 1)[0]) for line in self.hashes.splitlines()]

    def named(self) -> dict[str, bytes]:
        """File name in the package -> bytes."""
        folder = f"data/streams/{self.ctl}/{self.epoch}"
        return {
            f"{folder}/hashes.txt": self.hashes,
            f"{folder}/seals.jsonl": self.seals,
            f"{folder}/events.jsonl": self.events,
        }


def streams(
    conn: Connection, link: SessionLink, *, ctls: tuple[str, ...], hub: str
) -> list[StreamFiles]:
    """The streams of one venue's package.

    Args:
        conn: a connection.
        link: the session.
        ctls: the venue's own controllers.
        hub: the hub's id.
    """
    windows = [w for ctl in (*ctls, hub) for w in _windows(conn, link.session, ctl)]
    selected = select_streams(
        session=link.session,
        places=frozenset(ctls),
        windows=windows,
        seals=_seals(conn, windows),
        rows=lambda ctl, epoch, first, last: _rows(conn, ctl, epoch, first, last),
    )
    return [_write(conn, one) for one in selected]


def segments(files: Iterable[StreamFiles]) -> Iterator[dict[str, Any]]:
    """Data of every `media.*` event shown in these streams, with where it stands."""
    for stream in files:
        for line in stream.events.splitlines():
            try:
                event = decode_event(line)
            except RemoteError:
                continue
            if event.type.startswith("media."):
                yield {
                    "ctl": event.ctl,
                    "epoch": event.epoch,
                    "seq": event.seq,
                    "type": event.type,
                    **dict(event.data),
                }


def shown_events(files: Iterable[StreamFiles]) -> Iterator[Event]:
    """Every readable event of these streams, in their order."""
    for stream in files:
        for line in stream.events.splitlines():
            try:
                yield decode_event(line)
            except RemoteError:
                continue


def certificate_lines(conn: Connection, orgs: tuple[str, ...]) -> bytes:
    """Certificates the session's venues gave, oldest first, one JSON object per line."""
    rows = conn.execute(
        select(certificates.c.raw)
        .where(certificates.c.org.in_(orgs))
        .order_by(certificates.c.made_at, certificates.c.kid)
    )
    return b"".join(certificate_line(bytes(raw)) for raw in rows.scalars())


def code_lines(conn: Connection, session: str, venue: str, shown: Iterable[Event]) -> bytes:
    """The lists of hashes that were drawn for a venue, where its room took an order by code.

    All of them, whoever told them: which counts is a matter of its signature.
    """
    if not any(one.type == "order.accepted" and one.data.get("via") == "code" for one in shown):
        return b""
    rows = conn.execute(
        select(events.c.raw)
        .where(events.c.type == DRAWN, events.c.session == session)
        .order_by(events.c.id)
    ).scalars()
    told = (decode_event(bytes(raw)).data for raw in rows)
    raws = [str(one.get("raw", "")).encode() for one in told if one.get("venue") == venue]
    return b"".join(certificate_line(raw) for raw in raws)


def _windows(conn: Connection, session: str, ctl: str) -> list[Window]:
    """Per epoch the rows from *prepared* to the end of uploads."""
    mine = (events.c.session == session) & (events.c.ctl == ctl)
    first, last = conn.execute(
        select(func.min(events.c.id), func.max(events.c.id)).where(mine)
    ).one()
    if first is None:
        return []
    if ctl.startswith("c-"):
        last = max(last, _end_of_uploads(conn, ctl, last))
    rows = conn.execute(
        select(events.c.epoch, func.min(events.c.seq), func.max(events.c.seq))
        .where(events.c.ctl == ctl, events.c.id >= first, events.c.id <= last)
        .group_by(events.c.epoch)
        .order_by(events.c.epoch)
    )
    found = [Window(ctl, row[0], row[1], row[2]) for row in rows]
    # Epochs may arrive out of their order: what the room counted goes in wherever it stands.
    found += [Window(ctl, one.epoch, one.first, one.last) for one in counted(conn, session, ctl)]
    return found + _later_gaps(conn, ctl, last, {one.epoch for one in found})


def counted(conn: Connection, session: str, ctl: str) -> tuple[EpochTally, ...]:
    """How many rows of a session a room says it has, by its last word; empty before that."""
    raw = conn.execute(
        select(events.c.raw)
        .where(events.c.session == session, events.c.ctl == ctl, events.c.type == ROOM_TYPE)
        .order_by(events.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    if raw is None:
        return ()
    try:
        return read_tally(dict(decode_event(bytes(raw)).data))
    except RemoteError:
        return ()


def lacking(conn: Connection, session: str, ctl: str) -> int:
    """How many rows the room counted are not here yet, and no gap it declared says why."""
    missing = 0
    for one in counted(conn, session, ctl):
        here = conn.execute(
            select(func.count()).where(
                events.c.ctl == ctl,
                events.c.epoch == one.epoch,
                events.c.seq >= one.first,
                events.c.seq <= one.last,
                events.c.session.in_(("", session)),
            )
        ).scalar_one()
        if here < one.rows and one.epoch not in _declared(conn, ctl):
            missing += one.rows - int(here)
    return missing


def hub_count(conn: Connection, session: str, hub: str, ctls: tuple[str, ...]) -> dict[str, Any]:
    """What the hub says of its own record when a package is made (`record.closed`).

    Its rows of the session per epoch, and up to where it had the venue's rooms' records.
    """
    rows = conn.execute(
        select(events.c.epoch, events.c.seq)
        .where(events.c.ctl == hub, events.c.session == session)
        .order_by(events.c.id)
    )
    heads = conn.execute(
        select(epochs.c.ctl, epochs.c.epoch, epochs.c.head, epochs.c.head_hash)
        .where(epochs.c.ctl.in_(ctls), epochs.c.head > 0)
        .order_by(epochs.c.ctl, epochs.c.order.desc())
        .limit(HEADS_MAX)
    )
    return {
        **tally((row.epoch, row.seq) for row in rows),
        "heads": [
            {"ctl": row.ctl, "epoch": row.epoch, "seq": row.head, "hash": row.head_hash}
            for row in heads
        ],
    }


def _declared(conn: Connection, ctl: str) -> set[str]:
    """Epochs of a room in which it declared rows lost."""
    rows = conn.execute(
        select(events.c.raw).where(events.c.ctl == ctl, events.c.type == "record.gap")
    )
    found = set()
    for raw in rows.scalars():
        try:
            found.add(str(decode_event(bytes(raw)).data.get("epoch", "")))
        except RemoteError:
            continue
    return found


def _end_of_uploads(conn: Connection, ctl: str, last: int) -> int:
    """The last media row before another session begins in the room."""
    another = conn.execute(
        select(func.min(events.c.id)).where(
            events.c.ctl == ctl, events.c.id > last, events.c.session != ""
        )
    ).scalar_one()
    query = select(func.max(events.c.id)).where(
        events.c.ctl == ctl, events.c.id > last, events.c.type.in_(AFTER_TYPES)
    )
    if another is not None:
        query = query.where(events.c.id < another)
    return int(conn.execute(query).scalar_one() or last)


def _later_gaps(conn: Connection, ctl: str, last: int, epochs: set[str]) -> list[Window]:
    """Declarations written later that name one of these epochs; each lies in another epoch."""
    rows = conn.execute(
        select(events.c.epoch, events.c.seq, events.c.raw).where(
            events.c.ctl == ctl, events.c.id > last, events.c.type == "record.gap"
        )
    )
    found = []
    for row in rows:
        try:
            named = str(decode_event(bytes(row.raw)).data.get("epoch", ""))
        except RemoteError:
            continue
        if named in epochs and row.epoch not in epochs:
            found.append(Window(ctl, row.epoch, row.seq, row.seq))
    return found


def _seals(conn: Connection, windows: list[Window]) -> list[SealSpan]:
    found = []
    for one in windows:
        rows = conn.execute(
            select(seals.c.id, seals.c.first, seals.c.last, seals.c.others).where(
                seals.c.ctl == one.ctl,
                seals.c.epoch == one.epoch,
                or_(seals.c.last >= one.first),
                seals.c.first <= one.last,
            )
        )
        found += [
            SealSpan(
                *(one.ctl, one.epoch, row.first, row.last, row.id),
                others=frozenset(seq for seq, _ in row.others or ()),
            )
            for row in rows
        ]
    return found


def _rows(conn: Connection, ctl: str, epoch: str, first: int, last: int) -> list[RowInfo]:
    rows = conn.execute(
        select(events.c.seq, events.c.type, events.c.session)
        .where(
            events.c.ctl == ctl,
            events.c.epoch == epoch,
            events.c.seq >= first,
            events.c.seq <= last,
        )
        .order_by(events.c.seq)
    )
    return [RowInfo(row.seq, row.type, row.session) for row in rows]


def _write(conn: Connection, one: Selection) -> StreamFiles:
    mine = (events.c.ctl == one.ctl) & (events.c.epoch == one.epoch)
    wanted, shown = set(one.hashes), set(one.shown)
    low, high = min(wanted, default=0), max(wanted, default=0)
    hashes: dict[int, str] = {}
    lines: list[bytes] = []
    query = select(events.c.seq, events.c.hash, events.c.raw).where(
        mine, events.c.seq >= low, events.c.seq <= high
    )
    for row in conn.execute(query.order_by(events.c.seq)):
        if row.seq in wanted:
            hashes[row.seq] = row.hash
        if row.seq in shown:
            lines.append(bytes(row.raw) + b"\n")
    sealed = [
        seal_line_of(
            header_line=bytes(row.header),
            trailer=bytes(row.sigs),
            others=dict(row.others or ()),
        )
        for row in conn.execute(
            select(seals.c.header, seals.c.sigs, seals.c.others)
            .where(seals.c.id.in_(one.seals))
            .order_by(seals.c.first, seals.c.id)
        )
    ]
    return StreamFiles(
        ctl=one.ctl,
        epoch=one.epoch,
        hashes=hash_list(hashes),
        seals=b"".join(sealed),
        events=b"".join(lines),
        shown=len(lines),
    )
