"""What the hub heard, as facts of its own: a room's silence, its own deafness, its own absence.

Each is written once when it begins and once when it ends, in whatever state the hub was restarted
in between; alarms and cases follow from it. Network faults that rooms raise because the hub was not
there open no case of their own unless they outlast the rooms' way back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.alarms.kinds import HEARD, SILENT
from hub.clock import iso_ms
from hub.contingency import cases, opening
from hub.contingency.stamp import stamp
from hub.fleet.deafness import DEAF, HEARING, STOPPED, Window, windows
from hub.fleet.ears import Hearing
from hub.ports import Parts
from hub.store.engine import get_meta, set_meta
from hub.store.tables_core import events
from protocols.messages.event import decode_event
from protocols.policy.contingency import Stamp, opens_case
from protocols.policy.room_model import Fault
from protocols.terms import FaultKind

ALIVE: Final = "alive"
ALIVE_MS: Final = 5_000
"""How often the hub writes down that it runs; how far the start of an absence may be wrong."""
ABSENT_MS: Final = 15_000
"""A restart is over sooner; what is longer every room has noticed."""
FACTS_READ_MAX: Final = 5_000


class Listening:
    """Facts about hearing, and what waits until it is clear whose trouble it was.

    Args:
        parts: the hub's parts.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._silent: set[str] | None = None
        self._alive: Stamp | None = None
        self._open: tuple[Window, ...] | None = None

    def on_link(self, conn: Connection, ctl: str, *, reachable: bool) -> None:
        """A room is silent, or answers again; told once each."""
        silent = self._known(conn)
        if reachable is not (ctl in silent):
            return
        kind = HEARD if reachable else SILENT
        self._parts.facts.append(conn, type=kind, session="", data={"ctl": ctl})
        change = silent.discard if reachable else silent.add
        self._parts.store.after_commit(lambda: change(ctl))

    def on_hearing(self, conn: Connection, hearing: Hearing) -> None:
        """The hub hears nobody, hears again, or was stopped."""
        now = self._parts.clock.wall()
        from_at = now - timedelta(milliseconds=hearing.since_ms)
        if hearing.stopped:
            if hearing.since_ms >= ABSENT_MS:
                self._span(conn, STOPPED, from_at, now)
            return
        lasting = next((one for one in windows(conn) if one.to_at is None), None)
        if hearing.deaf and lasting is None:
            told = {"ctl": self._parts.facts.hub, "from_at": iso_ms(from_at)}
            data = {**told, "rooms": hearing.rooms}
            self._parts.facts.append(conn, type=DEAF, session="", data=data)
        elif not hearing.deaf and lasting is not None:
            self._span(conn, HEARING, lasting.from_at, now)
        self._open = None

    def tick(self) -> None:
        """Writes down that the hub runs, names an absence, settles what waited; each second."""
        now = stamp(self._parts.clock)
        before, self._alive = self._alive, self._alive or now
        if before is None or now.mono_ms - before.mono_ms >= ALIVE_MS:
            self._mark(now, first=before is None)
        if self._open is None:
            with self._parts.store.read() as conn:
                at = self._parts.clock.wall()
                self._open = tuple(one for one in windows(conn) if one.excuses(at))
        over = [one for one in self._open if not one.excuses(self._parts.clock.wall())]
        if over:
            self._open = None
            with self._parts.store.write() as conn:
                self._outlasting(conn, over)

    def _mark(self, now: Stamp, *, first: bool) -> None:
        with self._parts.store.write() as conn:
            if first:
                absent_ms = _since(get_meta(conn, ALIVE), now)
                if absent_ms >= ABSENT_MS:
                    at = self._parts.clock.wall()
                    self._span(conn, STOPPED, at - timedelta(milliseconds=absent_ms), at)
                lasting = any(one.to_at is None for one in windows(conn))
                self._parts.rooms.resume(silent=self._known(conn), deaf=lasting)
            set_meta(conn, ALIVE, f"{now.boot} {now.mono_ms} {now.wall_ms}")
        self._alive = now

    def _span(self, conn: Connection, kind: str, from_at: datetime, to_at: datetime) -> None:
        data: dict[str, Any] = {
            "ctl": self._parts.facts.hub,
            "from_at": iso_ms(from_at),
            "to_at": iso_ms(to_at),
            "seconds": round((to_at - from_at).total_seconds()),
        }
        self._parts.facts.append(conn, type=kind, session="", data=data)
        self._open = None

    def _known(self, conn: Connection) -> set[str]:
        """Rooms whose silence has been told and not its end; read from the record at first."""
        if self._silent is None:
            rows = conn.execute(
                select(events.c.raw)
                .where(events.c.ctl == self._parts.facts.hub, events.c.type.in_((SILENT, HEARD)))
                .order_by(events.c.id.desc())
                .limit(FACTS_READ_MAX)
            ).scalars()
            last: dict[str, str] = {}
            for event in (decode_event(bytes(raw)) for raw in rows):
                last.setdefault(str(event.data["ctl"]), event.type)
            self._silent = {ctl for ctl, kind in last.items() if kind == SILENT}
        return self._silent

    def _outlasting(self, conn: Connection, over: list[Window]) -> None:
        """Network faults that the hub's silence explained and that stand without it."""
        for ctl in self._parts.rooms.ctls():
            state = self._parts.rooms.state(ctl)
            for fault in () if state is None else state.faults.values():
                at = datetime.fromisoformat(fault.raised_at)
                if fault.is_open and not fault.cause and any(one.explains(at) for one in over):
                    self._enter(conn, ctl, fault, at)

    def _enter(self, conn: Connection, ctl: str, fault: Fault, at: datetime) -> None:
        if fault.kind != FaultKind.NETWORK or not opens_case(
            self._parts.pack, fault.kind, reported=False
        ):
            return
        one = {"ctl": ctl, "fault": fault.id, "kind": fault.kind, "source": "room", "at": at}
        for session, phase in opening.running(conn, ctl):
            if cases.in_session(conn, ctl, fault.id, session) is None:
                opening.enter(
                    conn, self._parts, one, session=session, phase=phase, found_later=False
                )


def _since(kept: str, now: Stamp) -> int:
    """How long ago the hub last wrote that it runs, by the steady clock where it is the same."""
    if not kept:
        return 0
    boot, mono_ms, wall_ms = kept.split(" ")
    if boot == now.boot:
        return now.mono_ms - int(mono_ms)
    return max(0, now.wall_ms - int(wall_ms))
