"""`make bench`: ratios to the limit of this machine, in one run; one table, JSON kept."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.measure import ROUNDS, Result, journal_figures, measure, verifier_figure
from tests.bench.recording import recording_figure
from tests.bench.source_state import commit

OUT = Path("out/bench.json")


def row(result: Result) -> dict[str, object]:
    figure, ratios = result.figure, result.ratios
    return {
        "figure": figure.name,
        "unit": figure.unit,
        "ours": round(statistics.median(result.ours), 1),
        "limit": figure.limit,
        "limit_value": round(statistics.median(result.reference), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
        "floor": figure.floor,
        "verdict": result.verdict,
    }


def table(rows: list[dict[str, object]]) -> str:
    head = (
        f"{'figure':<24}{'ours':>10}  {'limit':<24}{'':>10}{'ratio':>8}  {'spread':<14}{'floor':>6}"
    )
    lines = [head + "  verdict"]
    for one in rows:
        spread = f"{one['ratio_low']}-{one['ratio_high']}"
        floor = "-" if one["floor"] is None else str(one["floor"])
        lines.append(
            f"{one['figure']:<24}{one['ours']:>10}  {one['limit']:<24}{one['limit_value']:>10}"
            f"{one['ratio']:>8}  {spread:<14}{floor:>6}  {one['verdict']}"
        )
    return "\n".join(lines)


def main() -> int:
    OUT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUT.parent) as name, ExitStack() as stack:
        folder = Path(name)
        recording = stack.enter_context(recording_figure(folder))
        results = measure([*journal_figures(folder), recording, verifier_figure()])
    rows = [row(one) for one in results]
    load = os.getloadavg()[0]
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit(), "load": load}
    OUT.write_text(json.dumps({**about, "rounds": ROUNDS, "rows": rows}, indent=1) + "\n")
    sys.stdout.write(
        f"{table(rows)}\n\nmedians of {ROUNDS} interleaved rounds; load {load:.1f} on "
        f"{os.cpu_count()} cores; kept in {OUT}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
