"""Tags of members: made for one session, forgotten when it is over (DESIGN §6.1).

A tag is the scrypt of an identity number with the session's salt. It stays as long as the room may
have to compare cards, no longer: with tag, salt and what a mask shows a number could be tried out.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from hub.store.engine import Store
from hub.store.tables_business import booking, booking_member, session_plan


def wipe(store: Store, conn: Connection, number: str) -> None:
    """Forgets a booking's tags and their salt, in this transaction and then in the mirror.

    What is sealed to a controller goes out of its plan's row too, and the session out of the plan.
    Without its salt a tag that is left in an old copy tells nothing.
    """
    row = conn.execute(
        select(booking.c.salt, booking.c.session).where(booking.c.number == number)
    ).one()
    conn.execute(update(booking_member).where(booking_member.c.booking == number).values(tag=""))
    conn.execute(update(booking).where(booking.c.number == number).values(salt=""))
    mine = session_plan.c.session == row.session
    plans = conn.execute(select(session_plan.c.ctl, session_plan.c.body).where(mine)).all()
    for ctl, body in plans:
        bare = {**body, "salt": "", "tags": ""}
        here = mine & (session_plan.c.ctl == ctl)
        conn.execute(update(session_plan).where(here).values(body=bare, active=False))
    forget(store, [str(row.salt)])


def forget(store: Store, secrets: Sequence[str]) -> None:
    """Overwrites texts in the mirror, and in SQLite's own log, once this transaction stands."""

    def act() -> None:
        if store.mirror is not None:
            store.mirror.forget(secrets)
        if store.dialect == "sqlite":
            with store.engine.connect() as conn:
                conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    if any(secrets):
        store.after_commit(act)
