"""A hub with its broker, a real home room, and the credentials of a guest room nobody runs."""

from __future__ import annotations

import queue
import secrets
import sqlite3
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.certificate import context
from hub.config import load
from hub.demo import opening_act as opening
from hub.demo.booking_act import booking_day
from hub.demo.day import CHINA
from hub.demo.supervise import evalroom, until
from hub.demo.town import Town, plan_town
from hub.transport import certified
from protocols.messages.bodies import Ack
from protocols.messages.signed import parse_message
from protocols.messages.topics import DOWN_ACK, MESSAGE_BYTES_MAX, parse_topic, room_subscriptions
from tests.hub.scripted_room import ScriptedRoom

HOME, GUEST = "hubei", "changsha"
WITHIN_S = 30.0


@contextmanager
def small_town(out: Path) -> Iterator[Town]:
    """Opened, in the morning of the booking day; nothing in it may die meanwhile."""
    said: list[str] = []
    town = plan_town(out, [GUEST], said.append)
    town.set_wall(datetime.combine(booking_day(), clock_time(10, 0), tzinfo=CHINA).astimezone(UTC))
    try:
        _open(town)
        yield town
    finally:
        town.close()
    assert not [line for line in said if "started again" in line]
    for log in (town.out / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text("utf-8", errors="replace"), log


def _open(town: Town) -> None:
    opening._make_hub(town)
    for site in town.rooms:
        opening._enroll(town, site)
    town.supervisor.start("hub", evalroom("hub", "serve", str(town.data)))
    opening._start_system(town)
    opening._start_boards(town, town.home)
    opening._start_controller(town, town.home)
    until("the hub answers", lambda: opening._ready(town), within_s=60)
    until("the room is connected", lambda: town.home.screen().state()["link"]["up"], within_s=60)


class Line:
    """A connection to the hub's broker; what comes waits in `inbox`."""

    def __init__(self, port: int, tls: ssl.SSLContext, topics: list[str]) -> None:
        self.inbox: queue.Queue[tuple[str, bytes]] = queue.Queue()
        ready: queue.Queue[bool] = queue.Queue()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"t-{secrets.token_hex(4)}",
            protocol=mqtt.MQTTv311,
        )
        client.tls_set_context(tls)
        client.on_connect = lambda c, *_: c.subscribe([(one, 1) for one in topics])
        client.on_subscribe = lambda *_: ready.put(True)
        client.on_message = lambda _c, _d, m: self.inbox.put((m.topic, bytes(m.payload)))
        client.connect("127.0.0.1", port)
        client.loop_start()
        self.client = client
        assert ready.get(timeout=WITHIN_S)

    def send(self, name: str, payload: bytes) -> None:
        """Publishes and waits until the broker has it."""
        self.client.publish(name, payload, qos=1).wait_for_publish(WITHIN_S)

    def ack(self, ctl: str, *, epoch: str = "", upto: int = 1) -> Ack:
        """The first ack for this room that reaches this far; others pass by."""
        end = time.monotonic() + WITHIN_S
        while True:
            # Others go on talking: only a deadline over all of them ends this.
            name, raw = self.inbox.get(timeout=max(0.0, end - time.monotonic()))
            found = parse_topic(name)
            if found is None or (found.ctl, found.leaf) != (ctl, DOWN_ACK):
                continue
            ack = Ack.read(parse_message(raw, limit=MESSAGE_BYTES_MAX))
            if epoch in ("", ack.epoch) and ack.upto >= upto:
                return ack

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Guest:
    """The guest's controller made of a script, on its own credentials."""

    def __init__(self, town: Town) -> None:
        credentials = town.guests[0].folder / "credentials"
        self.room = ScriptedRoom(credentials)
        topics = [name for name, _ in room_subscriptions(self.room.ctl)]
        self.line = Line(town.mqtt_port, context(credentials), topics)

    def send(self, leaf: str, payload: bytes) -> None:
        self.line.send(self.room.topic(leaf), payload)


def hub_line(town: Town) -> Line:
    """The hub's own certificate at the broker: whoever has them may say anything to a room."""
    config = load(town.data)
    return Line(town.mqtt_port, certified(config.authority_cert, config.hub_cert), ["er/1/#"])


def rows(town: Town, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the hub's database holds."""
    with closing(sqlite3.connect(f"file:{town.data / 'hub.sqlite'}?mode=ro", uri=True)) as base:
        return base.execute(query, values).fetchall()
