"""Kill -9 in the middle of things: the room goes on from its journal and no door opens twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.room_rig import SESSION, Rig, until

pytestmark = pytest.mark.system
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


def declare_later(rig: Rig, no: int) -> None:
    """Says what is deposited; the answer is not waited for, the room may die before it."""
    rig.do("deposit.declare", {"no": no, "items": ["phone"]})


def test_a_kill_around_a_pulse_never_opens_a_door_twice_or_by_itself(rig: Rig) -> None:
    hub = rig.hub
    identified(rig, 1)

    # 1. Intent on the disk, the board is deaf: no pulse left. Killed, and nothing opens afterwards.
    rig.hand("locker", "fault", kind="no_answer", count=200)
    declare_later(rig, 1)
    until("the intent is on the disk", lambda: rig.journal("locker.opening"), every_s=0.005)
    rig.kill_room()
    rig.hand("locker", "fault", kind="none")
    rig.start_room()
    failed = hub.wait("locker.open_failed", locker=1)
    intent = rig.journal("locker.opening")[0]["data"]["intent"]
    assert failed.data["intent"] == intent
    assert not rig.door(1)["open"]

    # 2. Pulsed, but the lock is jammed: killed in the watch. Freed, it must not spring open.
    rig.hand("locker", "jam", lock=1, on=True)
    rig.present(1)
    until("the second intent", lambda: len(rig.journal("locker.opening")) == 2, every_s=0.005)
    rig.kill_room()
    before = len(rig.journal())
    rig.hand("locker", "jam", lock=1, on=False)
    rig.start_room()
    hub.wait("locker.open_failed", locker=1, count=2)
    assert not rig.door(1)["open"]

    # 3. The door is open, nobody has written it down yet.
    rig.present(1)
    until("the door springs open", lambda: rig.door(1)["open"], every_s=0.005)
    rig.kill_room()
    rig.start_room()
    opened = hub.wait("locker.opened", locker=1)
    assert opened.data["intent"] == rig.journal("locker.opening")[2]["data"]["intent"]
    rig.deposit(1)

    # 4. At rest: what is shown after a kill is what was shown before it.
    shown = steady(rig)
    rig.kill_room()
    rig.start_room()
    until("the same state", lambda: steady(rig) == shown)
    until("all is acknowledged", lambda: rig.screen.state()["link"]["waiting"] == 0)
    assert [one["type"] for one in rig.journal()].count("locker.opening") == 3
    assert len({(one.epoch, one.seq) for one in hub.events}) == len(hub.events) > before
    on_disk = {(one["epoch"], one["seq"]) for one in rig.journal()}
    assert on_disk == {(one.epoch, one.seq) for one in hub.events}
    assert hub.troubles == []


def test_a_board_that_dies_is_one_loss_and_one_return(rig: Rig) -> None:
    hub = rig.hub
    identified(rig, 2)
    rig.children["locker"].kill()
    hub.wait("device.lost", device="locker")
    rig.start_board("locker")
    hub.wait("device.back", device="locker")
    until("the doors are known again", lambda: rig.shown_door(2) == "closed")
    declare_later(rig, 2)
    rig.deposit(2)
    assert rig.step(2) == "deposited"
    assert len(hub.found("device.lost", device="locker")) == 1
    # The order's number outlives a restart: the first order again is answered, an old one refused.
    rig.kill_room()
    rig.start_room()
    old = hub.order(SESSION, 1, "close")
    assert hub.wait("order.refused", id=old).data["reason"] == "old_n"
