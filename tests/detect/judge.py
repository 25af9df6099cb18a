"""What was found, when, and what was called a fault that is none."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.detect.hub_line import DEAF, OFF_LINE, SILENT, STOPPED, Page
from tests.detect.labels import EVERYWHERE, LONG_ENOUGH_S, MINUTE, OWN, Label, S
from tests.detect.played import Played
from tests.detect.room_line import Row

AFTER_MS = 2 * MINUTE
"""What a fault brings about comes at the latest so long after its end."""
LIMITS_S = {
    "mains": 2,
    "controller": 20,
    "wan": 30,
    "reader": 30,
    "camera_lost": 30,
    "camera_frozen": 30,
    "camera_black": 30,
}
"""95 of 100 are found within so many seconds."""
RECALL_MIN = 0.999
FALSE_MAX = 1.0
"""False incidents of a room in ninety days."""
FOUND_MIN = 10
"""Faults of a room at least, or the run says nothing."""
PAGE_EVERY_MS = 10 * MINUTE
LINE_S_MIN = 20
"""A broken line this long is missed by the hub too."""


@dataclass
class Findings:
    """Seconds to find each kind's faults; those missed; incidents without a fault."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    missed: list[Label] = field(default_factory=list)
    false: list[tuple[int, int, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def found(self) -> int:
        return sum(map(len, self.seconds.values()))

    @property
    def recall(self) -> float:
        total = self.found() + len(self.missed)
        return self.found() / total if total else 1.0

    def p95(self, kind: str) -> float:
        times = sorted(self.seconds[kind])
        return times[min(len(times) - 1, int(0.95 * len(times)))]

    def add(self, other: Findings) -> None:
        for kind, times in other.seconds.items():
            self.seconds[kind] += times
        self.missed += other.missed
        self.false += other.false
        self.stuck += other.stuck


def of_room(room: int, faults: Sequence[Label], rows: Iterable[Row]) -> Findings:
    """What the room's own record says of its faults; the controller's death is the hub's to see."""
    findings = Findings()
    raised = [(row.at_ms, row.data) for row in rows if row.type == "fault.raised"]
    cleared = {row.data["fault"] for row in rows if row.type == "fault.cleared"}
    for one in (one for one in faults if one.kind in OWN):
        kind, device = OWN[one.kind]
        hit = next(
            (
                at
                for at, data in raised
                if (data["kind"], data["device"]) == (kind, device) and one.near(at, AFTER_MS)
            ),
            None,
        )
        if hit is not None:
            findings.seconds[one.kind].append((hit - one.from_ms) / S)
        elif one.to_ms - one.from_ms >= LONG_ENOUGH_S * S and not _unstable(one, raised):
            findings.missed.append(one)
    for at, data in raised:
        if not any(one.near(at, AFTER_MS) and _fits(one, data) for one in faults):
            findings.false.append((room, at, f"{data['kind']} {data['device']}"))
        if data["fault"] not in cleared:
            findings.stuck.append(f"room {room}: {data['fault']} {data['device']} at {at} ms")
    return findings


def _unstable(one: Label, raised: Sequence[tuple[int, dict[str, object]]]) -> bool:
    """Whether a source that comes and goes is called unstable when this fault begins."""
    return one.flap and any(data["what"] == "unstable" and at <= one.from_ms for at, data in raised)


def _fits(one: Label, data: dict[str, object]) -> bool:
    if one.kind in EVERYWHERE or one.kind == "controller":
        return data["kind"] == "network"
    return (data["kind"], data["device"]) == OWN[one.kind]


def of_hub(findings: Findings, faults: Sequence[Label], pages: Sequence[Page]) -> None:
    """What only the hub can see: controllers that are gone, and silences without a reason."""
    silent = [one for one in pages if one.kind == SILENT]
    for one in (one for one in faults if one.kind == "controller"):
        hit = next(
            (p.at_ms for p in silent if p.room == one.room and one.near(p.at_ms, AFTER_MS)), None
        )
        if hit is None:
            findings.missed.append(one)
        else:
            findings.seconds["controller"].append((hit - one.from_ms) / S)
    gone = [one for one in faults if one.kind in OFF_LINE]
    for page in silent:
        if not any(one.room in (page.room, -1) and one.near(page.at_ms, AFTER_MS) for one in gone):
            findings.false.append((page.room, page.at_ms, page.kind))


def of_run(run: Played) -> Findings:
    """What rooms and hub found together."""
    findings = Findings()
    for room, journal in enumerate(run.journals):
        findings.add(of_room(room, run.mine(room), journal))
    of_hub(findings, run.faults, run.pages)
    return findings


def broken(runs: Sequence[Played], findings: Findings) -> list[str]:
    """Every promise these runs broke; empty if all held."""
    said = [*_found_late_or_never(runs, findings), *_more_than_there_is(runs, findings)]
    for run in runs:
        said += [*_not_one_incident(run), *_called_too_often(run), *_not_one_trouble(run)]
    return said


def _found_late_or_never(runs: Sequence[Played], findings: Findings) -> Iterable[str]:
    if findings.found() <= FOUND_MIN * sum(one.size.rooms for one in runs):
        yield f"only {findings.found()} faults were found"
    if findings.recall < RECALL_MIN:
        yield f"recall {findings.recall:.4f}, missed {findings.missed[:3]}"
    for kind, limit in LIMITS_S.items():
        if not findings.seconds[kind]:
            yield f"no {kind} was found"
        elif findings.p95(kind) > limit:
            yield f"{kind} is found after {findings.p95(kind):.1f} s of {limit}"


def _more_than_there_is(runs: Sequence[Played], findings: Findings) -> Iterable[str]:
    if len(findings.false) > FALSE_MAX * sum(one.size.rooms * one.size.days for one in runs) / 90:
        yield f"{len(findings.false)} false incidents, {findings.false[:3]}"
    yield from findings.stuck


def _not_one_incident(run: Played) -> Iterable[str]:
    """A trouble of the hub's side is said once and opens no room's case."""
    own = [one for one in run.faults if one.kind in EVERYWHERE]
    if not own:
        yield "the hub's side had no trouble"
    for label in own:
        near = [(one.room, one.kind) for one in run.seen if label.near(one.at_ms, AFTER_MS)]
        wanted = STOPPED if label.kind == "hub_stopped" else DEAF
        if near != [(-1, wanted)]:
            yield f"{label} is {len(near)} incidents, {near[:3]}"
        cases = [at for at, _ in run.cases if label.near(at, AFTER_MS)]
        if cases:
            yield f"{label} opened {len(cases)} cases"


def _called_too_often(run: Played) -> Iterable[str]:
    """A source that comes and goes calls, and once in ten minutes at most."""
    flapping = {(one.room, one.kind) for one in run.faults if one.flap}
    if not flapping:
        yield "no source came and went"
    for room, kind in sorted(flapping):
        span = [one for one in run.faults if one.flap and (one.room, one.kind) == (room, kind)]
        low, high = span[0].from_ms, span[-1].to_ms + AFTER_MS
        times = [one.at_ms for one in run.pages if one.room == room and low <= one.at_ms <= high]
        gaps = [later - before for before, later in itertools.pairwise(times)]
        if not times or min(gaps, default=PAGE_EVERY_MS) < PAGE_EVERY_MS:
            yield f"{kind} of room {room} comes and goes, called at {times}"


def _not_one_trouble(run: Played) -> Iterable[str]:
    """A broken line has two ends and is one trouble: one call, of the silence."""
    lines = [one for one in run.of("wan") if one.to_ms - one.from_ms >= LINE_S_MIN * S]
    if not lines:
        yield "no line broke"
    for one in lines:
        kinds = [
            page.kind
            for page in run.pages
            if page.room == one.room and one.near(page.at_ms, AFTER_MS)
        ]
        if kinds != [SILENT]:
            yield f"{one} called for {kinds}"


def table(findings: Findings) -> str:
    """Kind, n, p50, p95, the longest, and the limit."""
    lines = [f"{'fault':<16}{'n':>6}{'p50 s':>8}{'p95 s':>8}{'max s':>8}{'limit':>7}"]
    for kind, times in sorted(findings.seconds.items()):
        half = sorted(times)[len(times) // 2]
        limit = LIMITS_S.get(kind, "")
        lines.append(
            f"{kind:<16}{len(times):>6}{half:>8.1f}{findings.p95(kind):>8.1f}"
            f"{max(times):>8.1f}{limit:>7}"
        )
    return "\n".join(lines)
