"""Every state a room can come into, from the functions that the room runs.

No door opens without a permit that was written first; nothing opens on an old, repeated, foreign or
unsigned order; phases and members move by their tables; a restart finds the same room; and from
every state a lawful way leads to where every phone is back with its member.

`make proof` goes to the end of each alphabet; other runs look at the first places of each.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Final

import pytest

from protocols.policy.session import Phase
from tests.model import moves
from tests.model.explore import Found, explore, future, guises
from tests.model.room_walk import Place, Setting, Walk

LONG: Final = os.environ.get("EVALROOM_PROPERTIES") == "long"
DOCUMENTS: Final = ("personal_sheet", "summary", "report")
pytestmark = pytest.mark.slow
to_the_end = pytest.mark.skipif(not LONG, reason="hundreds of thousands of steps: make proof")


def sound(found: Found) -> None:
    print(found)  # noqa: T201 the count is what this test is for
    assert found.wrong == []
    assert found.locked_in == []


# -- begun days ---------------------------------------------------------------------------------
def morning(walk: Walk) -> Place:
    return walk.first()


def kept(walk: Walk) -> Place:
    place = walk.order(walk.first(), "open")
    for no in walk.setting.numbers:
        place = moves.admit(walk, place, no)
        assert place.inside[no - 1]
    return place


def before_his_locker(walk: Walk) -> Place:
    place = walk.card(walk.order(walk.first(), "open"), 1)
    place = walk.staff(place, "deposit.declare", no=1, items=["phone"])
    assert walk.pulsed == (1,)
    return walk.read(walk.door(place, 1, open_=True))


def signing(walk: Walk) -> Place:
    return walk.order(walk.order(kept(walk), "start"), "sign")


def sealed(walk: Walk) -> Place:
    place = walk.order(signing(walk), "terminate")
    sealing = {"key": "seal_material", "state": "done"}
    return walk.staff(place, "case.step", *moves.ONE_ROLE, **sealing)


def ordered_out(walk: Walk) -> Place:
    place = walk.staff(signing(walk), "withdraw", no=1, reason="r")
    return walk.order(place, "member_release", members=[1])


def one_signed(walk: Walk) -> Place:
    place = signing(walk)
    for document in walk.setting.documents:
        place = walk.statement(place, 1, document)
    return place


def half_signed(walk: Walk) -> Place:
    place = signing(walk)
    for no in walk.setting.numbers:
        place = walk.statement(place, no, walk.setting.documents[-1])
    return walk.order(place, "end")


@pytest.mark.parametrize("committee", [False, True])
@pytest.mark.parametrize("begun", [morning, signing, one_signed, half_signed, sealed, ordered_out])
def test_the_first_places_of_a_whole_room(begun: Callable[[Walk], Place], committee: bool) -> None:
    walk = Walk(Setting(committee=committee, documents=("summary", "report")))

    found = explore(walk, moves.gate, start=begun(walk), places_max=50)

    sound(found)
    assert found.places == 50


@pytest.mark.parametrize("begun", [morning, before_his_locker, kept])
@pytest.mark.parametrize("item_sensor", [True, False])
def test_the_first_places_of_a_lock_and_a_hand(
    begun: Callable[[Walk], Place], item_sensor: bool
) -> None:
    walk = Walk(Setting(members=1, item_sensor=item_sensor))

    sound(explore(walk, moves.custody, start=begun(walk), places_max=100))


def test_the_first_places_past_the_gate() -> None:
    walk = Walk(Setting(documents=()))

    sound(explore(walk, moves.force, start=signing(walk), places_max=60))


@pytest.mark.parametrize("home", [False, True])
def test_the_first_places_of_all_that_may_become_of_a_member(home: bool) -> None:
    walk = Walk(Setting(members=1, documents=DOCUMENTS, home=home))

    sound(explore(walk, moves.exits, places_max=50))


@pytest.mark.parametrize("committee", [True, False] if LONG else [True])
def test_one_member_to_the_end(committee: bool) -> None:
    found = explore(Walk(Setting(members=1, committee=committee)), moves.gate)

    sound(found)
    assert found.whole


@pytest.mark.parametrize("begun", [morning, signing])
def test_places_of_one_key_have_one_future(begun: Callable[[Walk], Place]) -> None:
    """Why a place may stand for every other of its key, members exchanged among them."""
    walk = Walk(Setting())
    pairs = guises(walk, moves.gate, start=begun(walk), places_max=2_000 if LONG else 10)

    for one, other in itertools.islice(pairs, 0, None, 200 if LONG else 20):
        assert future(walk, moves.gate, one) == future(walk, moves.gate, other)


# -- to the end ---------------------------------------------------------------------------------
@to_the_end
@pytest.mark.parametrize("committee", [False, True])
def test_three_members_to_the_end(committee: bool) -> None:
    found = explore(Walk(Setting(committee=committee)), moves.gate)

    sound(found)
    assert found.whole
    assert found.phases == {one.value for one in Phase} - {"idle"}


@to_the_end
def test_three_members_past_the_gate_to_the_end() -> None:
    """Nobody signs anything, so the policy's quantifier has nothing to ask."""
    found = explore(Walk(Setting(documents=(), elsewhere=False)), moves.force)

    sound(found)
    assert found.whole


@to_the_end
@pytest.mark.parametrize("item_sensor", [True, False])
def test_a_lock_and_a_hand_to_the_end(item_sensor: bool) -> None:
    found = explore(Walk(Setting(members=1, item_sensor=item_sensor)), moves.custody)

    sound(found)
    assert found.whole


@to_the_end
@pytest.mark.parametrize("home", [False, True])
def test_all_that_may_become_of_a_member_to_the_end(home: bool) -> None:
    found = explore(Walk(Setting(members=1, documents=DOCUMENTS, home=home)), moves.exits)

    sound(found)
    assert found.whole
