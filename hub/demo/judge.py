"""Did the day end as it must? Counts what the rooms wrote against what the hub holds."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hub.demo.day import Day
from hub.demo.evaluation_act import refusals
from hub.demo.handover_act import package_path
from hub.demo.supervise import evalroom

VERIFY_S = 120.0


@dataclass(slots=True)
class Outcome:
    """The last line of the demonstration, as one JSON object."""

    ok: bool
    seed: int
    recorded: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    duplicated: int = 0
    refused_releases: int = 0
    cases_opened: int = 0
    cases_closed: int = 0
    segments: int = 0
    gap_s: int = 0
    package: str = ""
    trust: str = ""
    verify: int = -1
    why: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line of JSON; `why` only when something is wrong."""
        about = asdict(self)
        if self.ok:
            del about["why"]
        return json.dumps(about, ensure_ascii=False)


Key = tuple[str, int, str]


def judge(day: Day, seed: int) -> Outcome:
    """Looks at journals, hub, cases and package."""
    out = Outcome(ok=False, seed=seed)
    _count_events(day, out)
    _count_session(day, out)
    _verify(day, out)
    expected = {
        "no event lost": out.lost == 0,
        "no event recorded twice": out.duplicated == 0,
        "an early release refused": out.refused_releases >= 1,
        "power and network cases opened": out.cases_opened >= 2,  # noqa: PLR2004 - one of each
        "every case closed": out.cases_closed == out.cases_opened,
        "video recorded": out.segments > 0,
        "package sound": out.verify == 0,
    }
    out.why = [what for what, holds in expected.items() if not holds]
    out.ok = not out.why
    return out


def journal_rows(path: Path) -> set[Key]:
    """(epoch, seq, hash) of every row in a room's journal."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        rows = base.execute(
            "SELECT epoch.epoch, event.seq, event.hash FROM event JOIN epoch ON epoch.n = event.n"
        )
        return {(str(epoch), int(seq), str(digest)) for epoch, seq, digest in rows}


def hub_rows(path: Path, ctl: str) -> list[Key]:
    """(epoch, seq, hash) of every row the hub holds of a controller."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        rows = base.execute("SELECT epoch, seq, hash FROM events WHERE ctl = ?", (ctl,))
        return [(str(epoch), int(seq), str(digest)) for epoch, seq, digest in rows]


def _count_events(day: Day, out: Outcome) -> None:
    base = day.town.data / "hub.sqlite"
    for site in day.town.rooms:
        held = hub_rows(base, site.ctl)
        # The rooms go on writing while this looks: what they wrote before it is what must be there.
        wrote = journal_rows(site.folder / "state" / "journal.sqlite")
        acked = day.written.get(site.ctl, wrote)
        out.recorded[site.ctl] = len(held)
        out.lost += len(acked - set(held))
        out.duplicated += len(held) - len({(epoch, seq) for epoch, seq, _ in held})


def _count_session(day: Day, out: Outcome) -> None:
    view = day.view()
    out.refused_releases = refusals(day)
    cases = [one for one in day.manager().get("cases")["cases"] if one["session"] == day.session]
    out.cases_opened = len(cases)
    out.cases_closed = sum(one["state"] == "closed" for one in cases)
    lanes: list[dict[str, Any]] = view["lanes"]
    out.segments = sum(lane["segments"] for lane in lanes)
    out.gap_s = round(sum(lane["gap_s"] for lane in lanes))


def _verify(day: Day, out: Outcome) -> None:
    out.trust = str((day.town.data / "trust.json").absolute())
    packages = [str(package_path(day, site.org).absolute()) for site in day.town.guests]
    out.package = packages[0]
    with ThreadPoolExecutor() as side_by_side:
        out.verify = max(side_by_side.map(partial(_verdict, trust=out.trust), packages))


def _verdict(package: str, trust: str) -> int:
    """The exit code of the program anybody would check the package with."""
    return subprocess.run(
        evalroom("verify", package, "--trust", trust),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=VERIFY_S,
        check=False,
    ).returncode
