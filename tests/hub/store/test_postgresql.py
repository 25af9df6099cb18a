"""The same store on PostgreSQL: a server of its own in a temporary folder."""

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
from sqlalchemy.exc import IntegrityError

from hub import crypto
from hub.bus import Bus
from hub.clock import Clock
from hub.facts import Facts
from hub.projection import Projector
from hub.store.engine import Store
from hub.store.migrate import check, upgrade
from hub.store.tables_core import events

PROGRAMS = Path("/usr/lib/postgresql")


def _bin() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/postgres"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install -y postgresql")
    return found[-1].parent


def _free_port() -> int:
    with closing(socket.socket()) as end:
        end.bind(("127.0.0.1", 0))
        return int(end.getsockname()[1])


@pytest.fixture
def url() -> Iterator[str]:
    """Address of a fresh cluster; PostgreSQL never runs as root, so root borrows its user."""
    programs, port = _bin(), _free_port()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    data = folder / "data"
    words = ["-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run(
        [programs / "initdb", *words], check=True, capture_output=True, cwd=folder, **who
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
    control = [programs / "pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log")]
    subprocess.run(
        [*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder, **who
    )
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    stop = [*control, "-m", "immediate", "stop"]
    subprocess.run(stop, check=True, capture_output=True, cwd=folder, **who)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_facts_projections_and_refusals_hold_on_postgresql(url: str) -> None:
    store = Store(url)
    upgrade(store)
    check(store)
    upgrade(store)
    signer = crypto.signer(b"1" * 32, "hub")
    facts = Facts(store=store, clock=Clock(), hub="h-0123456789ab", signer=signer)
    with store.write() as conn:
        facts.append(conn, type="alarm.acked", session="", data={"n": 1})
        with pytest.raises(IntegrityError, match="events_is_final"), store.write() as inner:
            inner.execute(events.delete())
        facts.append(conn, type="alarm.acked", session="", data={"n": 2})
    seen: list[int] = []
    projector = Projector(store=store, clock=Clock(), bus=Bus())
    projector.register("n", lambda _c, row: seen.append(row.event.data["n"]), ("alarm.acked",))
    projector.run_pending()
    assert seen == [1, 2]
    store.close()
