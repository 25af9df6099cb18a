"""How far this room's clock is from the hub's: measured coarsely, never believed too well."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from edge.clock import Clock
from edge.clock_probe import RESOLUTION_MS, TELL_MS, ClockProbe, Offset, offset
from edge.media.uploader import Target

NOON_MS = 1_795_521_600_000
NOON = formatdate(NOON_MS // 1000, usegmt=True)


@pytest.mark.parametrize(
    ("ahead_ms", "trip_ms"), [(0, 0), (0, 300), (5_000, 40), (-90_000, 40), (700, 2_000)]
)
def test_the_true_difference_lies_within_the_bound(ahead_ms: int, trip_ms: int) -> None:
    """Whatever part of its second, and of its second of age, the hub's date hides."""
    for hidden_ms in range(0, 2 * RESOLUTION_MS, 100):
        for way_ms in (0, trip_ms // 2, trip_ms):
            heard = NOON_MS + hidden_ms + ahead_ms + (trip_ms - way_ms)
            found = offset(NOON, heard - trip_ms, heard)
            assert found is not None
            assert abs(found.offset_ms - ahead_ms) <= found.bound_ms


def test_a_date_that_is_none_says_nothing() -> None:
    assert offset("", 0, 0) is None
    assert offset("yesterday", 0, 0) is None
    assert offset(NOON.replace("GMT", "-0000"), NOON_MS, NOON_MS) == Offset(-1000, 1000)


@dataclass
class HubClock:
    """A hub on loopback that says a time, or nothing."""

    date: str = NOON
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        hub = self

        class Door(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.seen.append(self.path)
                self.send_response_only(404)
                if hub.date:
                    self.send_header("Date", hub.date)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def target(self) -> Target:
        """Where it is."""
        return Target.read(f"http://127.0.0.1:{self.server.server_port}/hub")


@pytest.fixture
def hub() -> Iterator[HubClock]:
    made = HubClock()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_each_other_difference_is_told_once(hub: HubClock) -> None:
    told: list[tuple[int, int]] = []
    now = [NOON_MS + RESOLUTION_MS]
    probe = ClockProbe(hub.target, lambda: now[0], lambda *one: told.append(one), lambda: 0)
    assert probe.look()
    now[0] += TELL_MS
    assert probe.look()
    now[0] += 1
    assert probe.look()
    assert told == [(0, RESOLUTION_MS), (TELL_MS + 1, RESOLUTION_MS)]
    assert hub.seen[0] == "/hub/livez"
    hub.date = ""
    assert not probe.look()
    hub.server.server_close()
    assert not ClockProbe(
        lambda: Target.read("http://127.0.0.1:9"),
        lambda: now[0],
        lambda *one: told.append(one),
        lambda: 0,
    ).look()
    assert len(told) == 2


def test_the_probe_asks_by_itself(hub: HubClock) -> None:
    told, heard = list[tuple[int, int]](), threading.Event()

    def report(offset_ms: int, bound_ms: int) -> None:
        told.append((offset_ms, bound_ms))
        heard.set()

    probe = ClockProbe(hub.target, Clock().machine_ms, report, Clock().mono_ms)
    probe.start()
    assert heard.wait(10)
    probe.stop()
    assert abs(told[0][0]) > 0


def test_a_clock_that_was_set_is_noticed_without_asking() -> None:
    now, mono = [NOON_MS], [0]
    probe = ClockProbe(
        lambda: Target.read("http://127.0.0.1:9"),
        lambda: now[0],
        lambda *_: None,
        lambda: mono[0],
    )
    apart = now[0] - mono[0]
    now[0] += 60_000
    mono[0] += 60_000
    assert not probe.stepped(apart)
    now[0] -= RESOLUTION_MS + 1
    assert probe.stepped(apart)
