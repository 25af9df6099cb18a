"""The rules' data as the hub ships it: packs, the calendar of 2026, the units."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import protocols.policy
from protocols.policy.pack import Pack
from protocols.policy.pairing import Pairing
from protocols.policy.workdays import Calendar

FOLDER = Path(protocols.policy.__file__).parent


@pytest.fixture(scope="session")
def policy_folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def notice_2026() -> Any:
    return json.loads((FOLDER / "data" / "calendar-2026.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def calendar(notice_2026: Any) -> Calendar:
    return Calendar.from_json([notice_2026])


@pytest.fixture(scope="session")
def packs_as_read() -> dict[str, Any]:
    return {
        name: yaml.safe_load((FOLDER / "packs" / f"{name}.yaml").read_text("utf-8"))
        for name in ("hubei-2020", "demo")
    }


@pytest.fixture
def raw_hubei(packs_as_read: dict[str, Any]) -> Any:
    return copy.deepcopy(packs_as_read["hubei-2020"])


@pytest.fixture
def raw_demo(packs_as_read: dict[str, Any]) -> Any:
    return copy.deepcopy(packs_as_read["demo"])


@pytest.fixture(scope="session")
def hubei(packs_as_read: dict[str, Any]) -> Pack:
    return Pack.parse(packs_as_read["hubei-2020"])


@pytest.fixture(scope="session")
def demo(packs_as_read: dict[str, Any]) -> Pack:
    return Pack.parse(packs_as_read["demo"])


@pytest.fixture(scope="session")
def pairing() -> Pairing:
    return Pairing.from_json(json.loads((FOLDER / "data" / "units.json").read_text("utf-8")))
