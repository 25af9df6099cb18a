"""A slice of the search for changes that nobody finds; the whole of it is `make proof`'s."""

from __future__ import annotations

import pytest

from tests.transparency import search
from tests.transparency.__main__ import hashed_per_s
from tests.transparency.attacks import ENTRIES, truth

SOME = (0, 1, 255, 256, 511, 767, ENTRIES - 2, ENTRIES - 1)


@pytest.mark.parametrize("search_in", [search.heads, search.witnessed])
def test_a_changed_log_is_found(search_in):
    found = search_in(SOME)

    assert found.missed == ()
    assert found.tried >= 5 * len(SOME) - 1


def test_every_fork_is_refused_by_a_witness():
    found = search.forks(40, seed=1)

    assert (found.missed, found.tried) == ((), 40)


@pytest.mark.slow
def test_a_rewritten_record_is_found_though_every_other_key_is_stolen():
    found = search.packages((0, 1, 400, len(truth().rows) - 1))

    assert found.missed == ()
    assert found.tried >= 17


@pytest.mark.slow
def test_a_package_minted_whole_with_fresh_keys_is_altered():
    found = search.minted()

    assert (found.missed, found.tried) == ((), 8)


def test_hashing_keeps_up_with_recording():
    assert hashed_per_s() > 50_000
