"""A PostgreSQL server in a folder of its own, for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = Path("/usr/lib/postgresql")


def programs() -> Path | None:
    """Folder of the newest server's programs; None when there is none."""
    found = sorted(PROGRAMS.glob("*/bin/postgres"))
    return found[-1].parent if found else None


def free_port() -> int:
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


@contextmanager
def cluster(*, synced: bool, under: Path | None = None) -> Iterator[str]:
    """Address of a fresh cluster; PostgreSQL never runs as root, so root borrows its user.

    Args:
        synced: what is committed is on the disk, as in earnest.
        under: where its folder is made; None is the system's place for such things.
    """
    found = programs()
    if found is None:
        raise FileNotFoundError(f"{PROGRAMS}: expected a server, got none")
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=under))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data = folder / "data"

    def run(*words: str | Path) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **who)

    run(found / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    control = [found / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    sync = "on" if synced else "off"
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync={sync} -k {folder}"
    run(*control, "-o", options, "start")
    try:
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)
