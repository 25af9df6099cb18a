"""One hub per data folder: who serves from it, or puts a backup in its place, holds its lock."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from hub.config import ConfigError

LOCK: Final = "serving.lock"
"""Held while a hub runs; the system lets go of it with the process, however that ends."""
AGAIN_S: Final = 0.05
"""Between two looks; whoever keeps a hub running starts it anew later than this."""


@contextmanager
def sole(
    data: Path, *, wait_s: float = 0, do: str = "use that one, or end it first"
) -> Iterator[None]:
    """Holds the folder's lock: two hubs would write two continuations of its own record.

    Args:
        data: an existing folder.
        wait_s: how long to wait for another to let go of it.
        do: what a person who is refused can do.

    Raises:
        ConfigError: another hub holds it.
    """
    end, told = time.monotonic() + wait_s, wait_s <= 0
    with (data / LOCK).open("ab") as held:
        while not _taken(held):
            if not told:
                told = True
                print(f"waiting for the hub in {data} to end", file=sys.stderr, flush=True)
            if time.monotonic() >= end:
                raise ConfigError(
                    f"a hub runs from this folder already\n  where: {data}\n"
                    "  expected: one hub per data folder\n  got: another that still runs\n"
                    f"  do: {do}"
                )
            time.sleep(AGAIN_S)
        yield


def _taken(held: IO[bytes]) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
