"""The simulated uplink forwards until its cable is pulled, and again when it is plugged in."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.simulators.link import Link, Route
from edge.simulators.link_faults import DRIP_BYTES, DRIP_S, LATENCY_S


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
        with peer, contextlib.suppress(ConnectionResetError):
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
    for line in (b'{"do":"burn"}', b"rubbish", b"[]", b'{"do":"fault","kind":"fog"}'):
        answer = ask(link[0], line)
        assert answer["ok"] is False
        assert "cut, restore, state or fault" in str(answer["error"])
    assert ask(link[0], b'{"do":"state"}')["fault"] == "none"


def turn(link: Link, kind: str, way: str = "up") -> None:
    """Makes the line bad, or good again with `none`."""
    answer = ask(link, json.dumps({"do": "fault", "kind": kind, "way": way}).encode())
    assert answer["fault"] == kind


def hears(end: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    got = b""
    while len(got) < size and (more := end.recv(size - len(got))):
        got += more
    return got


@pytest.fixture
def line(link: tuple[Link, int]) -> Iterator[tuple[Link, socket.socket]]:
    """A connection over the link on which a word has passed."""
    with socket.create_connection(("127.0.0.1", link[1]), timeout=5) as end:
        end.sendall(b"one")
        assert hears(end, 3) == b"one"
        yield link[0], end


@pytest.mark.parametrize(
    ("kind", "size", "at_least_s"),
    [("latency", 10, 2 * LATENCY_S), ("drip", 10 * DRIP_BYTES, 10 * DRIP_S)],
)
def test_a_slow_line_brings_every_byte_later(
    line: tuple[Link, socket.socket], kind: str, size: int, at_least_s: float
) -> None:
    """Both ways are slow; an echo goes over both."""
    made, end = line
    turn(made, kind)
    begun, sent = time.monotonic(), bytes(range(256)) * 2
    end.sendall(sent[:size])
    assert hears(end, size) == sent[:size]
    assert time.monotonic() - begun >= at_least_s


@pytest.mark.parametrize(("kind", "way"), [("half_open", "up"), ("stall", "up"), ("stall", "down")])
def test_a_dead_line_brings_nothing_and_tells_nobody(
    line: tuple[Link, socket.socket], kind: str, way: str
) -> None:
    """Neither end sees its connection end; when the line is back, what was sent arrives."""
    made, end = line
    turn(made, kind, way)
    end.sendall(b"two")
    end.settimeout(0.3)
    with pytest.raises(TimeoutError):
        end.recv(1)
    assert ask(made, b'{"do":"state"}')["open"] == 1
    turn(made, "none")
    end.settimeout(5)
    assert hears(end, 3) == b"two"


def test_a_stalled_way_does_not_stop_the_other(link: tuple[Link, int]) -> None:
    """The far end's words pass while ours stand still."""
    made, _ = link
    with socket.create_server(("127.0.0.1", 0)) as far:
        made.routes = (Route(free_port(), "127.0.0.1", far.getsockname()[1]),)
        near = patiently("127.0.0.1", made.routes[0].listen)
        there, _ = far.accept()
        with near, there:
            turn(made, "stall", "up")
            near.sendall(b"up")
            there.sendall(b"down")
            assert hears(near, 4) == b"down"
            there.settimeout(0.3)
            with pytest.raises(TimeoutError):
                there.recv(1)


def patiently(host: str, port: int) -> socket.socket:
    """A connection, as soon as somebody listens there."""
    for _ in range(500):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, port), timeout=5)
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens at {port}")


def test_a_truncated_stream_ends_in_the_middle(line: tuple[Link, socket.socket]) -> None:
    """A part of what was sent, in order, then the end."""
    made, end = line
    turn(made, "truncate")
    sent = bytes(range(256)) * 4
    end.sendall(sent)
    got = hears(end, len(sent))
    assert len(got) < len(sent)
    assert sent.startswith(got)


def test_a_reset_line_resets_what_is_open_and_what_opens(
    line: tuple[Link, socket.socket], link: tuple[Link, int]
) -> None:
    """By RST, not by an orderly end."""
    made, end = line
    turn(made, "reset")
    with pytest.raises(ConnectionResetError):
        end.recv(1)
    with socket.create_connection(("127.0.0.1", link[1]), timeout=5) as fresh:
        fresh.sendall(b"two")
        with pytest.raises(ConnectionResetError):
            fresh.recv(1)
    turn(made, "none")
    assert says(link[1], b"three") == b"three"


def test_a_cable_can_be_pulled_while_the_line_is_dead(line: tuple[Link, socket.socket]) -> None:
    """Whoever waits for the line to come back is told."""
    made, end = line
    turn(made, "half_open")
    end.sendall(b"two")
    ask(made, b'{"do":"cut"}')
    assert end.recv(1) == b""
