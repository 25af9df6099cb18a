"""The session table at the hub: what a phase does not allow is not signed."""

from __future__ import annotations

import itertools

import pytest

from hub.problems import Problem
from hub.session.orders import OrderWish, issue
from protocols.policy.session import Order, Phase
from tests.hub.booking.roomscript import rooms_of
from tests.hub.booking.town import Town
from tests.protocols.policy.test_session import SAID

pytestmark = pytest.mark.slow  # a booked day is made for it


def test_every_order_in_every_phase_follows_the_table(ready: Town) -> None:
    """Whoever asks is not on duty, which is looked at after the phase."""
    session = rooms_of(ready)["hubei"].session
    deputy = ready.who("hubei.deputy")
    for phase, word in itertools.product(["", *Phase], Order):
        members = (1,) if word is Order.MEMBER_RELEASE else ()
        said = "complete" if word is Order.END else ""
        wish = OrderWish(word.value, members=members, committee=said)

        with pytest.raises(Problem) as caught:
            issue(ready, deputy, session, wish, pin="13572468", phase=str(phase))

        # Of a room that has said nothing yet nothing is known that could forbid an order.
        legal = not phase or word.value in SAID[phase]
        assert caught.value.code == ("not_on_duty" if legal else "order_not_legal"), (phase, word)
