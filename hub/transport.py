"""The hub's line to the broker: paho-mqtt, MQTT 3.1.1, clean session.

Callbacks only hand bytes over; they never raise and never touch the database. A message that the
bounded queue behind `on_message` has no place for is dropped: the room sends it again, because
nothing but our ack after the commit ends its sending.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from protocols.messages.topics import HUB_SUBSCRIPTIONS

KEEPALIVE_S: Final = 15
RECONNECT_S_MIN: Final = 1
RECONNECT_S_MAX: Final = 5
"""A broker that was killed is back within two seconds; the hub is there when it is."""
INFLIGHT_MAX: Final = 64
QUEUED_MAX: Final = 1_000
"""Outgoing messages paho keeps while the line is down; every one is sent again by our rules."""

OnMessage = Callable[[str, bytes], None]

log = logging.getLogger(__name__)


class MqttTransport:
    """Connects, subscribes what rooms send, publishes what they get.

    Args:
        host, port: the broker.
        user, password: who the hub is there, where the broker asks for that.
        tls: shows the hub's certificate and checks the broker's; see `certified`.
        client_id: known to nobody else, for whoever has the same one throws this connection out.
        on_message: gets (topic, payload); must be quick and must not raise.
        on_connected: runs after every successful subscription.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        password: str,
        client_id: str,
        on_message: OnMessage,
        tls: ssl.SSLContext | None = None,
        on_connected: Callable[[], None] = lambda: None,
    ) -> None:
        self._address = (host, port)
        self._on_message = on_message
        self._on_connected = on_connected
        self.connected = False
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        if user:
            client.username_pw_set(user, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.reconnect_delay_set(RECONNECT_S_MIN, RECONNECT_S_MAX)
        client.max_inflight_messages_set(INFLIGHT_MAX)
        client.max_queued_messages_set(QUEUED_MAX)
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_socket_open = _send_at_once
        client.on_message = self._message
        self._client = client

    def start(self) -> None:
        """Connects in the background, for ever."""
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Says goodbye and ends the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        """Hands a message to the broker, not retained."""
        if not self.connected and qos == 0:
            return
        done = self._client.publish(name, payload, qos=qos)
        if done.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
            log.warning("mqtt: %s was not handed over: %s", name, mqtt.error_string(done.rc))

    def _connected(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any
    ) -> None:
        if reason.is_failure:
            log.warning("mqtt: the broker refused the hub: %s", reason)
            return
        client.subscribe(list(HUB_SUBSCRIPTIONS))
        self.connected = True
        log.info("mqtt: connected to %s:%d", *self._address)
        self._on_connected()

    def _disconnected(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any
    ) -> None:
        self.connected = False
        if reason.is_failure:
            log.warning("mqtt: connection lost: %s; trying again", reason)

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._on_message(message.topic, bytes(message.payload))


def certified(ca: Path, own: Path) -> ssl.SSLContext:
    """TLS with the hub's certificate, to a broker that has one of the hub's authority.

    Args:
        ca: PEM file of the authority; nobody else's certificate counts.
        own: PEM file of the hub's certificate and key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The authority makes certificates to be connected to for its broker alone, so the name adds
    # nothing; and a broker may be dialled at any address.
    context.check_hostname = False
    context.load_verify_locations(ca)
    context.load_cert_chain(own)
    return context


def _send_at_once(_client: mqtt.Client, _userdata: object, line: Any) -> None:
    """An ack must not wait 40 ms for the other side's word on the one before (RFC 896)."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
