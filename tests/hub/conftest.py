"""A real hub in a temporary folder, made as `evalroom hub init --demo` makes it, and its rooms."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from hub.app import Hub, build
from hub.config import load
from hub.problems import MEDIA_TYPE, Problem
from hub.web import api_accounts, api_media, api_plans
from tests.hub.booking.town import CHEAP, Town, build_town, published
from tests.hub.enrolled_hub import ROOM, make_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette warns about the transport of its own test client
    from fastapi.testclient import TestClient


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One `hub init --demo` for the whole run, with a room; each test works on a copy."""
    data = tmp_path_factory.mktemp("hub") / "data"
    make_folder(data)
    return data


@pytest.fixture
def hub_data(demo_folder: Path, tmp_path: Path) -> Path:
    """A data folder of this test's own."""
    data = tmp_path / "data"
    shutil.copytree(demo_folder, data)
    return data


@pytest.fixture
def accounts(hub_data: Path) -> dict[str, dict[str, Any]]:
    """Sign-ins by login."""
    rows = json.loads((hub_data / "demo-accounts.json").read_text(encoding="utf-8"))
    return {row["login"]: row for row in rows}


@pytest.fixture
def open_hub(hub_data: Path) -> Iterator[Callable[..., Hub]]:
    """Opens the hub of this test's folder, again and again if need be."""
    opened: list[Hub] = []

    def _open(*, services: bool = False, **changes: Any) -> Hub:
        hub = build(replace(load(hub_data), **changes), services=services, stretch=CHEAP)
        opened.append(hub)
        return hub

    yield _open
    for hub in opened:
        hub.close()


@pytest.fixture
def hub(open_hub: Callable[..., Hub]) -> Hub:
    """A built hub without running threads: tests run the projector themselves."""
    made = open_hub()
    made.rooms.rebuild()
    return made


@pytest.fixture
def room_folder(hub_data: Path) -> Path:
    """Credentials of an enrolled guest room, changsha-2."""
    return hub_data / ROOM


@pytest.fixture
def client(hub: Hub) -> Iterator[TestClient]:
    """The accounts and media APIs over HTTP."""
    app = FastAPI()

    @app.exception_handler(Problem)
    def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return JSONResponse(problem.document(), problem.status, media_type=MEDIA_TYPE)

    app.include_router(api_accounts.router(hub))
    app.include_router(api_media.router(hub))
    app.include_router(api_plans.router(hub))
    with TestClient(app) as made:
        yield made


@pytest.fixture(scope="session")
def bare_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Two venues with people, rooms and keys: made once, copied by each test."""
    made = build_town(tmp_path_factory.mktemp("bare"))
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def published_once(bare_once: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The same with a session whose plans stand at both rooms: made once, copied by each test."""
    made = build_town(tmp_path_factory.mktemp("published"), like=bare_once)
    published(made)
    yield made
    made.store.close()


@pytest.fixture
def town(tmp_path: Path, bare_once: Town) -> Iterator[Town]:
    """Two venues with people, rooms and keys."""
    made = build_town(tmp_path, like=bare_once)
    yield made
    made.store.close()


@pytest.fixture
def ready(tmp_path: Path, published_once: Town) -> Iterator[Town]:
    """The same with a session whose plans stand at both rooms."""
    made = build_town(tmp_path, like=published_once)
    yield made
    made.store.close()
