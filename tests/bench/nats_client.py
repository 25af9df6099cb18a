"""As much of the NATS protocol as the bench needs: publish, request, a stream, a pull consumer."""

from __future__ import annotations

import json
import secrets
import socket
from contextlib import suppress
from typing import Any

from tests.system.room_rig import until

READ_BYTES = 256 * 1024
WAIT_S = 30.0
END = b"\r\n"


class NatsError(Exception):
    """The server refused; the text is its own."""


class Nats:
    """One connection, used by one thread.

    Args:
        port: of a server on loopback that asks for no account.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest, self._at = b"", 0
        self._inbox = f"_INBOX.{secrets.token_hex(8)}"
        options = {"verbose": False, "headers": True, "no_responders": True, "lang": "python"}
        self._socket.sendall(b"CONNECT " + json.dumps(options).encode() + END)
        self._socket.sendall(f"SUB {self._inbox} 1\r\nPING\r\n".encode())

    def publish(self, subject: str, payload: bytes) -> None:
        """One message, no answer."""
        self._socket.sendall(self.frame(subject, payload))

    def send(self, frames: bytes) -> None:
        """Many frames of `frame` at once."""
        self._socket.sendall(frames)

    @staticmethod
    def frame(subject: str, payload: bytes, reply: str = "") -> bytes:
        """The bytes of a publication."""
        head = f"PUB {subject} {reply} {len(payload)}\r\n".encode()
        return head + payload + END

    def request(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """A question with one JSON answer.

        Raises:
            NatsError: the answer is an error, or nobody answers.
        """
        self._socket.sendall(self.frame(subject, json.dumps(body).encode(), self._inbox))
        while True:
            _, payload = self._next()
            if not payload:
                raise NatsError(f"{subject}: nobody answers")
            answer: dict[str, Any] = json.loads(payload)
            if "error" in answer:
                raise NatsError(f"{subject}: {answer['error']}")
            return answer

    def stream(self, name: str, subject: str) -> None:
        """A file-backed stream of one subject, empty and without consumers."""
        with suppress(NatsError):  # the first has none before it
            self.request(f"$JS.API.STREAM.DELETE.{name}", {})
        body = {"name": name, "subjects": [subject], "storage": "file", "retention": "limits"}
        self.request(f"$JS.API.STREAM.CREATE.{name}", body)

    def stored(self, name: str) -> int:
        """Messages in the stream."""
        return int(self.request(f"$JS.API.STREAM.INFO.{name}", {})["state"]["messages"])

    def consumer(self, stream: str, name: str, domain: str) -> None:
        """A durable pull consumer at another domain's stream; waits until that can be reached."""
        config = {"durable_name": name, "ack_policy": "all", "deliver_policy": "all"}
        body = {"stream_name": stream, "config": config | {"max_ack_pending": 10_000}}
        subject = f"$JS.{domain}.API.CONSUMER.DURABLE.CREATE.{stream}.{name}"

        def made() -> bool:
            try:
                self.request(subject, body)
            except NatsError:
                return False
            return True

        until(f"{subject} at the other domain", made, within_s=WAIT_S)

    def pull(self, stream: str, name: str, domain: str, count: int) -> list[tuple[str, bytes]]:
        """Up to `count` messages with where to acknowledge them; what is there is given at once."""
        ask = {"batch": count, "no_wait": True}
        subject = f"$JS.{domain}.API.CONSUMER.MSG.NEXT.{stream}.{name}"
        self._socket.sendall(self.frame(subject, json.dumps(ask).encode(), self._inbox))
        found: list[tuple[str, bytes]] = []
        while len(found) < count:
            reply, payload = self._next()
            if not reply:  # a status: nothing more waits
                break
            found.append((reply, payload))
        return found

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _next(self) -> tuple[str, bytes]:
        """The next message: where to answer, and its payload; a status has neither."""
        while True:
            line = self._line()
            if line.startswith(b"MSG "):
                parts = line.split()
                payload = self._take(int(parts[-1]))
                return (parts[3].decode() if len(parts) > 4 else ""), payload
            if line.startswith(b"HMSG "):
                parts = line.split()
                self._take(int(parts[-1]))
                return "", b""
            if line.startswith(b"PING"):
                self._socket.sendall(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise NatsError(line.decode())

    def _line(self) -> bytes:
        while (end := self._rest.find(END, self._at)) < 0:
            self._more()
        line = self._rest[self._at : end]
        self._at = end + len(END)
        return line

    def _take(self, size: int) -> bytes:
        while len(self._rest) < self._at + size + len(END):
            self._more()
        payload = self._rest[self._at : self._at + size]
        self._at += size + len(END)
        return payload

    def _more(self) -> None:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise NatsError("the server closed the connection")
        self._rest, self._at = self._rest[self._at :] + data, 0
