"""A bench: a clock that can jump, a sink that can be waited for."""

import threading
import time
from collections.abc import Callable, Mapping

import pytest

from edge.devices import Reading

WAIT_S = 15.0


class BenchClock:
    """Real milliseconds that a test may move forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self.ahead_ms


class Readings:
    """Keeps what drivers told, in order, and waits for what they will tell."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: list[Reading] = []
        self._seen = 0

    def __call__(self, reading: Reading) -> None:
        with self._changed:
            self._all.append(reading)
            self._changed.notify_all()

    def of(self, kind: str) -> list[Mapping[str, object]]:
        with self._changed:
            return [reading.data for reading in self._all if reading.kind == kind]

    def wait(
        self, kind: str, fits: Callable[[Mapping[str, object]], bool] = lambda _: True
    ) -> Mapping[str, object]:
        """The next reading of a kind that fits, after the one waited for last."""
        deadline = time.monotonic() + WAIT_S
        with self._changed:
            while True:
                while self._seen < len(self._all):
                    reading = self._all[self._seen]
                    self._seen += 1
                    if reading.kind == kind and fits(reading.data):
                        return reading.data
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise AssertionError(f"no {kind} within {WAIT_S} s; heard {self._all[-5:]}")


@pytest.fixture
def mono() -> BenchClock:
    return BenchClock()


@pytest.fixture
def readings() -> Readings:
    return Readings()
