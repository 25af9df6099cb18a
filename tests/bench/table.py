"""The bench's results as rows of JSON, and as the one table that is printed."""

from __future__ import annotations

import statistics
import textwrap

from tests.bench.measure import Result

WIDTH = 110


def row(result: Result) -> dict[str, object]:
    """What is kept of a figure: medians, every round, the verdict and its reason."""
    figure, ratios = result.figure, result.ratios
    return {
        "figure": figure.name,
        "unit": figure.unit,
        "ours": round(statistics.median(result.ours), 3),
        "limit": figure.limit,
        "limit_value": round(statistics.median(result.reference), 3),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
        "floor": figure.floor,
        "at_most": figure.at_most,
        "verdict": result.verdict,
        "why": figure.why if result.missed else "",
        "rounds_ours": [round(one, 3) for one in result.ours],
        "rounds_limit": [round(one, 3) for one in result.reference],
    }


def table(rows: list[dict[str, object]]) -> str:
    """One line per figure, then why floors are missed."""
    lines = [
        f"{'figure':<36}{'ours':>9} {'unit':<10}{'limit or peer':<34}{'':>9}{'ratio':>8}  "
        f"{'spread':<15}{'floor':>7}  verdict"
    ]
    notes: list[str] = []
    for one in rows:
        spread = f"{one['ratio_low']}-{one['ratio_high']}"
        bound = "≤" if one["at_most"] else "≥"
        floor = "-" if one["floor"] is None else f"{bound} {one['floor']}"
        note = ""
        if one["why"]:
            notes.append(str(one["why"]))
            note = f" [{len(notes)}]"
        lines.append(
            f"{one['figure']:<36}{_short(one['ours']):>9} {one['unit']:<10}{one['limit']:<34}"
            f"{_short(one['limit_value']):>9}{one['ratio']:>8}  {spread:<15}{floor:>7}  "
            f"{one['verdict']}{note}"
        )
    for number, why in enumerate(notes, start=1):
        lines += ["", *textwrap.wrap(f"[{number}] {why}", WIDTH, subsequent_indent="    ")]
    return "\n".join(lines)


def _short(value: object) -> str:
    """Four digits, whatever the size."""
    number = float(str(value))
    if number >= 1000:
        return f"{number:.0f}"
    return f"{number:.4g}"
