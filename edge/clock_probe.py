"""Asks the hub what time it is: by how much this room's clock is ahead of the hub's.

Every answer of a web server carries its `Date` (RFC 9110), in whole seconds and, of the hub's, up
to a second old. That is coarse, and enough for what a policy asks: whether a start must wait. Where
nobody answers the difference is not known, which is a value of its own.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from edge.media.uploader import Target

ASK_S = 60.0  # clocks drift by milliseconds in this time
FIRST_S = 2.0  # until the first answer
TIMEOUT_S = 5.0
RESOLUTION_MS = 1000  # half of what the date leaves open: a whole second, and a second of age
TELL_MS = 2 * RESOLUTION_MS  # a difference that moved less may be the same one
MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Offset:
    """By how much our clock is ahead, milliseconds, and how far that may be wrong."""

    offset_ms: int
    bound_ms: int


def offset(date: str, sent_ms: int, heard_ms: int) -> Offset | None:
    """The difference that an answer shows, None for a date that is none.

    Args:
        date: the answer's `Date`.
        sent_ms: our clock when we asked, milliseconds since 1970.
        heard_ms: our clock when the answer came.
    """
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    theirs_ms = round(aware.timestamp() * MS_PER_S) + RESOLUTION_MS
    ours_ms = (sent_ms + heard_ms) // 2
    return Offset(ours_ms - theirs_ms, RESOLUTION_MS + (heard_ms - sent_ms + 1) // 2)


def ask(target: Target, now_ms: Callable[[], int]) -> Offset | None:
    """One question to the hub; None when it does not answer or says no time."""
    try:
        address = target.source()
        leave = (address, 0) if address else None
        connection = (
            http.client.HTTPSConnection(
                target.host,
                target.port,
                timeout=TIMEOUT_S,
                context=ssl.create_default_context(),
                source_address=leave,
            )
            if target.tls
            else http.client.HTTPConnection(
                target.host, target.port, timeout=TIMEOUT_S, source_address=leave
            )
        )
        try:
            connection.connect()
            sent_ms = now_ms()
            connection.request("HEAD", f"{target.path}/livez")
            answer = connection.getresponse()
            return offset(answer.getheader("Date", ""), sent_ms, now_ms())
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return None


@dataclass(slots=True)
class ClockProbe:
    """Asks in a thread of its own and tells each difference that is another one.

    Args:
        target: where the hub is on the line in use.
        now_ms: this machine's clock, milliseconds since 1970.
        report: called with offset and bound, milliseconds.
        mono_ms: time that is never set; a clock that moved against it is asked about at once.
    """

    target: Callable[[], Target]
    now_ms: Callable[[], int]
    report: Callable[[int, int], None]
    mono_ms: Callable[[], int]
    _told: Offset | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts asking."""
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends asking; a question under way is left behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def look(self) -> bool:
        """Asks once and tells what is new; False when there was no answer."""
        found = ask(self.target(), self.now_ms)
        if found is None:
            return False
        if self._told is None or abs(found.offset_ms - self._told.offset_ms) > TELL_MS:
            self._told = found
            self.report(found.offset_ms, found.bound_ms)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            answered, apart_ms = self.look(), self._apart_ms()
            for _ in range(round(ASK_S / FIRST_S) if answered else 1):
                if self._stop.wait(FIRST_S) or self.stepped(apart_ms):
                    break

    def stepped(self, apart_ms: int) -> bool:
        """Whether this machine's clock was set since the two clocks were so far apart."""
        return abs(self._apart_ms() - apart_ms) > RESOLUTION_MS

    def _apart_ms(self) -> int:
        return self.now_ms() - self.mono_ms()
