"""The signed hashes of the offline order codes on their way from the home room to the guests'.

The hub carries them untouched (WIRE §7): it knows no code, and a guest room takes no list that the
home venue's own controller has not signed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, update

from hub.store.tables_business import session_plan
from hub.store.tables_core import certificates, events
from protocols.messages.event import decode_event

DRAWN: Final = "codes.drawn"
CODES: Final = "codes"
"""Key in a session's plan."""


def codes_of(conn: Connection, session: str, venue: str, home_ctl: str) -> str:
    """The newest list that the home room told for a venue, '' before there is one."""
    rows = conn.execute(
        select(events.c.raw)
        .where(events.c.ctl == home_ctl, events.c.type == DRAWN, events.c.session == session)
        .order_by(events.c.id.desc())
    ).scalars()
    told = (decode_event(bytes(raw)).data for raw in rows)
    return next((str(one.get("raw", "")) for one in told if one.get("venue") == venue), "")


def with_codes(
    conn: Connection, body: dict[str, Any], certs: Sequence[str], home_ctl: str
) -> tuple[dict[str, Any], list[str]]:
    """A guest's session plan and its certificates, with the codes if there are any yet.

    Args:
        conn: an open connection.
        body: the session as the controller of a venue gets it.
        certs: base64 of the certificates that go with it.
        home_ctl: the home room's controller, '' where none is enrolled.
    """
    session, venue = str(body["session"]), str(body["org"])
    raw = codes_of(conn, session, venue, home_ctl) if venue != body["home_org"] else ""
    if not raw:
        return body, list(certs)
    mine = (certificates.c.subject == home_ctl) & (certificates.c.kind == "controller")
    found = conn.execute(select(certificates.c.raw).where(mine)).scalars()
    more = [b64encode(bytes(one)).decode("ascii") for one in found]
    return {**body, CODES: raw}, list(dict.fromkeys([*certs, *more]))


def carry(conn: Connection, session: str, venue: str, home_ctl: str) -> list[str]:
    """Puts a venue's codes into its standing plans; returns the controllers whose plan changed."""
    mine = (session_plan.c.session == session) & (session_plan.c.org == venue)
    rows = conn.execute(select(session_plan).where(mine, session_plan.c.active)).all()
    for row in rows:
        body, certs = with_codes(conn, row.body, row.certs, home_ctl)
        here = mine & (session_plan.c.ctl == row.ctl)
        conn.execute(update(session_plan).where(here).values(body=body, certs=certs))
    return [row.ctl for row in rows]
