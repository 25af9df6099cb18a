"""A loop that stands still while the connection lives: nobody answers for it, no dog is petted."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from edge.app import build
from edge.config import read_room_file
from edge.inbox import Call
from edge.service import RoomService
from hub.broker import MosquittoBroker
from tests.system.room_rig import Rig, until

pytestmark = pytest.mark.system
HELD_S = 60.0
BEAT = b"WATCHDOG=1"


class Manager:
    """The service manager's end of the line (sd_notify(3))."""

    def __init__(self, path: Path) -> None:
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.bind(str(path))
        self._end.setblocking(False)

    def heard(self) -> list[bytes]:
        """All it was told since the last look."""
        found = []
        while True:
            try:
                found.append(self._end.recv(1024))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._end.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "r", seats=1, cameras=1, broker_kind=MosquittoBroker)
    made.folder.mkdir()
    made.broker.start()
    made.mqtt_port = made.broker.port
    made.write_files()
    made.hub.connect(made.broker.host, made.broker.port, made.words["hub"])
    yield made
    made.stop()


@pytest.fixture
def manager(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(rig.sock("notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(rig.sock("notify")))
    yield made
    made.close()


@pytest.fixture
def service(rig: Rig, manager: Manager) -> Iterator[RoomService]:
    assert manager.heard() == []
    built: Future[RoomService] = Future()

    def run() -> None:
        built.set_result(build(read_room_file(rig.toml)))
        built.result().run()

    thread = threading.Thread(target=run)
    thread.start()
    yield built.result(HELD_S)
    built.result().stop()
    thread.join(HELD_S)
    assert not thread.is_alive()
    assert manager.heard()[-1] == b"STOPPING=1"


def test_a_loop_that_stands_still_is_silent_to_the_hub_and_to_the_watchdog(
    rig: Rig, manager: Manager, service: RoomService
) -> None:
    until("the hub is answered", lambda: len(rig.hub.pongs) > 1)
    assert manager.heard()[0] == b"READY=1"
    until("the watchdog is fed", lambda: BEAT in manager.heard())
    going_on, standing, released = threading.Event(), threading.Event(), Future[bool]()

    def stand() -> bool:
        standing.set()
        return going_on.wait(HELD_S)

    service.inbox.put(Call(stand, released))
    assert standing.wait(HELD_S)
    pongs = len(rig.hub.pongs)
    manager.heard()
    pinged = service.inbox.waiting()
    try:
        # The connection's own thread goes on: the hub's pings arrive and lie there.
        until("three pings came in", lambda: service.inbox.waiting() >= pinged + 3)
        assert service.pipe.up()
        assert len(rig.hub.pongs) <= pongs + 1, "only what was on its way when it froze"
        assert manager.heard() == []
    finally:
        going_on.set()
    assert released.result(HELD_S)
    until("the hub is answered again", lambda: len(rig.hub.pongs) > pongs + 1)
    until("the watchdog is fed again", lambda: BEAT in manager.heard())
