"""The real hub in a process of its own, as `hub serve` runs it, telling each commit on its output.

First line: its address. Then, after each commit that recorded rows of a room: controller, epoch,
seq of the batch's last line, rows, monotonic nanoseconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from hub.app import build
from hub.cli.serving import serve
from hub.config import load
from hub.recording.recorder import Outcome
from hub.web.app import create_app


def main(words: list[str]) -> int:
    data, broker = Path(words[0]), words[1]
    hub = build(load(data, {"broker": broker, "port": 0}))
    recorder = hub.ingest.recorder
    record = recorder.batch

    def told(ctl: str, raw: bytes) -> Outcome:
        outcome = record(ctl, raw)
        if outcome.recorded:
            now = time.monotonic_ns()
            sys.stdout.write(f"{ctl} {outcome.epoch} {outcome.upto} {outcome.recorded} {now}\n")
            sys.stdout.flush()
        return outcome

    recorder.batch = told  # type: ignore[method-assign] # a stop-watch at the one door of the record
    serve(hub, create_app(hub), ready=lambda url: print(url, flush=True))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
