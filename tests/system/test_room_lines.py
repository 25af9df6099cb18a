"""What a room refuses, what it survives, and what it says about both: one room, many troubles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocols.messages.acts import Command, Expect, Order
from protocols.messages.topics import DOWN_CMD, UP_NOTICE
from protocols.wire.idcard_text import check_character
from tests.system.foreign_reader import ForeignReader, foreigner_old, modern
from tests.system.room_hub import PIN
from tests.system.room_rig import FREE, MAINS_PIN, NUMBERS, PRESSED, SESSION, Rig, until

pytestmark = pytest.mark.system
BOARDS_GONE = frozenset({"idcard", "ups", "radar1"})
STRANGER = "81000019800101001" + check_character("81000019800101001")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A guest room in check-in whose UPS, radar and reader are not plugged in."""
    made = Rig(tmp_path_factory.mktemp("lines") / "r", seats=1, without=BOARDS_GONE)
    try:
        made.start()
        made.publish_plan(members=2)
        made.hub.wait("plan.accepted")
        made.hub.order(SESSION, 1, "open")
        made.hub.wait("phase.changed", to="check_in")
        yield made
    finally:
        made.stop()


@pytest.fixture
def reader(rig: Rig) -> Iterator[ForeignReader]:
    made = ForeignReader(rig.pty("idcard"))
    yield made
    made.close()
    rig.pty("idcard").unlink()


def flipped(raw: bytes) -> bytes:
    """One bit of the signature is another."""
    at = raw.rindex(b'"sig":"') + 7
    return raw[:at] + (b"0" if raw[at : at + 1] != b"0" else b"1") + raw[at + 1 :]


def test_orders_that_are_not_genuine_move_nothing(rig: Rig) -> None:
    hub, manager = rig.hub, rig.keys.manager
    cases = [
        ("other_session", Order("a" * 32, "s-ffffffffffff", 9, "close", manager.person), manager),
        (
            "other_venue",
            Order("b" * 32, SESSION, 9, "close", manager.person, venues=("hubei",)),
            manager,
        ),
        ("unsigned", Order("c" * 32, SESSION, 9, "close", manager.person), rig.keys.staff),
        ("old_n", Order("d" * 32, SESSION, 1, "close", manager.person), manager),
    ]
    for reason, order, signer in cases:
        hub.send("order", order.seal([signer.signer]), name=order.id)
        assert hub.wait("order.refused", named=order.id).data["reason"] == reason
    good = Order("e" * 32, SESSION, 9, "close", manager.person).seal([manager.signer])
    hub.send("order", flipped(good), name="e" * 32)
    assert hub.wait("order.refused", named="e" * 32).data["reason"] == "unsigned"
    override = Command("f" * 32, "locker.override", {"locker": 1}, Expect("locker:1"))
    hub.send("command", override.seal([rig.keys.staff.signer]), name="f" * 32)
    assert "two persons" in hub.wait("cmd.refused", id="f" * 32).data["reason"]
    accepted = hub.found("order.accepted")
    hub.send("order", str(accepted[0].data["raw"]).encode(), name=str(accepted[0].data["id"]))
    hub.wait("cmd.refused", id="f" * 32)
    assert len(hub.found("order.accepted")) == 1
    assert rig.session()["phase"] == "check_in"
    hub.open.clear()


def test_a_retained_command_is_refused_when_the_line_comes_back(rig: Rig) -> None:
    hub, manager = rig.hub, rig.keys.manager
    rig.hand("link", "cut")
    until("the line is down", lambda: not rig.screen.state()["link"]["up"])
    order = Order("9" * 32, SESSION, 10, "terminate", manager.person)
    hub.send("order", order.seal([manager.signer]), name=order.id, retain=True)
    network = hub.found("fault.raised", kind="network")
    until("the fault is seen", lambda: _fault_open(rig, "network"), within_s=40)
    rig.hand("link", "restore")
    assert hub.wait("cmd.refused", named=order.id).data["reason"].startswith("retained")
    hub.publish(DOWN_CMD, b"", retain=True)
    hub.wait("fault.raised", kind="network", count=len(network) + 1)
    hub.wait("fault.cleared", kind="network", count=len(network) + 1, within_s=40)
    assert rig.session()["phase"] == "check_in"


def _fault_open(rig: Rig, kind: str) -> bool:
    return any(one["kind"] == kind and one["open"] for one in rig.screen.state()["faults"])


def test_a_hub_that_is_away_misses_nothing_and_hears_of_the_mains_first(rig: Rig) -> None:
    hub = rig.hub
    with hub.silent():
        for _ in range(70):
            assert rig.screen.act("help", {}).status_code == 200
        until("a backlog", lambda: rig.screen.state()["link"]["waiting"] > 64)
        assert rig.session()["phase"] == "check_in"
    hub.holding.set()
    raised = len(hub.found("fault.raised", kind="power"))
    rig.hand_pins(MAINS_PIN, FREE)
    until("a notice", lambda: any(one.type == "fault.raised" for one in hub.notices))
    until("the mains are seen to be off", lambda: rig.screen.state()["power"]["mains"] == "off")
    assert UP_NOTICE in hub.arrivals
    assert len(hub.found("fault.raised", kind="power")) == raised
    rig.hand_pins(MAINS_PIN, PRESSED)
    hub.holding.clear()
    hub.wait("help.called", count=70, within_s=75)
    hub.wait("fault.cleared", kind="power", count=raised + 1)
    until("all is acknowledged", lambda: rig.screen.state()["link"]["waiting"] == 0)
    assert len(hub.found("help.called")) == 70
    assert hub.troubles == []


def test_five_wrong_pins_close_the_sixth_try_even_with_the_right_one(rig: Rig) -> None:
    who = rig.keys.coordinator
    for left in (4, 3, 2, 1, 0):
        answer = rig.screen.act("lead.choose", {"no": 1}, who, pin="99999999")
        assert answer.status_code == 422
        assert f"{left} tries left" in answer.json()["got"]
    answer = rig.screen.act("lead.choose", {"no": 1}, who, pin=PIN)
    assert answer.status_code == 422
    assert "wait" in answer.json()["do"]
    assert rig.hub.found("lead.chosen") == []
    assert rig.screen.act("lead.choose", {"no": 1}).status_code == 409


def test_a_reader_of_another_make_is_understood_or_refused_by_name(
    rig: Rig, reader: ForeignReader
) -> None:
    hub = rig.hub
    hub.wait("device.back", device="idcard")
    unknown = len(hub.found("card.unknown"))
    cards = [
        (modern("王某", STRANGER, "J"), "J", ["garbage"]),
        (modern("DOE", STRANGER, "Y"), "Y", ["slow"]),
        (foreigner_old("DOE JOHN", "USA110074010101"), "I", ["good"]),
    ]
    for count, (text, layout, mood) in enumerate(cards, unknown + 1):
        reader.mood[:] = mood
        reader.lay(text)
        event = hub.wait("card.unknown", count=count)
        assert (event.data["layout"], event.data["reason"]) == (layout, "no_match")
        _lift(reader)
    reader.mood[:] = ["damaged", "silent", "damaged"]
    reader.lay(modern("张三", NUMBERS[1]))
    error = hub.wait("card.unknown", count=unknown + 4)
    assert error.data["reason"] != "no_match"
    _lift(reader)
    reader.mood[:] = ["slow"]
    reader.lay(modern("张三", NUMBERS[1]))
    hub.wait("member.identified", no=1, method="card")
    said = b"".join(line for stream in hub.streams.values() for line in stream.lines.values())
    assert NUMBERS[1].encode() not in said
    assert STRANGER.encode() not in said
    assert "张三".encode() not in said


def _lift(reader: ForeignReader) -> None:
    """The card is gone for as long as the reader asks a few times."""
    reader.lay(None)
    asked = reader.asked
    until("the reader looked", lambda: reader.asked >= asked + 4)
