"""The states of a booking as a table, and how long a request holds its stations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from protocols.policy.errors import PolicyError

if TYPE_CHECKING:
    from protocols.policy.pack import Pack


class BookingState(StrEnum):
    """Where a booking stands."""

    DRAFT = "draft"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    IN_USE = "in_use"
    ENDED = "ended"
    CLOSED = "closed"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RESCHEDULED = "rescheduled"
    NO_SHOW = "no_show"
    ABORTED = "aborted"


class BookingInput(StrEnum):
    """What moves a booking."""

    REQUEST = "request"
    ACCEPT = "accept"
    DECLINE = "decline"
    CONFIRM = "confirm"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"
    RESCHEDULE = "reschedule"
    START = "start"
    END = "end"
    ABORT = "abort"
    NO_SHOW = "no_show"
    CLOSE = "close"


_S, _I = BookingState, BookingInput
BOOKING_TABLE: dict[tuple[BookingState, BookingInput], BookingState] = {
    (_S.DRAFT, _I.REQUEST): _S.REQUESTED,
    (_S.DRAFT, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.REQUESTED, _I.ACCEPT): _S.ACCEPTED,
    (_S.REQUESTED, _I.DECLINE): _S.DECLINED,
    (_S.REQUESTED, _I.EXPIRE): _S.EXPIRED,
    (_S.REQUESTED, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.REQUESTED, _I.RESCHEDULE): _S.RESCHEDULED,
    (_S.ACCEPTED, _I.CONFIRM): _S.CONFIRMED,
    # A guest may lose its room after it has accepted.
    (_S.ACCEPTED, _I.DECLINE): _S.DECLINED,
    (_S.ACCEPTED, _I.EXPIRE): _S.EXPIRED,
    (_S.ACCEPTED, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.ACCEPTED, _I.RESCHEDULE): _S.RESCHEDULED,
    (_S.CONFIRMED, _I.START): _S.IN_USE,
    (_S.CONFIRMED, _I.WITHDRAW): _S.WITHDRAWN,
    (_S.CONFIRMED, _I.RESCHEDULE): _S.RESCHEDULED,
    (_S.CONFIRMED, _I.NO_SHOW): _S.NO_SHOW,
    # Postponed or terminated before the start order.
    (_S.CONFIRMED, _I.ABORT): _S.ABORTED,
    (_S.IN_USE, _I.END): _S.ENDED,
    (_S.IN_USE, _I.ABORT): _S.ABORTED,
    (_S.ENDED, _I.CLOSE): _S.CLOSED,
    # An aborted session is packaged and handed over too.
    (_S.ABORTED, _I.CLOSE): _S.CLOSED,
}
"""What is not here is refused."""

HOLDS_STATIONS = frozenset({_S.REQUESTED, _S.ACCEPTED, _S.CONFIRMED, _S.IN_USE})
"""States in which the stations of a booking are taken."""


def next_booking_state(state: BookingState, what: BookingInput) -> BookingState:
    """Return the next state of a booking.

    Raises:
        PolicyError: the pair is not in the table.
    """
    target = BOOKING_TABLE.get((state, what))
    if target is None:
        legal = ", ".join(i.value for s, i in BOOKING_TABLE if s is state) or "nothing"
        raise PolicyError(
            f"booking in state {state.value}",
            expected=legal,
            got=what.value,
            do="reload the booking; it has moved on",
        )
    return target


def hold_expires_at(requested_at: datetime, start_at: datetime, pack: Pack) -> datetime:
    """Return when an unanswered request lets its stations go: after the hold, at most at start.

    Both instants are aware; the result is UTC.
    """
    expires = requested_at + timedelta(seconds=pack.booking.hold_s)
    return min(expires, start_at).astimezone(UTC)
