"""`make proof`: the long figures, section by section; one table with n, bound, date and commit.

A section is stale when a file it rests on has changed since it held; only what is stale is run, so
that an interrupted proof goes on. `docs/proof.json` is the record, `docs/proof.md` its table; the
README shows some rows of it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.kept import UNFINISHED
from tests.bench.sections import README_ROWS, SECTIONS, Section
from tests.bench.source_state import commit, digest

OUT = Path("docs/proof.json")
TABLE = Path("docs/proof.md")
README = Path("README.md")
SHORT = re.compile(r"(?<=<!-- make proof -->\n).*?(?=<!-- /make proof -->)", re.DOTALL)
FIGURE_LINES = 40  # what a command printed is kept with its row: a page of it, not a log
SECTION_S_MAX = 45 * 60  # a section longer than this has to become two
EXAMPLES = re.compile(r"- (\d+) passing(?: examples|,)")  # in the words of either Hypothesis
STATES = re.compile(r"(\d+) states, (\d+) transitions")
PASSED = re.compile(r"(\d+) passed")
INPUTS = re.compile(r"^n = (\d+)$", re.MULTILINE)
HEAD = """# What was tried, and how often it held

`make proof` writes this page. No failure in n trials leaves, at 95 %, at most 3/n that fail; what
was gone through to its end has no such bound. No real power cut, card, board or Raspberry Pi is
behind any line: disks whose power is cut are played below SQLite, boards on pseudo-terminals.

| section | claim | n | fails | took | date | commit | verdict |
|---|---|---|---|---|---|---|---|
"""
CONFIDENCE = 3.0  # no failure in n trials: at most 3/n of all fail, with 95 % confidence


def run(section: Section) -> dict[str, object]:
    """Runs a section's tests; n counts states gone through, else inputs or examples, else tests."""
    begun, sources, at = datetime.now(UTC), digest(section.sources), commit(section.sources)
    try:
        done = subprocess.run(
            section.words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECTION_S_MAX,
            check=False,
            env={**os.environ, "EVALROOM_PROPERTIES": "long"},
        )
        said, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired:
        said, code = f"longer than {SECTION_S_MAX} s", UNFINISHED
    states = [int(found) for found, _ in STATES.findall(said)]
    n = sum(states) or counted(said)
    held = code == 0 and n > 0
    return {
        "section": section.name,
        "claim": section.claim,
        "n": n,
        "held": held,
        "unfinished": code == UNFINISHED,
        # What was gone through to its end has no bound: there is nothing left to fail.
        "bound": "-" if states or not held else f"< {CONFIDENCE / n:.1e}",
        "seconds": round((datetime.now(UTC) - begun).total_seconds()),
        "date": f"{begun:%Y-%m-%d}",
        "commit": at,
        "sources": sources,
        "figures": "\n".join(said.splitlines()[-FIGURE_LINES:]) if section.command else "",
        "said": "" if held else said[-2_000:],
    }


def counted(said: str) -> int:
    """What was named as n, else the examples that passed, else the tests that passed."""
    ways = (INPUTS, EXAMPLES, PASSED)
    return next((n for way in ways if (n := sum(int(one) for one in way.findall(said)))), 0)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The record as a page: a table, and under it what the commands said of themselves."""
    lines = HEAD.splitlines()
    for one in rows:
        verdict = "held" if one["held"] else "unfinished" if one["unfinished"] else "FAILED"
        lines.append(
            f"| {one['section']} | {one['claim']} | {one['n']} | {one['bound']} | "
            f"{one['seconds']} s | {one['date']} | {one['commit']} | {verdict} |"
        )
    for one in rows:
        if one["figures"]:
            lines += ["", f"`{one['section']}`", "", "```text", str(one["figures"]), "```"]
    return "\n".join(lines) + "\n"


def short(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows of the README: what has held, with n, bound, date and commit."""
    lines = ["| claim | n | fails | date | commit |", "|---|---|---|---|---|"]
    lines += [
        f"| {one['claim']} | {one['n']} | {one['bound']} | {one['date']} | {one['commit']} |"
        for one in rows
        if one["section"] in README_ROWS and one["held"]
    ]
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Mapping[str, object]]) -> None:
    """The record, its page, and the rows of it in the README."""
    text = json.dumps({one["section"]: one for one in rows}, indent=1, ensure_ascii=False)
    OUT.write_text(text + "\n", encoding="utf-8")
    TABLE.write_text(table(rows), encoding="utf-8")
    README.write_text(SHORT.sub(short(rows), README.read_text(encoding="utf-8")), encoding="utf-8")


def stale(section: Section, before: Mapping[str, object]) -> bool:
    """Whether it has to be run: it never held, or what it rests on is not what it was."""
    now = digest(section.sources)
    return not before.get("held") or not now or before.get("sources") != now


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 if all that was asked held, else 1."""
    words = argparse.ArgumentParser(prog="python -m tests.bench.proof", description=__doc__)
    names = [one.name for one in SECTIONS]
    words.add_argument("section", nargs="*", choices=[[], *names], help="none: all that is stale")
    told = words.parse_args(argv)
    kept = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    wanted = [one for one in SECTIONS if not told.section or one.name in told.section]
    for section in wanted:
        if stale(section, kept.get(section.name, {})):
            sys.stderr.write(f"{section.name}: {section.claim} …\n")
            kept[section.name] = run(section)
            write([kept[name] for name in names if name in kept])
    rows = [kept[section.name] for section in wanted]
    sys.stdout.write(table(rows))
    for one in rows:
        sys.stdout.write("" if one["held"] else f"\n{one['section']}:\n{one['said']}\n")
    return 0 if all(one["held"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
