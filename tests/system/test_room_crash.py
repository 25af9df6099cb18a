"""Kill -9 in the middle of things: the room goes on from its journal and no door opens twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.room_rig import SESSION, Rig, until

pytestmark = pytest.mark.system
CARDS = 12  # presented in vain, one by one, before a machine is too slow for this test
STEADY = ("id", "phase", "last_n", "orders", "members", "exceptions")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A guest room in check-in, one member here, nobody seated yet."""
    made = Rig(
        tmp_path_factory.mktemp("crash") / "r", seats=1, without=frozenset({"ups", "radar1"})
    )
    try:
        made.start()
        made.publish_plan(members=2)
        made.hub.wait("plan.accepted")
        made.hub.order(SESSION, 1, "open")
        made.hub.wait("phase.changed", to="check_in")
        yield made
    finally:
        made.stop()


def steady(rig: Rig) -> dict[str, Any]:
    """The session as shown, without what only counts time."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(one) for key, one in value.items() if not key.endswith("_ms")}
        return [cut(one) for one in value] if isinstance(value, list) else value

    shown = rig.session()
    return {key: cut(shown[key]) for key in STEADY}


def identified(rig: Rig, no: int) -> None:
    rig.present(no)
    rig.hub.wait("member.identified", no=no)


def intents(rig: Rig) -> list[str]:
    return [str(one["data"]["intent"]) for one in rig.journal("locker.opening")]


def kill_at_intent(rig: Rig, count: int) -> None:
    """Kills the room as soon as that many intents are on the disk."""
    until("an intent on the disk", lambda: len(intents(rig)) == count, every_s=0.005)
    rig.kill_room()


def kill_before_pulse(rig: Rig, no: int) -> None:
    """The board is deaf when the card comes: the intent is written, no pulse can leave.

    On a busy machine the card may be read so late that the door is already unknown; the gate then
    says so, and the member comes again.
    """
    before = len(intents(rig))
    for _ in range(CARDS):
        refused = len(rig.journal("gate.refused"))
        until("the door is known", lambda: rig.shown_door(no) == "closed")
        rig.present(no, first=lambda: rig.hand("locker", "fault", kind="no_answer", count=500))
        until(
            "intent or refusal",
            lambda now=refused: (
                len(intents(rig)) > before or len(rig.journal("gate.refused")) > now
            ),
            every_s=0.005,
        )
        if len(intents(rig)) > before:
            rig.kill_room()
            rig.hand("locker", "fault", kind="none")
            return
        rig.hand("locker", "fault", kind="none")
    raise AssertionError(f"{CARDS} cards were read too late")


def test_a_kill_around_a_pulse_never_opens_a_door_twice_or_by_itself(rig: Rig) -> None:
    hub = rig.hub
    identified(rig, 1)

    # 1. The lock is jammed, the room is killed at the pulse. Freed, it must not spring open.
    rig.hand("locker", "jam", lock=1, on=True)
    rig.do("deposit.declare", {"no": 1, "items": ["phone"]})
    kill_at_intent(rig, 1)
    rig.hand("locker", "jam", lock=1, on=False)
    rig.start_room()
    failed = hub.wait("locker.open_failed", locker=1)
    assert failed.data["intent"] == intents(rig)[0]
    assert not rig.door(1)["open"]

    # 2. Intent on the disk, no pulse left the room. It is not made up for after the restart.
    kill_before_pulse(rig, 1)
    before = len(rig.journal())
    rig.start_room()
    hub.wait("locker.open_failed", locker=1, count=2)
    assert not rig.door(1)["open"]

    # 3. The door is open, nobody has written it down yet.
    rig.present(1)
    until("the door springs open", lambda: rig.door(1)["open"], every_s=0.005)
    rig.kill_room()
    rig.start_room()
    opened = hub.wait("locker.opened", locker=1)
    assert opened.data["intent"] == intents(rig)[2]
    rig.deposit(1)

    # 4. At rest: what is shown after a kill is what was shown before it.
    shown = steady(rig)
    rig.kill_room()
    rig.start_room()
    until("the same state", lambda: steady(rig) == shown)
    until("all is acknowledged", lambda: rig.screen.state()["link"]["waiting"] == 0)
    assert len(intents(rig)) == 3
    assert len({(one.epoch, one.seq) for one in hub.events}) == len(hub.events) > before
    on_disk = {(one["epoch"], one["seq"]) for one in rig.journal()}
    assert on_disk == {(one.epoch, one.seq) for one in hub.events}
    assert hub.troubles == []


def test_a_board_that_dies_is_one_loss_and_one_return(rig: Rig) -> None:
    hub = rig.hub
    identified(rig, 2)
    # On a busy machine an earlier test's room may have lost a board that was slow.
    lost = len(hub.found("device.lost", device="locker"))
    back = len(hub.found("device.back", device="locker"))
    rig.children["locker"].kill()
    hub.wait("device.lost", count=lost + 1, device="locker")
    rig.start_board("locker")
    hub.wait("device.back", count=back + 1, device="locker")
    until("the doors are known again", lambda: rig.shown_door(2) == "closed")
    rig.do("deposit.declare", {"no": 2, "items": ["phone"]})
    rig.deposit(2)
    assert rig.step(2) == "deposited"
    assert len(hub.found("device.lost", device="locker")) == lost + 1
    # The order's number outlives a restart: the first order again is answered, an old one refused.
    rig.kill_room()
    rig.start_room()
    old = hub.order(SESSION, 1, "close")
    assert hub.wait("order.refused", named=old).data["reason"] == "old_n"
