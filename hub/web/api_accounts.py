"""JSON API of signing in and out, and of who one is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from hub.accounts.devices import DEVICE_KNOWN
from hub.accounts.service import SESSION_LONGEST, Accounts

ADDRESS_UNKNOWN = "unknown"


class HasAccounts(Protocol):
    """The part of the hub this API uses."""

    accounts: Accounts


class SignIn(BaseModel):
    """Body of a sign-in."""

    model_config = {"extra": "forbid"}

    login: str = Field(max_length=64)
    password: str = Field(max_length=256)
    code: str = Field(default="", max_length=64)


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy on this machine, what the proxy says."""
    return request.client.host if request.client else ADDRESS_UNKNOWN


def router(hub: HasAccounts) -> APIRouter:
    """Routes under `/api/v1`: sign-in, sign-out, me, people."""
    api = APIRouter(prefix="/api/v1", tags=["accounts"])

    def _set(response: Response, name: str, value: str, kept: timedelta) -> None:
        response.set_cookie(
            name,
            value,
            max_age=int(kept.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=hub.accounts.secure,
        )

    @api.post("/sign-in", operation_id="sign_in")
    def sign_in(body: SignIn, request: Request, response: Response) -> dict[str, Any]:
        """Opens a session; the cookie is for this site alone, the csrf word for each change."""
        address = address_of(request)
        device = request.cookies.get(hub.accounts.device_cookie, "")
        token, who = hub.accounts.sign_in(
            body.login,
            body.password,
            address,
            device,
            code=body.code,
            agent=request.headers.get("user-agent", ""),
        )
        _set(response, hub.accounts.cookie, token, SESSION_LONGEST)
        word = hub.accounts.devices.word(body.login)
        _set(response, hub.accounts.device_cookie, word, DEVICE_KNOWN)
        return {"csrf": who.csrf, "actor": who.actor.document()}

    @api.post("/sign-out", operation_id="sign_out", status_code=204)
    def sign_out(request: Request, response: Response) -> None:
        """Ends this session."""
        hub.accounts.of_request(request)
        hub.accounts.sign_out(request.cookies.get(hub.accounts.cookie, ""))
        response.delete_cookie(
            hub.accounts.cookie, httponly=True, samesite="strict", secure=hub.accounts.secure
        )

    @api.get("/me", operation_id="me")
    def me(request: Request) -> dict[str, Any]:
        """Who is signed in, and the csrf word of this session."""
        who = hub.accounts.of_request(request)
        return {"csrf": who.csrf, "actor": who.actor.document()}

    @api.get("/people", operation_id="people")
    def people(request: Request, role: str = "") -> dict[str, Any]:
        """Colleagues of one's own organisation: posts, never names."""
        actor = hub.accounts.actor(request)
        found = hub.accounts.register.people(actor.org, role)
        return {"people": [one.document() for one in found]}

    return api
