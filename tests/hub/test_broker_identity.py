"""Who is let in at either broker, and that what a stranger says arrives nowhere.

A refusal is not believed: somebody who hears everything must have heard nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hub.broker import Broker, BrokerTls, BrokerUser, EmbeddedBroker, MosquittoBroker
from hub.keys.authority import Authority, Issued, key_pem, make_authority, new_key
from hub.transport import certified
from protocols.messages.topics import DOWN_LEAVES, UP_LEAVES, topic
from tests.torture.plain_mqtt import Peer

HUB_ID, CTL, OTHER = "h-0123456789ab", "c-0123456789ab", "c-ba9876543210"
NOW = dt.datetime.now(dt.UTC)
LONG_AGO = dt.timedelta(days=400)
UP = topic(CTL, "up/ev")
TOPICS = 10_000 if os.environ.get("EVALROOM_PROPERTIES") == "long" else 300
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
pytestmark = pytest.mark.system


@dataclass
class Site:
    """A broker with its authority, and everybody's certificates in one folder."""

    folder: Path
    ca: Authority = field(default_factory=lambda: make_authority(HUB_ID, NOW))
    issued: dict[str, Issued] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "ca.crt").write_bytes(self.ca.pem)
        for name in ("hub", CTL, OTHER):
            self.issue(name, name)
        self.issue("broker", HUB_ID)
        self.write_revoked()

    def issue(
        self, file: str, name: str, *, by: Authority | None = None, at: dt.datetime = NOW
    ) -> Issued:
        key, ca = new_key(), by or self.ca
        how = {"broker": ca.for_broker, "hub": ca.for_hub}.get(file, ca.for_controller)
        made = self.issued[file] = how(key.public_key(), name, at)
        (self.folder / f"{file}.pem").write_bytes(made.pem + key_pem(key))
        return made

    def write_revoked(self) -> None:
        listed = [(self.issued[one].serial, NOW) for one in self.revoked]
        (self.folder / "crl.pem").write_bytes(self.ca.revoked(listed, NOW))

    @property
    def files(self) -> BrokerTls:
        return BrokerTls(*(self.folder / one for one in ("ca.crt", "broker.pem", "crl.pem")))

    def users(self) -> list[BrokerUser]:
        names = [one for one in ("hub", CTL, OTHER) if one not in self.revoked]
        return [BrokerUser(one, "", (self.issued[one].uri,)) for one in names]

    def peer(self, broker: Broker, file: str, *, name: str = "", password: str = "") -> Peer:
        """Somebody who shows the certificate of this file; '' shows none."""
        if file:
            context = certified(self.folder / "ca.crt", self.folder / f"{file}.pem")
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        who = name or file or "nobody"
        made = Peer((broker.host, broker.port), who, password, tls=context)
        self.peers.append(made)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for one in made.peers:
        one.vanish()


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest, site: Site) -> Iterator[Broker]:
    with request.param(site.folder / "broker", site.users(), tls=site.files) as running:
        yield running


@pytest.fixture
def ear(site: Site, broker: Broker) -> Peer:
    """The hub, which hears everything."""
    made = site.peer(broker, "hub")
    assert made.refused == 0
    assert made.subscribe("er/1/#") == 1
    return made


def heard(ear: Peer, room: Peer) -> list[tuple[str, bytes]]:
    """What the hub hears until the room's own word, which is said last and must arrive."""
    found = []
    room.send(UP, b"the last word")
    while (got := ear.take()) is not None:
        if got.payload == b"the last word":
            return found
        found.append((got.topic, got.payload))
    raise AssertionError("the room itself is not heard")


def says(peer: Peer, names: list[str]) -> None:
    """Says something on each topic, whatever the broker thinks of it."""
    for name in names:
        try:
            peer.send(name, b"forged", retain=True)
        except OSError:
            return


def test_a_room_and_the_hub_hear_each_other(site: Site, broker: Broker, ear: Peer) -> None:
    room = site.peer(broker, CTL)

    assert room.subscribe(topic(CTL, "down/ack")) == 1
    assert room.publish(UP, b"batch") == 0
    assert ear.take() == (UP, b"batch", 1, False, False)
    assert ear.publish(topic(CTL, "down/ack"), b"ack") == 0
    got = room.take()
    assert got is not None
    assert got.payload == b"ack"


STRANGERS: dict[str, Callable[[Site], object]] = {
    "": lambda _site: None,
    "of another authority": lambda site: site.issue(
        "of another authority", CTL, by=make_authority(HUB_ID, NOW)
    ),
    "expired": lambda site: site.issue("expired", CTL, at=NOW - LONG_AGO),
    "not yet valid": lambda site: site.issue("not yet valid", CTL, at=NOW + LONG_AGO),
}


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda name: name or "no certificate")
def test_nothing_of_a_stranger_arrives(
    site: Site, broker: Broker, ear: Peer, stranger: str
) -> None:
    STRANGERS[stranger](site)
    if stranger in site.issued:  # even where somebody has put it onto the list
        named = BrokerUser(CTL, "", (site.issued[CTL].uri, site.issued[stranger].uri))
        broker.set_users([*site.users()[:1], named])

    rogue = site.peer(broker, stranger, name=CTL)
    says(rogue, [topic(CTL, leaf) for leaf in UP_LEAVES])

    assert rogue.refused
    assert heard(ear, site.peer(broker, CTL)) == []


def test_a_revoked_room_is_thrown_out_at_once_and_does_not_come_back(
    site: Site, broker: Broker
) -> None:
    ear, room, lost = (site.peer(broker, one) for one in ("hub", CTL, OTHER))
    assert ear.subscribe("er/1/#") == 1
    assert lost.publish(topic(OTHER, "up/ev"), b"still one of us") == 0
    assert ear.take() is not None

    site.revoked.append(OTHER)
    site.write_revoked()
    broker.set_users(site.users())

    with pytest.raises((ConnectionError, ssl.SSLError)):  # noqa: PT012 - said until it is out
        while True:
            lost.publish(topic(OTHER, "up/ev"), b"not yet out")
    ear, room = back(site, broker, ear, "hub"), back(site, broker, room, CTL)
    ear.subscribe("er/1/#")
    again = site.peer(broker, OTHER)
    says(again, [topic(OTHER, leaf) for leaf in UP_LEAVES])
    assert again.refused
    assert [one for one in heard(ear, room) if one[1] == b"forged"] == []


def back(site: Site, broker: Broker, peer: Peer, file: str) -> Peer:
    """The same one, connected again where the broker has started anew."""
    try:
        if peer.subscribe(topic(CTL, "down/ping")) in (0, 1):
            return peer
    except (OSError, ssl.SSLError):
        pass
    for _ in range(100):
        try:
            again = site.peer(broker, file)
        except ConnectionRefusedError:
            broker._stopping.wait(0.05)
            continue
        if again.refused == 0:
            return again
    raise AssertionError(f"{file} does not come back")


def test_what_was_not_revoked_stays_connected_when_a_room_is_added(
    site: Site, broker: Broker
) -> None:
    room = site.peer(broker, CTL)
    pid = broker.pid

    site.issue("c-aaaaaaaaaaaa", "c-aaaaaaaaaaaa")
    new = BrokerUser("c-aaaaaaaaaaaa", "", (site.issued["c-aaaaaaaaaaaa"].uri,))
    broker.set_users([*site.users(), new])

    for _ in range(100):  # it reads its users again in its own time
        joined = site.peer(broker, new.name)
        if joined.refused == 0 and joined.subscribe(topic(new.name, "down/ack")) == 1:
            break
        joined.vanish()
        broker._stopping.wait(0.05)
    else:
        raise AssertionError("the new room never came in")
    assert broker.pid == pid
    assert room.publish(UP, b"still here") == 0


def test_a_rooms_certificate_does_not_make_a_broker(site: Site, tmp_path: Path) -> None:
    """Whoever takes a card out of a room must not be able to play the broker for the others."""
    files = BrokerTls(tmp_path / "ca.crt", tmp_path / f"{CTL}.pem", tmp_path / "crl.pem")
    with EmbeddedBroker(tmp_path / "rogue", site.users(), tls=files) as rogue:
        assert site.peer(rogue, OTHER).refused == -1


def not_ours(chance: random.Random) -> str:
    """A topic that the other room may not write, of every kind there is."""
    leaf = chance.choice((*UP_LEAVES, *DOWN_LEAVES, "up", "up/ev/more", "up/x", "", "+", "#"))
    shard = f"{chance.randrange(64):02d}"
    stranger = f"c-{chance.randrange(1 << 48):012x}"
    own, mine = topic(OTHER, "up/ev").rsplit("/", 2)[0], topic(CTL, "up/ev").rsplit("/", 2)[0]
    return chance.choice(
        (
            f"{mine}/{leaf}",
            f"er/1/{shard}/{stranger}/{leaf}",
            f"er/1/{shard}/{CTL}/{leaf}",
            f"er/1/+/+/{leaf}",
            f"er/1/{shard}/+/{leaf}",
            f"er/1/#/{leaf}",
            f"{own}/{chance.choice(DOWN_LEAVES)}",
            f"{own}/up/{chance.randbytes(4).hex()}",
            f"{own}/../{CTL}/{leaf}",
            f"{own.replace('/', '.')}.{leaf}",
            f"$SYS/{leaf}",
            f"$MQTT/{mine}/{leaf}",
            f"$JS.API.{leaf}",
            f"er/1/{chance.randbytes(3).hex()}",
            f"er/2/{shard}/{stranger}/{leaf}",
        )
    )


def test_nothing_arrives_on_a_topic_that_is_not_the_senders(
    site: Site, broker: Broker, ear: Peer
) -> None:
    """Wildcards and dollar topics too; a broker that ends the connection is connected again."""
    chance, said, connections = random.Random(4), 0, 1  # noqa: S311 - the same topics each time
    rogue = site.peer(broker, OTHER)
    while said < TOPICS:
        name = not_ours(chance)
        said += 1
        try:
            mid = rogue.send(name, b"forged", retain=bool(said % 2))
            rogue.accepted(mid)
        except (OSError, ssl.SSLError):
            rogue.vanish()
            rogue = site.peer(broker, OTHER)
            connections += 1
            assert rogue.refused == 0

    assert heard(ear, site.peer(broker, CTL)) == []
    late = site.peer(broker, "hub")  # and nothing of it was kept for whoever comes later
    late.subscribe("er/1/#")
    assert heard(late, site.peer(broker, CTL)) == []
    sys.stdout.write(f"{said} topics over {connections} connections, 0 arrived\nn = {said}\n")


def test_whoever_calls_himself_by_anothers_name_is_still_himself(
    site: Site, broker: Broker, ear: Peer
) -> None:
    rogue = site.peer(broker, OTHER, name="hub", password="x" * 20)
    says(rogue, [topic(CTL, "down/cmd"), UP])

    assert heard(ear, site.peer(broker, CTL)) == []


def test_a_room_does_not_hear_what_others_are_told(site: Site, broker: Broker, ear: Peer) -> None:
    spy = site.peer(broker, OTHER)
    for pattern in ("#", "er/1/#", "+/+/+/+/down/+", topic(CTL, "down/cmd"), "$SYS/#"):
        try:
            spy.subscribe(pattern)
        except (OSError, ssl.SSLError):
            spy = site.peer(broker, OTHER)
    room = site.peer(broker, CTL)
    room.subscribe(topic(CTL, "down/cmd"))

    assert ear.publish(topic(CTL, "down/cmd"), b"open") == 0

    got = room.take()
    assert got is not None
    assert got.payload == b"open"
    mine = topic(OTHER, "down/ack")
    spy.subscribe(mine)
    ear.publish(mine, b"yours")
    while (got := spy.take()) is not None and got.payload != b"yours":
        assert got.payload != b"open"
    assert got is not None
