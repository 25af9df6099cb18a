"""A PostgreSQL server of this run's own, and a fresh database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from hub.store.engine import Store
from hub.store.migrate import upgrade
from tests.hub.booking.town import Town, build_town
from tests.hub.store.cluster import cluster, programs


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a fresh cluster for the whole run; nothing is kept, so nothing is synced."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: sudo apt-get install -y postgresql")
    with cluster(synced=False) as address:
        yield address


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The hub's tables in either database; a file about one of them has a `store` of its own."""
    if request.param == "postgresql":
        yield request.getfixturevalue("served")
        return
    made = Store(f"sqlite:///{tmp_path}/hub.sqlite")
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
