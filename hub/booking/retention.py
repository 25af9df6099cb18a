"""Identities that nobody needs any more go by themselves, and the record says which and how many.

Looked for once an hour: a booking's identities are kept for so many days after it has ended, then
their keys are destroyed as by a person (`hub.booking.erasure`). Each fact counts, in the same
transaction, what is past its time and still there: the last one of a turn says 0.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, func, select

from hub.booking.erasure import FACT, NEEDED_STATES, destroy
from hub.clock import iso_ms
from hub.keys.tags import forget
from hub.ports import Parts
from hub.store.tables_business import booking, booking_identity

LOOK_MS: Final = 3_600_000
BOOKINGS_MAX: Final = 20
"""Of one turn: a hub that was off for a year must not keep recording waiting."""
REASON: Final = "保存期届满"

_ENDED: Final = func.coalesce(booking.c.ended_at, booking.c.occupied_to)


class Retention:
    """The timer.

    Args:
        parts: the hub's parts.
        keep_days: days after the end of a booking.
    """

    def __init__(self, parts: Parts, keep_days: int) -> None:
        self._parts = parts
        self._keep = timedelta(days=keep_days)
        self._looked_ms: int | None = None

    def tick(self) -> list[str]:
        """Destroys what is past its time; the numbers of the bookings it belonged to."""
        now_ms = self._parts.clock.mono_ms()
        if self._looked_ms is not None and now_ms - self._looked_ms < LOOK_MS:
            return []
        self._looked_ms = now_ms
        now = self._parts.clock.wall()
        with self._parts.store.read() as conn:
            found = conn.execute(
                select(booking.c.number, booking.c.session, booking.c.home_org, _ENDED.label("end"))
                .where(_past(now - self._keep))
                .join(booking_identity, booking_identity.c.booking == booking.c.number)
                .group_by(booking.c.number)
                .order_by(_ENDED)
                .limit(BOOKINGS_MAX)
            ).all()
        for row in found:
            self._erase(row, now)
        return [row.number for row in found]

    def _erase(self, row: Any, now: datetime) -> None:
        parts = self._parts
        with parts.store.write() as conn:
            keys = destroy(conn, row.number, None, at=now)
            if not keys:
                return  # somebody was quicker
            data = {
                "booking": row.number,
                "members": sorted(keys),
                "count": len(keys),
                "reason": REASON,
                "by": {"person": "", "post": "", "org": row.home_org, "role": "policy"},
                "ended": iso_ms(row.end),
                "kept_days": self._keep.days,
                "left": _left(conn, now - self._keep),
            }
            parts.facts.append(conn, type=FACT, session=row.session, data=data)
            forget(parts.store, list(keys.values()))


def _past(before: datetime) -> Any:
    """Bookings that ended before this and have an identity that can still be opened."""
    return and_(
        booking.c.state.not_in(NEEDED_STATES),
        before > _ENDED,
        booking_identity.c.key_wrapped.is_not(None),
    )


def _left(conn: Connection, before: datetime) -> int:
    count = (
        select(func.count())
        .select_from(booking_identity)
        .join(booking, booking_identity.c.booking == booking.c.number)
        .where(_past(before))
    )
    return int(conn.execute(count).scalar_one())
