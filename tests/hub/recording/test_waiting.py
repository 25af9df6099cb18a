"""Who waits for whom between the broker's thread and the record."""

from __future__ import annotations

from hub.recording.waiting import NOTICES_ROOM, NOTICES_ROW, ROOM_MAX, Waiting
from protocols.messages.topics import UP_EV, UP_NOTICE, topic

LATE, OTHER = "c-0123456789ab", "c-ba9876543210"


def put(waiting: Waiting, ctl: str, leaf: str, *payloads: bytes) -> list[bool]:
    return [waiting.put(topic(ctl, leaf), one) for one in payloads]


def taken(waiting: Waiting) -> list[bytes]:
    waiting.close()
    found = []
    while (message := waiting.get()) is not None:
        found.append(message[1])
    return found


def test_a_room_with_much_to_say_lets_another_have_its_turn() -> None:
    waiting = Waiting(100)
    put(waiting, LATE, UP_EV, b"1", b"2", b"3", b"4")
    put(waiting, OTHER, UP_EV, b"a", b"b")
    assert taken(waiting) == [b"1", b"a", b"2", b"b", b"3", b"4"]


def test_notices_wait_for_no_batch_and_batches_not_for_a_flood_of_notices() -> None:
    waiting = Waiting(100)
    put(waiting, LATE, UP_EV, b"1", b"2")
    rooms = [f"c-{number:012x}" for number in range(NOTICES_ROW + 3)]
    for ctl in rooms:
        put(waiting, ctl, UP_NOTICE, b"n")
    assert taken(waiting) == [*[b"n"] * NOTICES_ROW, b"1", b"n", b"n", b"n", b"2"]


def test_a_room_that_floods_with_notices_leaves_the_turns_to_the_others() -> None:
    waiting = Waiting(1_000)
    put(waiting, LATE, UP_NOTICE, *[b"n"] * ROOM_MAX)
    put(waiting, LATE, UP_EV, *[b"x"] * ROOM_MAX)
    put(waiting, OTHER, UP_EV, b"1")
    put(waiting, OTHER, UP_NOTICE, b"2")
    found = taken(waiting)
    assert found.index(b"2") == 1
    assert found.index(b"1") <= 2 * (NOTICES_ROOM + 1) + 1
    assert len(found) == 2 * ROOM_MAX + 2


def test_a_flood_takes_the_places_of_its_own_room_only() -> None:
    waiting = Waiting(2 * ROOM_MAX)
    flood = put(waiting, LATE, UP_EV, *[b"x"] * 2 * ROOM_MAX)
    assert (flood.count(True), put(waiting, OTHER, UP_EV, b"a")) == (ROOM_MAX, [True])
    assert waiting.put("of/nobody", b"")
    assert len(waiting) == ROOM_MAX + 2


def test_no_more_than_so_many_wait_in_all() -> None:
    waiting = Waiting(2)
    assert put(waiting, LATE, UP_EV, b"1", b"2", b"3") == [True, True, False]
    assert taken(waiting) == [b"1", b"2"]
    assert len(waiting) == 0
