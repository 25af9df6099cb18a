"""Every room as its record tells it, and what is known of the line to it.

The state is a fold of stored rows with the same function the room itself uses, built again at every
start. What the line says (pings, births, notices) is kept beside it and never mixed into it: an
unreachable room is not a dead one, and an old record is shown with its age.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from hub.alarms import rows as alarms
from hub.alarms.rows import Act, HubAlarm
from hub.bus import Bus
from hub.clock import Clock
from hub.decoded import decoded
from hub.fleet.deafness import RETURN, Window, excused, silences, windows
from hub.fleet.ears import MISSED_MS, Ears, Hearing, Sign
from hub.store.engine import Store
from hub.store.prepared import Prepared
from hub.store.tables_core import controllers, events, notices, rooms, stations, telemetry
from protocols.messages.bodies import Birth, Pong, Telemetry, decode_tm
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event
from protocols.policy.room_model import RoomConfig, RoomState, UnreadableEvent
from protocols.policy.room_state import apply, initial

CATCHING_UP_ROWS: Final = 64
"""A room with more rows waiting is catching up: its board shows an older state."""
ROWS_PER_READ: Final = 500
TELEMETRY_OLD_S: Final = 180
"""A room tells each minute and on change; after three it is shown as old."""
TELEMETRY_KEPT_MS: Final = 30_000
"""The last one is written to the database at most this often: it is told on every change."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """The line to one room. `reachable` None: not known since the hub started.

    `own`: not reachable because the hub hears nobody; that is told once, not for each room.
    `since_ms`: monotonic time of the last change; `pong_ms`, `pong_at`: the last pong.
    """

    reachable: bool | None = None
    own: bool = False
    since_ms: int = 0
    pong_ms: int | None = None
    pong_at: datetime | None = None
    epoch: str = ""
    seq: int = 0
    acked: int = 0
    outbox: int | None = None
    journal_ok: bool | None = None
    loop_ms: int | None = None
    birth: Birth | None = None
    refused: str = ""


_ENROLLED: Final = Prepared(
    select(controllers, rooms.c.name)
    .join(rooms, rooms.c.id == controllers.c.place)
    .where(controllers.c.state == "enrolled")
)
# What a fold needs of a row.
_AFTER: Final = Prepared(
    select(events.c.id, events.c.ctl, events.c.session, events.c.raw, events.c.recorded_at)
    .where(events.c.id > bindparam("after"))
    .order_by(events.c.id)
    .limit(ROWS_PER_READ)
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a controller last told of itself. `values`: JSON as it came, never trusted in shape."""

    values: Mapping[str, Any]
    mono_ms: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RoomView:
    """One room for a screen. `state` None: nothing recorded yet.

    `as_of`: wall time the room gave the newest recorded row; `age_s`: since the last pong;
    `notices`: events sent ahead of a backlog, not recorded yet; `alarms`: what the record says
    somebody must look at; `acks`: faults acknowledged at the hub; `told`: newest telemetry, None
    never heard; `excused`: network faults that are told already, as the line's silence.
    """

    ctl: str
    place: str
    org: str
    name: str
    held: bool
    state: RoomState | None
    link: Link
    as_of: str
    recorded_at: datetime | None
    age_s: float | None
    catching_up: bool
    unreadable: int
    notices: tuple[Event, ...]
    alarms: tuple[HubAlarm, ...] = ()
    acks: Mapping[str, Act] = field(default_factory=dict)
    told: Told | None = None
    excused: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Room:
    ctl: str
    place: str
    org: str
    name: str
    held: bool
    state: RoomState
    link: Link = field(default_factory=Link)
    rows: int = 0
    as_of: str = ""
    recorded_at: datetime | None = None
    unreadable: int = 0
    told: Told | None = None
    told_kept_ms: int | None = None


LinkChange = Callable[[str, Link], None]


HearingChange = Callable[[Hearing], None]


class LiveRooms:
    """Folds of all rooms, kept up to date by `refresh`.

    Args:
        store: the database.
        clock: ages of pongs, by the monotonic clock.
        bus: is told `board` and `session:{id}` when a room changed.
    """

    def __init__(self, *, store: Store, clock: Clock, bus: Bus) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._lock = threading.RLock()
        self._rooms: dict[str, _Room] = {}
        self._after_id = 0
        self._watchers: list[LinkChange] = []
        self._ears = Ears()
        self._hearers: list[HearingChange] = []

    def rebuild(self) -> None:
        """Starts from the first stored row; links are kept."""
        with self._lock:
            before = self._rooms
            self._rooms, self._after_id = {}, 0
            self.refresh()
            for ctl, room in before.items():
                if ctl in self._rooms:
                    self._rooms[ctl].link = room.link
                    self._rooms[ctl].told = room.told or self._rooms[ctl].told

    def refresh(self) -> None:
        """Takes in every row stored since the last time, and newly enrolled rooms."""
        touched: set[str] = set()
        with self._lock, self._store.read() as conn:
            self._enrolled(conn)
            more = True
            while more:
                more = self._read(conn, touched)
        if touched:
            self._bus.publish("board")
        for session in sorted(touched - {""}):
            self._bus.publish(f"session:{session}", session)

    def state(self, ctl: str) -> RoomState | None:
        """The fold of one room's recorded rows; None if it is not enrolled or silent so far."""
        with self._lock:
            room = self._rooms.get(ctl)
            return room.state if room is not None and room.rows else None

    def link(self, ctl: str) -> Link:
        """What is known of the line to one room."""
        with self._lock:
            room = self._rooms.get(ctl)
            return room.link if room is not None else Link()

    def ctls(self) -> list[str]:
        """Every enrolled controller."""
        with self._lock:
            return sorted(self._rooms)

    def snapshot(self) -> list[RoomView]:
        """Every room, by organisation and place."""
        ahead = self._notices()
        now_ms = self._clock.mono_ms()
        standing, acks = self._alarms()
        unheard = self._unheard()
        with self._lock:
            listed = sorted(self._rooms.values(), key=lambda room: (room.org, room.place))
            return [
                replace(
                    _view(room, now_ms, tuple(ahead.get(room.ctl, ()))),
                    alarms=tuple(standing.get(room.ctl, ())),
                    acks={name: act for (ctl, name), act in acks.items() if ctl == room.ctl},
                    excused=excused(room.state, unheard.get(room.ctl, ())),
                )
                for room in listed
            ]

    def view(self, ctl: str) -> RoomView | None:
        """One room, or None if it is not enrolled."""
        return next((one for one in self.snapshot() if one.ctl == ctl), None)

    def itself(self, hub: str) -> RoomView:
        """The hub with its own alarms, in the shape of a room without place and record."""
        with self._store.read() as conn:
            standing = alarms.standing(conn).get(hub, [])
        me = _Room(hub, "", "", "", held=False, state=initial(RoomConfig(hub, "", ())))
        me.link = Link(reachable=True)
        return replace(_view(me, self._clock.mono_ms(), ()), alarms=tuple(standing))

    def on_link(self, act: LinkChange) -> None:
        """`act(ctl, link)` runs when a room answers again, or is silent and it is not the hub."""
        self._watchers.append(act)

    def on_hearing(self, act: HearingChange) -> None:
        """`act` runs when the hub hears no room any more, hears again, or was stopped."""
        self._hearers.append(act)

    def resume(self, *, silent: Collection[str], deaf: bool) -> None:
        """What the record says of the lines at a start: told before, so not to be told again."""
        for ctl in silent:
            with self._lock:
                room = self._rooms.get(ctl)
                if room is not None and room.link.reachable is None:
                    room.link = replace(room.link, reachable=False)
        if deaf:
            self._ears.deaf_since_ms = self._clock.mono_ms()

    def overdue(self) -> list[str]:
        """Rooms whose pong has been missed and that are not known to be silent."""
        now_ms = self._clock.mono_ms()
        return [
            ctl
            for ctl in self.ctls()
            if (link := self.link(ctl)).reachable is True
            and link.pong_ms is not None
            and now_ms - link.pong_ms >= MISSED_MS
        ]

    def pong(self, ctl: str, pong: Pong) -> None:
        """A room answered a ping."""
        now_ms, at = self._clock.mono_ms(), self._clock.wall()
        self._change(
            ctl,
            lambda link: replace(
                link,
                reachable=True,
                own=False,
                pong_ms=now_ms,
                pong_at=at,
                epoch=pong.epoch,
                seq=pong.seq,
                acked=pong.acked,
                outbox=pong.outbox,
                journal_ok=pong.journal_ok,
                loop_ms=pong.loop_ms,
            ),
        )

    def telemetry(self, ctl: str, told: Telemetry, raw: bytes) -> None:
        """A room told of itself; the newest wins, and the last one survives a restart."""
        now_ms, at = self._clock.mono_ms(), self._clock.wall()
        with self._lock:
            room = self._rooms.get(ctl)
            if room is None:
                return
            room.told = Told(values=told.values, mono_ms=told.mono_ms, at=at)
            kept = room.told_kept_ms
            if kept is not None and now_ms - kept < TELEMETRY_KEPT_MS:
                return
            room.told_kept_ms = now_ms
        with self._store.write() as conn:
            conn.execute(telemetry.delete().where(telemetry.c.ctl == ctl))
            conn.execute(telemetry.insert().values(ctl=ctl, raw=raw, seen_at=at))

    def birth(self, ctl: str, birth: Birth) -> None:
        """A room connected."""
        self._change(
            ctl,
            lambda link: replace(link, birth=birth, refused="", epoch=birth.epoch, seq=birth.seq),
        )

    def refuse(self, ctl: str, refused: str) -> None:
        """A room connected that the hub does not speak with, and why."""
        self._change(ctl, lambda link: replace(link, refused=refused))

    def check_silence(self) -> None:
        """Marks rooms whose last pong is too old, and says whose fault it is; each second."""
        now_ms = self._clock.mono_ms()
        signs = self._signs()
        since_ms = self._ears.deaf_since_ms
        heard = self._ears.look(signs, now_ms)
        living = sum(one.living for one in signs.values())
        if heard.stopped_ms:
            self._tell(Hearing(deaf=False, since_ms=heard.stopped_ms, rooms=living, stopped=True))
        if heard.turned:
            self._tell(Hearing(deaf=True, since_ms=now_ms - self._ears.deaf_ms, rooms=living))
        elif heard.turned is False and since_ms is not None:
            self._tell(Hearing(deaf=False, since_ms=now_ms - since_ms, rooms=living))
        for ctl, returning in heard.silent:
            link = self.link(ctl)
            # A silence that was the room's before the hub heard nothing stays the room's.
            own = returning and (link.reachable is not False or link.own)
            if link.reachable is not False or link.own is not own:
                self._change(ctl, partial(replace, reachable=False, own=own))

    def _signs(self) -> dict[str, Sign]:
        with self._lock:
            return {
                room.ctl: Sign(
                    pong_ms=room.link.pong_ms,
                    since_ms=room.link.since_ms,
                    living=room.link.reachable is True
                    or (room.link.reachable is None and room.rows > 0),
                )
                for room in self._rooms.values()
            }

    def _tell(self, hearing: Hearing) -> None:
        for act in self._hearers:
            act(hearing)

    def _change(self, ctl: str, edit: Callable[[Link], Link]) -> None:
        with self._lock:
            room = self._rooms.get(ctl)
            if room is None:
                return
            before = room.link
            after = edit(before)
            turned = after.reachable is not before.reachable
            if turned:
                after = replace(after, since_ms=self._clock.mono_ms())
            room.link = after
        if turned or after.own is not before.own:
            self._bus.publish("board")
            for act in () if after.own else self._watchers:
                act(ctl, after)

    def _enrolled(self, conn: Connection) -> None:
        rows = _ENROLLED.all(conn)
        now_ms = self._clock.mono_ms()
        gone = set(self._rooms) - {row.ctl for row in rows}
        for ctl in gone:
            del self._rooms[ctl]
        kept = _kept_telemetry(conn) if {row.ctl for row in rows} - set(self._rooms) else {}
        for row in rows:
            known = self._rooms.get(row.ctl)
            if known is not None:
                known.held = bool(row.held)
                continue
            self._rooms[row.ctl] = _Room(
                ctl=row.ctl,
                place=row.place,
                org=row.org,
                name=row.name,
                held=bool(row.held),
                state=initial(_config(conn, row.ctl, row.place)),
                link=Link(since_ms=now_ms),
                told=kept.get(row.ctl),
            )

    def _read(self, conn: Connection, touched: set[str]) -> bool:
        rows = _AFTER.all(conn, after=self._after_id)
        for row in rows:
            self._after_id = int(row.id)
            room = self._rooms.get(row.ctl)
            if room is not None:
                _fold(room, bytes(row.raw), row.recorded_at)
            touched.add(str(row.session))
        return len(rows) == ROWS_PER_READ

    def _alarms(self) -> tuple[dict[str, list[HubAlarm]], dict[tuple[str, str], Act]]:
        """Standing alarms by controller; who acknowledged the faults that are open."""
        with self._lock:
            faults = [
                fault.id
                for room in self._rooms.values()
                for fault in room.state.faults.values()
                if fault.is_open
            ]
        with self._store.read() as conn:
            return alarms.standing(conn), alarms.acknowledged(conn, faults)

    def _unheard(self) -> dict[str, tuple[Window, ...]]:
        """Controller -> times in which the hub did not hear it and which may still explain a fault.

        A room that lost the hub says so when it is heard again: one trouble with two ends.
        """
        now = self._clock.wall()
        with self._store.read() as conn:
            deaf = tuple(one for one in windows(conn) if one.excuses(now))
            silent = silences(conn, since=now - RETURN)
        return {ctl: (*deaf, *silent.get(ctl, ())) for ctl in self.ctls()}

    def _notices(self) -> dict[str, list[Event]]:
        found: dict[str, list[Event]] = {}
        with self._store.read() as conn:
            rows = conn.execute(
                select(notices.c.ctl, notices.c.raw)
                .where(notices.c.state == "ahead")
                .order_by(notices.c.seen_at)
            ).all()
        for row in rows:
            try:
                found.setdefault(row.ctl, []).append(decode_event(bytes(row.raw)))
            except RemoteError:
                log.warning("rooms: a notice of %s cannot be read", row.ctl)
        return found


def _config(conn: Connection, ctl: str, place: str) -> RoomConfig:
    numbers = conn.execute(
        select(stations.c.n).where(stations.c.room == place).order_by(stations.c.n)
    ).scalars()
    return RoomConfig(ctl=ctl, place=place, stations=tuple(int(n) for n in numbers))


def _kept_telemetry(conn: Connection) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for row in conn.execute(select(telemetry)):
        try:
            body = decode_tm(bytes(row.raw))
        except RemoteError:
            continue  # an older program's; the room tells again within a minute
        if isinstance(body, Telemetry):
            found[row.ctl] = Told(values=body.values, mono_ms=body.mono_ms, at=row.seen_at)
    return found


def _fold(room: _Room, raw: bytes, recorded_at: Any) -> None:
    try:
        event = decoded(raw)
        room.state = apply(
            room.state,
            event.type,
            event.session,
            event.data,
            seq=event.seq,
            mono_ms=event.mono_ms,
            at=event.at,
            epoch=event.epoch,
        )
        # The newest row, not the latest hour: a clock that was set back is right from then on.
        room.as_of = event.at
    except (RemoteError, UnreadableEvent) as error:
        room.unreadable += 1
        log.warning("rooms: a row of %s is recorded but cannot be read: %s", room.ctl, error)
    room.rows += 1
    room.recorded_at = recorded_at


def _view(room: _Room, now_ms: int, ahead: tuple[Event, ...]) -> RoomView:
    link = room.link
    age = None if link.pong_ms is None else (now_ms - link.pong_ms) / 1000
    return RoomView(
        ctl=room.ctl,
        place=room.place,
        org=room.org,
        name=room.name,
        held=room.held,
        state=room.state if room.rows else None,
        link=link,
        as_of=room.as_of,
        recorded_at=room.recorded_at,
        age_s=age,
        catching_up=(link.outbox or 0) > CATCHING_UP_ROWS,
        unreadable=room.unreadable,
        notices=ahead,
        told=room.told,
    )
