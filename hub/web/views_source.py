"""What the pages need to know, and who may know it: the seam between services and screens."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request

from hub.web.views_account import AccountView
from hub.web.views_archive import ArchiveView, PackageView
from hub.web.views_board import BoardView
from hub.web.views_booking import BookingsView, BookingView
from hub.web.views_case import CaseListView, CaseView
from hub.web.views_common import Viewer
from hub.web.views_devices import DevicesView
from hub.web.views_session import SessionListView, SessionView


class NotThereError(LookupError):
    """There is no such booking, session, case or package for this reader."""


class NotAllowedError(PermissionError):
    """The reader's roles do not reach this page."""


class Access(Protocol):
    """Finds the reader of a request."""

    def viewer(self, request: Request) -> Viewer | None:
        """The signed-in reader, or None."""
        ...


class ViewSource(Protocol):
    """One method per page; raises `NotThereError` and `NotAllowedError`."""

    def account(self, viewer: Viewer) -> AccountView:
        """The reader's own account."""
        ...

    def board(self, viewer: Viewer) -> BoardView:
        """All rooms of all venues, today's sessions and the open alarms."""
        ...

    def sessions(self, viewer: Viewer) -> SessionListView:
        """The sessions the reader's organisation takes part in."""
        ...

    def session(self, viewer: Viewer, session: str, *, whole_timeline: bool) -> SessionView:
        """One session with all its venues."""
        ...

    def cases(self, viewer: Viewer) -> CaseListView:
        """The contingency cases, open ones first."""
        ...

    def case(self, viewer: Viewer, case: str) -> CaseView:
        """One contingency case."""
        ...

    def bookings(self, viewer: Viewer, day: str) -> BookingsView:
        """The grid of one day (`2026-11-24`, '' today) and the list of bookings."""
        ...

    def booking(self, viewer: Viewer, number: str) -> BookingView:
        """One booking."""
        ...

    def archive(self, viewer: Viewer) -> ArchiveView:
        """What is to be handed over, and all packages."""
        ...

    def package(self, viewer: Viewer, package: str) -> PackageView:
        """One package; looking at it is recorded."""
        ...

    def devices(self, viewer: Viewer) -> DevicesView:
        """The health of every room's controller and devices."""
        ...
