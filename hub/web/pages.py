"""The console's pages: who reads, which view, which template. Actions go through the JSON API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hub.accounts.provider import Provider
from hub.web.i18n import LANGS, choose_lang
from hub.web.templating import render
from hub.web.views_common import Frame, Viewer
from hub.web.views_source import Access, NotAllowedError, NotThereError, ViewSource

LANG_COOKIE: Final = "er_lang"
LANG_COOKIE_S: Final = 365 * 86400  # a year: nobody chooses a language twice
PROVIDER_WORDS: Final = frozenset({"silent", "busy", "refused", "provider_unbound"})
"""How a sign-in by the provider may have ended; the page has a sentence for each."""
_STORED_NOWHERE: Final = {"Cache-Control": "no-store"}  # a board from a cache would look healthy


@dataclass(frozen=True, slots=True)
class Page:
    """How one page is made: template, menu entry, and the view of a reader."""

    template: str
    nav: str
    view: Callable[[Viewer], Any]
    topic: str = ""


def language(request: Request) -> str:
    """The reader's language."""
    return choose_lang(request.query_params.get("lang"), request.cookies.get(_lang_cookie(request)))


def _lang_cookie(request: Request) -> str:
    return f"__Host-{LANG_COOKIE}" if request.url.scheme == "https" else LANG_COOKIE


def other_language(request: Request) -> str:
    """The same address in the other language."""
    lang = language(request)
    other = next(name for name in LANGS if name != lang)
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    return f"{request.url.path}?{urlencode([*kept, ('lang', other)])}"


def answer(
    request: Request, template: str, *, values: dict[str, Any], status: int = 200
) -> Response:
    """One rendered page; remembers a language that was asked for."""
    lang = language(request)
    page = {"lang_href": other_language(request), "viewer": None, **values}
    html = render(template, lang=lang, values=page)
    response = HTMLResponse(html, status_code=status, headers=_STORED_NOWHERE)
    if request.query_params.get("lang") in LANGS:
        response.set_cookie(
            _lang_cookie(request),
            lang,
            max_age=LANG_COOKIE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response


def local_path(path: str) -> str:
    """An address of this hub to go on to, else the board."""
    local = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if local and path.isprintable() else "/board"


def to_sign_in(request: Request) -> Response:
    """Sign in first, then come back here."""
    query = f"?{request.url.query}" if request.url.query else ""
    back = urlencode({"next": f"{request.url.path}{query}"})
    return RedirectResponse(f"/sign-in?{back}", status_code=303)


def error_page(request: Request, viewer: Viewer | None, status: int, *, code: str = "") -> Response:
    """What is missing, not allowed or broken (then under a `code` of the log), and where to go."""
    part = request.url.path.split("/")[1]
    near = part if viewer and part in viewer.menu and request.url.path != f"/{part}" else ""
    values = {
        "viewer": viewer,
        "status": str(status),
        "kind": status if status in {403, 404} else 500 if code else 400,
        "path": request.url.path,
        "near": near,
        "code": code,
    }
    return answer(request, "error.html", values=values, status=status)


class Pages:
    """Serves pages to signed-in readers."""

    def __init__(
        self, source: ViewSource, access: Access, provider: Provider | None = None
    ) -> None:
        self.source = source
        self.access = access
        self.provider = provider

    def serve(self, request: Request, page: Page, **values: Any) -> Response:
        """The page, or the way to sign in, or what may not be seen."""
        viewer = self.access.viewer(request)
        if viewer is None:
            return to_sign_in(request)
        try:
            view = page.view(viewer)
        except NotThereError:
            return error_page(request, viewer, 404)
        except NotAllowedError:
            return error_page(request, viewer, 403)
        frame = Frame(
            now=view.now, nav=page.nav, topic=page.topic, drill=getattr(view, "drill", False)
        )
        shown = {"v": view, "viewer": viewer, "frame": frame, **values}
        return answer(request, page.template, values=shown)


def router(pages: Pages) -> APIRouter:
    """The pages a reader watches: board, sessions, alarms, cases."""
    routes = APIRouter(include_in_schema=False)
    source = pages.source

    @routes.get("/")
    def start() -> Response:
        return RedirectResponse("/board", status_code=303)

    @routes.get("/board")
    def board(request: Request, theme: str = "") -> Response:
        page = Page("board.html", "board", source.board, topic="board")
        return pages.serve(request, page, theme="wall" if theme == "wall" else "console")

    @routes.get("/alarms")
    def alarms(request: Request) -> Response:
        return pages.serve(request, Page("alarms.html", "alarms", source.board, topic="board"))

    @routes.get("/sessions")
    def sessions(request: Request) -> Response:
        return pages.serve(request, Page("sessions.html", "sessions", source.sessions, "board"))

    @routes.get("/sessions/{session}")
    def session(request: Request, session: str, timeline: str = "") -> Response:
        def view(viewer: Viewer) -> Any:
            return source.session(viewer, session, whole_timeline=timeline == "all")

        return pages.serve(
            request, Page("session.html", "sessions", view, f"session:{session} board")
        )

    @routes.get("/cases")
    def cases(request: Request) -> Response:
        return pages.serve(request, Page("cases.html", "cases", source.cases, topic="board"))

    @routes.get("/cases/{case}")
    def case(request: Request, case: str) -> Response:
        def view(viewer: Viewer) -> Any:
            return source.case(viewer, case)

        return pages.serve(request, Page("case.html", "cases", view, topic=f"case:{case} board"))

    return routes


def desk_router(pages: Pages) -> APIRouter:
    """The pages a reader works with: bookings, hand-over, devices, signing in."""
    routes = APIRouter(include_in_schema=False)
    source = pages.source

    @routes.get("/bookings")
    def bookings(request: Request, day: str = "") -> Response:
        def view(viewer: Viewer) -> Any:
            return source.bookings(viewer, day)

        return pages.serve(request, Page("bookings.html", "bookings", view, topic="board bookings"))

    @routes.get("/bookings/{number}")
    def booking(request: Request, number: str) -> Response:
        def view(viewer: Viewer) -> Any:
            return source.booking(viewer, number)

        topic = f"booking:{number} bookings board"
        return pages.serve(request, Page("booking.html", "bookings", view, topic=topic))

    @routes.get("/archive")
    def archive(request: Request) -> Response:
        return pages.serve(request, Page("archive.html", "archive", source.archive, "board"))

    @routes.get("/packages/{package}")
    def package(request: Request, package: str) -> Response:
        def view(viewer: Viewer) -> Any:
            return source.package(viewer, package)

        # Not "board": looking at a package is recorded, a living page would look all day.
        return pages.serve(request, Page("package.html", "archive", view, f"package:{package}"))

    @routes.get("/devices")
    def devices(request: Request) -> Response:
        return pages.serve(request, Page("devices.html", "devices", source.devices, "board"))

    @routes.get("/account")
    def account(request: Request) -> Response:
        viewer = pages.access.viewer(request)
        if viewer is None:
            return to_sign_in(request)
        values = {"viewer": viewer, "v": source.account(viewer), "here": "account"}
        return answer(request, "account.html", values=values)

    @routes.get("/sign-in")
    def sign_in(request: Request) -> Response:
        then = local_path(request.query_params.get("next", ""))
        told = request.query_params.get("provider", "")
        shown = {"provider": pages.provider, "told": told if told in PROVIDER_WORDS else ""}
        return answer(request, "sign_in.html", values={"next": then, **shown})

    return routes
