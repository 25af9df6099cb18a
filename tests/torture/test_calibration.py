"""The brokers that rooms really meet, asked for each hole of the model broker of the simulation.

A hole is something that is acknowledged and does not happen, or happens twice, late or out of turn.
If a new version of a broker opens or closes one, a line of the table here fails, and then the model
(`tests/simulation/broker.py`) is to be read again.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from hub.broker import QUEUED_MAX, Broker, BrokerUser, EmbeddedBroker, MosquittoBroker
from protocols.messages.topics import topic
from tests.simulation.broker import Habits
from tests.torture.plain_mqtt import V5, Got, Peer

CTL, OTHER = "c-0123456789ab", "c-ba9876543210"
UP, BIRTH = topic(CTL, "up/ev"), topic(CTL, "up/st")
ROOMS = [f"c-{n:012x}" for n in range(10)]
NAMES = ("hub", CTL, OTHER, *ROOMS)
LATE_S = 0.5  # a will that is spoken at once takes milliseconds
SPOKEN_S = 0.5  # that nothing more comes can only be waited for
NEEDS_MOSQUITTO = pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="mosquitto is missing: sudo apt-get install -y mosquitto",
)
WITHIN_S = 10.0
NOT_ALLOWED = 0x87
pytestmark = pytest.mark.system


class DebianMosquitto(MosquittoBroker):
    """As the package has it: the store is written each 30 minutes and at a stop in order."""

    def write_config(self) -> None:
        super().write_config()
        kept = self.config.read_text(encoding="utf-8").splitlines()
        kept = [line for line in kept if not line.startswith("autosave")]
        self.write_private(self.config.name, "\n".join([*kept, ""]))


class QuickNats(EmbeddedBroker):
    """As the hub runs it, but what was not acknowledged is sent again after 1 s instead of 10."""

    def write_config(self) -> None:
        super().write_config()
        said = self.config.read_text(encoding="utf-8")
        self.write_private(self.config.name, said.replace('"ack_wait": "10s"', '"ack_wait": "1s"'))


@dataclass
class Bench:
    """A broker and whoever has connected to it."""

    broker: Broker
    passwords: dict[str, str]
    peers: list[Peer] = field(default_factory=list)

    def peer(self, name: str, **how: Any) -> Peer:
        made = Peer((self.broker.host, self.broker.port), name, self.passwords[name], **how)
        self.peers.append(made)
        return made

    def hub(self, *, clean: bool = True) -> Peer:
        """One that listens to every room."""
        made = self.peer("hub", clean=clean)
        assert made.subscribe("er/1/#") in (0, 1)
        return made

    def kept_session(self) -> None:
        """A hub whose session the broker keeps has been here and has gone."""
        self.hub(clean=False).leave()

    def kill(self, *, store: bool = False) -> None:
        """`kill -9`, with `store` its files too; returns when the next one answers."""
        restarts, died = self.broker.restarts, self.broker.pid
        if store:
            os.kill(died, signal.SIGSTOP)  # so that it writes nothing behind our back
            shutil.rmtree(self.broker.folder / "store")
            (self.broker.folder / "store").mkdir()
        os.kill(died, signal.SIGKILL)
        end = time.monotonic() + WITHIN_S
        while self.broker.restarts == restarts:
            assert time.monotonic() < end, "the broker did not come back"
            with suppress(OSError):
                socket.create_connection((self.broker.host, self.broker.port), 0.05).close()


@pytest.fixture(
    params=[
        pytest.param(DebianMosquitto, id="mosquitto", marks=NEEDS_MOSQUITTO),
        pytest.param(QuickNats, id="embedded"),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    words = {name: secrets.token_urlsafe(24) for name in NAMES}
    users = [BrokerUser(name, word) for name, word in words.items()]
    with request.param(tmp_path / "broker", users) as broker:
        made = Bench(broker, words)
        yield made
        for one in made.peers:
            one.vanish()


def accept(room: Peer, count: int, first: int = 0) -> None:
    """So many messages, each acknowledged as a success."""
    sent = [room.send(UP, b"%d" % n) for n in range(first, first + count)]
    assert {room.accepted(mid) for mid in sent} == {0}


def until(hub: Peer, last: bytes, *, ack: bool = True) -> list[Got]:
    """What comes up to this payload, without it."""
    found = []
    while (got := hub.take(ack=ack)) is not None and got.payload != last:
        found.append(got)
    assert got is not None, f"{last!r} did not come, behind {found[-1:]}"
    return found


def nobody_there(bench: Bench) -> bool:
    room = bench.peer(CTL)
    accept(room, 20)
    hub = bench.hub()
    room.publish(UP, b"last")
    return not until(hub, b"last")


def killed(bench: Bench) -> bool:
    bench.kept_session()
    room = bench.peer(CTL)
    accept(room, 500)
    bench.kill()
    hub = bench.hub(clean=False)
    bench.peer(CTL).publish(UP, b"last")
    found = until(hub, b"last")
    assert len(found) in (0, 500)
    return not found


def store_gone(bench: Bench) -> bool:
    bench.kept_session()
    room = bench.peer(CTL)
    accept(room, 20)
    room.publish(BIRTH, b"birth", retain=True)
    bench.kill(store=True)
    hub = bench.hub(clean=False)
    bench.peer(CTL).publish(UP, b"last")
    return not until(hub, b"last")


def over_the_cap(bench: Bench) -> bool:
    bench.kept_session()
    room = bench.peer(CTL)
    accept(room, QUEUED_MAX + 200)
    hub = bench.hub(clean=False)
    first = until(hub, b"%d" % (QUEUED_MAX - 1))
    room.publish(UP, b"last")
    rest = until(hub, b"last")
    assert len(first) + len(rest) in (QUEUED_MAX - 1, QUEUED_MAX + 199)
    return not rest


def forbidden(bench: Bench) -> bool:
    room, hub = bench.peer(OTHER), bench.hub()
    told = room.publish(UP, b"forged")
    bench.peer(CTL).publish(UP, b"last")
    assert not until(hub, b"last"), "a room may write another's topics"
    return told == 0


def redelivered(bench: Bench) -> bool:
    hub, room = bench.hub(clean=False), bench.peer(CTL)
    room.publish(UP, b"once")
    got = hub.take(ack=False)
    assert got is not None
    assert not got.dup
    hub.vanish()
    again = bench.peer("hub", clean=False).take()
    assert again is None or (again.payload, again.dup) == (b"once", True)
    return again is not None


def repeated(bench: Bench) -> bool:
    """The sender did not hear the acknowledgement, and sends the same again as it must."""
    hub, room = bench.hub(), bench.peer(CTL)
    room.send(UP, b"twice", mid=7)
    assert hub.take() is not None
    room.vanish()
    room = bench.peer(CTL)
    room.send(UP, b"twice", mid=7, dup=True)
    room.publish(UP, b"last")
    return [one.payload for one in until(hub, b"last")] == [b"twice"]


def out_of_turn(bench: Bench) -> bool:
    """What was not acknowledged comes again behind what was sent after it."""
    hub, room = bench.hub(clean=False), bench.peer(CTL)
    accept(room, 3)
    first = [hub.take(ack=False) for _ in range(3)]
    for got in first[1:]:
        assert got is not None
        hub.ack(got.mid)
    room.publish(UP, b"later")
    seen = [hub.take()]
    if seen[0] is not None and seen[0].payload == b"later":
        hub.vanish()
        seen.append(bench.peer("hub", clean=False).take())
    return [got.payload for got in seen if got is not None] == [b"later", b"0"]


def for_a_later_one(bench: Bench) -> bool:
    """With clean sessions; a kept session is meant to get it."""
    hub, room = bench.hub(), bench.peer(CTL)
    room.publish(UP, b"unread")
    assert hub.take(ack=False) is not None
    hub.vanish()
    hub = bench.hub()
    room.publish(UP, b"last")
    return bool(until(hub, b"last"))


def will_late(bench: Bench) -> bool:
    """The line of a room is dead and nobody says so: 1.5 times its keep-alive later it is said."""
    hub = bench.hub()
    room = bench.peer(CTL, keepalive_s=1, will=(BIRTH, b"will"))
    room.publish(BIRTH, b"birth", retain=True)
    until(hub, b"birth")
    born = time.monotonic()
    until(hub, b"will")
    return time.monotonic() - born >= LATE_S


def taken_over(bench: Bench) -> list[list[bytes]]:
    """What the hub hears of rooms that were back before their old lines were known dead."""
    hub, ends = bench.hub(), {topic(ctl, "up/st"): list[bytes]() for ctl in ROOMS}
    for (name, _), ctl in zip(ends.items(), ROOMS, strict=True):
        for n in (1, 2):
            room = bench.peer(ctl, will=(name, b"will %d" % n))
            room.publish(name, b"birth %d" % n, retain=True)
    while (got := hub.take(SPOKEN_S)) is not None:
        ends[got.topic].append(got.payload)
    assert all(b"birth 2" in said for said in ends.values())
    return list(ends.values())


def will_over_birth(bench: Bench) -> bool:
    """The old will is spoken behind the new birth and would be kept in its place."""
    said = taken_over(bench)
    return any(b"will 1" in one[one.index(b"birth 2") :] for one in said)


def will_swallowed(bench: Bench) -> bool:
    """A room that comes again under its name: of its old line nobody hears."""
    return not any(b"will 1" in one for one in taken_over(bench))


def will_lost(bench: Bench) -> bool:
    """The broker dies with the room's line: who asks next sees a birth of a room that left."""
    room = bench.peer(CTL, will=(BIRTH, b"will"))
    room.publish(BIRTH, b"birth", retain=True)
    bench.kill()
    room.vanish()
    hub = bench.hub()
    bench.peer(OTHER).publish(topic(OTHER, "up/ev"), b"last")
    return b"will" not in [one.payload for one in until(hub, b"last")]


@dataclass(frozen=True)
class Hole:
    """Who has it, and what the model calls it ('' for one that the model has in no form)."""

    ask: Callable[[Bench], bool]
    mosquitto: bool
    embedded: bool
    model: tuple[str, ...]


HOLES = (
    Hole(nobody_there, mosquitto=True, embedded=True, model=("drop",)),
    # NATS writes its store at once and syncs it each two minutes: a power cut is another matter.
    Hole(killed, mosquitto=True, embedded=False, model=("drop", "forget_everything")),
    Hole(store_gone, mosquitto=True, embedded=True, model=("forget_everything",)),
    Hole(over_the_cap, mosquitto=True, embedded=False, model=("cap",)),
    Hole(forbidden, mosquitto=True, embedded=True, model=("drop",)),
    Hole(redelivered, mosquitto=True, embedded=True, model=("twice",)),
    Hole(repeated, mosquitto=True, embedded=True, model=("twice",)),
    Hole(out_of_turn, mosquitto=True, embedded=True, model=("reorder_ms",)),
    # The model is worse than both: our sessions are clean, and both brokers keep to it.
    Hole(for_a_later_one, mosquitto=False, embedded=False, model=("stale", "stale_ms")),
    Hole(will_late, mosquitto=True, embedded=True, model=("will_late_ms",)),
    # Again worse than both.
    Hole(will_over_birth, mosquitto=False, embedded=False, model=("will_late_ms",)),
    Hole(will_swallowed, mosquitto=False, embedded=True, model=("forget_everything",)),
    Hole(will_lost, mosquitto=True, embedded=True, model=("forget_everything",)),
)


@pytest.mark.parametrize("hole", [pytest.param(one, id=one.ask.__name__) for one in HOLES])
def test_a_broker_has_the_holes_that_were_measured_and_no_other(bench: Bench, hole: Hole) -> None:
    expected = hole.mosquitto if isinstance(bench.broker, MosquittoBroker) else hole.embedded
    assert hole.ask(bench) is expected


def test_every_fault_of_the_model_was_looked_for() -> None:
    asked = {name for hole in HOLES for name in hole.model}
    assert asked == {one.name for one in fields(Habits)} | {"forget_everything"}


def test_only_mqtt_5_says_that_a_topic_is_forbidden_and_only_mosquitto_speaks_it(
    bench: Bench,
) -> None:
    room = bench.peer(OTHER, level=V5)
    if isinstance(bench.broker, MosquittoBroker):
        assert room.publish(UP, b"forged") == NOT_ALLOWED
    else:
        assert room.refused
