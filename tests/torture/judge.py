"""What is true after a torture: every row a room wrote is at the hub, once, in order, as it was.

Safety and convergence are judged apart. `settled` says whether everything has arrived; `judge`
compares the bytes, whether it has or not.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.demo.town import RoomSite
from tests.torture.town import Town

UNWANTED: Final = ("ack.bad", "journal.rolled_back", "record.gap", "plan.refused")
"""What a room writes down when it was lied to or lost something; a kill is neither."""
SHOWN_MAX: Final = 20
Key = tuple[str, int]


@dataclass(slots=True)
class Verdict:
    """Figures of one judgement; it holds when there is no finding."""

    rows: int = 0
    lost: int = 0
    duplicated: int = 0
    rollbacks: int = 0
    findings: list[str] = field(default_factory=list)

    def find(self, what: str, which: object) -> None:
        """One thing that must not be."""
        self.findings.append(f"{what}: {str(which)[:300]}")


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that somebody else writes, or wrote when he was killed."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as conn:
        yield conn


def waiting(town: Town) -> str:
    """What has not arrived yet; '' when all has."""
    with reading(town.base) as hub:
        for site in town.rooms:
            with reading(town.journal(site)) as room:
                last, acked = room.execute("SELECT SUM(last), SUM(acked) FROM epoch").fetchone()
            words = "SELECT COUNT(*) FROM events WHERE ctl = ?"
            there = hub.execute(words, (site.ctl,)).fetchone()[0]
            if not last == acked == there:
                return f"{site.place}: wrote {last}, acknowledged {acked}, at the hub {there}"
        newest = hub.execute("SELECT MAX(id) FROM events").fetchone()[0]
        behind = hub.execute("SELECT * FROM cursors WHERE after_id < ?", (newest,)).fetchall()
        return f"not worked out up to {newest}: {behind}" if behind else ""


def outdated(town: Town, backup: Path) -> bool:
    """Whether some room was told of a row that this backup of the hub does not have."""
    with reading(backup / "hub.sqlite") as hub:
        for site in town.rooms:
            words = "SELECT COUNT(*) FROM events WHERE ctl = ?"
            there = hub.execute(words, (site.ctl,)).fetchone()[0]
            with reading(town.journal(site)) as room:
                if room.execute("SELECT SUM(acked) FROM epoch").fetchone()[0] > there:
                    return True
    return False


def judge(town: Town) -> Verdict:
    """Compares every room's journal with the hub's rows of it; the load must be at rest."""
    verdict = Verdict()
    for fact in town.lost_facts:
        verdict.find("a fact of the hub was lost by a restore", fact)
    for site in town.rooms:
        with reading(town.journal(site)) as room, reading(town.base) as hub:
            _compare(site, room, hub, verdict)
            _accidents(site, room, hub, verdict)
            _rewinds(site, room, town.restores, verdict)
    return verdict


def _compare(
    site: RoomSite, room: sqlite3.Connection, hub: sqlite3.Connection, verdict: Verdict
) -> None:
    words = "SELECT epoch, seq, raw FROM events WHERE ctl = ? ORDER BY id"
    found = hub.execute(words, (site.ctl,)).fetchall()
    words = "SELECT epoch, seq, line FROM event JOIN epoch ON epoch.n = event.n"
    wrote: dict[Key, bytes] = {(one[0], one[1]): one[2] for one in room.execute(words)}
    there: dict[Key, bytes] = {(one[0], one[1]): one[2] for one in found}
    lost = sorted(set(wrote) - set(there))
    twice = len(found) - len(set(there.values()))
    verdict.rows += len(wrote)
    verdict.lost += len(lost)
    verdict.duplicated += twice
    if lost:
        verdict.find(f"{site.place} {len(lost)} rows lost", lost[:SHOWN_MAX])
    if twice:
        many = [one for one, count in Counter(raw for _, _, raw in found).items() if count > 1]
        verdict.find(f"{site.place} {twice} rows twice", many[:SHOWN_MAX])
    for key, raw in there.items():
        if key not in wrote:
            verdict.find(f"{site.place} a row the room never wrote", (key, raw))
        elif wrote[key] != raw:
            verdict.find(f"{site.place} other bytes", (key, raw, wrote[key]))
    heads: Counter[str] = Counter()
    for epoch, seq, _ in found:
        heads[epoch] += 1
        if seq != heads[epoch]:
            verdict.find(f"{site.place} out of order, expected {heads[epoch]}", (epoch, seq))
            heads[epoch] = seq


def _accidents(
    site: RoomSite, room: sqlite3.Connection, hub: sqlite3.Connection, verdict: Verdict
) -> None:
    """What either side wrote down as gone wrong; nothing of it follows from a kill."""
    for table in ("gaps", "forks", "quarantine"):
        words = f"SELECT * FROM {table} WHERE ctl = ?"  # noqa: S608 - one of the three above
        for row in hub.execute(words, (site.ctl,)):
            verdict.find(f"{site.place} {table}", row)
    words = "SELECT epoch, standing FROM epochs WHERE ctl = ? AND standing <> 'open'"
    for row in hub.execute(words, (site.ctl,)):
        verdict.find(f"{site.place} an epoch that is not a plain continuation", row)
    for row in hub.execute("SELECT * FROM unreadable WHERE ctl = ?", (site.ctl,)):
        verdict.find(f"{site.place} a row nobody could read", row)
    marks = ", ".join("?" * len(UNWANTED))
    words = f"SELECT line FROM event WHERE type IN ({marks})"  # noqa: S608 - question marks
    for row in room.execute(words, UNWANTED):
        verdict.find(f"{site.place} wrote", row[0])


def _rewinds(site: RoomSite, room: sqlite3.Connection, restores: int, verdict: Verdict) -> None:
    """Only a restored hub knows less than it acknowledged: once for each epoch, never else."""
    seen: set[tuple[str, int]] = set()
    for (line,) in room.execute("SELECT line FROM event WHERE type = 'hub.rollback'"):
        told = json.loads(line)["data"]
        which = (told["epoch"], told["generation"])
        if which in seen or not 1 < told["generation"] <= 1 + restores:
            verdict.find(f"{site.place} a rewind without a restore, {restores} restores", told)
        seen.add(which)
    verdict.rollbacks += len(seen)
