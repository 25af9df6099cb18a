"""Plans too large for a message: the room that got the signed hash fetches the body (WIRE §3)."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response

from hub.fleet.outbound import Fleet
from hub.problems import not_found
from hub.web.api_media import HasMedia, controller_of


class HasPlans(HasMedia, Protocol):
    """The part of the hub this API uses."""

    fleet: Fleet


def router(hub: HasPlans) -> APIRouter:
    """Route `GET /api/v1/plans/{hash}`."""
    api = APIRouter(prefix="/api/v1", tags=["plans"])

    @api.get("/plans/{digest}", operation_id="get_plan_body")
    def body(digest: str, request: Request) -> Response:
        """The body's exact bytes, for the controller the plan was made for and nobody else."""
        ctl = controller_of(hub, digest, request.headers.get("authorization", ""))
        found = hub.fleet.plan_body(ctl, digest)
        if found is None:
            raise not_found("plan", f"plan {digest}")
        return Response(found, media_type="application/json")

    return api
