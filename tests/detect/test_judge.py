"""The judge of a run can say no: planted detectors that miss, are late, cry wolf or call fifty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.detect import judge
from tests.detect.hub_line import DEAF, SILENT, STOPPED, Page
from tests.detect.labels import EVERYWHERE, OWN, Label, S
from tests.detect.played import Played, Size
from tests.detect.room_line import Row

SIZE = Size(rooms=50, days=15, seed=4)
FOUND_MS = 1_500


def rows_of(n: int, one: Label, *, after_ms: int = FOUND_MS) -> list[Row]:
    """A fault raised and cleared."""
    kind, device = OWN[one.kind]
    data = {"fault": f"{kind}-{n}", "kind": kind, "device": device, "what": ""}
    raised = Row(one.from_ms + after_ms, "fault.raised", "", data)
    return [raised, Row(one.to_ms + after_ms, "fault.cleared", "", data)]


def call(room: int, kind: str, at_ms: int) -> Page:
    return Page(at_ms, room, kind, f"{kind} at {at_ms}")


def good() -> Played:
    """What rooms and a hub without a fault would leave."""
    faults = SIZE.faults()
    journals: list[list[Row]] = [[] for _ in range(SIZE.rooms)]
    pages, seen = [], []
    for n, one in enumerate(faults):
        if one.kind in OWN:
            journals[one.room] += rows_of(n, one)
        if one.kind in EVERYWHERE:
            kind = STOPPED if one.kind == "hub_stopped" else DEAF
            seen.append(call(-1, kind, one.from_ms + 10 * S))
        elif one.kind in ("wan", "controller") and not one.flap:
            pages.append(call(one.room, SILENT, one.from_ms + 15 * S))
    for room, kind in {(one.room, one.kind) for one in faults if one.flap}:
        first = next(one for one in faults if one.flap and one.room == room)
        pages.append(call(room, kind, first.from_ms + FOUND_MS))
    return Played(SIZE, faults, journals, pages, [*seen, *pages], [])


def said(run: Played) -> str:
    return "\n".join(judge.broken([run], judge.of_run(run)))


def without(run: Played, kind: str, *, after_ms: int | None = None) -> Played:
    """The same, but one kind of fault is never found, or later than it was."""
    journals = []
    for room in range(SIZE.rooms):
        mine = [one for one in run.mine(room) if one.kind in OWN]
        journals.append(
            [
                row
                for n, one in enumerate(mine)
                if one.kind != kind or after_ms is not None
                for row in rows_of(n, one, after_ms=(after_ms or 0) if one.kind == kind else 1_000)
            ]
        )
    return replace(run, journals=journals)


def test_a_good_run_is_called_good() -> None:
    assert said(good()) == ""


@pytest.mark.parametrize("kind", sorted(set(OWN) & set(judge.LIMITS_S)))
def test_a_detector_that_never_fires_is_noticed(kind: str) -> None:
    told = said(without(good(), kind))

    assert f"no {kind} was found" in told
    assert "recall" in told


@pytest.mark.parametrize("kind", sorted(set(OWN) & set(judge.LIMITS_S)))
def test_a_detector_that_fires_late_is_noticed(kind: str) -> None:
    late = judge.LIMITS_S[kind] * S + 100

    assert f"{kind} is found after" in said(without(good(), kind, after_ms=late))
    assert kind not in said(without(good(), kind, after_ms=late - 100))


def test_a_hub_that_does_not_miss_a_controller_or_late_is_noticed() -> None:
    run = good()
    deaf = [one for one in run.pages if one.kind != SILENT]
    late = [replace(one, at_ms=one.at_ms + 10 * S) for one in run.pages]

    assert "no controller was found" in said(replace(run, pages=deaf))
    assert "controller is found after 25.0 s of 20" in said(replace(run, pages=late))


def test_one_missed_fault_in_a_thousand_is_the_bound() -> None:
    run = good()
    findings = judge.of_run(run)
    findings.missed += [run.faults[0]] * (findings.found() // 1_000)
    held = judge.broken([run], findings)
    findings.missed += [run.faults[0]] * 2

    assert held == []
    assert "recall" in judge.broken([run], findings)[0]


def test_a_detector_that_cries_wolf_is_noticed() -> None:
    run = good()
    allowed = round(judge.FALSE_MAX * SIZE.rooms * SIZE.days / 90)
    wolf = Label("system", 0, 1, 2)  # long before anything is broken
    for n in range(allowed):
        run.journals[0] += rows_of(10_000 + n, wolf)
    assert said(run) == ""
    run.journals[0] += rows_of(20_000, wolf)

    assert f"{allowed + 1} false incidents" in said(run)


def test_a_room_called_silent_without_a_reason_is_a_false_incident() -> None:
    run = good()
    run.pages += [call(0, SILENT, n) for n in range(SIZE.rooms)]

    assert f"{SIZE.rooms} false incidents" in said(run)


def test_a_fault_that_stays_open_is_noticed() -> None:
    run = good()
    run.journals[3].pop()

    assert said(run).startswith("room 3: ")


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_fifty_incidents_instead_of_one_are_noticed(kind: str) -> None:
    run = good()
    one = next(one for one in run.faults if one.kind == kind)
    every = [call(room, SILENT, one.from_ms + 15 * S) for room in range(SIZE.rooms)]

    assert "is 51 incidents" in said(replace(run, seen=[*run.seen, *every]))
    none = [page for page in run.seen if not one.near(page.at_ms, judge.AFTER_MS)]
    assert "is 0 incidents" in said(replace(run, seen=none))
    assert "opened 1 cases" in said(replace(run, cases=[(one.from_ms, "s-1")]))


def _often(run: Played, room: int, at_ms: int) -> list[Page]:
    again = [at_ms + FOUND_MS + n * judge.PAGE_EVERY_MS // 2 for n in range(3)]
    return [*run.pages, *(call(room, "power", at) for at in again)]


def _never(run: Played, room: int, _at_ms: int) -> list[Page]:
    return [one for one in run.pages if one.room != room]


@pytest.mark.parametrize("planted", [_often, _never])
def test_a_source_that_comes_and_goes_and_calls_each_time_or_never_is_noticed(
    planted: Callable[[Played, int, int], list[Page]],
) -> None:
    run = good()
    first = next(one for one in run.faults if one.flap)

    told = said(replace(run, pages=planted(run, first.room, first.from_ms)))

    assert f"{first.kind} of room {first.room} comes and goes" in told


def test_a_line_whose_two_ends_both_call_is_noticed() -> None:
    run = good()
    line = next(one for one in run.of("wan") if one.to_ms - one.from_ms >= judge.LINE_S_MIN * S)
    run.pages += [call(line.room, "network", line.from_ms + 12 * S)]

    assert f"called for ['{SILENT}', 'network']" in said(run)
