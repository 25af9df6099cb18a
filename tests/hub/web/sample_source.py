"""The services' place taken by one invented day, for rendering pages alone."""
# ruff: noqa: ARG002 - it answers the same whoever asks

from __future__ import annotations

from starlette.requests import Request

from hub.web.views_account import AccountView
from hub.web.views_archive import ArchiveView, PackageView
from hub.web.views_archive_make import archive_view, due_rows, package_view
from hub.web.views_board import BoardView
from hub.web.views_booking import BookingsView, BookingView
from hub.web.views_booking_make import booking_view, bookings_view
from hub.web.views_case import CaseListView, CaseView
from hub.web.views_common import Viewer
from hub.web.views_devices import DevicesView, devices_view
from hub.web.views_session import SessionListView, SessionView
from hub.web.views_source import NotThereError
from tests.hub.web import (
    sample_account,
    sample_archive,
    sample_case,
    sample_rooms,
    sample_services,
    sample_session,
    sample_views,
)


class SampleAccess:
    """Everybody is the manager on duty of the home venue."""

    def viewer(self, request: Request) -> Viewer | None:
        return None if "anonymous" in request.query_params else sample_views.VIEWER


class SampleSource:
    """Answers as the services would."""

    def account(self, viewer: Viewer) -> AccountView:
        return sample_account.account()

    def board(self, viewer: Viewer) -> BoardView:
        return sample_views.board()

    def sessions(self, viewer: Viewer) -> SessionListView:
        return sample_session.session_list()

    def session(self, viewer: Viewer, session: str, *, whole_timeline: bool) -> SessionView:
        if session != sample_views.SESSION:
            raise NotThereError(session)
        return sample_session.session()

    def cases(self, viewer: Viewer) -> CaseListView:
        return sample_case.case_list()

    def case(self, viewer: Viewer, case: str) -> CaseView:
        if case not in {sample_views.CASE, "drill"}:
            raise NotThereError(case)
        return sample_case.case(drill=case == "drill")

    def bookings(self, viewer: Viewer, day: str) -> BookingsView:
        found = [
            sample_services.booking(),
            sample_services.booking("2026-1124-07", "requested"),
            sample_services.booking("2026-1125-01", "declined"),
        ]
        return bookings_view(
            viewer,
            now=sample_views.NOW,
            day=sample_services.day_grid(),
            found=found,
            directory=sample_services.directory(),
        )

    def booking(self, viewer: Viewer, number: str) -> BookingView:
        states = {
            "2026-1124-03": "confirmed",
            "2026-1124-07": "requested",
            "2026-1124-08": "accepted",
        }
        if number not in states:
            raise NotThereError(number)
        booking = sample_services.booking(number, states[number])
        reader = sample_views.GUEST if number.endswith("07") else viewer
        return booking_view(reader, booking, now=sample_views.NOW, people=sample_services.people())

    def archive(self, viewer: Viewer) -> ArchiveView:
        names = {"hubei": sample_views.HUBEI, "changsha": sample_views.CHANGSHA}
        due = due_rows(viewer, "2026-1124-03", sample_archive.deadline(), names)
        building = sample_archive.row(
            package="pk-00000000000b",
            state="building",
            stage="media",
            receipt=None,
            receipts=[],
            built_at=None,
            bytes=None,
        )
        packages = [sample_archive.row(), building]
        return archive_view(sample_views.LATER, due=due, packages=packages, names=names)

    def package(self, viewer: Viewer, package: str) -> PackageView:
        if not package.startswith("pk-"):
            raise NotThereError(package)
        names = {"hubei": sample_views.HUBEI, "changsha": sample_views.CHANGSHA}
        row = sample_archive.row()
        if package == "pk-00000000000b":
            row = sample_archive.row(
                state="building",
                stage="media",
                receipt=None,
                receipts=[],
                built_at=None,
                bytes=None,
                files=None,
                tag_sha256=None,
                verify_report=None,
                verify_code=None,
            )
        reads = [{"at": "2026-11-25T02:00:00.000Z", "post": "HB-07", "act": "package.read"}]
        return package_view(
            viewer,
            row,
            now=sample_views.LATER,
            names=names,
            home_org="hubei",
            due="2026-11-27",
            reads=reads,
        )

    def devices(self, viewer: Viewer) -> DevicesView:
        names = {"hubei": sample_views.HUBEI, "changsha": sample_views.CHANGSHA}
        return devices_view(sample_rooms.rooms(), names, sample_views.NOW)
