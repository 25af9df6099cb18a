"""Signing in by an outside provider: there, back, and the own second factor if it is asked for.

    GET  sign-in/provider          to the provider
    GET  sign-in/provider/return   back, with a code
    POST api/v1/sign-in/provider   {code}   of the own second factor

The browser comes back from another site, and cookies of a strict session are not sent along on
that way: so the way back ends on a page of the hub's own, which leads on from here.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse

from hub.accounts.provider import (
    ATTEMPT_S,
    BusyError,
    Provider,
    ProviderError,
    SilentError,
)
from hub.accounts.service import SESSION_LONGEST
from hub.accounts.vouching import UNBOUND, Vouching, unbound
from hub.ports import Parts
from hub.problems import Problem, not_found
from hub.web.api_accounts import address_of
from hub.web.pages import answer, local_path

log = logging.getLogger(__name__)

ATTEMPT_COOKIE: Final = "er_attempt"
VOUCHED_COOKIE: Final = "er_vouched"
WORDS_SHOWN: Final = 200
BACK: Final = "/sign-in?provider="
THEN_CHARS_MAX: Final = 300
CODE_WANTED: Final = "second_factor_needed"
ASKED: Final = frozenset({"code", "state", "iss", "error"})
"""What is read of what the browser brings back."""


class Code(BaseModel):
    """Body of the second step."""

    model_config = {"extra": "forbid"}

    code: str = Field(default="", max_length=64)


def router(hub: Parts) -> APIRouter:
    """Routes of signing in by a provider; without one they are not there."""
    api = APIRouter()
    vouching = Vouching(store=hub.store, facts=hub.facts, accounts=hub.accounts)
    _add_ways(api, hub, vouching)
    _add_code(api, hub, vouching)
    return api


def _add_ways(api: APIRouter, hub: Parts, vouching: Vouching) -> None:
    @api.get("/sign-in/provider", include_in_schema=False)
    def there(request: Request) -> Response:
        """To the provider."""
        try:
            slip, address = _provider(hub).begin(_then(request.query_params.get("next", "")))
        except ProviderError as error:
            return _back(error)
        response = RedirectResponse(address, status_code=303)
        # Lax: it must come back with a browser that another site sends.
        _give(hub, response, ATTEMPT_COOKIE, slip, timedelta(seconds=ATTEMPT_S), site="lax")
        return response

    @api.get("/sign-in/provider/return", include_in_schema=False)
    def back(request: Request) -> Response:
        """Back, with a code."""
        provider = _provider(hub)
        slip = request.cookies.get(_name(hub, ATTEMPT_COOKIE), "")
        said = {k: v for k, v in request.query_params.items() if k in ASKED}
        address, agent = address_of(request), request.headers.get("user-agent", "")
        try:
            vouched, then = provider.finish(slip, said)
            person = vouching.person(provider.config.issuer, vouched, address).person
        except ProviderError as error:
            return _gone(hub, _back(error))
        except Problem as problem:
            return _gone(hub, _back(problem))
        values: dict[str, Any] = {"then": then, "asked": False}
        try:
            token, _ = vouching.sign_in(
                person, strong=vouched.strong, code="", address=address, agent=agent
            )
        except Problem as problem:
            if problem.code != CODE_WANTED:
                return _gone(hub, _back(problem))
            response = answer(request, "provider.html", values={**values, "asked": True})
            word = hub.accounts.vouched.make({"person": person})
            _give(hub, response, VOUCHED_COOKIE, word, timedelta(seconds=ATTEMPT_S))
            return _gone(hub, response)
        response = answer(request, "provider.html", values=values)
        _give(hub, response, hub.accounts.cookie, token, SESSION_LONGEST)
        return _gone(hub, response)


def _add_code(api: APIRouter, hub: Parts, vouching: Vouching) -> None:
    @api.post("/api/v1/sign-in/provider", operation_id="sign_in_vouched", tags=["accounts"])
    def second(body: Code, request: Request, response: Response) -> dict[str, Any]:
        """The own second factor of a person the provider has vouched for."""
        _provider(hub)
        slip = hub.accounts.vouched.read(request.cookies.get(_name(hub, VOUCHED_COOKIE), ""))
        if slip is None:
            raise unbound()
        token, who = vouching.sign_in(
            slip["person"],
            strong=False,
            code=body.code,
            address=address_of(request),
            agent=request.headers.get("user-agent", ""),
        )
        _give(hub, response, hub.accounts.cookie, token, SESSION_LONGEST)
        _take(hub, response, VOUCHED_COOKIE)
        return {"csrf": who.csrf, "actor": who.actor.document()}


def _provider(hub: Parts) -> Provider:
    found: Provider | None = hub.accounts.provider
    if found is None:
        raise not_found("provider", "hub.toml names none")
    return found


def _then(path: str) -> str:
    """Where to go on to; it travels with the browser and is short."""
    return local_path(path) if path.isascii() and len(path) <= THEN_CHARS_MAX else local_path("")


def _back(error: Exception) -> Response:
    """To the sign-in page, which says so; why stands in the hub's log, never in the answer."""
    log.warning("sign-in by the provider: %r", str(error)[:WORDS_SHOWN])
    if isinstance(error, SilentError):
        word = "silent"
    elif isinstance(error, BusyError):
        word = "busy"
    elif isinstance(error, Problem):
        word = UNBOUND if error.code == UNBOUND else "busy"
    else:
        word = "refused"
    return RedirectResponse(f"{BACK}{word}", status_code=303)


def _name(hub: Parts, name: str) -> str:
    return f"__Host-{name}" if hub.accounts.secure else name


def _give(
    hub: Parts, response: Response, name: str, value: str, kept: timedelta, *, site: Any = "strict"
) -> None:
    response.set_cookie(
        name if name == hub.accounts.cookie else _name(hub, name),
        value,
        max_age=int(kept.total_seconds()),
        httponly=True,
        samesite=site,
        secure=hub.accounts.secure,
    )


def _take(hub: Parts, response: Response, name: str) -> None:
    response.delete_cookie(_name(hub, name), httponly=True, secure=hub.accounts.secure)


def _gone(hub: Parts, response: Response) -> Response:
    """The attempt is over, however it went."""
    _take(hub, response, ATTEMPT_COOKIE)
    return response
