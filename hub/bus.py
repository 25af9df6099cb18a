"""The in-process bus: says that something changed, never what. Screens look it up and redraw.

Publishing never waits: a listener that is behind loses its oldest words, which cost nothing
because the next word says "look again" just as well.
"""

from __future__ import annotations

import asyncio
import itertools
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

WAITING_MAX: Final = 256
"""Words a slow listener may be behind before the oldest go."""
LISTENERS_MAX: Final = 512
"""One stream per open tab; far above 20 operators with a wall board."""


@dataclass(frozen=True, slots=True)
class Word:
    """One change: `id` rises by one, `topic` is `board`, `session:{id}`, `case:{id}` and so on."""

    id: int
    topic: str
    ref: str


class BusFullError(Exception):
    """More listeners than one process serves."""


class Subscription:
    """One listener's bounded queue."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Word] = queue.Queue(WAITING_MAX)
        self.lost = 0

    def put(self, word: Word) -> None:
        """Adds a word; the oldest goes when the listener is too far behind."""
        while True:
            try:
                self._queue.put_nowait(word)
            except queue.Full:
                self._drop()
            else:
                return

    def _drop(self) -> None:
        try:
            self._queue.get_nowait()
            self.lost += 1
        except queue.Empty:
            return

    def get(self, timeout_s: float) -> Word | None:
        """The next word, or None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Bus:
    """Publishes words to every listener, from any thread."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._listeners: list[Subscription] = []
        self._waiters: list[_Waiter] = []

    def publish(self, topic: str, ref: str = "") -> None:
        """Tells all listeners that `topic` changed; `ref` names the thing, never its content."""
        with self._lock:
            word = Word(id=next(self._ids), topic=topic, ref=ref)
            listeners, waiters = tuple(self._listeners), tuple(self._waiters)
        for listener in listeners:
            listener.put(word)
        for waiter in waiters:
            waiter.put(word)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """A listener for a thread.

        Raises:
            BusFullError: too many listeners.
        """
        one = Subscription()
        with self._lock:
            self._check_room()
            self._listeners.append(one)
        try:
            yield one
        finally:
            with self._lock:
                self._listeners.remove(one)

    async def stream(self, heartbeat_s: float) -> AsyncIterator[Word | None]:
        """Words for an asyncio reader; None each `heartbeat_s` without one."""
        waiter = _Waiter(asyncio.get_running_loop())
        with self._lock:
            self._check_room()
            self._waiters.append(waiter)
        try:
            while True:
                yield await waiter.get(heartbeat_s)
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def _check_room(self) -> None:
        if len(self._listeners) + len(self._waiters) >= LISTENERS_MAX:
            raise BusFullError(f"bus: expected at most {LISTENERS_MAX} listeners; close a tab")


class _Waiter:
    """A bounded queue that another thread fills and one event loop reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[Word] = asyncio.Queue(WAITING_MAX)

    def put(self, word: Word) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, word)

    def _put(self, word: Word) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(word)

    async def get(self, timeout_s: float) -> Word | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._queue.get()
        except TimeoutError:
            return None
