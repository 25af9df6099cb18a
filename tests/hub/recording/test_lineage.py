"""Rooms that go on from an older journal, or exist twice, and notices whose rows never come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.app import Hub
from hub.recording.family import Family
from hub.recording.lineage import LOOKS_A_BATCH, UNRELATED_MAX
from hub.store.tables_core import epochs, events, notices, quarantine
from protocols.messages.status import Ping
from protocols.messages.topics import UP_EV, UP_NOTICE, UP_ST, UP_TM, topic
from tests.hub import scripted_room as scripted


@pytest.fixture
def room(room_folder: Path) -> Any:
    return scripted.ScriptedRoom(room_folder)


@pytest.fixture(autouse=True)
def wire(hub: Hub) -> Any:
    made = scripted.Wire()
    hub.fleet.transport = made
    return made


def _send(hub: Hub, room: Any, stream: Any, first: int = 1, last: int | None = None) -> None:
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, first, last))


def _more(hub: Hub, room: Any, stream: Any) -> None:
    room.write(stream)
    _send(hub, room, stream, len(stream.lines))


def _ping(hub: Hub, room: Any) -> str:
    hub.fleet.ping(room.ctl)
    return Ping.decode(hub.fleet.transport.sent[-1][1]).nonce  # type: ignore[attr-defined]


def _pong(hub: Hub, room: Any, stream: Any, nonce: str = "") -> None:
    pong = room.pong(stream, acked=len(stream.lines), re=nonce or _ping(hub, room))
    hub.ingest.handle(room.topic(UP_TM), pong)


def _standing(hub: Hub, stream: Any) -> str:
    query = select(epochs.c.standing).where(epochs.c.epoch == stream.epoch)
    with hub.store.read() as conn:
        return str(conn.execute(query).scalar_one())


def _known(hub: Hub, room: Any) -> set[str]:
    with hub.store.read() as conn:
        return set(conn.execute(select(epochs.c.epoch).where(epochs.c.ctl == room.ctl)).scalars())


def _facts(hub: Hub) -> list[str]:
    with hub.store.read() as conn:
        query = select(events.c.type).where(events.c.ctl == hub.config.hub)
        return list(conn.execute(query.order_by(events.c.id)).scalars())


def _first(hub: Hub, room: Any) -> Any:
    stream = room.open()
    _send(hub, room, stream)
    _more(hub, room, stream)
    return stream


def test_a_restart_waits_for_the_backlog_and_then_continues(hub: Hub, room: Any, wire: Any) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 1, 2))
    second = room.open(after=stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    assert _standing(hub, second) == "waiting"
    assert any(ack.epoch == stream.epoch and ack.resend for ack in wire.acks())
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, 3))
    assert _standing(hub, second) == "open"
    assert _facts(hub)[-1] not in {"stream.rollback", "stream.clone"}


def test_a_first_epoch_that_comes_last_is_no_restored_card(hub: Hub, room: Any, wire: Any) -> None:
    """What came before it is not known of an epoch whose first row has not arrived."""
    first = room.open()
    second = room.open(after=first)
    room.write(second)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second, 2))
    hub.ingest.handle(room.topic(UP_EV), room.batch(first))
    assert _standing(hub, first) == "waiting"
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    assert (_standing(hub, first), _standing(hub, second)) == ("open", "open")
    assert "stream.rollback" not in _facts(hub)
    assert wire.acks()[-1].resend is False


def test_two_first_epochs_are_named_in_whatever_order_they_come(
    hub: Hub, room: Any, wire: Any
) -> None:
    """A journal that began anew forgot everything before."""
    first = room.open()
    second = room.open(after=first)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    anew = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(anew))
    assert _standing(hub, anew) == "waiting"
    hub.ingest.handle(room.topic(UP_EV), room.batch(first))
    assert "rollback" in {_standing(hub, first), _standing(hub, anew)}
    assert wire.acks()


@pytest.mark.parametrize(("cause", "standing"), [("start", "rollback"), ("salvage", "tail_lost")])
def test_a_journal_from_before_its_tip_is_named(
    hub: Hub, room: Any, wire: Any, cause: str, standing: str
) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    second = room.open(after=stream, seq=2, cause=cause)
    hub.ingest.handle(room.topic(UP_EV), room.batch(second))
    assert _standing(hub, second) == standing
    assert f"stream.{standing}" in _facts(hub)
    assert wire.acks()[-1].upto == 1


def _opened(hub: Hub, room: Any, after: Any, **how: Any) -> Any:
    stream = room.open(after=after, **how)
    _send(hub, room, stream)
    return stream


def test_a_room_that_still_answers_in_an_epoch_that_was_left_is_a_clone(
    hub: Hub, room: Any
) -> None:
    first = _first(hub, room)
    copy = _opened(hub, room, first)
    _pong(hub, room, copy)
    assert _standing(hub, copy) == "open"
    _pong(hub, room, first)
    assert _standing(hub, copy) == "clone"


def test_an_answer_that_was_long_on_its_way_makes_no_clone(hub: Hub, room: Any) -> None:
    """It was asked for before the epoch was left; a repeated one says nothing new either."""
    first = _first(hub, room)
    nonce = _ping(hub, room)
    gone_on = _opened(hub, room, first)
    for _ in range(2):
        _pong(hub, room, first, nonce)
    _pong(hub, room, first, "never-asked")
    assert _standing(hub, gone_on) == "open"


def test_a_branch_that_only_answers_makes_the_other_one_a_clone(hub: Hub, room: Any) -> None:
    first = _first(hub, room)
    one, other = _opened(hub, room, first), _opened(hub, room, first)
    assert (_standing(hub, one), _standing(hub, other)) == ("open", "rollback")
    _pong(hub, room, one)
    assert _standing(hub, other) == "clone"


def test_a_branch_lives_on_in_the_epoch_of_its_next_start(hub: Hub, room: Any) -> None:
    first = _first(hub, room)
    one, other = _opened(hub, room, first), _opened(hub, room, first)
    _opened(hub, room, one)
    assert _standing(hub, other) == "clone"


def test_a_second_controller_with_the_same_keys_and_an_empty_journal_is_a_clone(
    hub: Hub, room: Any
) -> None:
    first = _first(hub, room)
    copy = _opened(hub, room, None)
    assert _standing(hub, copy) == "rollback"
    _more(hub, room, first)
    assert _standing(hub, copy) == "clone"


def test_a_clone_is_found_although_the_hub_was_started_anew(
    open_hub: Callable[..., Hub], hub: Hub, room: Any
) -> None:
    first = _first(hub, room)
    copy = _opened(hub, room, first)
    again = open_hub()
    again.rooms.rebuild()
    _more(again, room, first)
    assert _standing(again, copy) == "clone"


def test_a_card_that_is_restored_twice_is_no_clone(hub: Hub, room: Any) -> None:
    first = _first(hub, room)
    _more(hub, room, first)
    dead = _opened(hub, room, first, seq=2)
    alive = _opened(hub, room, first, seq=2)
    for _ in range(2):
        _more(hub, room, alive)
        _pong(hub, room, alive)
    assert (_standing(hub, dead), _standing(hub, alive)) == ("rollback", "rollback")


def test_a_backlog_in_front_of_a_new_epoch_is_no_clone(hub: Hub, room: Any) -> None:
    first = _first(hub, room)
    for _ in range(3):
        room.write(first)
    second = _opened(hub, room, first)
    _pong(hub, room, second)
    _send(hub, room, first, 3)
    third = _opened(hub, room, second)
    assert [_standing(hub, one) for one in (first, second, third)] == ["open"] * 3


@pytest.mark.slow
def test_of_epochs_that_go_on_from_nothing_a_room_has_a_bounded_number(
    hub: Hub, room: Any, wire: Any
) -> None:
    """The rest is kept apart and not acknowledged; what goes on from the tip is recorded still."""
    first = _first(hub, room)
    for n in range(UNRELATED_MAX):
        _opened(hub, room, first, seq=1) if n % 2 else _opened(hub, room, None)
    assert wire.acks()
    beyond = _opened(hub, room, first, seq=1)
    stranger = room.open(after=room.open())
    _send(hub, room, stranger)
    room.write(beyond)
    _send(hub, room, beyond, 2)
    assert not _known(hub, room) & {beyond.epoch, stranger.epoch}
    assert not wire.acks()
    with hub.store.read() as conn:
        reasons = conn.execute(select(quarantine.c.reason)).scalars().all()
    assert len(reasons) == 3
    assert all("go" in one and "enrol it anew" in one for one in reasons)
    again = _opened(hub, room, first)
    _more(hub, room, again)
    assert _standing(hub, again) == "open"
    assert wire.acks()[-1].upto == 2


@pytest.mark.slow
def test_of_epochs_that_wait_for_the_same_unknown_one_a_room_has_a_bounded_number(
    hub: Hub, room: Any
) -> None:
    unknown = room.open()
    waiting = [_opened(hub, room, unknown) for _ in range(UNRELATED_MAX + 3)]
    assert len(_known(hub, room) & {one.epoch for one in waiting}) == UNRELATED_MAX
    _send(hub, room, unknown)
    assert len(_known(hub, room)) == UNRELATED_MAX + 1


@pytest.mark.slow
def test_an_epoch_beyond_them_is_recorded_once_it_is_the_tips(hub: Hub, room: Any) -> None:
    """A room whose predecessor is still on its way sends both again."""
    first = _first(hub, room)
    for _ in range(UNRELATED_MAX):
        _opened(hub, room, None)
    room.write(first)
    second = _opened(hub, room, first)
    assert second.epoch not in _known(hub, room)
    _send(hub, room, first, len(first.lines))
    _send(hub, room, second)
    assert _standing(hub, second) == "open"


@pytest.mark.slow
def test_a_room_of_very_many_epochs_is_not_looked_at_with_each_batch(
    hub: Hub, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would slow everybody's recording: what was looked at is paid for by its batches."""
    made: list[Family] = []

    def family(*args: Any) -> Family:
        made.append(Family(*args))
        return made[-1]

    first = tip = _first(hub, room)
    for _ in range(UNRELATED_MAX):
        _opened(hub, room, first, seq=1)
    for _ in range(60):
        tip = _opened(hub, room, tip)
    monkeypatch.setattr("hub.recording.lineage.Family", family)
    batches = 40
    for _ in range(batches):
        _more(hub, room, tip)
    dearest = max(one.looks for one in made)
    assert dearest > 1.5 * LOOKS_A_BATCH
    assert sum(one.looks for one in made) <= batches * LOOKS_A_BATCH + dearest
    assert len([one for one in made if one.looks]) > 1


def test_a_restart_of_a_room_that_started_a_thousand_times_looks_at_none_of_them(
    hub: Hub, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = _first(hub, room)
    for _ in range(5):
        tip = _opened(hub, room, tip)

    def kin(*_: Any) -> Any:
        pytest.fail("looked at all epochs")

    monkeypatch.setattr("hub.recording.streams.kin", kin)
    tip = _opened(hub, room, tip)
    _more(hub, room, tip)
    assert _standing(hub, tip) == "open"


def _notices(hub: Hub) -> list[tuple[int, str]]:
    with hub.store.read() as conn:
        return [(row.seq, row.state) for row in conn.execute(select(notices))]


def test_a_notice_from_behind_the_tip_a_room_went_on_from_has_lost_its_source(
    hub: Hub, room: Any
) -> None:
    first = _first(hub, room)
    for _ in range(3):
        room.write(first)
    hub.ingest.handle(room.topic(UP_NOTICE), room.batch(first, 3))
    _opened(hub, room, first, seq=4, cause="salvage")
    assert _notices(hub) == [(3, "ahead"), (4, "ahead"), (5, "source_lost")]
    _send(hub, room, first, 3, 4)
    assert _notices(hub) == [(3, "recorded"), (4, "recorded"), (5, "source_lost")]


@pytest.mark.parametrize("leaf", [UP_EV, UP_NOTICE, UP_ST, UP_TM])
def test_an_id_that_was_never_enrolled_fills_no_disk(hub: Hub, leaf: str) -> None:
    hub.ingest.handle(topic("c-ffffffffffff", leaf), b"rubbish")
    with hub.store.read() as conn:
        assert conn.execute(select(quarantine)).all() == []
