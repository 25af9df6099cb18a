"""The platform these tests run on: bare, or with a session whose plans stand at both rooms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.booking.town import Town, build_town, published


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Made once: twenty keys are opened on the way, half a second each by intention."""
    made = build_town(tmp_path_factory.mktemp("published"))
    published(made)
    yield made
    made.store.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Two venues with people, rooms and keys."""
    made = build_town(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def ready(tmp_path: Path, published_once: Town) -> Iterator[Town]:
    """The same with a session whose plans stand at both rooms."""
    made = build_town(tmp_path, like=published_once)
    yield made
    made.store.close()
