"""What `make proof` reads out of a run."""

from __future__ import annotations

import pytest

from tests.bench.proof import EXAMPLES, STATES


@pytest.mark.parametrize(
    "said",
    [
        "    - 30 passing, 0 failing, and 5 invalid test cases",
        "    - 30 passing examples, 0 failing examples, 5 invalid examples",
    ],
)
def test_examples_are_counted_in_the_words_of_either_hypothesis(said: str) -> None:
    assert EXAMPLES.findall(said) == ["30"]


def test_states_are_counted_with_their_transitions() -> None:
    said = "4826 states, 87138 transitions, 0 violations"
    assert STATES.findall(said) == [("4826", "87138")]
