"""A PostgreSQL server of this run's own, and a fresh database for each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hub.store.engine import Store
from hub.store.migrate import upgrade
from tests.hub.booking.town import Town, build_town

PROGRAMS = Path("/usr/lib/postgresql")


def _bin() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed: sudo apt-get install -y postgresql")
    return found[-1].parent


def free_port() -> int:
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a fresh cluster; PostgreSQL never runs as root, so root borrows its user."""
    programs, port = _bin(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data = folder / "data"

    def run(*words: str | Path) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=folder, **who)

    run(programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    run(*control, "-o", options, "start")
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    run(*control, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> str:
    """Address of an empty database of this test's own."""
    root = Store(f"{server}/postgres")
    with root.engine.connect() as raw:
        conn = raw.execution_options(isolation_level="AUTOCOMMIT")
        many = conn.execute(text("SELECT count(*) FROM pg_database")).scalar_one()
        name = f"t{many}"
        conn.execute(text(f"CREATE DATABASE {name}"))
    root.close()
    return f"{server}/{name}"


@pytest.fixture
def served(url: str) -> Iterator[Store]:
    """The same with the hub's tables."""
    made = Store(url)
    upgrade(made)
    yield made
    made.close()


@pytest.fixture
def served_town(url: str, tmp_path: Path) -> Iterator[Town]:
    """Two venues with people, rooms and keys."""
    made = build_town(tmp_path, url=url)
    yield made
    made.store.close()


@pytest.fixture
def second(url: str, tmp_path: Path, served_town: Town) -> Iterator[Town]:
    """Another process' worth of the same hub: connections, locks and state of its own."""
    made = build_town(tmp_path, url=url, like=served_town)
    yield made
    made.store.close()
