"""How a room comes back to a broker: alone, later each time, and never in step with the others."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from edge.pipe import BACKOFF_S, HURRY_S, Broker, Pipe
from hub.broker import BrokerUser, EmbeddedBroker
from protocols.messages.identity import shard
from tests.system.room_rig import free_port, until

TRIES = 10


class Waits(threading.Event):
    """The pipe's wait between two tries, told instead of waited for."""

    def __init__(self, *, hurried: int = -1) -> None:
        super().__init__()
        self.told: list[float] = []
        self.over = threading.Event()
        self._hurried = hurried

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.told.append(timeout)
        if len(self.told) >= TRIES:
            self.over.set()
        return len(self.told) - 1 == self._hurried


def waits(chance: Callable[[], float], *, hurried: int = -1) -> tuple[list[float], list[float]]:
    """What a room waits between its tries at a broker that is away; and the waits of a hurry."""
    told = Waits(hurried=hurried)
    pipe = Pipe(
        broker=Broker("127.0.0.1", free_port(), "user", "word", "c-0123456789ab"),
        subscriptions=[("er/1/59/c-0123456789ab/down/#", 1)],
        will=("er/1/59/c-0123456789ab/up/st", b"{}"),
        on_link=lambda *, up: pytest.fail(f"nobody is there, yet up is {up}"),
        on_bytes=lambda topic, *_, **__: pytest.fail(topic),
        chance=chance,
    )
    short: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            short.append(timeout or 0.0)
            return False

        def is_set(self) -> bool:
            return told.over.is_set()

    pipe._wake, pipe._stop = told, Stop()
    pipe._run()
    return told.told, short


def test_each_try_waits_up_to_twice_as_long_until_a_minute() -> None:
    longest, _ = waits(lambda: 1.0)

    assert longest == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert longest[-1] == BACKOFF_S[1]


def test_the_wait_is_drawn_from_nothing_up_to_the_whole() -> None:
    """Full jitter: rooms that lost the broker in one moment come back spread over the wait."""
    draws = [random.Random(seed).random for seed in range(3)]  # noqa: S311 - to be repeated
    told = [waits(draw)[0] for draw in draws]

    for at in range(TRIES):
        whole = min(BACKOFF_S[0] * 2**at, BACKOFF_S[1])
        assert all(0 <= one[at] < whole for one in told)
        assert len({one[at] for one in told}) == len(told), "no two rooms in step"
    assert waits(lambda: 0.0)[0] == [0.0] * TRIES


def test_a_line_that_is_back_spreads_the_rooms_over_some_seconds() -> None:
    told, short = waits(lambda: 0.5, hurried=3)

    assert short == [0.5 * HURRY_S]
    assert told[4] == 0.5 * 2 * HURRY_S, "and the waits grow again from there"


CTL = "c-0123456789ab"
WORD = "a-word-of-sixteen"
OWN = f"er/1/{shard(CTL)}/{CTL}"


def test_what_others_send_is_written_by_the_connections_own_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL takes one at a time: a write from another thread while this one reads ends a room.

    And it is written at once: by itself this connection looks again in ten minutes only.
    """
    writers: set[str] = set()
    write, loop = mqtt.Client._packet_write, mqtt.Client.loop_forever
    seldom = {"timeout": 600.0}
    monkeypatch.setattr(
        mqtt.Client, "loop_forever", lambda client, **more: loop(client, **seldom, **more)
    )

    def told(client: mqtt.Client) -> mqtt.MQTTErrorCode:
        writers.add(threading.current_thread().name)
        return write(client)

    monkeypatch.setattr(mqtt.Client, "_packet_write", told)
    links: list[bool] = []
    broker = EmbeddedBroker(tmp_path / "broker", [BrokerUser(CTL, WORD)])
    broker.start()
    pipe = Pipe(
        broker=Broker("127.0.0.1", broker.port, CTL, WORD, CTL),
        subscriptions=[(f"{OWN}/down/ack", 1)],
        will=(f"{OWN}/up/st", b"{}"),
        on_link=lambda *, up: links.append(up),
        on_bytes=lambda *_, **__: None,
        chance=lambda: 0.0,
    )
    try:
        pipe.start()
        until("the line is up", pipe.up, within_s=30)
        first = pipe._client  # a later connection would have nothing to write
        assert all(pipe.send(f"{OWN}/up/tm", b"{}", qos=0) for _ in range(100))
        until("all is written", lambda: not first.want_write(), within_s=30)
    finally:
        pipe.stop()
        broker.stop()
    assert writers == {"mqtt"}
