"""Cards and staff acts: people in the room, by number and post, never by name."""

from __future__ import annotations

from collections.abc import Mapping

from edge.room_rules import arrival
from edge.room_rules.acts import ACTS, Act
from edge.room_rules.kinds import Sound
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy.permits import open_sessions
from protocols.policy.room_fields import signers_of
from protocols.policy.room_model import Member, Session

REASON_CHARS_MAX = 80


def card(work: Work) -> None:
    """A card was read: whose it is was found out elsewhere, its number never comes here."""
    found = _match(work)
    if found is None:
        _unknown(work, "no_match")
        return
    arrival.stands_here(work, *found, arrival.Proof("card", "id_card", ()))


def _match(work: Work) -> tuple[Session, Member] | None:
    """The match in a session that is open comes first; then the first that is known at all."""
    found: list[tuple[Session, Member]] = []
    rows = work.data.get("matches")
    for row in rows if isinstance(rows, (list, tuple)) else ():
        session = work.session(row.get("session")) if isinstance(row, Mapping) else None
        member = session.members.get(row.get("no")) if session is not None else None
        if session is not None and member is not None and member.here:
            found.append((session, member))
    names = {session.id for session in open_sessions(work.state)}
    return next((one for one in found if one[0].id in names), found[0] if found else None)


def _unknown(work: Work, reason: str) -> None:
    sessions = open_sessions(work.state)
    work.emit(
        "card.unknown",
        sessions[0].id if sessions else "",
        layout=str(work.data.get("layout") or "")[:REASON_CHARS_MAX],
        reason=reason[:REASON_CHARS_MAX],
    )
    work.do(Sound("refused"))


def card_error(work: Work) -> None:
    """A card could not be read."""
    _unknown(work, str(work.data.get("reason") or "unreadable"))


def _act(work: Work, *, signed: bool) -> Act:
    act = ACTS.get(str(work.data.get("act", "")))
    if act is None:
        raise RefusedError("unknown_act", got=str(work.data.get("act", ""))[:40])
    if not signed and act.signed:
        raise RefusedError("unsigned", missing=["by"])
    return act


def staff(work: Work) -> None:
    """A staff act whose PINs are right: recorded, or refused with the reason."""
    args = work.data.get("args")
    by = signers_of(work.data.get("by"))
    try:
        act = _act(work, signed=bool(by))
        act.run(work, Args(args if isinstance(args, Mapping) else {}), by)
    except RefusedError as error:
        work.refuse(error.reason, **error.result)
        return
    work.accept()
