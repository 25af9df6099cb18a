"""A whole day in one real room, as home and as guest, with both families of lock boards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import crypto
from hub.broker import EmbeddedBroker, MosquittoBroker
from protocols.messages.acts import DOCUMENTS, Order
from protocols.messages.signed import check_signatures, parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX
from tests.system.room_rig import SESSION, Rig, until

pytestmark = pytest.mark.system


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "r", board="8a80", org="hubei", seats=1, broker_kind=MosquittoBroker)
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
    until("the beam is free", lambda: rig.shown_door(1, "item") == "absent")
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
    assert rig.children["room"].stop(within_s=5.0) == 0
    until("the farewell", lambda: hub.wills == 1)
    assert "Traceback" not in rig.children["room"].said()


def test_a_day_at_the_home_venue_by_the_screens_orders(home: Rig) -> None:
    rig, hub = home, home.hub
    rig.publish_plan(members=1)
    hub.wait("plan.accepted")
    ordered(rig, "open")
    rig.check_in(1)
    assert hub.wait("member.deposited", no=1).data["item"] == "unknown"
    for need in ("system_reachable", "av_recording"):
        rig.do("start.exception", {"need": need, "reason": "演练"})
    ordered(rig, "start")
    away = {"no": 1, "reason": "toilet", "consent_by": "lead", "escort": "HB-11"}
    rig.do("away.start", {**away, "expected_min": 5})
    rig.sit(1, down=False)
    hub.wait("seat.state", station=1, state="vacant")
    rig.sit(1, down=True)
    rig.do("away.end", {"no": 1})
    assert rig.screen.order("end", rig.keys.manager, committee="complete").status_code == 409
    ordered(rig, "sign")
    for document in DOCUMENTS:
        hub.statement(SESSION, 1, document)
    hub.wait("statement.accepted", count=3)
    end = ordered(rig, "end", committee="complete")
    issued = hub.wait("order.issued", order="end")
    signed = parse_message(str(issued.data["raw"]).encode(), limit=MESSAGE_BYTES_MAX)
    # The hub relays these very bytes; they carry the person's own signature.
    assert Order.read(signed).id == end
    (verdict,) = check_signatures(
        signed, lambda _: crypto.public_of(rig.keys.manager.seed), crypto.verify
    )
    assert verdict.ok
    rig.collect(1)
    rig.sit(1, down=False)
    rig.do("left.confirm", {"no": 1})
    refused = rig.screen.order("close", rig.keys.manager)
    assert refused.json()["missing"] == ["locker:1"], refused.text
    rig.do("locker.confirm_empty", {"locker": 1}, two=True)
    ordered(rig, "close")
    hub.wait("secrets.wiped")
    assert rig.screen.order("open", rig.keys.manager).status_code == 422
    until("all is acknowledged", lambda: rig.screen.state()["link"]["waiting"] == 0)
    assert hub.troubles == []


def ordered(rig: Rig, order: str, **more: str) -> str:
    """An order confirmed on the screen by the manager's PIN; returns its id."""
    answer = rig.screen.order(order, rig.keys.manager, **more)
    assert answer.status_code == 200, answer.text
    return str(rig.hub.wait("order.accepted", order=order, via="screen").data["id"])
