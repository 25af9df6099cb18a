"""The one queue in the middle: everything the threads at the rim see waits here for the loop.

Evidence waits until there is room (the rim slows down, nothing is dropped); a tick that finds the
queue full is left out, for the next one says the same.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

# At ten readings a second from a full room this is minutes of a stuck disk.
ITEMS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Observed:
    """Something a driver, the recorder or the network prober saw."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the broker: leaf of the topic, bytes, and whether it was retained."""

    leaf: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The MQTT connection came up or went down."""

    up: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A question of another thread, answered by the loop."""

    work: Callable[[], Any]
    answer: Future[Any]


Item = Observed | Arrived | LinkChanged | Call


@dataclass(slots=True)
class Inbox:
    """Bounded queue with one reader."""

    _items: queue.Queue[Item] = field(default_factory=lambda: queue.Queue(ITEMS_MAX))
    _closed: threading.Event = field(default_factory=threading.Event)

    def put(self, item: Item) -> None:
        """Waits for room; returns at once when the loop has ended."""
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=1.0)
            except queue.Full:
                continue
            return

    def ask(self, work: Callable[[], Any], timeout_s: float) -> Any:
        """Runs `work` in the loop and returns its answer.

        Raises:
            TimeoutError: the loop did not answer in time or has ended; what `work` raised is
                raised here.
        """
        answer: Future[Any] = Future()
        self.put(Call(work, answer))
        if self._closed.is_set():
            raise TimeoutError("the room's loop has ended")
        return answer.result(timeout=timeout_s)

    def get(self, timeout_s: float) -> Item | None:
        """The next item, or None after `timeout_s`."""
        try:
            return self._items.get(timeout=max(timeout_s, 0.0))
        except queue.Empty:
            return None

    def waiting(self) -> int:
        """How many items wait."""
        return self._items.qsize()

    def close(self) -> None:
        """Lets writers and askers go; nothing is read any more."""
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._items.get_nowait()
                if isinstance(item, Call):
                    item.answer.set_exception(TimeoutError("the room's loop has ended"))
