"""Everything that goes over a day's broker, written down as it comes."""

from __future__ import annotations

import threading
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hub.config import load
from hub.transport import certified

LOOK_S = 0.2


class Capture:
    """Subscribes to all topics as the hub may, from the moment the broker is there.

    Args:
        data: the hub's data folder, which the day makes.
        into: the file; topic and payload of each message, a line feed behind both.
    """

    def __init__(self, data: Path, into: Path) -> None:
        self.messages = 0
        self._data, self._into = data, into
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture")
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        port, own = self._data / "broker" / "port", self._data / "keys" / "hub.pem"
        while not (port.exists() and own.exists()):
            if self._ended.wait(LOOK_S):
                return
        config = load(self._data)
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "capture", protocol=mqtt.MQTTv311)
        client.tls_set_context(certified(config.authority_cert, config.hub_cert))
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe("er/1/#", qos=1)
        with self._into.open("wb") as out:

            def heard(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
                self.messages += 1
                out.write(message.topic.encode() + b"\n" + message.payload + b"\n")

            client.on_message = heard
            client.connect_async("127.0.0.1", int(port.read_text("ascii")))
            client.loop_start()
            self._ended.wait()
            client.disconnect()
            client.loop_stop()
