"""The screen's web application: one page, its data, acts and orders. Loopback only.

Everything shown comes from the room through `ScreenPort`; nothing here keeps a state of its own,
and no PIN is kept longer than the call it came with.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.duty import DutyError
from edge.screen.body import BodyError, read_act, read_order, read_passed_on, read_typed
from edge.screen.page import render_page
from edge.screen.port import ScreenPort
from edge.screen.qr import qr_rows

HERE: Final = Path(__file__).parent
STREAMS_MAX: Final = 8
"""Open pages; a room has one screen, a technician's laptop, and a wall between them."""
LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class LoopbackOnly:
    """Answers only this machine, and only under its own name: no other page may act for staff."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = _refusal(Request(scope))
        if refused is not None:
            await problem(403, refused)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _refusal(request: Request) -> dict[str, str] | None:
    client = request.client.host if request.client else ""
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    origin = request.headers.get("origin", "")
    if not _is_local(client) or host not in LOCAL_HOSTS:
        return _own("this screen answers only the room's own machine", client or host)
    if origin and origin.split("//", 1)[-1].rsplit(":", 1)[0] not in LOCAL_HOSTS:
        return _own("another page may not act here", origin)
    return None


def _own(what: str, got: str) -> dict[str, str]:
    return {
        "what": what,
        "where": "room screen",
        "expected": "http://127.0.0.1",
        "got": got[:80],
        "do": "open the screen on the room's own machine",
    }


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def problem(status: int, parts: dict[str, Any], code: str = "") -> JSONResponse:
    """A refusal as RFC 9457 JSON."""
    code = code or f"screen_{status}"
    body = {
        "type": f"urn:evalroom:problem:{code}",
        "title": parts.get("what", code),
        "status": status,
        "code": code,
        **parts,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def create_screen(port: ScreenPort) -> FastAPI:
    """The room screen over a port to the room."""
    app = FastAPI(title="evalroom room screen", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LoopbackOnly)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    _add_page(app, port)
    _add_stream(app, port)
    _add_acts(app, port)
    return app


def _add_page(app: FastAPI, port: ScreenPort) -> None:
    @app.get("/")
    def page(lang: str = "") -> Response:
        return HTMLResponse(render_page("en" if lang == "en" else "zh", port.facts()))

    @app.get("/api/state")
    def state() -> Response:
        try:
            return JSONResponse({**port.view(), "duty": port.duty(), "facts": port.facts()})
        except TimeoutError:
            return problem(503, _silent(), "room_silent")

    @app.get("/livez")
    def live() -> dict[str, bool]:
        return {"ok": True}


def _silent() -> dict[str, str]:
    return {
        "what": "the room's loop does not answer",
        "where": "room controller",
        "expected": "an answer within seconds",
        "got": "none",
        "do": "wait; if it lasts, call the technician. Recording goes on by itself",
    }


def _add_stream(app: FastAPI, port: ScreenPort) -> None:
    places = threading.BoundedSemaphore(STREAMS_MAX)

    def changes() -> Iterator[str]:
        try:
            for count in port.subscribe():
                yield f"event: room\ndata: {json.dumps({'n': count})}\n\n"
        finally:
            places.release()

    @app.get("/api/stream")
    def stream() -> Response:
        if not places.acquire(blocking=False):
            return problem(503, _own(f"at most {STREAMS_MAX} open screens", "one more"))
        return StreamingResponse(changes(), media_type="text/event-stream")


def _add_acts(app: FastAPI, port: ScreenPort) -> None:
    @app.post("/api/acts")
    async def act(request: Request) -> Response:
        raw = await request.body()

        def work() -> dict[str, Any]:
            body = read_act(raw)
            return port.act(body.act, body.session, body.args, body.by)

        return await run_in_threadpool(_answered, work)

    @app.post("/api/orders")
    async def order(request: Request) -> Response:
        raw = await request.body()
        return await run_in_threadpool(_answered, lambda: port.order(read_order(raw)))

    @app.post("/api/orders/typed")
    async def typed(request: Request) -> Response:
        raw = await request.body()
        return await run_in_threadpool(_answered, lambda: port.typed_order(read_typed(raw)))

    @app.post("/api/orders/passed-on")
    async def passed_on(request: Request) -> Response:
        raw = await request.body()

        def work() -> dict[str, Any]:
            shown = port.passed_on(read_passed_on(raw))
            return {**shown, "qr": qr_rows(shown["text"])} if shown.get("ok") else shown

        return await run_in_threadpool(_answered, work)


def _answered(work: Callable[[], dict[str, Any]]) -> Response:
    """The room's answer: done, refused with a reason, or not understood."""
    try:
        result = work()
    except (BodyError, DutyError) as error:
        code = "pin_or_person" if isinstance(error, DutyError) else "body_invalid"
        return problem(422, error.problem, code)
    except (KeyError, TypeError, ValueError) as error:
        parts = {
            "what": "a field of the act is missing or of the wrong kind",
            "where": "args",
            "expected": "the fields of this act",
            "got": str(error)[:80],
            "do": "reload the page and try again",
        }
        return problem(422, parts, "args_invalid")
    except TimeoutError:
        return problem(503, _silent(), "room_silent")
    if result.get("ok", True):
        return JSONResponse(result)
    reason = str(result.get("reason", "refused"))
    parts = {
        **result,
        "what": reason,
        "where": "room",
        "expected": "what the rules allow now",
        "got": reason,
        "do": str(result.get("do", "see what the room waits for")),
    }
    return problem(409, parts, reason)
