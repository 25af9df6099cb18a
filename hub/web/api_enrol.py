"""Rooms that enrol themselves: they ask until a manager has decided (hub/fleet/enrolments.py)."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hub.fleet.enrolments import ask
from hub.fleet.renewal import renew
from hub.ports import decoding
from hub.web.api_body import raw_body
from hub.web.api_media import controller_of
from protocols.messages.enrolment import TLS_PREFIX, EnrolmentRequest


def router(hub: Any) -> APIRouter:
    """Routes `POST /api/v1/enrolments` and `POST /api/v1/certificates`."""
    api = APIRouter(prefix="/api/v1", tags=["enrolments"])

    @api.post("/enrolments", operation_id="ask_enrolment")
    async def enrolment(request: Request) -> JSONResponse:
        """Takes a room's request; 202 as long as nobody has decided, then 200 with the answer."""
        raw = await raw_body(request)
        with decoding("enrolment"):
            wanted = EnrolmentRequest.decode(raw)
        found = await asyncio.to_thread(ask, hub, wanted)
        return JSONResponse(found, status_code=202 if found["answer"] is None else 200)

    @api.post("/certificates", operation_id="renew_certificate")
    async def certificate(request: Request) -> JSONResponse:
        """A further certificate for the room that signed this request (hub/fleet/renewal.py)."""
        raw = await raw_body(request)
        header = request.headers.get("authorization", "")
        digest = hashlib.sha256(raw).hexdigest()
        ctl = await asyncio.to_thread(controller_of, hub, digest, header, TLS_PREFIX)
        return JSONResponse({"tls.crt": await asyncio.to_thread(renew, hub, ctl, raw)})

    return api
