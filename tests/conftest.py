"""What every test shares: how long properties are tried."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is slow at random; a deadline would fail tests that are right.
settings.register_profile(
    "whole", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
# `make check` must stay under a minute; `make test` tries each property four times as often.
settings.register_profile("quick", parent=settings.get_profile("whole"), max_examples=25)
settings.register_profile("long", parent=settings.get_profile("whole"), max_examples=5_000)
settings.load_profile(os.environ.get("EVALROOM_PROPERTIES", "whole"))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: it is not looked through for rubbish at every turn."""
    gc.freeze()


SHARED = ("lived_day", "town")
"""What takes minutes to make: whoever looks at it does so in one process."""


@pytest.hookimpl(tryfirst=True)  # the groups are read by a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`, what shares a day, else a module, stays together."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        group = next((name for name in SHARED if name in names), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))
