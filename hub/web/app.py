"""The hub's web application: pages, JSON API, live stream, health, and how refusals are answered.

No request leaves the hub: the content policy allows this origin alone, no inline script or style.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.access import BROAD_TOPICS
from hub.accounts.provider import Provider
from hub.bus import Bus
from hub.clock import iso_ms
from hub.problems import MEDIA_TYPE, Problem
from hub.reach import hears, visible_rooms
from hub.web import pages as watch_pages
from hub.web.api_described import described
from hub.web.limits import BodyLimits
from hub.web.pages import Pages
from hub.web.rights import ElsewhereError, admission
from hub.web.templating import STATIC_DIR
from hub.web.views_board_make import room_json
from hub.web.views_common import Viewer
from hub.web.views_service import ConsoleHub, HubAccess, ServiceViews
from hub.web.views_source import Access, ViewSource

log = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0
"""A beat this often, so that a silent hub shows as old after six missed ones."""
SIGNED_OUT: Final = "event: signed_out\ndata: {}\n\n"
"""Last word of a stream whose reader has signed out."""
STATIC_KEPT_S: Final = 365 * 86400
"""Static addresses carry their content's hash, so a year is safe."""
API_ROUTERS: Final = (
    "hub.web.api_accounts",
    "hub.web.api_account",
    "hub.web.api_provider",
    "hub.web.api_booking",
    "hub.web.api_session",
    "hub.web.api_case",
    "hub.web.api_devices",
    "hub.web.api_archive",
    "hub.web.api_media",
    "hub.web.api_plans",
    "hub.web.api_enrol",
)
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
HSTS: Final = ("strict-transport-security", "max-age=31536000")
"""A year; sent over TLS alone, where browsers heed it."""
UNKEPT: Final = ("cache-control", "no-store")
"""What a handler does not say may be kept is kept nowhere."""
MS_PER_S: Final = 1000
Hears = Callable[[Viewer, str], bool]
_ERROR_CODE_BYTES: Final = 4  # short enough to read over the phone


class SecurityHeaders:
    """Adds the security headers to every answer; leaves streams alone otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault(*UNKEPT)
                if scope["scheme"] == "https":
                    headers.setdefault(*HSTS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Console(FastAPI):
    """The application with its headers on the outside: a failure's own answer has them too."""

    def build_middleware_stack(self) -> ASGIApp:
        """The stack of FastAPI, whose outermost part answers failures, within the headers."""
        return SecurityHeaders(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        """The description, with what FastAPI does not see: bodies we read, and how we refuse."""
        made = self.openapi_schema is None
        told: dict[str, Any] = super().openapi()
        if made:
            described(told)
        return told


class KeptStatic(StaticFiles):
    """Static files whose address changes with their content, so browsers may keep them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """One file."""
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = f"public, max-age={STATIC_KEPT_S}, immutable"
        return response


def wants_page(request: Request) -> bool:
    """Whether a person's browser asked, not a program."""
    path = PurePosixPath(request.url.path)
    return not path.is_relative_to("/api") and "text/html" in request.headers.get("accept", "")


def problem_answer(problem: Problem) -> JSONResponse:
    """A refusal as RFC 9457 JSON."""
    return JSONResponse(problem.document(), status_code=problem.status, media_type=MEDIA_TYPE)


def _add_handlers(app: FastAPI, access: Access) -> None:
    @app.exception_handler(ElsewhereError)
    async def elsewhere(_: Request, error: ElsewhereError) -> Response:
        return RedirectResponse(error.address, status_code=303)

    @app.exception_handler(Problem)
    async def refused(request: Request, problem: Problem) -> Response:
        if wants_page(request):
            return await _error_page(request, access, problem.status)
        return problem_answer(problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return problem_answer(_body_problem(error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if wants_page(request):
            return await _error_page(request, access, error.status_code)
        return problem_answer(_http_problem(request, error.status_code))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        code = secrets.token_hex(_ERROR_CODE_BYTES)
        log.error("request %s failed, code %s", request.url.path, code, exc_info=error)
        if wants_page(request):
            return await _error_page(request, access, 500, code=code)
        return problem_answer(_own_problem(request, code))


async def _error_page(request: Request, access: Access, status: int, *, code: str = "") -> Response:
    """A page of the console as its reader knows it, even where nothing lies at the address."""
    try:
        viewer = await asyncio.to_thread(access.viewer, request)
    except SQLAlchemyError:
        viewer = None  # the store does not answer: no menu, but the page says what happened
    return watch_pages.error_page(request, viewer, status, code=code)


def _body_problem(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first.get("loc", ()))
    return Problem(
        422,
        "body_invalid",
        title="提交内容不符合要求",
        title_en="The body cannot be read",
        where=where,
        expected=_wanted(first),
        # What came in may be a password in the wrong field: it is never said back.
        got="nothing" if first.get("type") == "missing" else "not shown",
        do="按所列字段更正后重新提交 / correct the named field",
    )


def _wanted(error: Mapping[str, Any]) -> str:
    """What a field ought to be, by the kind of the error pydantic found."""
    kind, limits = str(error.get("type", "")), error.get("ctx") or {}
    if kind == "string_too_long":
        return f"at most {limits.get('max_length')} characters"
    return {
        "missing": "a value",
        "string_type": "a text",
        "extra_forbidden": "no such field",
        "int_parsing": "a whole number",
        "json_invalid": "one JSON object in UTF-8",
    }.get(kind, "a JSON object")


def _http_problem(request: Request, status: int) -> Problem:
    titles = {
        404: ("没有这个地址", "No such address"),
        405: ("该地址不接受这种请求", "This address does not take this method"),
        408: ("提交内容未在时限内到达", "The body did not arrive in time"),
        413: ("提交内容过大", "The body is too large"),
    }
    title, title_en = titles.get(status, ("请求未能办理", "The request was not done"))
    return Problem(
        status,
        f"http_{status}",
        title=title,
        title_en=title_en,
        where=request.url.path,
        expected="an address and method of /openapi.json",
        got=request.method,
        do="核对地址 / check the address",
    )


def _own_problem(request: Request, code: str) -> Problem:
    return Problem(
        500,
        "hub_failed",
        title="中心未能完成请求",
        title_en="The hub could not do this",
        what="the cause is in the hub's log",
        where=request.url.path,
        expected="an answer",
        got=f"code {code}",
        do="刷新核对后重试，并把代码告诉管理员 / reload, check, report the code",
    )


def _signed_out(request: Request) -> Problem:
    return Problem(
        401,
        "signed_out",
        title="尚未登录",
        title_en="Not signed in",
        where=request.url.path,
        expected="the cookie of a session",
        got="none",
        do="重新登录 / sign in",
    )


def hears_broadly(viewer: Viewer, topic: str) -> bool:  # noqa: ARG001 - alike for every reader
    """Only the words that name nothing."""
    return topic in BROAD_TOPICS


def stream_router(bus: Bus, now_ms: Callable[[], int], access: Access, hears: Hears) -> APIRouter:
    """Server-sent events: which topics of the reader's changed, and a beat with the hub's time."""
    routes = APIRouter(include_in_schema=False)

    def beat() -> str:
        return f"event: beat\ndata: {json.dumps({'now': now_ms()})}\n\n"

    async def words(request: Request, viewer: Viewer) -> AsyncIterator[str]:
        yield beat()
        clock = asyncio.get_running_loop().time
        asked = clock()
        async for word in bus.stream(HEARTBEAT_S):
            # Who signs out, or is put out, hears nothing more: asked again with every beat.
            if word is None or clock() - asked >= HEARTBEAT_S:
                asked = clock()
                if await asyncio.to_thread(access.viewer, request) is None:
                    yield SIGNED_OUT
                    return
            if word is None:
                yield beat()
            elif await asyncio.to_thread(hears, viewer, word.topic):
                # A broad word names no room: whose it was is not for everybody.
                data = json.dumps({"ref": word.ref if ":" in word.topic else ""})
                yield f"id: {word.id}\nevent: {word.topic}\ndata: {data}\n\n"

    @routes.get("/api/v1/stream")
    def stream(request: Request) -> Response:
        viewer = access.viewer(request)
        if viewer is None:
            return problem_answer(_signed_out(request))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            words(request, viewer), media_type="text/event-stream", headers=headers
        )

    return routes


def create_app(hub: ConsoleHub) -> FastAPI:
    """The hub's whole web application: pages over its services, JSON API, stream, health."""
    app = console(
        ServiceViews(hub),
        HubAccess(hub),
        bus=hub.bus,
        now_ms=lambda: int(hub.clock.wall().timestamp() * MS_PER_S),
        hears=lambda viewer, topic: hears(hub.store, viewer, topic),
        admitted=admission(hub.accounts),
        provider=hub.accounts.provider,
    )
    for name in API_ROUTERS:
        app.include_router(importlib.import_module(name).router(hub))
    app.include_router(health_router(hub))
    return app


def health_router(hub: ConsoleHub) -> APIRouter:
    """Whether the process lives, and whether its database answers."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/livez")
    def live() -> dict[str, bool]:
        return {"ok": True}

    @routes.get("/readyz")
    def ready() -> Response:
        try:
            with hub.store.read() as conn:
                conn.execute(text("select 1"))
        except SQLAlchemyError as error:
            log.warning("readyz: the database does not answer: %s", error)
            return JSONResponse({"ok": False, "waiting_for": "database"}, status_code=503)
        failing = hub.guard.failing()
        told = {"ok": not failing, "ingest": asdict(hub.ingest.counted()), "failing": failing}
        return JSONResponse(told)

    @routes.get("/api/v1/board")
    def board(request: Request) -> dict[str, Any]:
        who, now = hub.accounts.actor(request), hub.clock.wall()
        rooms = visible_rooms(hub.store, who, hub.rooms.snapshot(), now, hub.calendar)
        return {"now": iso_ms(now), "rooms": [room_json(r) for r in rooms]}

    return routes


def console(
    source: ViewSource,
    access: Access,
    *,
    bus: Bus,
    now_ms: Callable[[], int],
    hears: Hears = hears_broadly,
    admitted: Callable[[Request], None] | None = None,
    provider: Provider | None = None,
) -> FastAPI:
    """The pages, their static files, the live stream, and how errors look.

    Args:
        source: makes the views.
        access: finds the reader of a request.
        bus: says what changed.
        now_ms: the hub's wall clock, milliseconds since 1970.
        hears: whether a topic of the live stream is for this reader.
        admitted: what every request passes before its handler.
        provider: by which people may sign in besides.
    """
    passed = [] if admitted is None else [Depends(admitted)]
    app = Console(title="evalroom hub", docs_url=None, redoc_url=None, dependencies=passed)
    app.add_middleware(BodyLimits)
    pages = Pages(source, access, provider)
    app.mount("/static", KeptStatic(directory=STATIC_DIR), name="static")
    app.include_router(watch_pages.router(pages))
    app.include_router(watch_pages.desk_router(pages))
    app.include_router(stream_router(bus, now_ms, access, hears))
    _add_handlers(app, access)
    return app
