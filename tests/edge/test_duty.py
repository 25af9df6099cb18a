"""Duty persons unlock one act with a PIN; five wrong ones lock the person for ten minutes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.duty import DutyError, DutyPerson, DutyRoster
from tests.edge.conftest import CHEAP_N

PIN = "20261124"
SEED = bytes(range(32, 64))


class Hands:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        """Starts at one hour."""
        self.now = 3_600_000

    def __call__(self) -> int:
        """Milliseconds."""
        return self.now


@pytest.fixture
def hands() -> Hands:
    """The clock of the roster under test."""
    return Hands()


@pytest.fixture
def roster(hands: Hands, wrapped_with: Callable[..., dict[str, object]]) -> DutyRoster:
    """One person of this venue, one of another."""
    roster = DutyRoster(hands, wrap_n=CHEAP_N)
    about = {"role": "home_manager", "org": "hubei", "kid": "0" * 16}
    roster.learn(
        "s-1",
        [
            DutyPerson("s-1", "p-1", "HB-07", wrapped=wrapped_with(PIN, CHEAP_N), **about),
            DutyPerson("s-1", "p-2", "CS-12", wrapped=None, **about),
        ],
    )
    return roster


def test_the_right_pin_gives_the_key_for_one_act(roster: DutyRoster) -> None:
    """And what goes into events holds no key."""
    person, seed = roster.unlock("s-1", "p-1", PIN)
    assert seed == SEED
    assert person.public() == {
        "person": "p-1",
        "post": "HB-07",
        "role": "home_manager",
        "org": "hubei",
    }


def test_people_of_another_venue_cannot_act_here(roster: DutyRoster) -> None:
    """Their key is not in this room's plan."""
    assert [one.person for one in roster.here()] == ["p-1"]
    with pytest.raises(DutyError, match="duty persons"):
        roster.unlock("s-1", "p-2", PIN)
    with pytest.raises(DutyError, match="duty persons"):
        roster.unlock("s-2", "p-1", PIN)


def test_five_wrong_pins_lock_for_ten_minutes_by_the_monotonic_clock(
    roster: DutyRoster, hands: Hands
) -> None:
    """The right one does not help before; after ten minutes it does."""
    for left in (4, 3, 2, 1, 0):
        with pytest.raises(DutyError, match=f"{left} tries left"):
            roster.unlock("s-1", "p-1", "00000000")
    hands.now += 9 * 60_000
    with pytest.raises(DutyError, match="another duty person"):
        roster.unlock("s-1", "p-1", PIN)
    hands.now += 60_000
    assert roster.unlock("s-1", "p-1", PIN)[1] == SEED


def test_a_pin_that_is_too_short_costs_no_try(roster: DutyRoster) -> None:
    """It cannot be right, so nothing is tried."""
    with pytest.raises(DutyError, match="8 digits"):
        roster.unlock("s-1", "p-1", "1234567")
    with pytest.raises(DutyError, match="8 digits"):
        roster.unlock("s-1", "p-1", "passwordx")
    assert roster.unlock("s-1", "p-1", PIN)[1] == SEED


def test_forgetting_a_session_forgets_its_people(roster: DutyRoster) -> None:
    """A closed session's keys are gone from memory."""
    roster.forget("s-1")
    assert roster.here() == []


def test_wrong_tries_are_kept_before_they_are_told_and_hold_after_a_restart(
    roster: DutyRoster, hands: Hands
) -> None:
    """Pulling the plug gives no new tries; a right PIN without wrong ones writes nothing."""
    kept: list[bytes] = []
    roster.keep = kept.append
    assert roster.unlock("s-1", "p-1", PIN)[1] == SEED
    assert kept == []
    for _ in range(3):
        with pytest.raises(DutyError):
            roster.unlock("s-1", "p-1", "00000000")
    assert len(kept) == 3
    again = DutyRoster(hands, kept.append, wrap_n=CHEAP_N)
    again.learn("s-1", roster.here())
    again.recall(kept[-1])
    for left in (1, 0):
        with pytest.raises(DutyError, match=f"{left} tries left"):
            again.unlock("s-1", "p-1", "00000000")
    locked = DutyRoster(hands, kept.append, wrap_n=CHEAP_N)
    locked.learn("s-1", roster.here())
    locked.recall(kept[-1])
    with pytest.raises(DutyError, match="another duty person"):
        locked.unlock("s-1", "p-1", PIN)
    hands.now += 10 * 60_000
    assert locked.unlock("s-1", "p-1", PIN)[1] == SEED


def test_a_clock_that_was_set_forward_over_a_restart_gives_no_new_tries(
    roster: DutyRoster, hands: Hands
) -> None:
    """How long a room was off only the wall clock knows, and anybody may have set that."""
    kept: list[bytes] = []
    roster.keep = kept.append
    for _ in range(5):
        with pytest.raises(DutyError):
            roster.unlock("s-1", "p-1", "00000000")
    for off_ms in (10 * 60_000, 50 * 365 * 86_400_000):
        hands.now += off_ms
        again = DutyRoster(hands, kept.append, wrap_n=CHEAP_N)
        again.learn("s-1", roster.here())
        again.recall(kept[-1])
        with pytest.raises(DutyError, match="another duty person"):
            again.unlock("s-1", "p-1", PIN)


def test_kept_tries_that_cannot_be_read_count_as_none(roster: DutyRoster) -> None:
    """A start never fails on them."""
    for kept in (None, b"", b"[]", b"{", b'{"p-1": 5}', b'{"p-1": ["a", 1]}'):
        roster.recall(kept)
    assert roster.unlock("s-1", "p-1", PIN)[1] == SEED
