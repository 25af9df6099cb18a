"""Messages that wait to be taken: rooms by turns, each in its own order, notices before batches.

A room that comes back after a month sends as fast as it is acknowledged. It fills its own line and
not everybody's: another room's message waits for one batch of each room that has any, and what
people must hear of at once for a single one.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Final

from protocols.messages.topics import UP_NOTICE, parse_topic

Message = tuple[str, bytes]
ROOM_MAX: Final = 64
"""A room has four batches in flight, a pong each five seconds and a handful of notices."""
NOTICES_ROW: Final = 32
"""So many notices go before a batch: a power cut of many rooms is told in one go, a tenth of a
second's work; a flood of notices must not stop the record."""
NOTICES_ROOM: Final = 4
"""Of them so many are one room's: a room that floods would else take nearly every turn there is."""


class Rounds:
    """One line per room, served by turns."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Message]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._lines)

    def put(self, room: str, message: Message) -> bool:
        """Puts a message behind the others of its room; False when there is no place."""
        line = self._lines.setdefault(room, deque())
        if len(line) >= ROOM_MAX:
            return False
        line.append(message)
        return True

    def next(self) -> str:
        """The room whose turn it is."""
        return next(iter(self._lines))

    def take(self) -> Message:
        """The oldest message of the room whose turn it is; the room goes behind all others."""
        room = self.next()
        line = self._lines.pop(room)
        message = line.popleft()
        if line:
            self._lines[room] = line
        return message


class Waiting:
    """The bounded queue between the broker's thread and the recording one.

    Args:
        most: messages of all rooms.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._notices, self._others = Rounds(), Rounds()
        self._noticed: Counter[str] = Counter()
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many messages wait."""
        return self._count

    def put(self, name: str, payload: bytes) -> bool:
        """Takes a message in; False when there is no place for it."""
        where = parse_topic(name)
        room = "" if where is None else where.ctl
        urgent = where is not None and where.leaf == UP_NOTICE
        with self._changed:
            if self._count >= self._most:
                return False
            if not (self._notices if urgent else self._others).put(room, (name, payload)):
                return False
            self._count += 1
            self._changed.notify()
        return True

    def get(self) -> Message | None:
        """The next message, waiting for it; None once it is closed and empty."""
        with self._changed:
            while not self._count:
                if self._closed:
                    return None
                self._changed.wait()
            self._count -= 1
            if self._notices and (self._is_urgent() or not self._others):
                self._noticed[self._notices.next()] += 1
                return self._notices.take()
            self._noticed.clear()
            return self._others.take()

    def _is_urgent(self) -> bool:
        """Whether a notice may still go before a batch; rooms by turns, so the next one decides."""
        mine = self._noticed[self._notices.next()]
        return mine < NOTICES_ROOM and self._noticed.total() < NOTICES_ROW

    def close(self) -> None:
        """No more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()
