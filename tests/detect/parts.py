"""The parts a long run is cut into: each played by a process of its own, each kept when done."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import monotonic
from typing import Any, Final

from tests.bench.sections import PRODUCT
from tests.bench.source_state import digest
from tests.detect import life
from tests.detect.hub_line import Page
from tests.detect.played import Played, Size, journal, skipped_hub, skipped_room, watched
from tests.detect.room_line import Row

OUT: Final = Path("out/detect")
ROOMS_A_PART: Final = 10
LIVES_A_PART: Final = 50
FULL_ROOMS: Final = 2
FULL_PART: Final = 100
"""One room-day in so many is stepped in full, half of them in each of two rooms."""
STRETCH_DAYS: Final = 15
"""Each stretch has a hub of its own, so that a part ends within minutes."""
Part = Callable[[], Any]


def rooms_part(size: Size, first: int) -> list[list[dict[str, Any]]]:
    """Journals of some rooms."""
    some = range(first, min(first + ROOMS_A_PART, size.rooms))
    return [[asdict(row) for row in journal(size, room)] for room in some]


def hub_part(size: Size, folder: Path) -> dict[str, Any]:
    """The hub over all rooms."""
    run = watched(size, journals(size, folder))
    return {
        "pages": [asdict(one) for one in run.pages],
        "seen": [asdict(one) for one in run.seen],
        "cases": run.cases,
    }


def life_part(seeds: range) -> dict[str, Any]:
    """Some lives of alarms."""
    return asdict(life.play(seeds))


def journals(size: Size, folder: Path) -> list[list[Row]]:
    """Of every room, once all are played."""
    some = [kept(folder, one) for one in rooms_of(size)]
    return [[Row(**row) for row in one] for part in some for one in part]


def kept(folder: Path, name: str) -> Any:
    """What a part found."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def stretches(rooms: int, days: int, seed: int) -> list[Size]:
    """The run, one stretch after the other, each from a seed of its own."""
    first = range(0, days, STRETCH_DAYS)
    return [
        Size(rooms, min(STRETCH_DAYS, days - at), 1_000 * seed + number)
        for number, at in enumerate(first)
    ]


def rooms_of(size: Size) -> dict[str, Part]:
    """The rooms of a stretch."""
    first = range(0, size.rooms, ROOMS_A_PART)
    return {f"{size.seed}-rooms-{one}": partial(rooms_part, size, one) for one in first}


def full_of(size: Size) -> dict[str, Part]:
    """What of a stretch is stepped in full."""
    some = Size(FULL_ROOMS, size.rooms * size.days / FULL_PART / FULL_ROOMS, size.seed)
    rooms = {f"{size.seed}-full-{n}": partial(skipped_room, some, n) for n in range(FULL_ROOMS)}
    return {**rooms, f"{size.seed}-full-hub": partial(skipped_hub, some)}


def stages(sizes: Sequence[Size], folder: Path) -> list[dict[str, Part]]:
    """What has to be played, by name; a stage needs those before it."""
    rooms = {name: part for size in sizes for name, part in rooms_of(size).items()}
    hubs: dict[str, Part] = {f"{one.seed}-hub": partial(hub_part, one, folder) for one in sizes}
    return [rooms, hubs, {name: part for size in sizes for name, part in full_of(size).items()}]


def life_stages(count: int, seed: int) -> list[dict[str, Part]]:
    """Lives from this seed on."""
    parts = [
        range(at, min(at + LIVES_A_PART, seed + count))
        for at in range(seed, seed + count, LIVES_A_PART)
    ]
    return [{f"life-{one.start}-{len(one)}": partial(life_part, one) for one in parts}]


def folder_of(name: str) -> Path:
    """Where parts are kept; those of other sources, or of a tree that was changed, are not."""
    now = digest([*PRODUCT, "tests/detect"]) or "changed"
    for other in OUT.glob("*"):
        if other.name != now or now == "changed":
            shutil.rmtree(other)
    place = OUT / now / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def play(stages_: Sequence[dict[str, Part]], folder: Path, jobs: int, minutes: float) -> bool:
    """Plays what is not kept; whether all is played. No part begins after so many minutes."""
    begun = monotonic()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for stage in stages_:
            missing = {n: one for n, one in stage.items() if not (folder / f"{n}.json").exists()}
            late = 60 * minutes if minutes else float("inf")
            parts = [(n, folder, one, begun + late) for n, one in missing.items()]
            if not all(pool.map(_part, parts)):
                return False
    return True


def _part(told: tuple[str, Path, Part, float]) -> bool:
    name, folder, part, until = told
    if monotonic() > until:
        return False
    begun = monotonic()
    made, path = part(), folder / f"{name}.json"
    path.with_suffix(".new").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    path.with_suffix(".new").rename(path)
    sys.stderr.write(f"{name}: {monotonic() - begun:.0f} s\n")
    return True


def played(size: Size, folder: Path) -> Played:
    """A stretch, once all of it is played."""
    told = kept(folder, f"{size.seed}-hub")
    pages, seen = ([Page(**one) for one in told[key]] for key in ("pages", "seen"))
    cases = [(at, session) for at, session in told["cases"]]
    return Played(size, size.faults(), journals(size, folder), pages, seen, cases)
