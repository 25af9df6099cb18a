"""A whole room controller without boards; what it is to record comes in as lines.

`python -m tests.torture.acting_room room.toml`, then one JSON object a line: `type` and `data`.
Each goes into the room's inbox as a reading does, and from there the way of every event.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import IO

from edge import app
from edge.config import read_room_file
from edge.inbox import Inbox, Observed


def act(lines: IO[str], inbox: Inbox) -> None:
    for line in lines:
        inbox.put(Observed("system", {"session": "", **json.loads(line)}))


def main(toml: Path) -> int:
    service = app.build(read_room_file(toml))
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    threading.Thread(target=act, args=(sys.stdin, service.inbox), daemon=True).start()
    return service.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
