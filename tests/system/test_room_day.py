"""A whole day in one real room, as home and as guest, with both families of lock boards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.broker import EmbeddedBroker, MosquittoBroker
from protocols.messages.acts import DOCUMENTS
from tests.system.room_rig import SESSION, Rig, until

pytestmark = pytest.mark.system


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "r", board="8a80", org="hubei", broker_kind=MosquittoBroker)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "r", board="cu16", org="changsha", broker_kind=EmbeddedBroker)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()


def test_a_day_at_the_guest_venue_by_the_hubs_orders(guest: Rig) -> None:
    rig, hub = guest, guest.hub
    rig.healthy()
    rig.do("selftest.run", {})
    assert hub.wait("selftest.done").data["ok"], hub.found("selftest.done")
    hub.order(SESSION, 1, "open")
    hub.wait("phase.changed", to="check_in")
    for no in (1, 2):
        rig.check_in(no)
    rig.do("start.exception", {"need": "system_reachable", "reason": "演练"})
    hub.wait("recording.state", state="on")
    hub.order(SESSION, 2, "start")
    hub.wait("phase.changed", to="evaluating")
    rig.present(1)
    refused = hub.wait("gate.refused", no=1, want="release")
    unmet = {one["key"] for one in refused.data["conditions"] if not one["met"]}
    assert "order_end" in unmet
    assert not rig.door(1)["open"]
    hub.order(SESSION, 3, "sign")
    for no in (1, 2):
        for document in DOCUMENTS:
            hub.statement(SESSION, no, document)
    hub.wait("statement.accepted", count=6)
    hub.order(SESSION, 4, "end", committee="complete")
    hub.wait("phase.changed", to="ended")
    rig.present(1)
    hub.wait("locker.opened", locker=1, count=2)
    rig.present(2)
    busy = hub.wait("gate.refused", no=2)
    assert [one["key"] for one in busy.data["conditions"] if not one["met"]] == ["door_free"]
    assert not rig.door(2)["open"]
    rig.hand("locker", "take", lock=1)
    until("the beam is free", lambda: rig._item_gone(1))
    rig.hand("locker", "close", lock=1)
    hub.wait("member.released", no=1)
    rig.collect(2)
    for no in (1, 2):
        rig.sit(no, down=False)
        rig.do("left.confirm", {"no": no})
    hub.order(SESSION, 5, "close")
    hub.wait("secrets.wiped")
    rig.present(1)
    hub.wait("card.unknown")
    until("all is acknowledged", lambda: rig.screen.state()["link"]["waiting"] == 0)
    assert hub.troubles == []
    assert rig.rss_mib() < 200


def test_a_day_at_the_home_venue_by_the_screens_orders(home: Rig) -> None:
    rig, hub = home, home.hub
    manager = rig.keys.manager
    rig.healthy()
    assert rig.screen.order("open", manager).status_code == 200
    rig.check_in(1)
