"""JSON API of controllers: `/api/v1/controllers`.

Bodies:

    POST controllers/{ctl}/release  {reason}   commands to a controller found twice may go again
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from hub.fleet import clones
from hub.ports import Parts
from hub.web.api_body import Fields, json_body

Body = Annotated[dict[str, Any], Depends(json_body)]


def router(hub: Parts) -> APIRouter:
    """Route `POST /api/v1/controllers/{ctl}/release`."""
    api = APIRouter(prefix="/api/v1", tags=["devices"])

    @api.post("/controllers/{ctl}/release", operation_id="release_controller")
    def release(request: Request, ctl: str, body: Body) -> dict[str, Any]:
        """Lets the commands to a held controller go, in one's own name."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="release")
        reason = fields.text("reason")
        fields.done()
        return clones.release(hub, who, ctl, reason)

    return api
