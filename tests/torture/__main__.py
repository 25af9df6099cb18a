"""`python -m tests.torture --broker mosquitto --kills 500 …`: a town of real processes under blows.

A run is made of rounds. What held on these sources is kept in `out/torture`, so that an interrupted
run goes on; when `--minutes` are over it ends with 75 and goes on when it is started again, with a
new town. A failure names broker, seed, round and commit; the town's files stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

from tests.bench.kept import UNFINISHED
from tests.bench.sections import PRODUCT
from tests.bench.source_state import commit, digest
from tests.torture.rounds import Figures, Torture
from tests.torture.script import Amounts, Round, draw
from tests.torture.town import BROKERS, Town

OUT: Final = Path("out/torture")
COUNTED: Final = ("rows", "lost", "duplicated", "rollbacks")


@dataclass(slots=True)
class Kept:
    """What earlier runs of the same script on the same sources have done."""

    path: Path
    about: dict[str, Any]
    rounds: int = 0
    rows: int = 0
    lost: int = 0
    duplicated: int = 0
    rollbacks: int = 0
    done: Counter[str] = field(default_factory=Counter)
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)

    def read(self) -> None:
        """Goes on where the last run was, if it was the same."""
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        if kept.pop("about", None) != self.about:
            return
        self.done = Counter(kept.pop("done"))
        for name, value in kept.items():
            setattr(self, name, value)

    def write(self, figures: Figures, rounds: int) -> None:
        """After a round that held."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "about": self.about,
            "rounds": rounds,
            **{name: getattr(self, name) + getattr(figures.verdict, name) for name in COUNTED},
            "done": self.done + figures.done,
            "recoveries": [*self.recoveries, *figures.recoveries],
            "tails": [*self.tails, *figures.tails],
        }
        self.path.write_text(json.dumps(found) + "\n")


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)  # a town is taken down by whoever built it
    amounts = Amounts(options.kills, options.store_losses, options.restores, options.faults)
    sources = digest([*PRODUCT, "tests/torture"])
    about = {"broker": options.broker, "seed": options.seed, "sources": sources, **asdict(amounts)}
    kept = Kept(OUT / f"{options.broker}-{options.seed}.json", about)
    if not sources:
        kept.path.unlink(missing_ok=True)
    kept.read()
    rounds = draw(amounts, options.seed)[kept.rounds :]
    end = monotonic() + options.minutes * 60 if options.minutes else float("inf")
    code = _play(kept, rounds, end) if rounds else 0
    kept.read()
    sys.stdout.write("\n".join(lines(kept)) + "\n")
    return code


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _play(kept: Kept, rounds: list[Round], end: float) -> int:
    """Plays what is left; 1 when a round did not hold, 75 when the time is over."""
    folder = OUT / f"{kept.about['broker']}-{kept.about['seed']}"
    shutil.rmtree(folder, ignore_errors=True)
    town = Town(folder.absolute(), kept.about["broker"], kept.about["seed"])
    torture = Torture(town, kept.about["seed"])
    try:
        town.open()
        torture.start()
        for one in rounds:
            if monotonic() > end:
                return UNFINISHED
            held = torture.play(one)
            if not held:
                sys.stdout.write(_failure(kept, torture.figures, one))
                return 1
            kept.write(torture.figures, one.number + 1)
            sys.stderr.write(f"round {one.number + 1}: {torture.figures.verdict.rows} rows held\n")
    finally:
        torture.stop()
        town.close()
    shutil.rmtree(folder)
    return 0


def _failure(kept: Kept, figures: Figures, at: Round) -> str:
    where = " ".join(f"{name} {value}" for name, value in kept.about.items())
    judged = figures.verdict
    found = [f"{judged.rows} rows, {judged.lost} lost, {judged.duplicated} duplicated"]
    found += [*(f"not converged: {one}" for one in figures.late), *judged.findings]
    return "".join(f"FAILED {where} round {at.number}: {one}\n" for one in found)


def lines(kept: Kept) -> list[str]:
    """The figures; the last line is how many were killed."""
    rows = [f"broker {kept.about['broker']}, seed {kept.about['seed']}, {commit()}"]
    rows += [f"{count:>6} {what}" for what, count in sorted(kept.done.items())]
    judged = f"{kept.lost} lost, {kept.duplicated} duplicated, {kept.rollbacks} rewinds"
    rows += [f"{kept.rows:>6} rows: {judged}"]
    for what in sorted({one for one, _ in kept.recoveries}):
        rows.append(
            f"back after {what}: {spread([s for one, s in kept.recoveries if one == what])}"
        )
    rows.append(f"quiet tail: {spread(kept.tails)}")
    kills = sum(count for what, count in kept.done.items() if not what.startswith("fault"))
    return [*rows, f"n = {kills}"]


def spread(seconds: list[float]) -> str:
    """p50, p99 and the longest."""
    found = sorted(seconds) or [0.0]
    p50, p99 = found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]
    return f"p50 {p50:.1f} s, p99 {p99:.1f} s, longest {found[-1]:.1f} s, of {len(seconds)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--broker", choices=sorted(BROKERS), required=True)
    parser.add_argument("--kills", type=int, default=500, help="besides those of the next two")
    parser.add_argument("--store-losses", type=int, default=50)
    parser.add_argument("--restores", type=int, default=10)
    parser.add_argument("--faults", type=int, default=70, help="each kind on each line in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="no round begins later (0: all)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
