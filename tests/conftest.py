"""What every test shares: how long properties are tried."""

import gc
import os

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
