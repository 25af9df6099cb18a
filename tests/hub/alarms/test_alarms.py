"""Every anomaly of the record is an alarm: raised once, acknowledged, returned, closed by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from hub.accounts.actor import Actor
from hub.alarms import rows
from hub.alarms.kinds import FACTS, HEARD, HEARING, KINDS, ROWS, Said, level, raised
from hub.alarms.rows import Act, Evidence, HubAlarm
from hub.app import Hub
from hub.clock import iso_ms
from hub.problems import Problem
from hub.recording import recorder
from hub.store.tables_core import alarm, alarm_act, controllers, cursors, events
from hub.web.i18n import LANGS, catalogue
from hub.web.views_alarm_make import BoardData, alarm_row, alarms_of
from hub.web.views_board_make import board_view
from protocols.messages.event import decode_event
from protocols.messages.topics import UP_EV, UP_NOTICE
from tests.hub import scripted_room as scripted

PLAN = {"generation": 1, "n": 2, "hash": "a" * 64}
BY = [{"person": "p-1", "post": "CH-03", "role": "room_staff"}]


@pytest.fixture
def hub(open_hub: Callable[..., Hub]) -> Hub:
    made = open_hub(services=True)
    made.rooms.rebuild()
    made.fleet.transport = scripted.Wire()
    return made


@pytest.fixture
def room(room_folder: Path, hub: Hub) -> Any:
    made = scripted.ScriptedRoom(room_folder)
    made.at = iso_ms(hub.clock.wall())
    return made


def _send(hub: Hub, room: Any, stream: Any, first: int = 1) -> None:
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, first))
    hub.projector.run_pending()


def _standing(hub: Hub, room: Any) -> list[HubAlarm]:
    with hub.store.read() as conn:
        return rows.standing(conn).get(room.ctl, [])


def _one(hub: Hub, room: Any) -> HubAlarm:
    (found,) = _standing(hub, room)
    return found


def _who(hub: Hub, login: str) -> Actor:
    found = hub.accounts.register.actor_by_login(login)
    assert found is not None
    return found


def _said(hub: Hub, room: Any, kind: str, data: dict[str, Any], *, session: str = "") -> Any:
    """The room writes one row; returns its stream."""
    stream = room.open()
    room.write(stream, kind, data, session=session)
    _send(hub, room, stream)
    return stream


def _board(hub: Hub, *, may_close: frozenset[str] = frozenset()) -> BoardData:
    return BoardData(
        now=hub.clock.wall(),
        rooms=hub.rooms.snapshot(),
        sessions=(),
        cases=hub.contingency.list(),
        names={},
        home_orgs=frozenset(),
        pack=hub.pack,
        may_ack=True,
        may_close=may_close,
    )


def _forked(hub: Hub, room: Any) -> None:
    stream = room.open()
    room.write(stream)
    _send(hub, room, stream)
    other = scripted.Stream(stream.epoch, stream.lines[:1])
    forged = room.write(other, data={"station": 2, "state": "taken"})
    hub.ingest.handle(room.topic(UP_EV), room.seal(stream.epoch, 2, [forged]))


def _rolled_back(hub: Hub, room: Any, cause: str = "start") -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    _send(hub, room, stream)
    _send(hub, room, room.open(after=stream, seq=2, cause=cause))


def _tail_lost(hub: Hub, room: Any) -> None:
    _rolled_back(hub, room, "salvage")


def _cloned(hub: Hub, room: Any) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream)
    _send(hub, room, stream)
    _send(hub, room, room.open(after=stream, seq=3))
    room.write(stream)
    _send(hub, room, stream, 5)


def _garbage(hub: Hub, room: Any) -> None:
    hub.ingest.handle(room.topic(UP_EV), b"\xff\x00 no message")


def _badly_signed(hub: Hub, room: Any) -> None:
    good = room.batch(room.open())
    hub.ingest.handle(room.topic(UP_EV), good.replace(room.signer.kid.encode(), b"0" * 16))


def _bad_notice(hub: Hub, room: Any) -> None:
    hub.ingest.handle(room.topic(UP_NOTICE), b"\xff\x00 no message")


@pytest.mark.parametrize(
    ("happens", "kind"),
    [
        (_forked, "stream.fork"),
        (_rolled_back, "stream.rollback"),
        (_tail_lost, "stream.tail_lost"),
        (_cloned, "stream.clone"),
        (_garbage, "stream.quarantine"),
        (_badly_signed, "stream.quarantine"),
        (_bad_notice, "stream.quarantine"),
    ],
)
def test_what_the_hub_finds_in_a_stream_is_an_alarm_with_its_row(
    hub: Hub, room: Any, happens: Callable[[Hub, Any], None], kind: str
) -> None:
    happens(hub, room)
    hub.projector.run_pending()
    # A copy looks like a restored card until the other one speaks again.
    (found,) = [one for one in _standing(hub, room) if one.kind == kind]
    assert (found.acked, found.found_later, found.times) == (None, False, 1)
    with hub.store.read() as conn:
        raw = conn.execute(
            events.select().where(
                events.c.ctl == found.source,
                events.c.epoch == found.epoch,
                events.c.seq == found.seq,
            )
        ).one()
    assert (raw.ctl, raw.type) == (hub.config.hub, kind)
    assert decode_event(bytes(raw.raw)).data["ctl"] == room.ctl


@pytest.mark.parametrize(
    ("type_", "data", "kind"),
    [
        ("record.gap", {"epoch": "a" * 32, "from": 3, "to": 5, "cause": "rot"}, "record.gap"),
        ("plan.refused", {**PLAN, "reason": "other_hash"}, "plan.other_hash"),
        ("plan.refused", {**PLAN, "reason": "older"}, "plan.older"),
        ("plan.refused", {**PLAN, "reason": "members"}, "plan.refused"),
        ("cmd.refused", {"id": "x", "reason": "retained: must not be"}, "cmd.retained"),
        ("cmd.refused", {"id": "x", "reason": "unknown_locker"}, "cmd.refused"),
        ("wire.refused", {"leaf": "down/plan", "reason": "?"}, "wire.refused"),
        ("ack.bad", {"reason": "signature"}, "ack.bad"),
        ("journal.rolled_back", {"epoch": "a" * 32, "upto": 9, "last": 5}, "journal.rolled_back"),
        ("hub.rollback", {"epoch": "a" * 32, "acked": 9, "upto": 5}, "hub.rollback"),
        (
            "locker.unexplained",
            {"locker": 3, "door": "open", "member": 4},
            "locker.unexplained_held",
        ),
        (
            "locker.unexplained",
            {"locker": 3, "door": "open", "member": None},
            "locker.unexplained",
        ),
        (
            "locker.opening",
            {"locker": 3, "no": 0, "why": "override", "intent": "i-1", "by": BY},
            "locker.override",
        ),
        (
            "locker.open_failed",
            {"locker": 3, "intent": "i-1", "outcome": "interrupted"},
            "locker.interrupted",
        ),
        (
            "locker.open_failed",
            {"locker": 3, "intent": "i-1", "outcome": "no_answer"},
            "locker.open_failed",
        ),
        ("locker.fault", {"locker": 3, "what": "sensor"}, "locker.fault"),
    ],
)
def test_what_a_room_records_of_itself_is_an_alarm_with_its_row(
    hub: Hub, room: Any, type_: str, data: dict[str, Any], kind: str
) -> None:
    stream = _said(hub, room, type_, data)
    found = _one(hub, room)
    assert (found.kind, found.source, found.epoch, found.seq) == (
        kind,
        room.ctl,
        stream.epoch,
        2,
    )
    (shown,) = [one for one in alarms_of(_board(hub)) if one.hub is not None]
    row = alarm_row(_board(hub), shown)
    for lang in LANGS:
        for text in (row.what, row.consequence, row.must, *row.notes):
            assert catalogue().render(lang, text)
    assert shown.notice is (kind == "hub.rollback")


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("stream.clone", {"ctl": "c-000000000000"}),
        ("alarm.closed", {"ctl": "c-000000000000", "fault": "x"}),
        ("locker.opening", {"locker": 3, "no": 1, "why": "deposit", "intent": "i-1", "by": BY}),
        ("plan.accepted", {**PLAN, "sessions": []}),
    ],
)
def test_a_room_cannot_speak_for_the_hub_and_ordinary_rows_are_no_alarm(
    hub: Hub, room: Any, type_: str, data: dict[str, Any]
) -> None:
    _said(hub, room, type_, data)
    assert _standing(hub, room) == []


def test_a_row_nobody_can_read_is_an_alarm(hub: Hub, room: Any) -> None:
    _said(hub, room, "media.segment", {"not": "a segment"})
    assert _one(hub, room).kind == "record.unreadable"
    stream = room.open()
    room.write(stream, "record.gap", {"no": "gap"})
    _send(hub, room, stream)
    assert "record.unreadable" in [one.kind for one in _standing(hub, room)]


def test_a_fault_the_room_raised_stands_once(hub: Hub, room: Any) -> None:
    fault = {"fault": "power-1", "kind": "power", "device": "", "what": "mains_lost", "p": "unset"}
    _said(hub, room, "fault.raised", {**fault, "consequence": "ups_carries", "cause": ""})
    hub.rooms.refresh()
    assert _standing(hub, room) == []
    assert [one.kind for one in alarms_of(_board(hub)) if one.fault is not None] == ["power"]


def test_the_same_trouble_again_is_counted_not_raised_again(hub: Hub, room: Any) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream, "cmd.refused", {"id": "x", "reason": "door_in_use"})
    _send(hub, room, stream)
    found = _one(hub, room)
    assert (found.times, found.seq, found.last_seq) == (3, 2, 4)


def test_reading_every_row_again_and_a_restart_change_nothing(
    open_hub: Callable[..., Hub], hub: Hub, room: Any
) -> None:
    stream = room.open()
    for _ in range(3):
        room.write(stream, "cmd.refused", {"id": "x", "reason": "door_in_use"})
    room.write(stream, "locker.unexplained", {"locker": 3, "door": "open", "member": None})
    _send(hub, room, stream)
    before = _standing(hub, room)
    assert len(before) == 2
    with hub.store.write() as conn:
        conn.execute(update(cursors).where(cursors.c.handler == "alarms").values(after_id=0))
    hub.projector.run_pending()
    assert _standing(hub, room) == before
    again = open_hub(services=True)
    again.projector.run_pending()
    assert _standing(again, room) == before


def test_what_was_acknowledged_in_the_room_is_acknowledged_at_the_hub(hub: Hub, room: Any) -> None:
    stream = room.open()
    for locker in (3, 4):
        room.write(stream, "locker.unexplained", {"locker": locker, "door": "open", "member": 1})
    room.write(stream, "locker.acked", {"locker": 3, "by": BY})
    _send(hub, room, stream)
    acked = {one.subject: one.acked and one.acked.post for one in _standing(hub, room)}
    assert acked == {"locker:3": "CH-03", "locker:4": None}


def test_all_of_it_can_be_derived_again(hub: Hub, room: Any) -> None:
    stream = room.open()
    room.write(stream, "cmd.refused", {"id": "x", "reason": "door_in_use"})
    room.write(stream, "cmd.refused", {"id": "y", "reason": "door_in_use"})
    room.write(stream, "locker.unexplained", {"locker": 3, "door": "open", "member": None})
    _send(hub, room, stream)
    alarms, handler = hub.contingency.alarms, _who(hub, "changsha.fault_handler")
    first, second = _standing(hub, room)
    alarms.close(handler, room.ctl, first.alarm, "已核实")
    alarms.ack(handler, room.ctl, second.alarm)
    before = _standing(hub, room)
    with hub.store.write() as conn:
        conn.execute(delete(alarm))
        conn.execute(delete(alarm_act))
        conn.execute(update(cursors).where(cursors.c.handler == "alarms").values(after_id=0))
    hub.projector.run_pending()
    assert _standing(hub, room) == before
    assert _one(hub, room).acked is not None


def test_after_a_restore_rows_may_come_behind_what_people_said_of_them(hub: Hub, room: Any) -> None:
    """Facts come from the mirror, rooms send their rows again afterwards: closed stays closed."""
    at = hub.clock.wall()
    said = Said("cmd.refused", room.ctl)
    name = rows.ident("cmd.refused", "e" * 32, 5)
    with hub.store.write() as conn:
        rows.act(
            conn, room.ctl, name, rows.CLOSE, Act("CH-03", at, "ok"), about=said, upto=("e" * 32, 7)
        )
        for n, seq in enumerate((5, 6, 7, 8)):
            row = Evidence(room.ctl, "e" * 32, seq, 1000 + n, at, found_later=False)
            assert rows.put(conn, said, row) is (seq == 8)
    assert _one(hub, room).seq == 8


def test_an_alarm_ends_when_it_is_gone_and_acknowledged(hub: Hub, room: Any) -> None:
    stream = _said(hub, room, "plan.refused", {**PLAN, "reason": "members"})
    handler = _who(hub, "changsha.fault_handler")
    hub.contingency.ack_alarm(handler, room.ctl, _one(hub, room).alarm)
    acked = _one(hub, room).acked
    assert acked is not None
    assert acked.post == handler.post
    room.write(stream, "plan.accepted", {**PLAN, "sessions": []})
    _send(hub, room, stream)
    assert _standing(hub, room) == []


def test_what_is_gone_by_itself_stays_until_somebody_has_seen_it(hub: Hub, room: Any) -> None:
    stream = room.open()
    failed = {"locker": 3, "intent": "i-1", "outcome": "no_answer"}
    room.write(stream, "locker.open_failed", failed)
    room.write(stream, "locker.opened", {"locker": 4, "intent": "i-2"})
    _send(hub, room, stream)
    assert _one(hub, room).returned_at is None
    room.write(stream, "locker.opened", {"locker": 3, "intent": "i-3"})
    _send(hub, room, stream)
    assert _one(hub, room).returned_at is not None
    room.write(stream, "locker.open_failed", failed)
    _send(hub, room, stream)
    assert (_one(hub, room).returned_at, _one(hub, room).times) == (None, 2)
    room.write(stream, "locker.opened", {"locker": 3, "intent": "i-4"})
    _send(hub, room, stream)
    handler = _who(hub, "changsha.fault_handler")
    hub.contingency.ack_alarm(handler, room.ctl, _one(hub, room).alarm)
    assert _standing(hub, room) == []


def test_a_notice_ends_when_it_is_read_and_calls_nobody(hub: Hub, room: Any) -> None:
    _said(hub, room, "hub.rollback", {"epoch": "a" * 32, "acked": 9, "upto": 5})
    assert board_view(_board(hub)).unacked == 0
    handler = _who(hub, "changsha.fault_handler")
    hub.contingency.ack_alarm(handler, room.ctl, _one(hub, room).alarm)
    assert _standing(hub, room) == []


def test_an_alarm_that_does_not_end_by_itself_is_closed_by_name_with_a_reason(
    hub: Hub, room: Any
) -> None:
    stream = _said(hub, room, "ack.bad", {"reason": "signature"})
    found, alarms = _one(hub, room), hub.contingency.alarms
    handler = _who(hub, "changsha.fault_handler")

    def refused(actor: Actor, name: str, reason: str) -> int:
        with pytest.raises(Problem) as caught:
            alarms.close(actor, room.ctl, name, reason)
        return caught.value.status

    assert refused(handler, found.alarm, "  ") == 422
    assert refused(handler, "ack.bad-00000000-1", "ok") == 404
    assert refused(_who(hub, "changsha.witness"), found.alarm, "ok") == 403
    assert refused(_who(hub, "hubei.fault_handler"), found.alarm, "ok") == 403
    assert refused(_who(hub, "hubei.supervisor"), found.alarm, "ok") == 403
    alarms.ack(handler, room.ctl, found.alarm)
    assert len(_standing(hub, room)) == 1
    told = alarms.close(handler, room.ctl, found.alarm, "密钥已核对")
    assert told["closed_by"] == handler.post
    assert _standing(hub, room) == []
    with hub.store.read() as conn:
        raw = conn.execute(events.select().where(events.c.type == "alarm.closed")).one().raw
    data = decode_event(bytes(raw)).data
    assert (data["by"]["person"], data["reason"]) == (handler.person, "密钥已核对")
    hub.projector.run_pending()
    assert _standing(hub, room) == []
    room.write(stream, "ack.bad", {"reason": "signature"})
    _send(hub, room, stream)
    assert _one(hub, room).seq == 3


def test_a_clock_that_nothing_has_set_tells_no_age_and_somebody_is_called(
    hub: Hub, room: Any
) -> None:
    room.at, room.at_trust = "1970-01-01T00:00:07.000Z", "none"
    _said(hub, room, "ack.bad", {"reason": "signature"})
    assert not _one(hub, room).found_later


def test_what_is_older_than_ten_minutes_is_found_later_and_calls_nobody(
    hub: Hub, room: Any
) -> None:
    room.at = iso_ms(hub.clock.wall() - timedelta(minutes=11))
    _said(hub, room, "ack.bad", {"reason": "signature"})
    assert _one(hub, room).found_later
    view = board_view(_board(hub))
    assert view.unacked == 0
    (row,) = [one for one in view.alarms if one.alarm.startswith(f"{room.ctl}:ack")]
    assert (row.quiet, row.ack_due, row.acked) == (True, False, False)


def test_a_fault_acknowledged_at_the_hub_is_shown_so_a_later_one_of_its_name_is_not(
    hub: Hub, room: Any
) -> None:
    fault = {"fault": "power-1", "kind": "power", "device": "", "what": "mains_lost", "p": "unset"}
    raising = {**fault, "consequence": "ups_carries", "cause": ""}
    stream = _said(hub, room, "fault.raised", raising)
    handler = _who(hub, "changsha.fault_handler")

    def acked() -> bool:
        hub.rooms.refresh()
        (found,) = [one for one in alarms_of(_board(hub)) if one.fault is not None]
        return found.acked

    hub.rooms.refresh()
    assert not acked()
    hub.contingency.ack_alarm(handler, room.ctl, "power-1")
    assert acked()
    later = {"fault": "power-1", "kind": "power", "duration_ms": 1}
    room.write(stream, "fault.cleared", later)
    room.at = iso_ms(datetime.now(UTC) + timedelta(hours=1))
    room.write(stream, "fault.raised", raising)
    _send(hub, room, stream)
    assert not acked()


def test_alarms_of_the_locker_colour_the_tile_and_a_running_session_makes_them_graver(
    hub: Hub, room: Any
) -> None:
    _said(hub, room, "locker.unexplained", {"locker": 3, "door": "open", "member": None})
    (row,) = [one for one in board_view(_board(hub)).alarms if ":locker" in one.alarm]
    assert (row.level, row.may_close) == ("p2", False)
    own = _board(hub, may_close=frozenset({"changsha"}))
    (row,) = [one for one in board_view(own).alarms if ":locker" in one.alarm]
    assert row.may_close
    clone = KINDS["stream.clone"]
    assert (level(clone, running=True), level(clone, running=False)) == ("p1", "p2")


def test_notices_beyond_what_is_kept_are_counted_and_told_once_an_hour(
    hub: Hub, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "NOTICES_MAX", 2)
    stream = room.open()
    for _ in range(5):
        room.write(stream)
    hub.ingest.handle(room.topic(UP_NOTICE), room.batch(stream))
    hub.projector.run_pending()
    assert hub.ingest.counted().notices_dropped == 4
    found = _one(hub, room)
    assert (found.kind, found.times) == ("stream.notices_dropped", 1)


def test_every_kind_has_its_words_and_every_type_its_kind() -> None:
    words = catalogue()
    for kind in KINDS:
        for part in ("k", "c", "d"):
            assert words.has(f"alarm.{part}.{kind}"), (part, kind)
    for type_ in (*FACTS, *ROWS):
        said = raised(type_, "c-0", "", {"why": "override"})
        ends = {"stream.clone_released", "plan.accepted", "locker.opened", "log.reopened"}
        ends |= {HEARD, HEARING}
        assert (said is None) is (type_ in {*ends, "locker.acked"}), type_


def test_a_controllers_hold_is_part_of_its_view(hub: Hub, room: Any) -> None:
    with hub.store.write() as conn:
        conn.execute(update(controllers).values(held=True))
    hub.rooms.refresh()
    view = hub.rooms.view(room.ctl)
    assert view is not None
    assert view.held
