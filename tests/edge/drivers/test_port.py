"""The owner thread of a port: what it says when things go wrong, and two agreeing reads."""

import os
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from edge.devices import TwoReads
from edge.drivers.line import Line
from edge.drivers.port import MISSES_REOPEN, PortDriver


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


class Deaf(PortDriver):
    """A driver whose board never answers."""

    bauds = (9600,)
    opens = 0

    def opened(self) -> None:
        self.opens += 1
        if self.opens == 3:
            self.report("opened", {"times": self.opens})

    def turn(self, line: Line) -> None:
        line.send(b"?")
        self.missed()
        self.pause(1)


class Faulty(PortDriver):
    """A driver with a fault of its own."""

    bauds = (9600,)

    def turn(self, line: Line) -> None:
        raise ValueError(f"ours, on {line}")


def test_a_board_that_stays_silent_gets_its_port_opened_afresh_and_is_lost_once(
    pty: tuple[int, str], readings: Any, mono: Any
) -> None:
    with Deaf(device="deaf", port=pty[1], baud=9600, sink=readings, mono=mono) as driver:
        assert readings.wait("device") == {"state": "lost", "reason": "no_answer"}
        assert readings.wait("opened") == {"times": 3}
        assert driver._misses >= 2 * MISSES_REOPEN
        driver.start()
    assert len(readings.of("device")) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_never_looks_like_a_healthy_device(
    pty: tuple[int, str], readings: Any, mono: Any
) -> None:
    with Faulty(device="faulty", port=pty[1], baud=9600, sink=readings, mono=mono) as driver:
        assert readings.wait("device") == {"state": "lost", "reason": "driver_fault"}
        assert driver.selftest() == {"ok": False, "detail": "lost: driver_fault"}


def test_a_port_in_use_by_another_program_is_lost_and_not_shared(
    pty: tuple[int, str], readings: Any, mono: Any
) -> None:
    with Deaf(device="first", port=pty[1], baud=9600, sink=lambda _: None, mono=mono) as first:
        first._known.wait(5)
        with Deaf(device="second", port=pty[1], baud=9600, sink=readings, mono=mono):
            assert readings.wait("device") == {"state": "lost", "reason": "port"}


def test_one_read_is_never_an_event() -> None:
    door: TwoReads[str] = TwoReads()

    assert [door.read(value) for value in ("open", "closed", "closed", "closed")] == [
        False, False, True, False,
    ]  # fmt: skip
    assert door.confirmed == "closed"
    assert not door.read("open")
    assert not door.read("closed")
    assert door.confirmed == "closed"
    door.forget()
    assert door.confirmed is None
    assert not door.read("closed")
    assert door.read("closed")
