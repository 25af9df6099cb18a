"""One run over one target: by atheris with its coverage counted, or by a plain mutator.

Without coverage libFuzzer knows no input from another and forgets its corpus: most of what it makes
then is shorter than four bytes. The plain mutator changes the seeds, and what coverage has found.

Started by `python -m tests.fuzz` as a process of its own, since libFuzzer owns the process it
runs in. The figures go to `--out` only when every input was taken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any, Final

GUIDED: Final = find_spec("atheris") is not None
INSTRUMENTED: Final = (
    "protocols",
    "hub.recording.ingest",
    "hub.recording.recorder",
    "hub.recording.streams",
    "hub.recording.quarantine",
)
INTERESTING: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x0D, 0x22, 0x5C, 0x7B, 0x5B)
CHANGES_MAX: Final = 6
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - no power is cut here, and a disk only waits


def plain_inputs(
    seeds: Sequence[bytes], words: Sequence[bytes], *, seed: int, bytes_max: int
) -> Iterator[bytes]:
    """Without end: seeds as they are, then changed in a few places; the same for the same seed."""
    yield from seeds
    chance = random.Random(seed)  # noqa: S311 - the same again for the same seed
    changes: tuple[Callable[[bytearray], None], ...] = (
        lambda raw: raw.__setitem__(chance.randrange(len(raw)), chance.choice(INTERESTING)),
        lambda raw: raw.__setitem__(chance.randrange(len(raw)), chance.randrange(256)),
        lambda raw: raw.__delitem__(_span(chance, len(raw))),
        lambda raw: raw.extend(raw[_span(chance, len(raw))]),
        lambda raw: raw.__setitem__(_span(chance, len(raw)), chance.choice(words)),
        lambda raw: raw.__setitem__(_span(chance, len(raw)), chance.choice(seeds)),
        lambda raw: raw.insert(chance.randrange(len(raw) + 1), chance.randrange(256)),
    )
    while True:
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, CHANGES_MAX)):
            if raw:
                chance.choice(changes)(raw)
        yield bytes(raw[:bytes_max])


def _span(chance: random.Random, size: int) -> slice:
    at = chance.randrange(size)
    return slice(at, at + chance.choice((1, 1, 2, 4, 16, size)))


def _targets(name: str, *, counted: bool) -> Any:
    """The table of targets, its modules counted at every branch if asked."""
    if not counted:
        from tests.fuzz import targets  # noqa: PLC0415 - first imported where it is counted

        return targets
    import atheris  # noqa: PLC0415 - not on every machine

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz import targets  # noqa: PLC0415

        if targets.TARGETS[name].run is None:
            import tests.fuzz.record  # noqa: F401, PLC0415 - the hub, which others do not need
    return targets


def main(argv: Sequence[str] | None = None) -> int:
    """One shard; exit code 0 if it held."""
    words = argparse.ArgumentParser(prog="tests.fuzz.engine")
    words.add_argument("target")
    words.add_argument("--runs", type=int, required=True)
    words.add_argument("--seed", type=int, required=True)
    words.add_argument("--corpus", type=Path, required=True)
    words.add_argument("--out", type=Path, required=True)
    words.add_argument(
        "--counted", action="store_true", help="coverage guides, at a part of the speed"
    )
    told = words.parse_args(argv)
    targets = _targets(told.target, counted=told.counted and GUIDED)
    place = MEMORY if MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(dir=place) as folder,
        targets.opened(told.target, Path(folder)) as run,
    ):
        return _shard(told, targets.TARGETS[told.target], run)


def _shard(told: argparse.Namespace, target: Any, run: Callable[[bytes], None]) -> int:
    from tests.fuzz.judge import Judge  # noqa: PLC0415 - behind the counting import
    from tests.fuzz.seeds import words  # noqa: PLC0415

    judge, begun = Judge(run, told.runs), process_time()
    seeds = target.seeds()

    def over() -> None:
        # What coverage remembers of each comparison grows; the other shards judge the memory.
        flat = not (told.counted and GUIDED)
        figures = {**judge.close(flat=flat), "seconds": round(process_time() - begun, 1)}
        figures["counted"] = judge.done if told.counted and GUIDED else 0
        told.out.write_text(json.dumps(figures), encoding="utf-8")

    if told.counted and GUIDED:
        return _guided(told, judge, seeds, words(seeds), target.bytes_max, over)
    every = [*seeds, *(path.read_bytes() for path in sorted(told.corpus.glob("*")))]
    given = plain_inputs(every, words(seeds), seed=told.seed, bytes_max=target.bytes_max)
    for data in given:
        if judge.done == told.runs:
            break
        _kept(told, judge, data)
    over()
    return 0


def _kept(told: argparse.Namespace, judge: Callable[[bytes], None], data: bytes) -> None:
    """One input; one that breaks the target is written beside the figures."""
    try:
        judge(data)
    except BaseException:
        told.out.with_suffix(".bin").write_bytes(data)
        raise


def _guided(
    told: argparse.Namespace,
    judge: Any,
    seeds: Sequence[bytes],
    words: Sequence[bytes],
    bytes_max: int,
    over: Callable[[], None],
) -> int:
    import atheris  # noqa: PLC0415

    told.corpus.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(seeds):
        (told.corpus / f"seed-{number:03}").write_bytes(raw)
    listed = told.out.with_suffix(".dict")
    listed.write_text("".join(_quoted(word) for word in words), encoding="ascii")

    def one(data: bytes) -> None:
        _kept(told, judge, data)
        if judge.done == told.runs:
            over()
            sys.stdout.flush()
            # libFuzzer has no way to end a run that is not a failure, other than its own count.
            os._exit(0)

    options = [
        f"-seed={told.seed}", f"-max_len={bytes_max}", f"-dict={listed}", "-len_control=100",
        "-verbosity=0", "-rss_limit_mb=2048", f"-artifact_prefix={told.out.parent}/",
    ]  # fmt: skip
    atheris.Setup(["fuzz", *options, str(told.corpus)], one)
    atheris.Fuzz()
    return 1


def _quoted(word: bytes) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


if __name__ == "__main__":
    sys.exit(main())
