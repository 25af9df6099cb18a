"""The fourth truth: what was sent is confirmed by a sensor, or stays at what the room said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub import crypto
from hub.app import Hub
from hub.fleet import confirming
from hub.web.views_devices import devices_view
from protocols.messages.acts import Command, Order
from protocols.messages.signed import Signer
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted

SESSION = "s-0123456789ab"
ID = "d" * 32


@pytest.fixture
def room(room_folder: Path, hub: Hub) -> Any:
    hub.fleet.transport = scripted.Wire()
    return scripted.ScriptedRoom(room_folder)


@pytest.fixture
def signer() -> Signer:
    return crypto.signer(crypto.new_seed(), "home_manager")


def _state(hub: Hub, ctl: str) -> str:
    with hub.store.read() as conn:
        return str(hub.fleet.states(conn, ID)[ctl]["state"])


def _hear(hub: Hub, room: Any, stream: Any, *said: tuple[str, dict[str, Any], str]) -> str:
    """The room writes rows; what the command or order is now."""
    first = len(stream.lines) + 1
    for kind, data, session in said:
        room.write(stream, kind, data, session=session)
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream, first))
    hub.projector.run_pending()
    return _state(hub, room.ctl)


def _sent(hub: Hub, room: Any, kind: str, raw: bytes) -> Any:
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, kind, ID, raw)
    stream = room.open()
    hub.ingest.handle(room.topic(UP_EV), room.batch(stream))
    return stream


def _done(verb: str) -> tuple[tuple[str, dict[str, Any], str], ...]:
    accepted = {"id": ID, "verb": verb, "by": []}
    done = {"id": ID, "verb": verb, "result": "done"}
    return ("cmd.accepted", accepted, ""), ("cmd.done", done, "")


@pytest.mark.parametrize(
    ("verb", "args", "other", "proof"),
    [
        (
            "locker.override",
            {"locker": 3},
            ("locker.opened", {"locker": 3, "intent": "i-9"}, ""),
            ("locker.opened", {"locker": 3, "intent": ID}, ""),
        ),
        (
            "device.reset",
            {"device": "ups"},
            ("device.back", {"device": "cam", "kind": "camera", "down_ms": 1}, ""),
            ("device.back", {"device": "ups", "kind": "ups", "down_ms": 1}, ""),
        ),
        (
            "station.swap",
            {"no": 4, "station": 2},
            ("member.seated", {"no": 4, "station": 1}, SESSION),
            ("member.seated", {"no": 4, "station": 2}, SESSION),
        ),
        (
            "network.switch",
            {},
            ("network.switched", {"id": ID, "uplink": "b", "before": "a", "state": "trial"}, ""),
            ("network.switched", {"id": ID, "uplink": "b", "before": "a", "state": "kept"}, ""),
        ),
        (
            "device.selftest",
            {},
            ("seat.state", {"station": 1, "state": "vacant"}, ""),
            ("selftest.done", {"ok": True, "results": []}, ""),
        ),
    ],
)
def test_a_command_is_confirmed_by_what_a_sensor_shows_and_by_nothing_else(
    hub: Hub,
    room: Any,
    signer: Signer,
    verb: str,
    args: dict[str, Any],
    other: tuple[str, dict[str, Any], str],
    proof: tuple[str, dict[str, Any], str],
) -> None:
    stream = _sent(hub, room, "command", Command(ID, verb, args).seal([signer]))
    assert _hear(hub, room, stream, *_done(verb)) == "acted"
    assert _hear(hub, room, stream, other) == "acted"
    assert _hear(hub, room, stream, proof) == "confirmed"
    assert _hear(hub, room, stream, *_done(verb)) == "confirmed"
    with hub.store.read() as conn:
        sent = confirming.recent(conn, [room.ctl])
    (row,) = sent[room.ctl]
    assert (row.verb, row.state) == (verb, "confirmed")
    hub.rooms.refresh()
    view = devices_view(hub.rooms.snapshot(), {}, hub.clock.wall(), sent=sent)
    (shown,) = view.rooms[0].commands
    assert str(getattr(shown.state.text, "key", "")) == "command.confirmed"


def test_a_command_without_a_sensor_stays_at_acted(hub: Hub, room: Any, signer: Signer) -> None:
    stream = _sent(hub, room, "command", Command(ID, "clip.mark", {"reason": "x"}).seal([signer]))
    proofs = (
        ("selftest.done", {"ok": True, "results": []}, ""),
        ("locker.opened", {"locker": 3, "intent": "i-1"}, ""),
    )
    assert _hear(hub, room, stream, *_done("clip.mark"), *proofs) == "acted"


def test_a_refused_command_is_never_confirmed(hub: Hub, room: Any, signer: Signer) -> None:
    raw = Command(ID, "locker.override", {"locker": 3}).seal([signer])
    stream = _sent(hub, room, "command", raw)
    refused = ("cmd.refused", {"id": ID, "reason": "two_roles"}, "")
    opened = ("locker.opened", {"locker": 3, "intent": ID}, "")
    assert _hear(hub, room, stream, refused, opened) == "refused"


def _deposited(no: int, locker: int) -> tuple[str, dict[str, Any], str]:
    data = {"no": no, "locker": locker, "items": ["phone"], "item": "present", "confirmed_by": []}
    return ("member.deposited", data, SESSION)


def _prepared() -> tuple[str, dict[str, Any], str]:
    members = [
        {"no": no, "kind": "expert", "org": "changsha", "here": True, "station": no, "locker": no}
        for no in (4, 5)
    ]
    data = {
        "booking": "2026-1124-01",
        "kind": "evaluation",
        "start_at": "2026-11-24T01:00:00.000Z",
        "org": "changsha",
        "role": "guest",
        "home_org": "hubei",
        "venues": [],
        "members": members,
        "pack_hash": "0" * 64,
        "plan": {"generation": 1, "n": 1, "hash": "0" * 64},
    }
    return ("session.prepared", data, SESSION)


def _identified(no: int) -> tuple[str, dict[str, Any], str]:
    return ("member.identified", {"no": no, "method": "card", "document": "id", "by": []}, SESSION)


def test_an_order_to_leave_is_confirmed_when_the_lockers_are_empty(
    hub: Hub, room: Any, signer: Signer
) -> None:
    raw = Order(ID, SESSION, 9, "end", "p-0123456789ab", committee="complete").seal([signer])
    stream = _sent(hub, room, "order", raw)
    moved = {"from": "signing", "to": "ended", "by": "order", "order": ID}
    before = (_prepared(), _identified(4), _identified(5), _deposited(4, 1), _deposited(5, 2))
    acted = (("order.accepted", {"id": ID}, SESSION), ("phase.changed", moved, SESSION))
    assert _hear(hub, room, stream, *before, *acted) == "acted"
    released = [("member.released", {"no": no, "locker": no - 3}, SESSION) for no in (4, 5)]
    assert _hear(hub, room, stream, released[0]) == "acted"
    assert _hear(hub, room, stream, released[1]) == "confirmed"


def test_a_release_of_one_member_asks_for_that_members_locker_alone(
    hub: Hub, room: Any, signer: Signer
) -> None:
    order = Order(ID, SESSION, 9, "member_release", "p-0123456789ab", members=("x4",))
    stream = _sent(hub, room, "order", order.seal([signer]))
    before = (_prepared(), _identified(4), _identified(5), _deposited(4, 1), _deposited(5, 2))
    assert _hear(hub, room, stream, *before, ("order.accepted", {"id": ID}, SESSION)) == "accepted"
    done = ("member.released", {"no": 4, "locker": 1}, SESSION)
    assert _hear(hub, room, stream, done) == "confirmed"
