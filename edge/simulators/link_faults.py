"""What a bad line does to bytes: late, in drops, one way only, not at all, cut off, reset.

A `Weather` is shared by all connections of a link and may turn while they are open. A `Crossing`
is one connection: two sockets and a thread for each way.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK_BYTES = 64 * 1024
LATENCY_S = 0.3  # a satellite, or a mobile cell with a full queue; each chunk waits this long
DRIP_BYTES = 32
DRIP_S = 0.02  # 1.6 KB/s: an event takes half a second
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends RST


class Fault(StrEnum):
    """Every way in which a line can be bad while it is there."""

    NONE = "none"
    LATENCY = "latency"
    DRIP = "drip"
    STALL = "stall"  # one way stands still, the other goes on
    HALF_OPEN = "half_open"  # nothing passes, yet nobody is told
    TRUNCATE = "truncate"  # a part of what comes next, then the end
    RESET = "reset"  # what is open is reset, and what opens later at its first bytes


class Way(StrEnum):
    """Towards the far end, or back."""

    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Weather:
    """How the line is now.

    Args:
        seed: of where a stream is cut off.
    """

    seed: int = 0
    fault: Fault = Fault.NONE
    way: Way = Way.UP
    _turned: threading.Condition = field(default_factory=threading.Condition)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """The same seed cuts at the same places."""
        self._rng = random.Random(self.seed)  # noqa: S311 - chooses, no secret

    def turn(self, fault: Fault, way: Way = Way.UP) -> None:
        """From now on the line is like this; `way` is which one stalls."""
        with self._turned:
            self.fault, self.way = fault, way
            self._turned.notify_all()

    def wake(self) -> None:
        """Lets whoever waits look whether its connection is still there."""
        with self._turned:
            self._turned.notify_all()

    def holds(self, way: Way) -> bool:
        """Whether nothing passes that way."""
        return self.fault is Fault.HALF_OPEN or (self.fault is Fault.STALL and way is self.way)

    def wait(self, way: Way, over: threading.Event) -> None:
        """Returns when that way is open again, or the connection is over."""
        with self._turned:
            self._turned.wait_for(lambda: over.is_set() or not self.holds(way))

    def cut_at(self, size: int) -> int:
        """How many of `size` bytes pass before a stream is cut off; never all of them."""
        with self._turned:
            return self._rng.randrange(size)


@dataclass(slots=True, eq=False)
class Crossing:
    """One connection over the line: `near` is who called, `far` who was called."""

    near: socket.socket
    far: socket.socket
    weather: Weather
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Carries bytes both ways until either end is done; both sockets are closed then."""
        back = threading.Thread(target=self._carry, args=(self.far, self.near, Way.DOWN))
        back.daemon = True
        back.start()
        self._carry(self.near, self.far, Way.UP)
        back.join()
        self.near.close()
        self.far.close()

    def end(self) -> None:
        """Ends it as a pulled cable does."""
        self._over.set()
        self.weather.wake()
        for one in (self.near, self.far):
            # Shutting down wakes the thread that reads; closing alone would not.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Ends it so that both ends are told by RST: nothing is said before the sockets close."""
        self._over.set()
        self.weather.wake()
        for one in (self.near, self.far):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                one.shutdown(socket.SHUT_RD)

    def _carry(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(CHUNK_BYTES):
                if not self._pass(data, sink, way):
                    return
            self.weather.wait(way, self._over)  # the end of a stream does not pass either
        if not self._over.is_set():
            self.end()

    def _pass(self, data: bytes, sink: socket.socket, way: Way) -> bool:
        """Sends `data` on as the line is at this moment; False when the connection is over."""
        while data and not self._over.is_set():
            if self.weather.holds(way):
                self.weather.wait(way, self._over)
                continue
            fault, part = self.weather.fault, data
            if fault is Fault.RESET:
                self.reset()
                return False
            if fault is Fault.TRUNCATE:
                sink.sendall(data[: self.weather.cut_at(len(data))])
                self.end()
                return False
            if fault is Fault.LATENCY:
                self._over.wait(LATENCY_S)
            elif fault is Fault.DRIP:
                part = data[:DRIP_BYTES]
                self._over.wait(DRIP_S)
            sink.sendall(part)
            data = data[len(part) :]
        return not self._over.is_set()
