"""The hub's ingest: a real recorder and quarantine over SQLite, fed with what a room might send."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.app import Hub, build
from hub.config import load
from protocols.messages.errors import LocalError
from protocols.messages.topics import MESSAGE_BYTES_MAX, UP_EV, UP_LEAVES, UP_NOTICE
from tests.hub.booking.town import CHEAP
from tests.hub.enrolled_hub import make_folder
from tests.hub.scripted_room import ScriptedRoom

FRESH_AFTER: Final = 3_000
"""Inputs on one database: it grows with every one of them, and so would each of its answers."""
SEALED: Final = len(UP_LEAVES)
KINDS: Final = SEALED + 2
"""First byte of an input: one of four topics with bytes as they are, or lines under the room's
own seal as batch or notice."""
FIRST_MAX: Final = 8
COUNT: Final = """
    SELECT (SELECT coalesce(max(id), 0) FROM events WHERE ctl != ?),
           (SELECT coalesce(sum(times), 0) FROM quarantine)
"""
"""Asked after every input: written out, since to build it takes longer than the answer."""


def made(folder: Path) -> Path:
    """A hub's folder with one enrolled room."""
    data = folder / "made"
    make_folder(data)
    return data


class Nowhere:
    """Takes what the hub sends."""

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        """Forgets it."""


@dataclass(slots=True)
class Recording:
    """A hub on a copy of a folder made once, replaced by a new copy from time to time."""

    made: Path
    copy: Path
    hub: Hub | None = None
    room: ScriptedRoom | None = None
    inputs: int = 0
    was: tuple[int, int] = (0, 0)

    def __call__(self, data: bytes) -> None:
        """One message, to the end: recorded, or refused and in quarantine; never an exception."""
        if self.hub is None or self.inputs % FRESH_AFTER == 0:
            self._fresh()
        self.inputs += 1
        assert self.hub is not None
        assert self.room is not None
        kind, payload = max(data[:1], default=0) % KINDS, data[1:]
        room = self.room
        leaf = UP_LEAVES[kind] if kind < SEALED else (UP_EV, UP_NOTICE)[kind - SEALED]
        if kind >= SEALED:
            sealed = _sealed(room, payload)
            if sealed is None:
                return
            payload = sealed
        rows, kept = self.was
        self.hub.ingest.handle(room.topic(leaf), payload)
        now_rows, now_kept = self.was = self._count()
        assert kind >= SEALED or now_rows == rows, "recorded without the room's seal"
        unsealed = kind < SEALED and leaf in (UP_EV, UP_NOTICE)
        assert not unsealed or now_kept > kept, "neither recorded nor in quarantine"

    def _fresh(self) -> None:
        self.close()
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.made, self.copy)
        self.room = ScriptedRoom(self.copy / "room")
        self.hub = build(load(self.copy), services=False, stretch=CHEAP)
        self.hub.fleet.transport = Nowhere()
        self.hub.rooms.rebuild()
        self.was = self._count()

    def _count(self) -> tuple[int, int]:
        assert self.hub is not None
        with self.hub.store.read() as conn:
            rows, kept = conn.exec_driver_sql(COUNT, (self.hub.config.hub,)).one()
        return rows, kept

    def close(self) -> None:
        """The hub's files are closed."""
        if self.hub is not None:
            self.hub.close()


def _sealed(room: ScriptedRoom, payload: bytes) -> bytes | None:
    """Any lines as a batch with the room's own signature; None where no batch can hold them."""
    first, rest = max(payload[:1], default=0) % FIRST_MAX + 1, payload[1:]
    lines = [line for line in rest.split(b"\n") if line]
    lines = [line.replace(b"$CTL", room.ctl.encode()) for line in lines]
    try:
        raw = room.seal("e" * 32, first, lines)
    except LocalError:
        return None
    return raw if len(raw) <= MESSAGE_BYTES_MAX else None
