"""What every test shares: how long properties are tried, and that no test waits for a slow disk."""

import os

from hypothesis import HealthCheck, settings

# A loaded machine is slow at random; a deadline would fail tests that are right.
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile("long", parent=settings.get_profile("here"), max_examples=5_000)
settings.load_profile("long" if os.environ.get("EVALROOM_LONG") else "here")
