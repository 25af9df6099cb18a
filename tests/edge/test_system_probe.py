"""Whether the evaluation system answers: silence, an error and nonsense are all a no."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from edge.system_probe import SystemProbe, answers

WAIT_S = 15.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Server:
    """Answers each connection with the bytes it was given, whatever they are."""

    def __init__(self) -> None:
        self.answer = OK
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(self.answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(WAIT_S)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (OK, True),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n", False),
        (b"", False),
    ],
)
def test_what_counts_as_an_answer(server: Server, answer: bytes, *, there: bool) -> None:
    server.answer = answer
    assert answers(server.url) is there


def test_nonsense_ends_the_green_light_and_not_the_probe(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.system_probe.PROBE_S", 0.05)
    told: queue.Queue[bool] = queue.Queue()
    probe = SystemProbe(server.url, told.put)
    probe.start()
    assert told.get(timeout=WAIT_S) is True
    server.answer = b"nonsense\r\n"
    assert told.get(timeout=WAIT_S) is False
    server.answer = OK
    assert told.get(timeout=WAIT_S) is True
    probe.stop()
