"""The real room controller in a process of its own; a byte on its input wakes the UPS's driver.

The driver asks its board once a second; with its own `wake` it asks as often as the bench wants.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from edge.app import build
from edge.config import read_room_file
from edge.drivers.megatec import Ups


def main(words: list[str]) -> int:
    room = build(read_room_file(Path(words[0])))
    (driver,) = (one for one in room.devices if isinstance(one, Ups))

    def listen() -> None:
        while os.read(sys.stdin.fileno(), 1):
            driver.wake()

    signal.signal(signal.SIGTERM, lambda *_: room.stop())
    threading.Thread(target=listen, daemon=True).start()
    return room.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
