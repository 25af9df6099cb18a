"""Both brokers behind one shape: delivery, retained births, wills, rights, limits, kill -9."""

from __future__ import annotations

import os
import queue
import secrets
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from hub.broker import Broker, BrokerError, BrokerUser, EmbeddedBroker, MosquittoBroker
from protocols.messages.topics import topic

CTL, OTHER = "c-0123456789ab", "c-ba9876543210"
UP, DOWN = topic(CTL, "up/ev"), topic(CTL, "down/ack")
BIRTH = topic(CTL, "up/st")
WAIT_S = 15.0
pytestmark = pytest.mark.system
PASSWORDS = {name: secrets.token_urlsafe(24) for name in ("hub", CTL, OTHER)}
USERS = [BrokerUser(name, word) for name, word in PASSWORDS.items()]
KINDS = [
    EmbeddedBroker,
    pytest.param(
        MosquittoBroker,
        marks=pytest.mark.skipif(
            shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None,
            reason="mosquitto is missing: sudo apt-get install -y mosquitto",
        ),
    ),
]


@dataclass
class Peer:
    """One paho client whose callbacks end in queues and events a test can wait on."""

    broker: Broker
    user: str
    password: str = ""
    will: tuple[str, bytes] | None = None
    inbox: queue.Queue[tuple[str, bytes, bool]] = field(default_factory=queue.Queue)
    connected: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)
    subscribed: queue.Queue[list[bool]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=self.user, protocol=mqtt.MQTTv311
        )
        self.client.username_pw_set(self.user, self.password or PASSWORDS[self.user])
        self.client.reconnect_delay_set(1, 1)
        if self.will:
            self.client.will_set(*self.will, qos=1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self.lost.set()
        self.client.on_message = lambda _c, _u, m: self.inbox.put((m.topic, m.payload, m.retain))
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.subscribed.put(
            [not code.is_failure for code in codes]
        )
        self.client.connect(self.broker.host, self.broker.port, keepalive=10)
        self.client.loop_start()

    def _on_connect(self, _c: Any, _u: Any, _f: Any, code: Any, _p: Any) -> None:
        (self.refused if code.is_failure else self.connected).set()

    def subscribe(self, pattern: str) -> bool:
        self.client.subscribe(pattern, qos=1)
        return self.subscribed.get(timeout=WAIT_S)[0]

    def publish(self, name: str, payload: bytes, *, retain: bool = False) -> bool:
        info = self.client.publish(name, payload, qos=1, retain=retain)
        info.wait_for_publish(WAIT_S)
        return info.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with request.param(tmp_path / "broker", USERS) as running:
        yield running


@pytest.fixture
def peer(broker: Broker) -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(user: str, **how: Any) -> Peer:
        made = Peer(broker, user, **how)
        peers.append(made)
        assert made.connected.wait(WAIT_S), "not connected"
        return made

    yield make
    for made in peers:
        made.close()


def test_a_batch_arrives_at_the_hub_and_an_ack_at_the_room(peer: Callable[..., Peer]) -> None:
    hub, room = peer("hub"), peer(CTL)
    assert hub.subscribe("er/1/+/+/up/ev")
    assert room.subscribe(DOWN)

    for n in range(100):
        assert room.publish(UP, b"%d" % n)
    assert hub.publish(DOWN, b"ack")

    assert [hub.inbox.get(timeout=WAIT_S)[1] for _ in range(100)] == [b"%d" % n for n in range(100)]
    assert room.inbox.get(timeout=WAIT_S) == (DOWN, b"ack", False)


def test_a_birth_is_kept_for_a_hub_that_comes_later_and_a_will_replaces_it(
    peer: Callable[..., Peer],
) -> None:
    room = peer(CTL, will=(BIRTH, b"will"))
    assert room.publish(BIRTH, b"birth", retain=True)

    hub = peer("hub")
    hub.subscribe("er/1/+/+/up/st")
    assert hub.inbox.get(timeout=WAIT_S) == (BIRTH, b"birth", True)
    sock = room.client.socket()
    assert sock is not None
    room.client.loop_stop()
    sock.shutdown(socket.SHUT_RDWR)

    assert hub.inbox.get(timeout=WAIT_S)[:2] == (BIRTH, b"will")


def test_a_room_neither_reads_nor_writes_what_is_another_rooms(peer: Callable[..., Peer]) -> None:
    hub, room, other = peer("hub"), peer(CTL), peer(OTHER)
    hub.subscribe("er/1/#")
    mine = topic(OTHER, "down/ack")
    assert other.subscribe(mine)
    if other.subscribe(DOWN):
        hub.publish(DOWN, b"secret")
    hub.publish(mine, b"yours")  # whoever has got it would have got the other too
    assert other.inbox.get(timeout=WAIT_S)[1] == b"yours"
    other.client.publish(UP, b"forged", qos=1)
    other.client.publish(topic(CTL, "down/cmd"), b"forged", qos=1)
    room.publish(UP, b"genuine")

    arrived = hub.inbox.get(timeout=WAIT_S)
    while arrived[1] in (b"secret", b"yours"):
        arrived = hub.inbox.get(timeout=WAIT_S)
    assert arrived[:2] == (UP, b"genuine")
    assert other.inbox.empty()


def test_nobody_comes_in_with_a_wrong_password_or_without_a_name(broker: Broker) -> None:
    stranger = Peer(broker, CTL, password="x" * 20)

    assert stranger.refused.wait(WAIT_S)
    assert not stranger.connected.is_set()
    stranger.close()


def test_a_message_over_our_limit_but_under_the_brokers_arrives_and_a_larger_one_does_not(
    peer: Callable[..., Peer],
) -> None:
    hub, room = peer("hub"), peer(CTL)
    hub.subscribe("er/1/+/+/up/ev")

    assert room.publish(UP, b"x" * 300 * 1024)
    assert len(hub.inbox.get(timeout=WAIT_S)[1]) == 300 * 1024
    room.lost.clear()
    room.client.publish(UP, b"x" * 400 * 1024, qos=0)
    hub.publish(topic(OTHER, "up/ev"), b"next")

    assert hub.inbox.get(timeout=WAIT_S)[1] == b"next"


def test_a_new_controller_comes_in_without_a_restart(broker: Broker) -> None:
    pid = broker.pid
    new = BrokerUser("c-aaaaaaaaaaaa", secrets.token_urlsafe(24))
    PASSWORDS[new.name] = new.password

    broker.set_users([*USERS, new])

    joined = threading.Event()
    for _ in range(20):  # the broker reads its users again in its own time
        room = Peer(broker, new.name)
        if room.connected.wait(0.5):
            joined.set()
        room.close()
        if joined.is_set():
            break
    assert joined.is_set()
    assert broker.pid == pid


def test_after_kill_9_it_is_back_on_its_port_and_clients_go_on(
    broker: Broker, peer: Callable[..., Peer]
) -> None:
    hub, room = peer("hub"), peer(CTL)
    hub.subscribe(UP)
    port = broker.port
    told = threading.Event()
    broker._on_restart = lambda _: told.set()
    for one in (hub, room):
        one.lost.clear()
        one.connected.clear()

    os.kill(broker.pid, signal.SIGKILL)

    assert told.wait(WAIT_S)
    assert (broker.port, broker.restarts) == (port, 1)
    assert hub.connected.wait(WAIT_S)
    assert room.connected.wait(WAIT_S)
    hub.subscribe(UP)
    assert room.publish(UP, b"after")
    assert hub.inbox.get(timeout=WAIT_S)[1] == b"after"


def test_a_broker_outlives_its_hub_and_the_next_hub_takes_it_over(
    broker: Broker, peer: Callable[..., Peer]
) -> None:
    room = peer(CTL)
    pid = broker.pid
    broker.leave()

    with type(broker)(broker.folder, USERS) as taken:
        assert (taken.pid, taken.port) == (pid, broker.port)
        assert room.publish(UP, b"still connected")
    assert taken.pid == 0, "stop ends it"
    assert broker._process is not None
    broker._process.wait(WAIT_S)  # its first parent is this test


def test_a_broker_left_behind_is_ended_before_its_folder_moves(broker: Broker) -> None:
    broker.leave()
    again = type(broker)(broker.folder)
    assert again.end_left()
    assert broker._process is not None
    broker._process.wait(WAIT_S)  # its first parent is this test
    assert not again.pid
    assert not again.end_left()


def test_a_broker_whose_hub_died_before_it_wrote_the_id_down_is_taken_over(broker: Broker) -> None:
    pid = broker.pid
    broker.leave()
    (broker.folder / "pid").unlink()
    with type(broker)(broker.folder, USERS) as following:
        assert following.pid == pid
    assert broker._process is not None
    broker._process.wait(WAIT_S)  # its first parent is this test


def test_a_broker_left_behind_without_its_id_is_ended_too(broker: Broker) -> None:
    broker.leave()
    (broker.folder / "pid").write_text("1\n", encoding="ascii")  # somebody else's by now
    assert type(broker)(broker.folder).end_left()
    assert broker._process is not None
    broker._process.wait(WAIT_S)


@pytest.mark.parametrize("kind", KINDS)
def test_a_broker_that_is_killed_while_it_starts_is_started_again(
    kind: type[Broker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the port it had before: a hub must not end because somebody ended its broker."""
    with kind(tmp_path / "broker", USERS) as first:
        port = first.port
    spawn, doomed = kind._spawn, [True, False]

    def spawn_and_kill(broker: Broker) -> None:
        spawn(broker)
        if doomed.pop(0):
            assert broker._process is not None
            broker._process.kill()
            broker._process.wait(WAIT_S)  # else it may answer once more while it dies

    monkeypatch.setattr(kind, "_spawn", spawn_and_kill)
    with kind(tmp_path / "broker", USERS) as again:
        assert again.port == port
        assert again.pid
    assert doomed == []


def test_a_port_that_is_taken_is_named(broker: Broker, tmp_path: Path) -> None:
    second = type(broker)(tmp_path / "second", USERS, port=broker.port)

    with pytest.raises(BrokerError, match=rf":{broker.port}: expected an answer"):
        second.start()


@pytest.mark.parametrize("word", ["short", "with space in it", 'quo"ted' * 3, "$2a$" + "x" * 30])
def test_a_password_that_a_configuration_would_read_otherwise_is_refused(word: str) -> None:
    with pytest.raises(BrokerError, match="password"):
        BrokerUser(CTL, word)
