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
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import Final

from hub.__main__ import main as evalroom
from hub.archive.building import verifier_program
from protocols.evidence.verifier import ALTERED, INCOMPLETE, UNPROVEN
from tests.fuzz.hostile_kinds import KINDS, Package
from tests.fuzz.judge import resident_mib
from tests.protocols.messages.wire_keys import trust_file

REFUSED: Final = (ALTERED, INCOMPLETE, UNPROVEN)
SECONDS_MAX: Final = 10
GROWN_MIB_MAX: Final = 512
"""Above what the first package left: a file is read whole before it is hashed."""
ALONE_EVERY: Final = 250
"""One package in so many is also checked by `verify.py` as a process of its own."""


class NotRefusedError(AssertionError):
    """A hostile package was called sound, or a verifier crashed, wrote or took too long over it."""


@dataclass(slots=True)
class Watched:
    """A folder with a package, something outside it, and the two verifiers."""

    area: Path
    tail: ModuleType
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
        return cls(area, module, trust)

    def check(self, seed: int, number: int) -> str:
        """Builds package `number`, checks it with both; returns its kind.

        Raises:
            NotRefusedError: what must not be, was.
        """
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - the same again
        kind = list(KINDS)[number % len(KINDS)]
        place = self.area / f"p{number}"
        place.mkdir()
        trusted = chance.random() < 0.75
        package = Package.sound()
        KINDS[kind](package, chance)
        package.write(place, self.area / "outside")
        before = self.seen()
        words = [str(place), "--lang", chance.choice(("zh", "en"))]
        words += ["--trust", str(self.trust)] if trusted else []
        told = f"{kind} (seed {seed}, package {number}): "
        codes = [self._run(told, one, words) for one in (_hub, self.tail.main)]
        if number % ALONE_EVERY == 0:
            codes.append(_alone(self.area / "verify.py", words))
        if len(set(codes)) != 1 or codes[0] not in REFUSED:
            raise NotRefusedError(f"{told}expected one of {REFUSED} of both, got {codes}")
        if self.seen() != before:
            raise NotRefusedError(f"{told}something was written")
        _remove(place)
        return kind

    def _run(self, told: str, act: object, words: Sequence[str]) -> int:
        said, begun = io.StringIO(), process_time()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = int(act(list(words)))  # type: ignore[operator]
        took = process_time() - begun
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


def _hub(words: Sequence[str]) -> int:
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
        watched, warm = Watched.at(Path(area)), 0.0
        for number in numbers:
            kind = watched.check(seed, number)
            counts[kind] = counts.get(kind, 0) + 1
            warm = warm or resident_mib()
        if resident_mib() - warm > GROWN_MIB_MAX:
            raise NotRefusedError(f"{resident_mib() - warm:.0f} MiB more than after the first")
    return counts


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
