"""The same record over the brokers the hub starts itself: real processes, real connections."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select

from edge import hub_side
from edge.certificate import context
from edge.config import read_credentials
from edge.pipe import Pipe
from hub.app import Hub, build
from hub.cli import serving
from hub.cli.enroll import enroll
from hub.cli.serving import Running
from hub.config import load
from hub.keys.authority import CONTROLLER_DAYS
from hub.recording.floods import REFUSED_MAX
from hub.store.tables_core import events, outgoing
from protocols.messages.bodies import Ack, CommandWrapper, Ping
from protocols.messages.signed import parse_message
from protocols.messages.topics import UP_EV, UP_ST, UP_TM, parse_topic, room_subscriptions
from tests.hub import scripted_room as scripted
from tests.hub.booking.town import CHEAP
from tests.system.room_rig import until
from tests.torture.plain_mqtt import Peer

WITHIN_S = 20.0
SAID_S = 3.0


class Line:
    """The room's own connection to the broker; with its certificate where a folder has one."""

    def __init__(self, room: Any, port: int, *, certificate: Path | None = None) -> None:
        self.room = room
        self.inbox: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._subscribed: queue.Queue[bool] = queue.Queue()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=room.ctl, protocol=mqtt.MQTTv311
        )
        if certificate is None:
            client.username_pw_set(room.mqtt["user"], room.mqtt["password"])
        else:
            client.tls_set_context(context(certificate))
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda c, *_: c.subscribe(list(room_subscriptions(room.ctl)))
        client.on_subscribe = lambda *_: self._subscribed.put(True)
        client.on_message = lambda _c, _d, m: self.inbox.put((m.topic, bytes(m.payload)))
        client.connect("127.0.0.1", port)
        client.loop_start()
        self.client = client
        assert self._subscribed.get(timeout=WITHIN_S)

    def send(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(self.room.topic(leaf), payload, qos=1, retain=retain)

    def next(self, leaf: str, *, within_s: float = WITHIN_S) -> bytes:
        """The next message on a leaf; others pass by."""
        end = time.monotonic() + within_s
        while True:
            # Pings go on for ever: only a deadline over all of them ends this.
            name, payload = self.inbox.get(timeout=max(0.0, end - time.monotonic()))
            found = parse_topic(name)
            if found is not None and found.leaf == leaf:
                return payload

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=["embedded", "mosquitto"])
def kind(request: pytest.FixtureRequest) -> str:
    if (
        request.param == "mosquitto"
        and shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None
    ):
        pytest.skip("mosquitto is not installed: apt-get install -y mosquitto")
    return str(request.param)


@pytest.fixture
def run(hub_data: Path, kind: str) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def _start(*, mqtt_tls: bool = False) -> Running:
        config = replace(load(hub_data), broker=kind, mqtt_tls=mqtt_tls)
        hub = build(config, services=False, stretch=CHEAP)
        running = Running(hub)
        running.start()
        started.append(running)
        return running

    yield _start
    for running in reversed(started):
        running.stop()
    for running in started:  # one that was left behind is still our child
        broker = running.hub.broker
        if broker is not None and broker._process is not None:
            broker._process.wait(WITHIN_S)


def _rows(hub: Hub, ctl: str) -> list[bytes]:
    with hub.store.read() as conn:
        query = select(events.c.raw).where(events.c.ctl == ctl).order_by(events.c.id)
        return [bytes(raw) for raw in conn.execute(query).scalars()]


def _port(running: Running) -> int:
    assert running.hub.broker is not None
    return running.hub.broker.port


def acked(line: Line, batch: bytes) -> bool:
    """As a room does it: sends again until there is an ack, for the hub may just be coming back."""
    for _ in range(10):
        line.send(UP_EV, batch)
        try:
            return bool(line.next("down/ack", within_s=WITHIN_S / 10))
        except queue.Empty:
            continue
    return False


@pytest.mark.slow
def test_a_room_is_recorded_over_tls_until_its_place_is_given_to_another(
    run: Callable[..., Running], room_folder: Path, accounts: dict[str, dict[str, Any]]
) -> None:
    running = run(mqtt_tls=True)
    hub = running.hub
    room = scripted.ScriptedRoom(room_folder)
    line = Line(room, _port(running), certificate=room_folder)
    stream = room.open()
    room.write(stream)
    assert acked(line, room.batch(stream))
    assert _rows(hub, room.ctl) == stream.lines
    lost = threading.Event()
    line.client.on_disconnect = lambda *_: lost.set()

    secret = accounts["changsha.home_manager"]["password"]
    out = room_folder.parent / "anew"
    other = enroll(hub, org="changsha", room="2", name="二室", secret=secret, out=out)

    assert lost.wait(WITHIN_S), "the revoked certificate's connection is ended"
    line.close()
    following = Line(scripted.ScriptedRoom(out), _port(running), certificate=out)
    assert following.room.ctl == other.ctl
    again = following.room.open()
    batch = following.room.batch(again)
    assert acked(following, batch)
    following.close()


@pytest.mark.slow
def test_whose_certificate_runs_out_while_he_is_connected_is_heard_no_more(
    run: Callable[..., Running],
    room_folder: Path,
    accounts: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "EXPIRY_TICKS", 1)
    running = run(mqtt_tls=True)
    hub = running.hub
    line = Line(scripted.ScriptedRoom(room_folder), _port(running), certificate=room_folder)
    stream = line.room.open()
    line.room.write(stream)
    assert acked(line, line.room.batch(stream))
    now = hub.admission._now
    hub.admission._now = lambda: now() + dt.timedelta(minutes=30)
    secret = accounts["hunan.home_manager"]["password"]
    out = room_folder.parent / "later"
    enroll(hub, org="hunan", room="2", name="二室", secret=secret, out=out)
    another = Line(scripted.ScriptedRoom(out), _port(running), certificate=out)
    begun = another.room.open()
    assert acked(another, another.room.batch(begun))

    # The brokers' own clock stays: what it refuses at a connect is not what is asked here.
    hub.admission._now = lambda: now() + dt.timedelta(days=CONTROLLER_DAYS, minutes=5)
    until("the list is without it", lambda: _listed(hub) == {"hub", another.room.ctl})

    def unheard() -> bool:
        """A new row of the one does not arrive, though one that the other says later does."""
        line.room.write(stream)
        said = line.client.publish(line.room.topic(UP_EV), line.room.batch(stream), qos=1)
        with contextlib.suppress(RuntimeError):  # NATS has hung up
            said.wait_for_publish(SAID_S)  # Mosquitto takes what it will not pass on
        another.room.write(begun)
        assert acked(another, another.room.batch(begun)), "whoever has days left stays"
        return len(_rows(hub, line.room.ctl)) < len(stream.lines)

    until("the broker has read the list", unheard)
    assert unheard()
    another.close()
    line.close()


def _listed(hub: Hub) -> set[str]:
    return set(json.loads(hub.config.broker_users.read_text(encoding="utf-8")))


@dataclass
class Victim:
    """A room's own connection, as its program makes it: no client of the test's own."""

    room: Any
    folder: Path
    port: int
    mqtt_tls: bool
    inbox: queue.Queue[bytes] = field(default_factory=queue.Queue)
    links: list[bool] = field(default_factory=list)
    pipe: Pipe = field(init=False)

    def __post_init__(self) -> None:
        line = hub_side.Line("first", "127.0.0.1", self.port, "http://127.0.0.1")
        me = read_credentials(self.folder)
        if self.mqtt_tls:
            me = replace(me, mqtt_tls=True, mqtt_password="")
        self.pipe = Pipe(
            broker=hub_side._broker(me, line),
            subscriptions=room_subscriptions(self.room.ctl),
            will=(self.room.topic(UP_ST), b"gone"),
            on_link=lambda *, up: self.links.append(up),
            on_bytes=lambda name, raw, **_: self.inbox.put(raw) if "down/ack" in name else None,
            chance=lambda: 0.0,
        )
        self.pipe.start()
        until("the room is connected", self.pipe.up, within_s=WITHIN_S)

    def acked(self, batch: bytes) -> bool:
        """Over this connection, in both directions."""
        for _ in range(10):
            self.pipe.send(self.room.topic(UP_EV), batch, qos=1)
            try:
                return bool(self.inbox.get(timeout=WITHIN_S / 10))
            except queue.Empty:
                continue
        return False


@pytest.mark.slow
@pytest.mark.parametrize("mqtt_tls", [True, False], ids=["tls", "password"])
def test_an_enrolled_rogue_ends_nobodys_connection_by_calling_itself_by_anothers_name(
    run: Callable[..., Running],
    room_folder: Path,
    accounts: dict[str, dict[str, Any]],
    *,
    mqtt_tls: bool,
) -> None:
    running = run(mqtt_tls=mqtt_tls)
    hub, line = running.hub, running.transport
    secret = accounts["hunan.home_manager"]["password"]
    out = room_folder.parent / "rogue"
    rogue = enroll(hub, org="hunan", room="2", name="二室", secret=secret, out=out)
    room = scripted.ScriptedRoom(room_folder)
    victim = Victim(room, room_folder, _port(running), mqtt_tls)
    stream = room.open()
    assert victim.acked(room.batch(stream))
    lost: list[object] = []
    assert line is not None
    line._client.on_disconnect = lambda *words: lost.append(words)
    tls = context(out) if mqtt_tls else None
    password = "" if mqtt_tls else scripted.ScriptedRoom(out).mqtt["password"]
    address = ("127.0.0.1", _port(running))
    own = Peer(address, rogue.ctl, password, tls=tls)
    while own.refused:  # it was enrolled a moment ago
        own.vanish()
        own = Peer(address, rogue.ctl, password, tls=tls)

    for name in (room.ctl, hub.config.hub, "hub", f"{room.ctl}-", f"{hub.config.hub}-{'0' * 32}"):
        said = Peer(address, rogue.ctl, password, tls=tls, client=name)
        assert said.refused == 0, "only its own name is checked, and it is its own"
        said.vanish()

    room.write(stream)
    assert victim.acked(room.batch(stream, 2))
    own.vanish()
    victim.pipe.stop()
    assert (victim.links[:1], victim.links.count(False), lost) == ([True], 1, [])


@pytest.mark.slow
def test_batches_orders_and_pings_travel(run: Callable[..., Running], room_folder: Path) -> None:
    running = run()
    hub = running.hub
    line = Line(scripted.ScriptedRoom(room_folder), _port(running))
    room = line.room
    assert Ping.decode(line.next("down/ping")).nonce
    stream = room.open()
    room.write(stream)
    line.send(UP_EV, room.batch(stream))
    ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
    assert (ack.upto, ack.hash) == (2, stream.tip)
    assert _rows(hub, room.ctl) == stream.lines
    with hub.store.write() as conn:
        hub.fleet.send(conn, room.ctl, "order", "e" * 32, b"issuer's own bytes")
    wrapper = CommandWrapper.read(parse_message(line.next("down/cmd"), limit=65536))
    assert (wrapper.id, wrapper.inner) == ("e" * 32, b"issuer's own bytes")
    answer = {"id": "e" * 32, "n": 1, "order": "open"}
    room.write(stream, "order.accepted", answer, session="s-0123456789ab")
    line.send(UP_EV, room.batch(stream, 3))
    line.next("down/ack")
    hub.projector.run_pending()
    with hub.store.read() as conn:
        state = conn.execute(select(outgoing.c.state)).scalar_one()
    assert state == "accepted"
    line.client.publish(room.topic(UP_TM), room.pong(stream, acked=3), qos=0)
    line.next("down/ack")
    assert hub.rooms.link(room.ctl).reachable is True
    line.close()


@pytest.mark.slow
def test_an_oversize_message_passes_the_broker_and_blocks_nothing(
    run: Callable[..., Running], room_folder: Path
) -> None:
    running = run()
    line = Line(scripted.ScriptedRoom(room_folder), _port(running))
    room = line.room
    stream = room.open()
    line.next("down/ping")  # the hub listens: what comes before is nobody's, for no session is kept
    line.send(UP_EV, b"x" * (300 * 1024))
    line.send(UP_EV, room.batch(stream))
    ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
    assert ack.upto == 1
    with running.hub.store.read() as conn:
        sizes = conn.exec_driver_sql("SELECT bytes FROM quarantine").scalars().all()
    assert sizes == [300 * 1024]
    line.close()


@pytest.mark.slow
def test_a_hub_that_restarts_answers_the_retained_birth(
    run: Callable[..., Running], room_folder: Path
) -> None:
    first = run()
    port = _port(first)
    line = Line(scripted.ScriptedRoom(room_folder), port)
    room = line.room
    stream = room.open()
    line.send(UP_ST, room.birth(stream), retain=True)
    line.send(UP_EV, room.batch(stream))
    ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
    while ack.upto < 1:  # the birth is answered before the batch is recorded
        line.send(UP_EV, room.batch(stream))  # again: the hub may not have been listening yet
        ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
    run_of_first = ack.run
    first.stop(leave_broker=True)
    room.write(stream)
    second = run()
    assert _port(second) == port
    while True:
        ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
        if ack.run != run_of_first:
            break
    assert (ack.upto, ack.re) == (1, room.ask)
    line.send(UP_EV, room.batch(stream))
    while ack.upto < 2:
        ack = Ack.read(parse_message(line.next("down/ack"), limit=65536))
    assert _rows(second.hub, room.ctl) == stream.lines
    line.close()


@pytest.mark.slow
def test_a_room_that_floods_is_heard_no_more_for_a_while(
    run: Callable[..., Running], room_folder: Path
) -> None:
    running = run()
    broker, floods = running.hub.broker, running.hub.ingest.floods
    assert broker is not None
    room = scripted.ScriptedRoom(room_folder)
    line = Line(room, _port(running))
    stream = room.open()
    assert acked(line, room.batch(stream))
    for _ in range(REFUSED_MAX + 1):
        floods.refused(room.ctl)
    end = time.monotonic() + WITHIN_S
    while any(one.name == room.ctl for one in broker.users):
        assert time.monotonic() < end, "its topics stay open"
        threading.Event().wait(0.05)

    room.write(stream)

    line.send(UP_EV, room.batch(stream))
    with pytest.raises(queue.Empty):
        line.next("down/ack", within_s=2)
    line.close()
