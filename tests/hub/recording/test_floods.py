"""Whose topics are closed, and for how long."""

from __future__ import annotations

from hub.app import Hub
from hub.recording.floods import REFUSED_MAX, SHUT_MS, Floods
from hub.recording.waiting import ROOM_MAX
from protocols.messages.topics import UP_EV, topic

LATE, OTHER = "c-0123456789ab", "c-ba9876543210"


def test_who_is_refused_too_much_in_a_second_is_shut_out_for_a_minute() -> None:
    floods = Floods()
    for _ in range(REFUSED_MAX):
        floods.refused(OTHER)
        floods.refused(LATE)
    floods.refused(LATE)

    assert floods.shut(1_000) == {LATE}
    assert floods.shut(1_000 + SHUT_MS - 1) == {LATE}
    assert floods.shut(1_000 + SHUT_MS) == frozenset()


def test_a_little_too_much_every_second_is_no_flood() -> None:
    floods = Floods()
    for second in range(10):
        for _ in range(REFUSED_MAX):
            floods.refused(LATE)
        assert floods.shut(second * 1_000) == frozenset()


def test_what_has_no_place_in_the_queue_counts(hub: Hub) -> None:
    for number in range(ROOM_MAX + REFUSED_MAX + 1):
        hub.ingest.offer(topic(LATE, UP_EV), b"%d" % number)
    hub.ingest.offer(topic(OTHER, UP_EV), b"")
    hub.ingest.offer("of/nobody", b"")

    assert hub.ingest.floods.shut(0) == {LATE}
