"""Hostile packages: built from a sound one, checked by both verifiers in a watched folder.

`python -m tests.fuzz.hostile --count 5000 --seed 1` prints how many were refused. The number of a
package and the seed make it again: `--first N --count 1`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Final

from hub.__main__ import main as evalroom
from hub.archive.building import verifier_program
from protocols.evidence.verifier import ALTERED, INCOMPLETE
from tests.fuzz.hostile_kinds import KINDS, Package
from tests.fuzz.judge import BLOCKS_MAX, blocks
from tests.protocols.messages.wire_keys import trust_file

REFUSED: Final = (ALTERED, INCOMPLETE)
"""Not `UNPROVEN`: that is what a sound package is to who has no trust file."""
SECONDS_MAX: Final = 10
GROWN_MIB_MAX: Final = 128
"""At the highest moment, above what the first package took: bombs are of 600 MiB and more."""
ALONE_EVERY: Final = 250
"""One package in so many is also checked by `verify.py` as a process of its own."""
WRITES: Final = frozenset(
    f"os.{one}" for one in ("chmod", "chown", "link", "mkdir", "remove", "rename", "rmdir",
                            "symlink", "truncate", "utime")
) | {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"}  # fmt: skip
TO_WRITE: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
Verifier = Callable[[list[str]], int]


class NotRefusedError(AssertionError):
    """A hostile package was called sound, or a verifier crashed, wrote or took too long over it."""


class Acts:
    """What the program asks the system to write, start or reach, wherever; while watched."""

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, name: str, told: tuple[object, ...]) -> None:
        if not self.watching or (name not in WRITES and name != "open"):
            return
        # An interpreter keeps what it has compiled; an open socket or file has no path.
        if name != "open" or (
            isinstance(told[2], int) and told[2] & TO_WRITE and "__pycache__" not in str(told[0])
        ):
            self.seen.append(f"{name} {told[0]!r:.200}")

    @contextlib.contextmanager
    def watched(self) -> Iterator[list[str]]:
        """The acts of a stretch of the program."""
        self.seen, self.watching = [], True
        try:
            yield self.seen
        finally:
            self.watching = False


ACTS: Final = Acts()


@dataclass(slots=True)
class Watched:
    """A folder with a package, something outside it, and the verifiers."""

    area: Path
    verifiers: Sequence[Verifier]
    trust: Path

    @classmethod
    def at(cls, area: Path) -> Watched:
        """Everything but the package."""
        program = area / "verify.py"
        program.write_bytes(verifier_program())
        told = importlib.util.spec_from_file_location("hostile_verify", program)
        assert told is not None
        assert told.loader is not None
        module = importlib.util.module_from_spec(told)
        # Its data classes look for the module they stand in.
        sys.modules[told.name] = module
        told.loader.exec_module(module)
        trust = area / "trust.json"
        trust.write_bytes(trust_file().encode())
        (area / "outside").mkdir()
        (area / "outside" / "secret.txt").write_bytes(b"outside\n")
        return cls(area, (_hub, module.main), trust)

    def check(self, seed: int, number: int) -> str:
        """Builds package `number`, checks it with both; returns its kind.

        Raises:
            NotRefusedError: what must not be, was.
        """
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same again
        kind = list(KINDS)[number % len(KINDS)]
        trusted = chance.random() < 0.75
        package = Package.sound()
        KINDS[kind](package, chance)
        told = f"{kind} (seed {seed}, package {number}): "
        lang, alone = ("zh", "en")[number % 2], number % ALONE_EVERY == 0
        self.refuse(package, told, trusted=trusted, lang=lang, alone=alone)
        return kind

    def refuse(
        self, package: Package, told: str, *, trusted: bool, lang: str = "zh", alone: bool = False
    ) -> None:
        """Checks one package with every verifier.

        Raises:
            NotRefusedError: what must not be, was.
        """
        place = self.area / "package"
        place.mkdir()
        package.write(place, self.area / "outside")
        before = self.seen()
        words = [str(place), "--lang", lang]
        words += ["--trust", str(self.trust)] if trusted else []
        codes = [self._run(told, one, words) for one in self.verifiers]
        if alone:
            codes.append(_alone(self.area / "verify.py", words))
        if len(set(codes)) != 1 or codes[0] not in REFUSED:
            raise NotRefusedError(f"{told}expected one of {REFUSED} of both, got {codes}")
        if self.seen() != before:
            raise NotRefusedError(f"{told}something was written")
        _remove(place)

    def _run(self, told: str, act: Verifier, words: Sequence[str]) -> int:
        said, begun = io.StringIO(), process_time()
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            ACTS.watched() as acts,
        ):
            code = act(list(words))
        took = process_time() - begun
        if acts:
            raise NotRefusedError(f"{told}a verifier only reads, got {acts[:3]}")
        if took > SECONDS_MAX:
            raise NotRefusedError(f"{told}took {took:.1f} s of {SECONDS_MAX}")
        for line in said.getvalue().splitlines():
            if not line.isprintable():
                raise NotRefusedError(f"{told}the report moves a terminal: {line!r:.200}")
        return code

    def seen(self) -> list[tuple[str, int, int, int]]:
        """Every name under the area with its kind, size and time; links are not followed."""
        found = []
        for folder, folders, files in os.walk(os.fsencode(self.area)):
            for name in (*folders, *files):
                one = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - names without a text
                found.append((repr((folder, name)), one.st_mode, one.st_size, one.st_mtime_ns))
        return sorted(found)


def _hub(words: list[str]) -> int:
    return evalroom(["verify", *words])


def _alone(program: Path, words: Sequence[str]) -> int:
    return subprocess.run(
        [sys.executable, "-I", str(program), *words], capture_output=True, check=False, timeout=120
    ).returncode


def _remove(place: Path) -> None:
    for folder, folders, files in os.walk(os.fsencode(place), topdown=False):
        for name in (*files, *folders):
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                os.rmdir(path)  # noqa: PTH106
            else:
                os.unlink(path)  # noqa: PTH108
    place.rmdir()


def run(seed: int, numbers: Sequence[int]) -> dict[str, int]:
    """Checks these packages; how many of each kind.

    Raises:
        NotRefusedError: at the first that was not refused, or when memory grew.
    """
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as area:
        watched = Watched.at(Path(area))
        watched.check(seed, numbers[0])
        warm, warm_mib = blocks(), peak_mib()
        for number in numbers:
            kind = watched.check(seed, number)
            counts[kind] = counts.get(kind, 0) + 1
        grown, mib = blocks() - warm, peak_mib() - warm_mib
    if grown > BLOCKS_MAX or mib > GROWN_MIB_MAX:
        raise NotRefusedError(f"{grown} objects and {mib} MiB more than after the first")
    sys.stderr.write(f"{grown} objects left, {mib} MiB more at the highest\n")
    return counts


def peak_mib() -> int:
    """The most this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the kinds and the number of packages; exit code 0 if all were refused."""
    words = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--first", type=int, default=0)
    words.add_argument("--count", type=int, default=5_000)
    told = words.parse_args(argv)
    counts = run(told.seed, range(told.first, told.first + told.count))
    sys.stdout.write(f"{json.dumps(counts, indent=1)}\nn = {sum(counts.values())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
