"""The real room controller in a process of its own; a byte on its input wakes the UPS's driver.

The driver asks its board once a second; with its own `wake` it asks as often as the bench wants.
With `no-screen` the room's web pages are left out, so that what the rest holds can be measured.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any


class Nothing(types.ModuleType):
    """Stands where a package would be; whatever is called in it does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: Nothing(name)


def main(words: list[str]) -> int:
    if "no-screen" in words:
        for name in ("uvicorn", "edge.screen.app"):
            sys.modules[name] = Nothing(name)
    from edge.app import build  # noqa: PLC0415 - what it needs is decided above
    from edge.config import read_room_file  # noqa: PLC0415 - as above
    from edge.drivers.megatec import Ups  # noqa: PLC0415 - as above

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
