"""What people must hear of at once runs ahead of a backlog (WIRE §3)."""

from __future__ import annotations

from collections.abc import Callable

from edge.clock import Clock
from protocols.messages.acks import decode_batch
from protocols.messages.event import decode_event
from protocols.messages.signed import parse_message
from protocols.messages.topics import BROKER_BYTES_MAX, UP_NOTICE
from tests.edge import test_uplink
from tests.edge.test_uplink import Bench, Fact, write

bench = test_uplink.bench


class Later(Clock):
    """A clock a minute on."""

    def __init__(self, before: Callable[[], int]) -> None:
        super().__init__()
        self.before = before

    def mono_ms(self) -> int:
        return self.before() + 60_001


def raised(bench: Bench, name: str) -> None:
    bench.uplink.recorded(bench.journal.append([Fact("fault.raised", "", {"fault": name})]))


def noticed(bench: Bench) -> list[str]:
    sealed = [parse_message(raw, limit=BROKER_BYTES_MAX) for raw in bench.cable.take(UP_NOTICE)]
    lines = [line for one in sealed for line in decode_batch(one).lines]
    return [decode_event(line).data["fault"] for line in lines]


def test_a_notice_is_sent_only_where_the_event_would_wait(bench: Bench) -> None:
    raised(bench, "few wait")
    assert noticed(bench) == []
    write(bench, 64)
    assert noticed(bench) == []
    raised(bench, "many wait")
    assert noticed(bench) == ["many wait"]


def test_what_happened_while_the_line_was_down_is_a_notice_for_a_minute(bench: Bench) -> None:
    write(bench, 64)
    bench.uplink.link(up=False)
    raised(bench, "while it was down")
    assert noticed(bench) == []

    bench.uplink.link(up=True)
    assert noticed(bench) == ["while it was down"]

    bench.journal.clock = Later(bench.journal.clock.mono_ms)
    bench.uplink.link(up=True)
    assert noticed(bench) == []
