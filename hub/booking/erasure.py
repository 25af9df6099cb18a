"""Identities that are to be gone: their keys are destroyed, here, in the mirror and on a restore.

What the sealed text, the record and the packages hold stays as it is: without the key nobody can
open it, and no hash changes. A backup made before still has the key; a restore lays the mirror over
it, which does the erasure again (docs/identities.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, update

from hub.booking import rows
from hub.keys.tags import forget
from hub.ports import Actor, Parts, allow, by, refuse
from hub.problems import Problem
from hub.store.tables_business import booking_identity, booking_member
from hub.store.tables_core import events
from protocols.messages.errors import RemoteError
from protocols.messages.event import decode_event
from protocols.policy.plain_text import personal_number

ERASING: Final = ("administrator",)
NEEDED_STATES: Final = frozenset({"requested", "accepted", "confirmed", "in_use"})
"""As long as a booking may still be held, its venue must be able to say whom it expects."""
REASON_CHARS_MAX: Final = 200
FACT: Final = "identity.erased"
MASK: Final[dict[str, str]] = {"name": "*", "id_number": "*"}


def erase(
    parts: Parts, actor: Actor, session: str, *, member: int | None, reason: str
) -> dict[str, Any]:
    """Destroys the keys of a session's sealed identities; a second time changes nothing.

    Args:
        parts: the hub's parts.
        actor: an administrator of the home venue, or of the member's own venue.
        session: session id.
        member: a member's number; None means all that the actor may erase.
        reason: in words, without names or numbers; it goes into the record.

    Returns:
        `{session, booking, members}`, the numbers erased now.

    Raises:
        Problem: 403 role, 404 session or member, 409 the session is not over, 422 reason.
    """
    allow(actor, ERASING)
    why = _reason(reason)
    with parts.store.write() as conn:
        record = rows.load_by_session(conn, session)
        if record is None or actor.org not in record.orgs:
            raise _unknown("session", "a session your organisation takes part in", session)
        if record.state in NEEDED_STATES:
            raise _needed(record.number, record.state)
        mine = {
            int(one["no"]) for one in record.members if actor.org in (one["org"], record.home_org)
        }
        if member is not None and member not in mine:
            raise _unknown("member", "a member of your venue", str(member))
        wanted = sorted(mine if member is None else {member})
        keys = destroy(conn, record.number, wanted, at=parts.clock.wall())
        gone = sorted(keys)
        if gone:
            data = {"booking": record.number, "members": gone, "count": len(gone)}
            data |= {"reason": why, "by": by(actor)}
            parts.facts.append(conn, type=FACT, session=session, data=data)
        forget(parts.store, list(keys.values()))
    return {"session": session, "booking": record.number, "members": gone}


def again(conn: Connection) -> int:
    """Carries out every erasure on record once more, after a restore; how many keys went."""
    count = 0
    query = select(events.c.raw, events.c.recorded_at).where(events.c.type == FACT)
    for row in conn.execute(query.order_by(events.c.id)).all():
        try:
            data = decode_event(bytes(row.raw)).data
        except RemoteError:
            continue
        members = [no for no in data.get("members", []) if isinstance(no, int)]
        count += len(destroy(conn, str(data.get("booking")), members, at=row.recorded_at))
    return count


def destroy(
    conn: Connection, number: str, members: Sequence[int] | None, *, at: Any
) -> dict[int, str]:
    """Destroys keys of a booking's members, None: of all; member -> the key that was there."""
    if conn.dialect.name == "sqlite":
        # Freed pages are overwritten with zeroes: an old page is a copy like any other.
        conn.exec_driver_sql("PRAGMA secure_delete = ON")
    here = booking_identity.c.booking == number
    here &= booking_identity.c.key_wrapped.is_not(None)
    if members is not None:
        here &= booking_identity.c.no.in_(members)
    found = {
        int(row.no): str(row.key_wrapped)
        for row in conn.execute(
            select(booking_identity.c.no, booking_identity.c.key_wrapped).where(here)
        )
    }
    conn.execute(update(booking_identity).where(here).values(key_wrapped=None, erased_at=at))
    conn.execute(
        update(booking_member)
        .where(booking_member.c.booking == number, booking_member.c.no.in_(sorted(found)))
        .values(tag="", masked=MASK)
    )
    return found


def _reason(reason: str) -> str:
    why = reason.strip()
    if 0 < len(why) <= REASON_CHARS_MAX and personal_number(why) is None:
        return why
    raise refuse(
        422,
        "erase_reason",
        zh="须写明销毁理由，且不得含证件号码或电话号码",
        en="Say why, without numbers of documents or telephones",
        where="erase.reason",
        expected=f"1 to {REASON_CHARS_MAX} characters without such numbers",
        got=f"{len(why)} characters",
        do="写明依据，例如保存期届满或本人申请",
    )


def _unknown(where: str, expected: str, got: str) -> Problem:
    return refuse(
        404,
        "no_such_identity",
        zh="没有这个场次或评委编号",
        en="No such session or member number",
        where=where,
        expected=expected,
        got=got[:40],
        do="核对场次编号和评委编号",
    )


def _needed(number: str, state: str) -> Problem:
    return refuse(
        409,
        "identity_needed",
        zh="场次尚未结束，身份信息仍需使用",
        en="The session is not over: its identities are still needed",
        where=f"booking {number}",
        expected="an ended, closed, aborted, withdrawn, declined or expired booking",
        got=state,
        do="场次结束后再销毁",
    )
