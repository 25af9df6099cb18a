"""An MQTT client without a will of its own: it sends what it is told and acknowledges on request.

Every library hides what a broker does wrong: it acknowledges at once, sends again, reconnects.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
DISCONNECT = 14
DUP, QOS_1, RETAIN = 0x08, 0x02, 0x01
CLEAN, WILL_QOS_1_RETAINED, HAS_PASSWORD, HAS_NAME = 0x02, 0x2C, 0x40, 0x80
V3_1_1, V5 = 4, 5
WITHIN_S = 10.0


class Got(NamedTuple):
    """One message that arrived."""

    topic: str
    payload: bytes
    mid: int
    dup: bool
    retained: bool


def text(words: str | bytes) -> bytes:
    raw = words.encode() if isinstance(words, str) else words
    return len(raw).to_bytes(2, "big") + raw


def packet(kind: int, flags: int, body: bytes) -> bytes:
    left, length = len(body), b""
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind << 4 | flags]) + length + body


@dataclass
class Peer:
    """One connection, made at once; `level` is the protocol's, `will` a topic and its payload.

    With `tls` name and password are given only if there is a password; a broker that lets nobody
    in without a certificate may end the connection before it answers: `refused` is -1 then.
    `client` is what it calls itself; its user's name, where nothing is said.
    """

    address: tuple[str, int]
    user: str
    password: str
    clean: bool = True
    keepalive_s: int = 60
    will: tuple[str, bytes] | None = None
    level: int = V3_1_1
    tls: ssl.SSLContext | None = None
    client: str = ""
    refused: int = field(init=False)
    line: socket.socket = field(init=False)
    _bytes: bytes = b""
    _mid: int = 0
    _passed: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = socket.create_connection(self.address, WITHIN_S)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        named = self.tls is None or bool(self.password)
        flags = (HAS_NAME | HAS_PASSWORD if named else 0) | (CLEAN if self.clean else 0)
        body = text("MQTT") + bytes([self.level, flags | (WILL_QOS_1_RETAINED if self.will else 0)])
        body += self.keepalive_s.to_bytes(2, "big") + self._properties()
        body += text(self.client or self.user)
        if self.will is not None:
            body += self._properties() + text(self.will[0]) + text(self.will[1])
        body += text(self.user) + text(self.password) if named else b""
        try:
            if self.tls is not None:
                self.line = self.tls.wrap_socket(self.line)
            self.line.sendall(packet(CONNECT, 0, body))
            self.refused = self.expect(CONNACK)[1]
        except (ConnectionError, ssl.SSLError):
            self.line.close()
            self.refused = -1

    def _properties(self) -> bytes:
        return b"\0" if self.level == V5 else b""

    def subscribe(self, pattern: str) -> int:
        """Returns the granted QoS; 128 is a refusal."""
        self._mid += 1
        body = self._mid.to_bytes(2, "big") + self._properties() + text(pattern) + b"\1"
        self.line.sendall(packet(SUBSCRIBE, 2, body))
        return self.expect(SUBACK)[-1]

    def send(
        self, topic: str, payload: bytes, *, mid: int = 0, dup: bool = False, retain: bool = False
    ) -> int:
        """Publishes with QoS 1 and waits for nothing; returns the message's number."""
        self._mid = mid or self._mid + 1
        flags = QOS_1 | (DUP if dup else 0) | (RETAIN if retain else 0)
        body = text(topic) + self._mid.to_bytes(2, "big") + self._properties() + payload
        self.line.sendall(packet(PUBLISH, flags, body))
        return self._mid

    def accepted(self, mid: int) -> int:
        """Waits until the broker has acknowledged this message; returns the reason, 0 is success.

        Acknowledgements of others pass by.
        """
        while True:
            body = self.expect(PUBACK)
            if int.from_bytes(body[:2], "big") == mid:
                return body[2] if len(body) > 2 else 0

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """`send`, then `accepted`."""
        return self.accepted(self.send(topic, payload, retain=retain))

    def take(self, within_s: float = WITHIN_S, *, ack: bool = True) -> Got | None:
        """The next message; None when none comes in this time."""
        try:
            flags, body = self._next(PUBLISH, within_s)
        except TimeoutError:
            return None
        end = 2 + int.from_bytes(body[:2], "big")
        mid = int.from_bytes(body[end : end + 2], "big") if flags & QOS_1 else 0
        rest = body[end + (2 if mid else 0) :]
        got = Got(body[2:end].decode(), rest, mid, bool(flags & DUP), bool(flags & RETAIN))
        if ack and mid:
            self.ack(mid)
        return got

    def ack(self, mid: int) -> None:
        self.line.sendall(packet(PUBACK, 0, mid.to_bytes(2, "big")))

    def expect(self, kind: int) -> bytes:
        return self._next(kind, WITHIN_S)[1]

    def _next(self, kind: int, within_s: float) -> tuple[int, bytes]:
        """The next packet of this kind; others wait for whoever asks for them."""
        for at, (first, body) in enumerate(self._passed):
            if first >> 4 == kind:
                del self._passed[at]
                return first & 0x0F, body
        end = time.monotonic() + within_s
        while True:
            whole = self._whole()
            if whole is None:
                self._read(end)
            elif whole[0] >> 4 == kind:
                return whole[0] & 0x0F, whole[1]
            else:
                self._passed.append(whole)

    def _whole(self) -> tuple[int, bytes] | None:
        size, at = 0, 1
        while at < len(self._bytes):
            size |= (self._bytes[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if not self._bytes[at - 1] & 0x80:
                break
        else:
            return None
        if len(self._bytes) < at + size:
            return None
        first, body = self._bytes[0], self._bytes[at : at + size]
        self._bytes = self._bytes[at + size :]
        return first, body

    def _read(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.line.settimeout(left)
        got = self.line.recv(65_536)
        if not got:
            raise ConnectionError("the broker has closed the connection")
        self._bytes += got

    def vanish(self) -> None:
        """The connection is cut without a goodbye."""
        self.line.close()

    def leave(self) -> None:
        """The connection is ended in order: no will is spoken."""
        self.line.sendall(packet(DISCONNECT, 0, b""))
        self.line.close()
