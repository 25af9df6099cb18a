"""The live stream ends when its reader signs out, with or without words on the bus."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

from hub.bus import Bus
from hub.web import app as web
from hub.web.views_common import Viewer
from tests.hub.web.sample_views import VIEWER

BEAT_S = 0.05
ENDS_S = 10
"""Far beyond two beats: a stream that goes on fails, a slow machine does not."""


class Door:
    """Knows the reader until told that he has gone."""

    def __init__(self) -> None:
        self.known = True

    def viewer(self, request: Request) -> Viewer | None:  # noqa: ARG002 - alike for every request
        return VIEWER if self.known else None


def stream_of(door: Door, bus: Bus) -> Any:
    (route,) = web.stream_router(bus, lambda: 0, door, web.hears_broadly).routes
    scope = {"type": "http", "method": "GET", "path": "/api/v1/stream", "headers": []}
    assert isinstance(route, APIRoute)
    return route.endpoint(Request({**scope, "query_string": b""})).body_iterator


async def read_to_the_end(stream: Any, door: Door, bus: Bus, *, busy: bool) -> list[str]:
    heard = []
    async for chunk in stream:
        heard.append(str(chunk))
        door.known = False
        if busy:
            bus.publish("board")
    return heard


@pytest.mark.parametrize("busy", [False, True])
def test_a_stream_ends_after_signing_out(monkeypatch: pytest.MonkeyPatch, *, busy: bool) -> None:
    monkeypatch.setattr(web, "HEARTBEAT_S", BEAT_S)
    door, bus = Door(), Bus()

    async def work() -> list[str]:
        reading = read_to_the_end(stream_of(door, bus), door, bus, busy=busy)
        return await asyncio.wait_for(reading, ENDS_S)

    heard = asyncio.run(work())
    assert "beat" in heard[0]
    assert heard[-1] == web.SIGNED_OUT
