"""The platform these tests run on: with a session that is being evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.booking.roomscript import Room, copied, order, rooms_of
from tests.hub.booking.town import Town, build_town


@pytest.fixture(scope="session")
def evaluating_once(
    tmp_path_factory: pytest.TempPathFactory, published_once: Town
) -> Iterator[tuple[Town, dict[str, Room]]]:
    """Both rooms evaluating; tests work on copies."""
    made = build_town(tmp_path_factory.mktemp("evaluating"), like=published_once)
    rooms = rooms_of(made)
    order(made, rooms, "open", "check_in")
    order(made, rooms, "start", "evaluating")
    yield made, rooms
    made.store.close()


@pytest.fixture
def ready(tmp_path: Path, evaluating_once: tuple[Town, dict[str, Room]]) -> Iterator[Town]:
    """A platform where a session is being evaluated."""
    made = build_town(tmp_path, like=evaluating_once[0])
    yield made
    made.store.close()


@pytest.fixture
def rooms(ready: Town, evaluating_once: tuple[Town, dict[str, Room]]) -> dict[str, Room]:
    """Its rooms, which go on where they are."""
    return {org: copied(room, ready) for org, room in evaluating_once[1].items()}
