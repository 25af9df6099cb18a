"""What every test shares: how long properties are tried, and what stretching a key costs."""

import os

from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

import edge.crypto
import hub.accounts.service
import hub.crypto

# A loaded machine is slow at random; a deadline would fail tests that are right.
settings.register_profile(
    "whole", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
# `make check` must stay under a minute; `make test` tries each property four times as often.
settings.register_profile("quick", parent=settings.get_profile("whole"), max_examples=25)
settings.register_profile("long", parent=settings.get_profile("whole"), max_examples=5_000)
PROFILE = os.environ.get("EVALROOM_PROPERTIES", "whole")
settings.load_profile(PROFILE)

if PROFILE == "quick":
    # Secrets are stretched for half a second by intention, hundreds of times in a run. The same
    # functions do it here with a smaller number; `make test` takes the real one everywhere.
    for crypto in (edge.crypto, hub.crypto):
        crypto.WRAP_N = 2**6
        crypto.TAG_N = 2**6
    hub.accounts.service.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
