"""One day for all tests that only look at it: it takes two minutes to live through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.demo.town import Town
from tests.system.day_capture import Capture
from tests.system.day_runner import DayProcess
from tests.system.day_town import small_town

GUESTS = 3


@dataclass(frozen=True)
class LivedDay:
    """A day that is over: its folder and its last line (`exit` is the exit code).

    `capture`: all that went over its broker.
    """

    process: DayProcess
    end: dict[str, Any]
    capture: Path

    @property
    def folder(self) -> Path:
        return self.process.folder

    @property
    def package(self) -> Path:
        return Path(self.end["package"])

    @property
    def trust(self) -> Path:
        return Path(self.end["trust"])


@pytest.fixture(scope="session")
def lived_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedDay]:
    """Lived once, with three guest rooms; tests that change something copy the package."""
    process = DayProcess(tmp_path_factory.mktemp("day"), ("--rooms", str(GUESTS))).start()
    file = process.out / "capture.bin"
    capture = Capture(process.data, file)
    try:
        end = process.finish()
        capture.stop()
        yield LivedDay(process, end, file)
    finally:
        capture.stop()
        process.stop()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A small town in the morning of the booking day, for all tests that say wrong things to it."""
    with small_town(tmp_path_factory.mktemp("town")) as made:
        yield made
