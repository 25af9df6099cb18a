"""JSON API of media: rooms put segments, signed-in people read them, with ranges."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy import Connection, select

from hub import crypto
from hub.access import Reader, home_only, sees_recordings, sees_session
from hub.accounts.service import Accounts
from hub.keys.keyring import Keys
from hub.media.blobs import Blobs
from hub.problems import Problem, not_found
from hub.reach import ties_of_numbers
from hub.store.engine import Store
from hub.store.tables_business import access_record, booking, booking_venue
from hub.store.tables_core import blob_refs, controllers, events
from protocols.messages.event import decode_event

PUT_PREFIX: Final = b"er1/put\x00"
CHUNK_BYTES: Final = 256 * 1024
_AUTH: Final = re.compile(
    r"Evalroom ctl=(?P<ctl>c-[0-9a-f]{12}),\s*kid=(?P<kid>[0-9a-f]{16}),"
    r"\s*sig=(?P<sig>[0-9a-f]{128})\Z"
)
_RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})\Z")
OVERRUN: Final = timedelta(hours=12)
"""An evaluation may last longer than it was booked for."""


class HasMedia(Protocol):
    """The part of the hub this API uses."""

    accounts: Accounts
    keys: Keys
    media: Blobs
    store: Store
    clock: Any


def router(hub: HasMedia) -> APIRouter:
    """Routes `PUT` and `GET /api/v1/media/{sha256}`."""
    api = APIRouter(prefix="/api/v1", tags=["media"])

    @api.put("/media/{sha256}", operation_id="put_media")
    async def put_media(sha256: str, request: Request) -> JSONResponse:
        """Takes a segment a room recorded; 201 when new, 200 when it was here already."""
        header = request.headers.get("authorization", "")
        ctl = await asyncio.to_thread(controller_of, hub, sha256, header)
        stored = await hub.media.put(ctl, sha256, request.stream())
        body = {"sha256": stored.sha256, "bytes": stored.bytes}
        return JSONResponse(body, status_code=201 if stored.fresh else 200)

    @api.get("/media/{sha256}", operation_id="get_media")
    def get_media(sha256: str, request: Request) -> Response:
        """Gives a segment, or the asked range of it, to whoever belongs to its session."""
        actor = hub.accounts.actor(request)
        path = hub.media.path(sha256)
        if not _may_read(hub, sha256, actor) or not path.is_file():
            raise not_found("segment", f"media {sha256}")
        with hub.store.write() as conn:
            conn.execute(
                access_record.insert().values(
                    at=hub.clock.wall(),
                    person=actor.person,
                    post=actor.post,
                    act="media",
                    object=sha256,
                )
            )
        return _ranged(path, request.headers.get("range", ""))

    return api


def controller_of(hub: HasMedia, sha256: str, header: str, prefix: bytes = PUT_PREFIX) -> str:
    """The controller behind a signed upload, or behind a request for a plan by its hash.

    `prefix`: what the hash was signed for; a signature for one use is none for another.
    """
    found = _AUTH.match(header)
    hub.media.path(sha256)
    if found is not None:
        ctl, kid, sig = found["ctl"], found["kid"], bytes.fromhex(found["sig"])
        with hub.store.read() as conn:
            key = hub.keys.controller_key(conn, ctl)
        message = prefix + sha256.encode("ascii")
        if key is not None and key[0] == kid and crypto.verify(key[1], sig, message):
            return ctl
    raise Problem(
        401,
        "upload_not_signed",
        title="上传未通过身份校验",
        title_en="The upload is not signed by a room of this hub",
        where="header Authorization",
        expected="Evalroom ctl=…,kid=…,sig=… over er1/put and the hash, by an enrolled controller",
        got=header[:60] or "nothing",
        do="enrol the room, or check its signing key",
    )


def _may_read(hub: HasMedia, sha256: str, actor: Reader) -> bool:
    """Whether this person's organisation recorded it, or its session took place there then."""
    if not sees_recordings(actor):
        return False
    with hub.store.read() as conn:
        refs = conn.execute(
            select(blob_refs, controllers.c.org, controllers.c.place)
            .join(controllers, controllers.c.ctl == blob_refs.c.ctl)
            .where(blob_refs.c.sha256 == sha256)
        ).all()
        return any(
            (ref.org == actor.org and not home_only(actor)) or _took_part(conn, ref, actor)
            for ref in refs
        )


def _took_part(conn: Connection, ref: Any, actor: Reader) -> bool:
    """Whether a session this person sees used the room the segment was recorded in.

    Cameras belong to the room, not to a session: their segments are matched by place and time.
    """
    raw = conn.execute(
        select(events.c.raw).where(
            events.c.ctl == ref.ctl, events.c.epoch == ref.epoch, events.c.seq == ref.seq
        )
    ).scalar_one_or_none()
    if raw is None:
        return False
    at = datetime.fromisoformat(decode_event(bytes(raw)).at)
    there = booking_venue.alias("there")
    found = conn.execute(
        select(booking.c.number)
        .join(there, there.c.booking == booking.c.number)
        .where(
            there.c.place == ref.place,
            booking.c.state.not_in(("declined", "withdrawn", "expired", "rescheduled", "no_show")),
            booking.c.occupied_from <= at,
            booking.c.occupied_to >= at - OVERRUN,
        )
    )
    ties = ties_of_numbers(conn, list(found.scalars()))
    return any(sees_session(actor, one) for one in ties.values())


def _ranged(path: Path, header: str) -> Response:
    size = path.stat().st_size
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, immutable, max-age=86400"}
    span = _span(header, size)
    if span is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    first, last = span
    length = last - first + 1
    headers["Content-Length"] = str(length)
    status = 200
    if header:
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return StreamingResponse(
        _read(path, first, length), status_code=status, headers=headers, media_type="video/mp4"
    )


def _span(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte asked for (RFC 9110 §14.2, one range), None if there are none."""
    if not header:
        return 0, size - 1
    found = _RANGE.match(header)
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = min(int(found[2]), size)
        return (size - count, size - 1) if count else None
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return (first, last) if first <= last else None


def _read(path: Path, first: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while length > 0:
            chunk = file.read(min(CHUNK_BYTES, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk
