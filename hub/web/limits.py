"""Bounds of every request before anybody reads it: bytes of the body, and time to send it.

The head of a request is bounded by the server (16 KiB) and, in time, by `PatientHttp`; without it
a client that sends a byte now and then would hold its connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import h11
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from hub.media.blobs import BLOB_BYTES_MAX
from hub.web.api_body import BODY_BYTES_MAX

HEAD_S: Final = 15.0
"""A head is one packet; fifteen seconds are three lost ones."""
PIECE_S: Final = 30.0
"""Between two pieces of a body: a room's line may stand still that long."""
BODY_S: Final = 60.0
MEDIA_S: Final = 900.0
"""64 MiB at 0.6 Mbit/s; a line slower than that cannot send a camera's picture either."""
SPARE_BYTES: Final = 64 * 1024
"""A handler that counts for itself says better what it wanted: this is the roof above it."""
MEDIA: Final = "/api/v1/media/"


class BodyLimits:
    """Refuses bodies that are too large or too slow, whatever the handler does with them."""

    def __init__(self, app: ASGIApp, *, piece_s: float = PIECE_S, body_s: float = BODY_S) -> None:
        self.app = app
        self.piece_s, self.body_s = piece_s, body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        media = scope["method"] == "PUT" and scope["path"].startswith(MEDIA)
        bytes_max = (BLOB_BYTES_MAX if media else BODY_BYTES_MAX) + SPARE_BYTES
        until = asyncio.get_running_loop().time() + (MEDIA_S if media else self.body_s)
        body = _Body(receive, bytes_max=bytes_max, piece_s=self.piece_s, until=until)
        await self.app(scope, body.receive, send)


class _Body:
    """The pieces of one body, counted."""

    def __init__(self, receive: Receive, *, bytes_max: int, piece_s: float, until: float) -> None:
        self._receive, self._left = receive, bytes_max
        self._piece_s, self._until = piece_s, until
        self._whole = False

    async def receive(self) -> Message:
        """The next piece; after the last one, as long as it takes: the client is listening."""
        if self._whole:
            return await self._receive()
        left_s = self._until - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, min(self._piece_s, left_s))):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408) from error
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413)
        self._whole = not message.get("more_body", False)
        return message


class PatientHttp(H11Protocol):
    """uvicorn's HTTP/1.1, which ends a connection whose request's head does not come to its end."""

    _slow: asyncio.TimerHandle | None = None
    head_s = HEAD_S

    def connection_made(self, transport: Any) -> None:
        """A client is there; its first request has `head_s`."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some bytes; the clock stops when a head is whole."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._slow is None:
            self._slow = self.loop.call_later(self.head_s, self.transport.close)

    def _stop(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
