"""Fetches a plan's body that was too large for a message: `GET {hub}/api/v1/plans/{hash}`.

The hash came signed, so the body needs no other proof: whoever answers with other bytes is refused
where the body is read. A thread of its own asks until it has the body or another plan is wanted.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from protocols.messages.plan import PLAN_BODY_BYTES_MAX

log = logging.getLogger("evalroom.edge.plan")
TIMEOUT_S = 20.0
AGAIN_S = 5.0  # the hub's own pace of pings: sooner would not find it more awake
STOP_S = 1.0


@dataclass(slots=True)
class PlanFetcher:
    """Gets bodies by hash.

    Args:
        url: the hub's address, `http://` or `https://`.
        take: given each body, from the fetcher's thread.
        authorization: value of the Authorization header for a hash.
        source: the address to leave from, '' for any.
    """

    url: str
    take: Callable[[bytes], None]
    authorization: Callable[[str], str]
    source: Callable[[], str] = str
    _wanted: str = ""
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def want(self, digest: str) -> None:
        """This body is wanted; an earlier wish is dropped."""
        self._wanted = digest
        self._wake.set()

    def switch(self, url: str, source: Callable[[], str]) -> None:
        """The hub is to be asked here from now on."""
        self.url, self.source = url, source
        self._wake.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="plan", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a request under way is left behind."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(AGAIN_S if self._wanted else None)
            self._wake.clear()
            digest = self._wanted
            if not digest or self._stop.is_set():
                continue
            body = self._get(digest)
            if body is not None and self._wanted == digest:
                self._wanted = ""
                self.take(body)

    def _get(self, digest: str) -> bytes | None:
        parts = urlsplit(self.url)
        host, path = parts.hostname or "", f"{parts.path.rstrip('/')}/api/v1/plans/{digest}"
        try:
            address = self.source()
            leave = (address, 0) if address else None
            connection = (
                http.client.HTTPSConnection(
                    host,
                    parts.port,
                    timeout=TIMEOUT_S,
                    context=ssl.create_default_context(),
                    source_address=leave,
                )
                if parts.scheme == "https"
                else http.client.HTTPConnection(
                    host, parts.port, timeout=TIMEOUT_S, source_address=leave
                )
            )
            try:
                connection.request(
                    "GET", path, headers={"Authorization": self.authorization(digest)}
                )
                answer = connection.getresponse()
                body = answer.read(PLAN_BODY_BYTES_MAX + 1)
            finally:
                connection.close()
        except (OSError, ValueError, http.client.HTTPException) as error:
            log.warning("plan %s: expected its body from %s, got %s", digest[:12], self.url, error)
            return None
        if answer.status == HTTPStatus.OK and len(body) <= PLAN_BODY_BYTES_MAX:
            return body
        log.warning("plan %s: the hub answered %s, %s bytes", digest[:12], answer.status, len(body))
        return None
