"""A page that cannot be shown is still a page of the console: menu, way out, and where to go."""

from __future__ import annotations

from typing import Any

import pytest

from hub.bus import Bus
from hub.web.app import console
from hub.web.views_archive import ArchiveView
from hub.web.views_common import Viewer
from hub.web.views_devices import DevicesView
from hub.web.views_source import NotAllowedError
from tests.hub.web.sample_source import SampleAccess, SampleSource
from tests.hub.web.sample_views import NOW
from tests.hub.web.test_pages import TestClient

HTML = {"accept": "text/html"}


class Closed(SampleSource):
    """A source whose devices the reader may not see and whose archive breaks."""

    def devices(self, viewer: Viewer) -> DevicesView:  # noqa: ARG002 - a source as any
        raise NotAllowedError("devices")

    def archive(self, viewer: Viewer) -> ArchiveView:  # noqa: ARG002 - a source as any
        raise RuntimeError("a bug")


@pytest.fixture
def client() -> Any:
    app = console(Closed(), SampleAccess(), bus=Bus(), now_ms=lambda: int(NOW.timestamp() * 1000))
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("path", "status", "near"),
    [
        ("/nowhere", 404, ""),
        ("/sessions/s-unknown", 404, "/sessions"),
        ("/devices", 403, ""),
        ("/archive", 500, ""),
    ],
)
def test_an_error_page_is_a_whole_page_of_the_console(
    client: Any, path: str, status: int, near: str, lang: str
) -> None:
    answer = client.get(path, params={"lang": lang}, headers=HTML)
    assert answer.status_code == status
    assert 'href="/bookings"' in answer.text, "the menu"
    assert 'action="/api/v1/sign-out"' in answer.text
    assert "er-asof" not in answer.text, "nothing here is live"
    main = answer.text.split("<main", 1)[1]
    assert 'href="/board"' in main
    assert not near or f'href="{near}"' in main
    assert ("HB-07" in main) is (status == 403), "who is refused is said"


def test_a_stranger_at_an_unknown_address_is_shown_the_way_in(client: Any) -> None:
    answer = client.get("/nowhere", params={"anonymous": ""}, headers=HTML)
    assert answer.status_code == 404
    assert 'href="/sign-in"' in answer.text
    assert "sign-out" not in answer.text
