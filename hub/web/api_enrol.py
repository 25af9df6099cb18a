"""Rooms that enrol themselves: they ask until a manager has decided (hub/fleet/enrolments.py)."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hub.fleet.enrolments import ask
from hub.ports import decoding
from hub.web.api_body import raw_body
from protocols.messages.enrolment import EnrolmentRequest


def router(hub: Any) -> APIRouter:
    """Route `POST /api/v1/enrolments`."""
    api = APIRouter(prefix="/api/v1", tags=["enrolments"])

    @api.post("/enrolments", operation_id="ask_enrolment")
    async def enrolment(request: Request) -> JSONResponse:
        """Takes a room's request; 202 as long as nobody has decided, then 200 with the answer."""
        raw = await raw_body(request)
        with decoding("enrolment"):
            wanted = EnrolmentRequest.decode(raw)
        found = await asyncio.to_thread(ask, hub, wanted)
        return JSONResponse(found, status_code=202 if found["answer"] is None else 200)

    return api
