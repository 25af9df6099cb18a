"""The simulated uplink forwards until its cable is pulled, and again when it is plugged in."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.simulators.link import Link, Route


def free_port() -> int:
    """A loopback port nobody uses."""
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    def answer(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(1024):
                peer.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def link(echo: int, tmp_path: Path) -> Iterator[tuple[Link, int]]:
    """A running link and the port it listens on."""
    port = free_port()
    made = Link((Route(port, "127.0.0.1", echo),), tmp_path / "l.sock", tmp_path / "l.txt")
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    pause = threading.Event()
    for _ in range(500):
        # The file is there a moment before somebody listens behind it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(made.control))
            break
        pause.wait(0.01)
    yield made, port
    made.stop()
    thread.join(5)


def ask(link: Link, line: bytes) -> dict[str, object]:
    """One command over the real control socket."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(link.control))
        with end.makefile("rwb") as stream:
            stream.write(line + b"\n")
            stream.flush()
            answer: dict[str, object] = json.loads(stream.readline())
            return answer


def says(port: int, text: bytes) -> bytes:
    """What comes back over the link; empty when the connection dies."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as end:
            end.sendall(text)
            return end.recv(1024)
    except OSError:
        return b""


def test_bytes_pass_while_the_cable_is_in(link: tuple[Link, int]) -> None:
    """Both ways, unchanged."""
    assert says(link[1], b"hello") == b"hello"


def test_a_cut_kills_what_is_open_and_lets_nothing_new_through(link: tuple[Link, int]) -> None:
    """And restoring brings it back."""
    made, port = link
    with socket.create_connection(("127.0.0.1", port), timeout=5) as end:
        end.sendall(b"one")
        assert end.recv(16) == b"one"
        assert ask(made, b'{"do":"cut"}')["up"] is False
        assert end.recv(16) == b""
    assert says(port, b"two") == b""
    assert ask(made, b'{"do":"restore"}')["up"] is True
    assert says(port, b"three") == b"three"


def test_a_pulled_cable_stays_pulled_over_a_restart(link: tuple[Link, int]) -> None:
    """The state is in a file, like every board's."""
    made, _ = link
    ask(made, b'{"do":"cut"}')
    again = Link(made.routes, made.control, made.state_file)
    assert again.command(b'{"do":"state"}')["up"] is False


def test_an_unknown_command_says_what_is_expected(link: tuple[Link, int]) -> None:
    """Nothing changes."""
    for line in (b'{"do":"burn"}', b"rubbish", b"[]"):
        answer = ask(link[0], line)
        assert answer["ok"] is False
        assert "cut, restore or state" in str(answer["error"])
