"""Sends the spool to the hub: content by content, clips first, as often as it takes.

`PUT {hub}/api/v1/media/{sha256}` is idempotent, so an upload that broke off is simply begun again.
The hub takes a content only when it has recorded the event that names it, and says 409 until then.
Sending never disturbs a session: it keeps to a rate, and it rests while the hub is away.
"""

from __future__ import annotations

import http.client
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge.media.spool import Kept, Spool

LOG = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 20.0  # a hub that takes no byte for this long is away
IDLE_S = 2.0  # between two looks at an empty spool
LATER_S = 1.0  # the hub has not recorded the event yet: the event is on its way
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)  # the hub is away; full jitter on top
RATE_BYTES_S = 8 * 1024 * 1024  # leaves a 100 Mbit/s line to the session
STORED_BELOW = 300
REFUSED = range(400, 500)
NOT_US = {401, 403}  # no content of ours would be taken now


class Answer(Enum):
    """What became of one upload."""

    STORED = "stored"
    LATER = "later"
    ALTERED = "altered"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Account:
    """How a controller proves itself to the hub.

    Args:
        ctl: the controller's id.
        kid: id of its signing key.
        sign: Ed25519 over the bytes given, 64 bytes.
    """

    ctl: str
    kid: str
    sign: Callable[[bytes], bytes]

    def authorization(self, sha256: str) -> str:
        """The header's value for one content."""
        signature = self.sign(b"er1/put\0" + sha256.encode("ascii")).hex()
        return f"Evalroom ctl={self.ctl},kid={self.kid},sig={signature}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where the hub is: read from its url. `source`: the address to leave from, '' for any.

    `source` is asked at each connection, for an interface may have another address by then.
    """

    host: str
    port: int | None
    path: str
    tls: bool
    source: Callable[[], str]

    @classmethod
    def read(cls, url: str, source: Callable[[], str] = str) -> Target:
        """Reads a url.

        Raises:
            ValueError: neither https nor loopback http.
        """
        parts = urlsplit(url)
        loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if not parts.hostname or not (parts.scheme == "https" or loopback):
            raise ValueError(f"hub url: expected https://…, or http on loopback, got {url!r}")
        return cls(
            parts.hostname,
            parts.port,
            parts.path.rstrip("/"),
            parts.scheme == "https",
            source,
        )


class Uploader:
    """A thread that empties the spool into the hub.

    Args:
        spool: what to send.
        url: the hub's, `https://…`; `http://` on loopback only.
        account: signs each request.
        sink: `uploaded {sha256, bytes}` and `segment_damaged {stream, name, bytes}`.
        rate_bytes_s: upper bound of the line's use.
        context: TLS, None for the system's.

    Raises:
        ValueError: the url is neither https nor loopback http.
    """

    def __init__(
        self,
        spool: Spool,
        url: str,
        account: Account,
        *,
        sink: Callable[[str, dict[str, Any]], None],
        rate_bytes_s: int = RATE_BYTES_S,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._target = Target.read(url)
        self._context = context
        self._spool, self._account, self._sink = spool, account, sink
        self._rate = rate_bytes_s
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._again = threading.Event()
        self._urgent = threading.Event()
        self._link = threading.Event()
        self._link.set()
        self._failures = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins sending in a thread of its own; twice is once."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="upload", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends sending; what was half sent is sent again next time."""
        self._stop.set()
        self._wake.set()
        self._link.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)
        self._thread = None

    def wake(self) -> None:
        """There is something new, or the hub may have recorded what it put off."""
        self._wake.set()

    def start_over(self) -> None:
        """The hub came back from an older copy: everything is offered again, in its own thread."""
        self._again.set()
        self._wake.set()

    def first(self) -> None:
        """Some contents were asked for: the round under way is left, and begun with them."""
        self._urgent.set()
        self._wake.set()

    def set_rate(self, bytes_s: int) -> None:
        """Upper bound of the line's use from now on, bytes per second; clips keep the usual one."""
        self._rate = bytes_s

    @property
    def target(self) -> Target:
        """Where the hub is asked now."""
        return self._target

    def switch(self, target: Target) -> None:
        """The hub is to be asked here from now on; what is under way ends by itself."""
        self._target, self._failures = target, 0
        self._wake.set()

    def set_link(self, *, up: bool) -> None:
        """The connection to the hub came or went; without it nothing is tried."""
        if up:
            self._failures = 0
            self._link.set()
            self._wake.set()
        else:
            self._link.clear()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._link.wait()
            if self._stop.is_set():
                return
            self._wake.clear()
            try:
                pause_s = self._round()
            except OSError as error:
                # Our own disk, a full one say. What was sent and not noted is sent again.
                LOG.warning("media: the spool cannot be written: %s", error)
                pause_s = BACKOFF_S[-1]
            if pause_s:
                self._wake.wait(pause_s)

    def _round(self) -> float:
        """Offers everything once; returns how long to rest, seconds."""
        put_off = False
        if self._again.is_set():
            self._again.clear()
            try:
                self._spool.resend()
            except OSError:
                self._again.set()
                raise
        self._urgent.clear()
        for kept in self._spool.pending():
            if self._stop.is_set() or not self._link.is_set() or self._urgent.is_set():
                return 0.0
            answer = self._send(kept)
            if answer is Answer.AWAY:
                self._failures += 1
                top = BACKOFF_S[min(self._failures, len(BACKOFF_S)) - 1]
                return random.uniform(top / 2, top)  # noqa: S311 - spreads load, guards nothing
            if self._failures:
                LOG.info("media: the hub takes segments again")
            self._failures = 0
            put_off = put_off or answer is Answer.LATER
            self._settle(kept, answer)
        return LATER_S if put_off else IDLE_S

    def _settle(self, kept: Kept, answer: Answer) -> None:
        if answer is Answer.STORED:
            self._spool.uploaded(kept.sha256)
            self._sink("uploaded", {"sha256": kept.sha256, "bytes": kept.size})
        elif answer is Answer.ALTERED:
            self._spool.account_for_loss(kept.sha256)
            stream = str(kept.about.get("stream", ""))
            name = self._spool.path(kept.sha256).name
            self._sink("segment_damaged", {"stream": stream, "name": name, "bytes": kept.size})

    def _send(self, kept: Kept) -> Answer:
        path, target = self._spool.path(kept.sha256), self._target
        try:
            connection = self._connect(target)
        except OSError as error:
            return self._away(error)
        try:
            size = path.stat().st_size
            connection.request(
                "PUT",
                f"{target.path}/api/v1/media/{kept.sha256}",
                body=self._paced(path, RATE_BYTES_S if kept.clip else None),
                headers={
                    "Authorization": self._account.authorization(kept.sha256),
                    "Content-Length": str(size),
                    "Content-Type": "video/mp4",
                },
            )
            status = connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):
            # A hub may answer before it has read everything and close.
            return self._early(connection, kept)
        except FileNotFoundError:
            return Answer.ALTERED
        except (OSError, http.client.HTTPException) as error:
            return self._away(error)
        finally:
            connection.close()
        return self._judge(kept, status)

    def _away(self, error: Exception) -> Answer:
        if not self._failures:
            LOG.info("media: the hub takes no segments: %s", error)
        return Answer.AWAY

    def _early(self, connection: http.client.HTTPConnection, kept: Kept) -> Answer:
        try:
            return self._judge(kept, connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            return Answer.AWAY

    def _judge(self, kept: Kept, status: int) -> Answer:
        if status < STORED_BELOW:
            return Answer.STORED
        if status != HTTPStatus.CONFLICT and not self._failures:
            LOG.warning("media: the hub answered %d to segment %s", status, kept.sha256)
        if status in NOT_US or status not in REFUSED:
            return Answer.AWAY
        # A content that is not taken must not hold up those behind it.
        return Answer.LATER if self._spool.sound(kept.sha256) else Answer.ALTERED

    def _connect(self, target: Target) -> http.client.HTTPConnection:
        address = target.source()
        source = (address, 0) if address else None
        if target.tls:
            return http.client.HTTPSConnection(
                target.host,
                target.port,
                timeout=TIMEOUT_S,
                context=self._context,
                source_address=source,
            )
        return http.client.HTTPConnection(
            target.host, target.port, timeout=TIMEOUT_S, source_address=source
        )

    def _paced(self, path: Path, least: int | None) -> Iterator[bytes]:
        """The file in chunks, no faster than the granted rate; ends early when told to stop.

        `least`: bytes per second it may have at least, None for the granted rate alone.
        """
        rate = max(self._rate, least or 0)
        began, sent = time.monotonic(), 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
                sent += len(chunk)
                ahead_s = sent / rate - (time.monotonic() - began)
                if ahead_s > 0 and self._stop.wait(ahead_s):
                    raise ConnectionAbortedError("the controller ends")
