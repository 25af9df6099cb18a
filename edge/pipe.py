"""The MQTT pipe: connects, subscribes, hands bytes over. It decides nothing and stores nothing.

Clean session, no retained commands, own reconnect with full jitter (a hundred rooms must not come
back in step). What is not acknowledged by the hub is sent again by the cursor, never by paho.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

KEEPALIVE_S = 10  # a dead link is noticed in 15 s, the hub's own limit
CONNECT_S = 5
BACKOFF_S = (1.0, 60.0)
HURRY_S = 4.0  # the line is back: rooms of one outage spread over this instead of a minute
# Acks, plan and commands arrive faster than the loop only in a flood; paho then waits for us.
QUEUED_MAX = 64
FAREWELL_S = 1.0
log = logging.getLogger("evalroom.edge.pipe")


class OnLink(Protocol):
    """Told of the connection; see `Pipe`."""

    def __call__(self, *, up: bool) -> None: ...  # noqa: D102


class OnBytes(Protocol):
    """Told of each message; see `Pipe`."""

    def __call__(self, topic: str, payload: bytes, *, retained: bool) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are there.

    Args:
        source: the address to leave from, '' for any.
        tls: shows our certificate and checks the broker's; asked at each connect, for a renewed
            certificate counts from the next one on. None is a name and a password in the clear.
    """

    host: str
    port: int
    user: str
    password: str
    client_id: str
    source: Callable[[], str] = str
    tls: Callable[[], ssl.SSLContext] | None = None


@dataclass(slots=True)
class Pipe:
    """One MQTT 3.1.1 connection with its own thread.

    Args:
        subscriptions: (topic, QoS) to subscribe at each connect.
        will: (topic, payload) of the retained last will.
        on_link: called with up=True after each connect (subscribed), False after each loss.
        on_bytes: called with topic, payload and retained from the pipe's thread.
        chance: 0 <= chance() < 1, the jitter's entropy.
    """

    broker: Broker
    subscriptions: Sequence[tuple[str, int]]
    will: tuple[str, bytes]
    on_link: OnLink
    on_bytes: OnBytes
    chance: Callable[[], float]
    _client: mqtt.Client = field(init=False)
    _up: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _wake: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _was_up: bool = False
    _asked: Broker | None = None

    def __post_init__(self) -> None:
        """Prepares the client; nothing is connected yet."""
        self._client = self._fresh()

    def _fresh(self) -> mqtt.Client:
        """A client that remembers nothing of an earlier connection, so that it repeats nothing."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.broker.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        if self.broker.password:
            client.username_pw_set(self.broker.user, self.broker.password)
        client.will_set(self.will[0], self.will[1], qos=1, retain=True)
        client.max_queued_messages_set(QUEUED_MAX)
        client.connect_timeout = CONNECT_S
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_socket_open = _send_at_once
        client.on_socket_register_write = _written_by_its_thread
        # What paho makes for a thread of its own: without it the loop would look once a second.
        client._sockpairR, client._sockpairW = _wake_pair()  # noqa: SLF001
        client.on_message = self._message
        return client

    def start(self) -> None:
        """Starts connecting, and goes on doing so until `stop`."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the connection in order: we publish the will ourselves, the broker then does not."""
        self._stop.set()
        self._wake.set()
        if self._up.is_set():
            with contextlib.suppress(RuntimeError, ValueError):
                said = self._client.publish(self.will[0], self.will[1], qos=1, retain=True)
                said.wait_for_publish(FAREWELL_S)
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(timeout=CONNECT_S)

    def switch(self, broker: Broker) -> None:
        """Asks another broker from now on; the connection that stands is ended in order.

        May wait for the connection's own lock: not to be called by whoever reads what arrives.
        """
        self.broker = broker
        self._client.disconnect()
        self.hurry()

    def hurry(self) -> None:
        """Something says that the broker can be reached again: the long wait is cut short."""
        self._wake.set()

    def up(self) -> bool:
        """Whether the connection stands and its subscriptions are granted."""
        return self._up.is_set()

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """Gives one message to the connection; False when there is none."""
        if not self._up.is_set():
            return False
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        return info.rc == mqtt.MQTT_ERR_SUCCESS

    def _run(self) -> None:
        wait_s = BACKOFF_S[0]
        while not self._stop.is_set():
            self._was_up = False
            self._client = self._fresh()
            try:
                broker = self._asked = self.broker
                if broker.tls is not None:
                    self._client.tls_set_context(broker.tls())
                self._client.connect(
                    broker.host,
                    broker.port,
                    keepalive=KEEPALIVE_S,
                    bind_address=broker.source(),
                )
                self._client.loop_forever(retry_first_connection=False)
            except (OSError, ValueError):
                pass  # the prober says which rung failed; here only the next try matters
            if self._up.is_set():
                self._lost()
            if self._was_up:
                wait_s = BACKOFF_S[0]
            if self._wake.wait(self.chance() * wait_s):
                self._wake.clear()
                self._stop.wait(self.chance() * HURRY_S)
                wait_s = HURRY_S
            wait_s = min(2 * wait_s, BACKOFF_S[1])

    def _connected(self, client: mqtt.Client, *rest: Any) -> None:
        reason = rest[2]
        if self._asked is not self.broker:
            # The line was switched while this one was being connected.
            client.disconnect()
        elif not reason.is_failure:
            client.subscribe(list(self.subscriptions))

    def _subscribed(self, client: mqtt.Client, *rest: Any) -> None:
        if any(code.is_failure for code in rest[2]):
            log.warning("the broker refuses our topics: %s", [str(code) for code in rest[2]])
            client.disconnect()
            return
        self._was_up = True
        self._up.set()
        self.on_link(up=True)

    def _disconnected(self, *_: Any) -> None:
        if self._up.is_set():
            self._lost()

    def _lost(self) -> None:
        self._up.clear()
        self.on_link(up=False)

    def _message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self.on_bytes(message.topic, bytes(message.payload), retained=bool(message.retain))


def _wake_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends by which who sends wakes who writes."""
    pair = socket.socketpair()
    for end in pair:
        end.settimeout(0)
    return pair


def _written_by_its_thread(*_: object) -> None:
    """Leaves what is to be sent to the connection's own thread.

    Without it paho writes from whichever thread publishes, while its own reads: OpenSSL takes one
    at a time, and a room ended with its memory in disorder.
    """


def _send_at_once(_client: mqtt.Client, _userdata: object, line: Any) -> None:
    """A batch must not wait 40 ms for the broker's word on the one before (RFC 896)."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
