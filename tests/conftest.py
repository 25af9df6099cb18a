"""What every test shares: how long properties are tried."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

# A loaded machine is slow at random; a deadline would fail tests that are right.
settings.register_profile(
    "whole", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
# `make check` must stay short; `make test` tries each property four times as often.
settings.register_profile("quick", parent=settings.get_profile("whole"), max_examples=25)
settings.register_profile("long", parent=settings.get_profile("whole"), max_examples=5_000)
settings.load_profile(os.environ.get("EVALROOM_PROPERTIES", "whole"))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: it is not looked through for rubbish at every turn."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


SHARED = {
    "test_demo_day": "day",
    "test_demo_identities": "day",
    "test_demo_package": "day",
    "test_demo_bad_messages": "town",
    "test_demo_bad_requests": "town",
}
"""Files that look at one thing which takes minutes to make: one process makes it for them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest to make is begun first; the others fill the time."""
    items.sort(key=lambda one: SHARED.get(one.path.stem) != "day")


class Together(LoadFileScheduling):
    """`--dist loadfile`, with some files as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return SHARED.get(Path(file).stem, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """None leaves the choice to the command line."""
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None
