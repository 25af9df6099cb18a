"""The table of targets: what is fuzzed, from which seeds, how long an input may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz import codecs, packages, seeds, wire
from tests.fuzz.judge import Run

FOUND: Final = Path(__file__).parent / "found"
MILLION: Final = 1_000_000
BYTES_MAX: Final = {"idcard": 2_400, "idcard_text": 256, "lockboard": 80}
"""One longest frame and some noise; what is longer only repeats it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that takes bytes from outside.

    Args:
        group: the section of `make proof` it belongs to.
        run: takes one input; None where `opened` must make it in a folder.
        seeds: real inputs to begin with.
        bytes_max: the longest input; what a port, a message or a file may hold at once.
        proof_runs: how many inputs `make proof` asks for.
    """

    group: str
    run: Run | None
    seeds: Callable[[], list[bytes]]
    bytes_max: int
    proof_runs: int = 10 * MILLION


TARGETS: Final[dict[str, Target]] = {
    **{
        name: Target("fuzz-codecs", run, seeds.of_line(name), BYTES_MAX.get(name, 160))
        for name, run in codecs.LINES.items()
    },
    "message": Target("fuzz-messages", wire.message, seeds.messages, 16 * 1024),
    "bodies": Target("fuzz-messages", wire.bodies, seeds.bodies, 8 * 1024),
    "codes": Target("fuzz-messages", wire.codes, seeds.codes, 16 * 1024, MILLION),
    "events": Target("fuzz-messages", wire.make_events(), seeds.events, 8 * 1024),
    "notes": Target("fuzz-messages", wire.notes, seeds.notes, 8 * 1024),
    "ingest": Target("fuzz-ingest", None, seeds.ingest, 8 * 1024, MILLION),
    "package_parts": Target("fuzz-packages", packages.parts, packages.seeds_of_parts, 8 * 1024),
    "package_record": Target(
        "fuzz-packages", packages.contents, packages.seeds_of_record, 16 * 1024, MILLION
    ),
    "package_whole": Target(
        "fuzz-packages", packages.whole, packages.seeds_of_whole, 8 * 1024, MILLION
    ),
}


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Run]:
    """A target ready to run; `folder` is empty and the target's own."""
    run = TARGETS[name].run
    if run is not None:
        yield run
        return
    from tests.fuzz.record import Recording, made  # noqa: PLC0415 - a room needs none of the hub

    recording = Recording(made(folder), folder / "data")
    try:
        yield recording
    finally:
        recording.close()


def found(name: str) -> list[Path]:
    """Inputs that once broke this target."""
    return sorted((FOUND / name).glob("*.bin"))
