"""What is asked of every target for every input: no exception, quickly, in the same memory."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import thread_time_ns
from typing import Final

INPUT_MS_MAX: Final = 50
TRIES: Final = 3
"""A collection of rubbish or a page fault may fall into one measurement, not into all of them."""
WARM_PART: Final = 10
"""The first tenth of a run fills caches; from there on memory has to stay flat."""
BLOCKS_MAX: Final = 60_000
"""Objects that may be added after the warm-up: the caches of signatures and patterns, no more."""
GROWN_MIB_MAX: Final = 96
"""Resident memory likewise; the fuzzer's own corpus and coverage tables are in it."""

Run = Callable[[bytes], None]


class TooSlowError(AssertionError):
    """An input took longer than `INPUT_MS_MAX` of the processor's time."""


class GrownError(AssertionError):
    """Memory did not stay flat."""


@dataclass(slots=True)
class Judge:
    """Runs a target over inputs and keeps what the report says; `runs` is how many will come."""

    run: Run
    runs: int
    done: int = 0
    slowest_ms: float = 0.0
    warm_blocks: int = 0
    warm_mib: float = 0.0

    def __call__(self, data: bytes) -> None:
        """One input. What the target raises goes through."""
        took = self._timed(data)
        if took > INPUT_MS_MAX:
            took = min(took, *(self._timed(data) for _ in range(TRIES)))
        if took > INPUT_MS_MAX:
            raise TooSlowError(f"{len(data)} bytes took {took:.0f} ms of {INPUT_MS_MAX}")
        self.slowest_ms = max(self.slowest_ms, took)
        self.done += 1
        if self.done == max(self.runs // WARM_PART, 1):
            self.warm_blocks, self.warm_mib = blocks(), resident_mib()

    def _timed(self, data: bytes) -> float:
        begun = thread_time_ns()
        self.run(data)
        return (thread_time_ns() - begun) / 1e6

    def close(self, *, flat: bool = True) -> dict[str, float]:
        """The figures of a whole run. `GrownError` if memory should be flat and was not."""
        grown, mib = blocks() - self.warm_blocks, resident_mib() - self.warm_mib
        if flat and (grown > BLOCKS_MAX or mib > GROWN_MIB_MAX):
            raise GrownError(f"{grown} objects and {mib:.0f} MiB more than after the warm-up")
        return {
            "runs": self.done,
            "slowest_ms": round(self.slowest_ms, 2),
            "objects_grown": grown,
            "mib_grown": round(mib, 1),
        }


def blocks() -> int:
    """Objects of this process that are not rubbish."""
    gc.collect()
    return sys.getallocatedblocks()


def resident_mib() -> float:
    """Resident memory of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
