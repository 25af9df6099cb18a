"""The room's recorder in a process of its own, for as many streams as are named; ended by a signal.

A line on the output when every stream has been recorded for a while.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from edge.clock import Clock
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool

POLL_S = 0.1


def main(words: list[str]) -> int:
    folder, sources = Path(words[0]), words[1:]
    ended, told = threading.Event(), set[str]()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())

    def sink(kind: str, data: dict[str, object]) -> None:
        if kind == "segment":
            told.add(str(data["stream"]))
        elif kind != "recording":
            sys.stderr.write(f"{kind} {data}\n")

    recorder = Recorder(
        [Source(f"cam{n}", url) for n, url in enumerate(sources)],
        folder=folder,
        spool=Spool(folder / "spool"),
        sink=sink,
        clock=Clock(),
        segment_s=10,
        mark="c-0123456789ab",
    )
    recorder.start("s-0123456789ab")
    while len(told) < len(sources) and not ended.wait(POLL_S):
        pass
    sys.stdout.write("recording\n")
    sys.stdout.flush()
    ended.wait()
    recorder.halt()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
