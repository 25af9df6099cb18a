"""What was found, when, and what was called a fault that is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.detect.hub_line import OFF_LINE, SILENT, Page
from tests.detect.labels import EVERYWHERE, LONG_ENOUGH_S, MINUTE, OWN, Label, S
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
