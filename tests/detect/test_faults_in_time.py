"""Faults are seen in time, healthy rooms are left alone, and one trouble calls people once.

Virtual time; `EVALROOM_PROPERTIES=long` plays 50 rooms for 90 days, otherwise a few rooms for a
few weeks. What a run found is printed (`pytest -s`), judged once per run by the tests below.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.detect import judge
from tests.detect.hub_line import DEAF, SILENT, STOPPED, HubLine, Page, ctl_of, session_of
from tests.detect.labels import DAY, EVERYWHERE, HOUR, MINUTE, Label, S, labels
from tests.detect.room_line import RoomLine, Row

pytestmark = pytest.mark.slow
LONG = os.environ.get("EVALROOM_PROPERTIES") == "long"
ROOMS, DAYS, SEED = (50, 90, 1) if LONG else (4, 10, 2)
FULL_DAYS = 22.5 if LONG else 0.2
"""Two rooms: one in a hundred of 50 rooms' 90 days."""
PAGE_EVERY_MS = 10 * MINUTE
MEMORY = Path("/dev/shm")  # noqa: S108 - a disk is not what is looked at, and many times slower


@dataclass
class Run:
    """One run: what was broken, what the rooms found, whom the hub called."""

    faults: list[Label]
    findings: judge.Findings
    hub: HubLine

    def of(self, kind: str) -> list[Label]:
        return [one for one in self.faults if one.kind == kind and not one.flap]


def journals(faults: list[Label], rooms: int, span_ms: int, *, full: bool) -> list[list[Row]]:
    found = []
    for room in range(rooms):
        mine = [one for one in faults if one.room in (room, -1)]
        line = RoomLine(ctl_of(room), mine, SEED, span_ms, session_of(room), full)
        found.append(line.run())
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def played(folder: Path) -> Run:
    faults = labels(SEED, rooms=ROOMS, days=DAYS)
    rows = journals(faults, ROOMS, DAYS * DAY, full=False)
    findings = judge.Findings()
    for room, journal in enumerate(rows):
        mine = [one for one in faults if one.room in (room, -1)]
        findings.add(judge.of_room(room, mine, journal))
    (folder / "hub").mkdir()
    hub = HubLine(folder / "hub", ROOMS, faults, SEED, DAYS * DAY)
    hub.run(rows)
    judge.of_hub(findings, faults, hub.pages)
    print(f"\n{ROOMS} rooms, {DAYS} days, seed {SEED}\n{judge.table(findings)}")  # noqa: T201
    print(f"called: {dict(Counter(one.kind for one in hub.pages))}")  # noqa: T201
    return Run(faults, findings, hub)


def test_every_fault_of_fifteen_seconds_is_found(played: Run) -> None:
    assert played.findings.found() > 10 * ROOMS
    assert played.findings.recall >= judge.RECALL_MIN, played.findings.missed[:10]


@pytest.mark.parametrize("kind", sorted(judge.LIMITS_S))
def test_it_is_found_in_time(played: Run, kind: str) -> None:
    assert played.findings.p95(kind) <= judge.LIMITS_S[kind]


def test_what_is_no_fault_calls_nobody(played: Run) -> None:
    allowed = judge.FALSE_MAX * ROOMS * DAYS / 90
    assert len(played.findings.false) <= allowed, played.findings.false[:10]


def test_nothing_stays_open_when_it_is_over(played: Run) -> None:
    assert played.findings.stuck == []


def test_a_trouble_of_the_hubs_side_is_one_incident(played: Run) -> None:
    own = [one for one in played.faults if one.kind in EVERYWHERE]
    assert own
    cases = played.hub.cases()
    for label in own:
        near = [one for one in played.hub.seen if label.near(one.at_ms, judge.AFTER_MS)]
        wanted = STOPPED if label.kind == "hub_stopped" else DEAF
        assert [(one.room, one.kind) for one in near] == [(-1, wanted)], (label, near)
        assert [at for at, _ in cases if label.near(at, judge.AFTER_MS)] == []


def test_a_source_that_comes_and_goes_calls_once_in_ten_minutes(played: Run) -> None:
    flapping = {(one.room, one.kind) for one in played.faults if one.flap}
    assert flapping
    for room, kind in flapping:
        span = [one for one in played.faults if one.flap and (one.room, one.kind) == (room, kind)]
        low, high = span[0].from_ms, span[-1].to_ms + judge.AFTER_MS
        times = [one.at_ms for one in calls_of(played.hub.pages, room) if low <= one.at_ms <= high]
        gaps = [later - before for before, later in itertools.pairwise(times)]
        assert times
        assert min(gaps, default=PAGE_EVERY_MS) >= PAGE_EVERY_MS, (kind, times)


def calls_of(pages: list[Page], room: int) -> list[Page]:
    return [one for one in pages if one.room == room]


def test_a_broken_line_is_one_trouble_with_two_ends(played: Run) -> None:
    lines = [one for one in played.of("wan") if one.to_ms - one.from_ms >= 20 * S]
    assert lines
    for label in lines:
        mine = list(calls_of(played.hub.pages, label.room))
        assert [one.kind for one in mine if label.near(one.at_ms, judge.AFTER_MS)] == [SILENT]


def test_skipping_what_is_healthy_changes_nothing(folder: Path) -> None:
    """Two rooms stepped tick by tick, the room's half second and the hub's second."""
    span_ms = round(FULL_DAYS * DAY)
    faults = [
        one
        for one in labels(SEED + 1, rooms=2, days=max(1, round(FULL_DAYS)))
        if one.to_ms < span_ms - HOUR
    ]
    raised, pages = [], []
    for full in (False, True):
        rows = journals(faults, 2, span_ms, full=full)
        raised.append([facts(journal) for journal in rows])
        place = folder / f"full-{full}"
        place.mkdir()
        hub = HubLine(place, 2, faults, SEED, span_ms, full)
        pages.append([(one.at_ms // (2 * S), one.room, one.kind) for one in hub.run(rows)])
    assert raised[0] == raised[1]
    assert any(raised[0])
    assert [one[1:] for one in pages[0]] == [one[1:] for one in pages[1]]


def facts(journal: list[Row]) -> list[tuple[int, str, str]]:
    kinds = ("fault.raised", "fault.cleared")
    return [(one.at_ms, one.type, one.data["fault"]) for one in journal if one.type in kinds]
