"""Asks whether the evaluation system answers this room: its own probe, beside the network ladder.

Any HTTP answer below 500 means that the system is there (a sign-in page is one); silence, a refused
connection and 5xx mean that it is not. What that leads to is the room's rule, not decided here.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PROBE_S = 2.0
ANSWER_S = 3.0
SERVER_ERROR = 500


def answers(url: str) -> bool:
    """One question; True when something answers that is not broken."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - scheme checked by Probe
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < SERVER_ERROR
    except (OSError, ValueError, http.client.HTTPException):
        return False


@dataclass(slots=True)
class SystemProbe:
    """Asks every two seconds, tells each change and the first answer.

    Args:
        url: http or https address; '' = nobody asks, the state stays unknown.
        report: called with the answer from the probe's thread.
    """

    url: str
    report: Callable[[bool], None]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts asking."""
        if urlsplit(self.url).scheme in {"http", "https"}:
            self._thread = threading.Thread(target=self._run, name="system", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends asking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * ANSWER_S)

    def _run(self) -> None:
        last: bool | None = None
        while not self._stop.is_set():
            now = answers(self.url)
            if now is not last:
                self.report(now)
                last = now
            self._stop.wait(PROBE_S)
