"""Bounds of a request in bytes and time, at a real server with sockets of our own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import uvicorn
from fastapi import FastAPI, Request

from hub.cli import serving
from hub.web.api_body import BODY_BYTES_MAX
from hub.web.limits import HEAD_S, SPARE_BYTES, BodyLimits, PatientHttp

SOON_S = 0.3
PATIENCE_S = 20


class Hasty(PatientHttp):
    """As in the product, with a third of a second in place of fifteen."""

    head_s = SOON_S


def _app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(BodyLimits, piece_s=SOON_S, body_s=3 * SOON_S)

    @app.post("/read")
    async def read(request: Request) -> int:
        return len(await request.body())

    @app.get("/ok")
    def ok() -> bool:
        return True

    return app


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(_app(), http=Hasty, log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(PATIENCE_S * 20):
        if server.started:
            break
        pause.wait(0.05)
    yield int(listening.getsockname()[1])
    server.should_exit = True
    thread.join(PATIENCE_S)


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def _answer(client: socket.socket) -> bytes:
    """Everything until the server ends the connection or waits for more of it."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = client.recv(4096)
        if not piece:
            break
        got += piece
    return got


def _drip(port: int, first: bytes, piece: Callable[[int], bytes]) -> tuple[bytes, float]:
    """Sends a piece every so often until an answer or the end comes."""
    started = time.monotonic()
    with closing(_connected(port)) as client:
        client.sendall(first)
        client.settimeout(SOON_S / 6)
        for n in range(600):
            try:
                return _answer(client), time.monotonic() - started
            except TimeoutError:
                try:
                    client.sendall(piece(n))
                except OSError:
                    return b"", time.monotonic() - started
    raise AssertionError("the server waits for ever")


@pytest.mark.slow
def test_a_head_that_never_ends_is_left_after_its_time(port: int) -> None:
    answer, _ = _drip(port, b"GET /ok HTTP/1.1\r\nHost: x\r\n", lambda n: b"X-%d: 1\r\n" % n)
    assert answer == b""
    with closing(_connected(port)) as silent:
        assert silent.recv(1) == b"", "who says nothing at all as well"


@pytest.mark.slow
def test_a_body_that_drips_is_refused_after_its_time(port: int) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    answer, _ = _drip(port, head, lambda _: b"x")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_stands_still_is_refused(port: int) -> None:
    with closing(_connected(port)) as client:
        client.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        assert _answer(client).startswith(b"HTTP/1.1 408 ")


def test_a_body_without_end_is_refused_whatever_length_it_says(port: int) -> None:
    with closing(_connected(port)) as client:
        client.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        try:
            for _ in range((BODY_BYTES_MAX + SPARE_BYTES) // 0x8000 + 2):
                client.sendall(piece)
        except OSError:
            pass  # it has heard enough and says so
        assert _answer(client).startswith(b"HTTP/1.1 413 ")


def test_a_whole_request_and_its_successor_on_one_connection_are_answered(port: int) -> None:
    with closing(_connected(port)) as client:
        for _ in range(3):
            client.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok")
            assert b"HTTP/1.1 200 " in _answer(client)


def test_the_product_runs_with_these_bounds() -> None:
    assert serving.PatientHttp is PatientHttp
    assert PatientHttp.head_s == HEAD_S
