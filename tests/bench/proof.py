"""`make proof`: the long figures, section by section; one table with n, bound, date and commit.

A section that held at this very commit is not run again, so an interrupted proof goes on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

OUT = Path("out/proof.json")
SECTION_S_MAX = 45 * 60  # a section longer than this has to become two
EXAMPLES = re.compile(r"- (\d+) passing(?: examples|,)")  # in the words of either Hypothesis
STATES = re.compile(r"(\d+) states, (\d+) transitions")
PASSED = re.compile(r"(\d+) passed")
INPUTS = re.compile(r"^n = (\d+)$", re.MULTILINE)
UNFINISHED = 75  # exit code of a section that goes on where it was when it is run again
CONFIDENCE = 3.0  # no failure in n trials: at most 3/n of all fail, with 95 % confidence


@dataclass(frozen=True, slots=True)
class Section:
    """What is claimed, and the tests that try to break it; properties are tried 5 000 times.

    `command`: a module with its options instead of tests; it prints `n = …` last and goes on where
    it was when it is started again at the same commit.
    """

    name: str
    claim: str
    tests: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """What is started."""
        if self.command:
            return [sys.executable, "-m", *self.command]
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.tests]
        return [*pytest, "--hypothesis-show-statistics", "-m", "not hardware"]


def fuzzed(name: str, claim: str) -> Section:
    """A group of targets of tests/fuzz; no new shard begins in the last minutes of the section."""
    return Section(name, claim, command=("tests.fuzz", name, "--minutes", "38"))


SECTIONS = (
    Section(
        "histories",
        "nothing is lost, doubled or forked unseen",
        command=("tests.simulation", "1", "--count", "10000"),
    ),
    Section(
        "power-cuts",
        "no acknowledged row is lost by a power cut",
        ("tests/edge/test_journal_power_cut.py",),
    ),
    Section(
        "room",
        "the fold is the room and the gate holds",
        ("tests/edge/test_room.py", "-k", "whatever"),
    ),
    Section(
        "states",
        "no state of a room breaks a law or keeps a phone",
        ("tests/model/test_gate_exhaustive.py", "-rP", "-k", "three_members"),
    ),
    Section(
        "hands",
        "nor does any act of a hand, a lock or a board",
        ("tests/model/test_gate_exhaustive.py", "-rP", "-k", "hand_to or member_to"),
    ),
    Section(
        "doors",
        "no opening without its cause on record",
        ("tests/model/test_room_machine.py",),
    ),
    Section(
        "recording",
        "the hub ends with every row, once",
        ("tests/protocols/messages/test_cursor.py", "-k", "whatever"),
    ),
    Section(
        "packages",
        "every flipped byte is found and named",
        ("tests/protocols/evidence", "-k", "single_flipped or any_bytes"),
    ),
    Section("codecs", "any bytes in any portions are read or counted", ("tests/protocols/wire",)),
    fuzzed("fuzz-codecs", "no bytes of a line break a codec"),
    fuzzed("fuzz-messages", "no bytes break a parser of messages"),
    fuzzed("fuzz-ingest", "no message stops the hub's record"),
    fuzzed("fuzz-packages", "no package stops the verifier"),
    Section(
        "hostile",
        "no hostile package is called sound",
        command=("tests.fuzz.hostile", "--count", "5000"),
    ),
    Section("detect", "faults are seen in time, one trouble is one call", ("tests/detect",)),
    Section(
        "checks",
        "no check of a codec can be wrong unnoticed",
        ("tests/mutants/test_codec_checks.py",),
    ),
    Section(
        "faults",
        "every planted fault is noticed",
        ("tests/mutants/test_bank.py", "-k", "noticed"),
    ),
    Section("days", "a whole day ends with a sound package", ("tests/system/test_demo_day.py",)),
)


def commit() -> str:
    """The commit this tree is at, with `+` where it was changed since; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""
    words = [git, "describe", "--always", "--dirty=+"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def run(section: Section) -> dict[str, object]:
    """Runs a section's tests; n counts states gone through, else inputs or examples, else tests."""
    begun = datetime.now(UTC)
    try:
        done = subprocess.run(
            section.words,
            capture_output=True,
            text=True,
            timeout=SECTION_S_MAX,
            check=False,
            env={**os.environ, "EVALROOM_PROPERTIES": "long"},
        )
        said, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired:
        said, code = f"longer than {SECTION_S_MAX} s", UNFINISHED
    good = code == 0
    examples = [int(found) for found in EXAMPLES.findall(said)]
    examples += [int(found) for found in INPUTS.findall(said)]
    states = [int(found) for found, _ in STATES.findall(said)]
    n = sum(states) or sum(examples) or sum(int(found) for found in PASSED.findall(said))
    return {
        "section": section.name,
        "claim": section.claim,
        "n": n,
        "held": good and n > 0,
        "unfinished": code == UNFINISHED,
        # What was gone through to its end has no bound: there is nothing left to fail.
        "bound": "-" if states or not good or not n else f"< {CONFIDENCE / n:.1e}",
        "seconds": round((datetime.now(UTC) - begun).total_seconds()),
        "date": f"{begun:%Y-%m-%d}",
        "commit": commit(),
        "said": "" if good else said[-2_000:],
    }


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        f"{'section':<15}{'claim':<50}{'n':>10}  {'fails':<10}{'date':<12}{'commit':<12}verdict"
    ]
    for one in rows:
        verdict = "held" if one["held"] else "unfinished" if one["unfinished"] else "FAILED"
        lines.append(
            f"{one['section']:<15}{one['claim']:<50}{one['n']:>10}  {one['bound']:<10}"
            f"{one['date']:<12}{one['commit']:<12}{verdict}"
        )
    return "\n".join(lines)


def main() -> int:
    OUT.parent.mkdir(exist_ok=True)
    kept = json.loads(OUT.read_text()) if OUT.exists() else {}
    now = commit()
    for section in SECTIONS:
        before = kept.get(section.name, {})
        if now.endswith("+") or before.get("commit") != now or not before.get("held"):
            sys.stderr.write(f"{section.name}: {section.claim} …\n")
            kept[section.name] = run(section)
            OUT.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    rows = [kept[section.name] for section in SECTIONS]
    sys.stdout.write(table(rows) + "\n")
    for one in rows:
        sys.stdout.write("" if one["held"] else f"\n{one['section']}:\n{one['said']}\n")
    return 0 if all(one["held"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
