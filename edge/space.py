"""Watches the space for pictures, session or not: a disk is called low before it is full.

Whether that is a fault is the room's rule; here it is only looked and told, like a device that is
lost and back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from protocols.policy.faults import DISK

LOOK_S = 5.0  # two cameras at 2 Mbit/s write 2.5 MB in this time
LOW_BYTES = 2 * 1024**3  # an hour of two cameras: time for somebody to come
ENOUGH_BYTES = LOW_BYTES * 5 // 4  # hysteresis: a segment sent and deleted is not yet enough


@dataclass(slots=True)
class SpaceProbe:
    """Looks every five seconds, tells each change and the first look.

    Args:
        free: bytes free on the disk.
        report: called with whether there is enough, from the probe's thread.
    """

    free: Callable[[], int]
    report: Callable[[bool], None]
    _enough: bool | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts looking."""
        self._thread = threading.Thread(target=self._run, name="space", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LOOK_S)

    def look(self) -> None:
        """Looks once."""
        least = ENOUGH_BYTES if self._enough is False else LOW_BYTES
        try:
            enough = self.free() >= least
        except OSError:
            enough = False  # a disk that does not answer takes no pictures
        if enough is not self._enough:
            self._enough = enough
            self.report(enough)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(LOOK_S)


def reading(*, enough: bool) -> dict[str, str]:
    """What the room is told: data of an input `device`."""
    state, reason = ("back", "") if enough else ("lost", "disk_low")
    return {"device": DISK, "state": state, "reason": reason}
