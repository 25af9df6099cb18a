"""`make bench`: ratios to the limits and peers of this machine, in one run; JSON is kept.

`python -m tests.bench NAME …` runs some groups only, and prints without keeping.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import catchup, journal, line, package, process, recorder, recording, upload
from tests.bench.measure import ROUNDS, Figure, measure
from tests.bench.source_state import commit
from tests.bench.table import row, table

OUT = Path("out/bench.json")
GROUPS = {
    "journal": journal.figures,
    "line": line.figures,
    "catchup": catchup.figures,
    "recording": recording.figures,
    "upload": upload.figures,
    "recorder": recorder.figures,
    "package": package.figures,
    "process": process.figures,
}


def main(words: list[str]) -> int:
    unknown = sorted(set(words) - set(GROUPS))
    if unknown:
        sys.stderr.write(f"bench: expected some of {', '.join(GROUPS)}, got {unknown[0]}\n")
        return 64
    OUT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUT.parent) as name, ExitStack() as stack:
        figures: list[Figure] = []
        for group in words or GROUPS:
            folder = Path(name).absolute() / group
            folder.mkdir()
            figures += stack.enter_context(GROUPS[group](folder))
        results = measure(figures)
    rows = [row(one) for one in results]
    load = os.getloadavg()[0]
    about = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit(), "load": load}
    kept = "not kept: some groups only"
    if not words:
        OUT.write_text(
            json.dumps({**about, "rounds": ROUNDS, "rows": rows}, indent=1, ensure_ascii=False)
            + "\n"
        )
        kept = f"kept in {OUT}"
    sys.stdout.write(
        f"{table(rows)}\n\nmedians of {ROUNDS} interleaved rounds; load {load:.1f} on "
        f"{os.cpu_count()} cores; {kept}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
