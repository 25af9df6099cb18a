"""Orders and statements whose signatures hold: what the room answers, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.room_rules.kinds import Record, Sound, WipeSecrets
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy.permits import open_sessions, to_close, to_start
from protocols.policy.room_fields import is_by_code, signer_json, signers_of
from protocols.policy.room_model import Session
from protocols.policy.session import (
    STARTED_PHASES,
    Condition,
    Order,
    Phase,
    next_phase,
    unmet,
)
from protocols.terms import Outcome

VIA_CODE = "code"
"""How an order came that was typed as an offline code; the others come signed."""
STATEMENT_PHASES = (*STARTED_PHASES, Phase.POSTPONED, Phase.TERMINATED)
"""A statement is a fact of the evaluation system, even when it arrives late."""
_ORDERS = tuple(order.value for order in Order)
_OUTCOMES = tuple(outcome.value for outcome in Outcome)


def order(work: Work) -> None:
    """Take an order: accepted and carried out, or refused with what is missing."""
    if _repeated(work):
        return
    session = work.session(work.data.get("session"))
    try:
        _carry_out(work, session)
    except RefusedError as error:
        _refused(work, session, error)


def _repeated(work: Work) -> bool:
    stored = work.answered_before()
    if stored is None:
        return False
    if stored == "accepted":
        work.accept(repeated=True)
    else:
        work.refuse(stored, repeated=True)
    return True


def _carry_out(work: Work, session: Session | None) -> None:
    args = Args(work.data)
    word = Order(args.one_of("order", _ORDERS))
    number = args.number("n")
    if session is None:
        raise RefusedError("other_session")
    _meant_for_us(work, session)
    if number <= session.last_n:
        _confirm(work, session, word)
        return
    target = next_phase(session.phase, word)
    if target is None:
        raise RefusedError("phase", missing=[f"phase_{session.phase.value}"])
    members = _members(work, session, word)
    exceptions = _exceptions(work)
    _needs(work, session, word, exceptions)
    _accept(work, session, word, members=members, exceptions=exceptions)
    if target is not session.phase:
        data = {"from": session.phase.value, "to": target.value, "by": "order"}
        work.emit_data("phase.changed", session.id, {**data, "order": str(work.data.get("id", ""))})
    _follow(work, session, word)
    work.accept()
    work.do(Sound("notice"))


def _confirm(work: Work, session: Session, word: Order) -> None:
    """Note the signed order that says what a code said before it; every other is too old.

    A code itself never confirms: under its number it counts once (WIRE §7).
    """
    number = work.data["n"]
    seen = next((one for one in session.orders if one.n == number and is_by_code(one)), None)
    complete = str(work.data.get("committee") or "") == "complete"
    same = seen is not None and (
        seen.order == word and (word is not Order.END or complete is session.committee_complete)
    )
    if seen is None or not same or work.data.get("via") == VIA_CODE:
        raise RefusedError("old_n")
    work.emit(
        "order.confirmed",
        session.id,
        id=str(work.data.get("id", "")),
        n=number,
        order=word.value,
        by=signer_json(signers_of(work.data.get("by"))),
        via=str(work.data.get("via") or ""),
        code_order=seen.id,
        raw=str(work.data.get("raw") or ""),
    )
    work.accept()


def _meant_for_us(work: Work, session: Session) -> None:
    venues = work.data.get("venues") or []
    ours = {session.org, work.state.config.place, work.state.config.ctl}
    if venues and not ours & {str(venue) for venue in venues}:
        raise RefusedError("other_venue")


def _members(work: Work, session: Session, word: Order) -> list[int]:
    numbers = [number_of(value) for value in work.data.get("members") or []]
    unknown = [number for number in numbers if number not in session.members]
    if unknown:
        raise RefusedError("unknown_member", missing=[f"x{number}" for number in unknown])
    if word is Order.MEMBER_RELEASE and not numbers:
        raise RefusedError("no_member", missing=["members"])
    return numbers


def _exceptions(work: Work) -> list[dict[str, str]]:
    """Exceptions named in the order: words, or objects {need, reason}."""
    found = []
    for one in work.data.get("exceptions") or ():
        row = one if isinstance(one, Mapping) else {"need": one}
        args = Args(row)
        found.append({"need": args.words("need", needed=True), "reason": args.words("reason")})
    return found


def number_of(value: object) -> int:
    """Return a member's number from 3, "3" or "x3"; -1 for anything else, which nobody has."""
    if type(value) is int:
        return value
    digits = str(value).removeprefix("x")
    return int(digits) if digits.isascii() and digits.isdecimal() else -1


def _needs(work: Work, session: Session, word: Order, exceptions: list[dict[str, str]]) -> None:
    if word is Order.START:
        named = frozenset(one["need"] for one in exceptions)
        _require("needs", to_start(work.state, session, work.pack, named))
    if word is Order.CLOSE:
        _require("lockers", to_close(work.state, session))


def _require(reason: str, conditions: tuple[Condition, ...]) -> None:
    missing = unmet(conditions)
    if missing:
        raise RefusedError(
            reason,
            missing=[_missing(one) for one in missing],
            conditions=[one.to_json() for one in conditions],
        )


def _missing(condition: Condition) -> str:
    plain = condition.key != "locker_empty"
    return condition.key if plain else condition.waiting_for


def _accept(
    work: Work,
    session: Session,
    word: Order,
    *,
    members: list[int],
    exceptions: list[dict[str, str]],
) -> None:
    by = signer_json(signers_of(work.data.get("by")))
    common = {
        "id": str(work.data.get("id", "")),
        "n": work.data["n"],
        "order": word.value,
        "members": members,
        "committee": str(work.data.get("committee") or ""),
        "by": by,
    }
    raw = str(work.data.get("raw") or "")
    if work.data.get("via") == "screen" and session.role == "home":
        # Issued here: the hub relays these very bytes to the other venues.
        venues = list(work.data.get("venues") or [])
        work.emit_data(
            "order.issued",
            session.id,
            {**common, "session": session.id, "venues": venues, "raw": raw},
        )
    accepted = {
        **common,
        "exceptions": exceptions,
        "reason": str(work.data.get("reason") or ""),
        "via": str(work.data.get("via") or ""),
        "raw": raw,
    }
    if accepted["via"] == VIA_CODE:
        # Spent with this very row, the code is the proof that the home room gave it out.
        accepted["code"] = str(work.data.get("code") or "")
    work.emit_data("order.accepted", session.id, {**accepted, **_typed_by(work)})


def _typed_by(work: Work) -> dict[str, Any]:
    """Who typed or scanned an order here; nobody did one that the hub brought."""
    people = signers_of(work.data.get("typed_by"))
    return {"typed_by": signer_json(people)} if people else {}


def _follow(work: Work, session: Session, word: Order) -> None:
    if word is Order.OPEN:
        work.do(Record(on=True, session=session.id))
    if word is not Order.CLOSE:
        return
    work.emit("session.closed", session.id)
    work.emit("secrets.wiped", session.id)
    # The journal writes into it how many rows the session has: whoever hands the record over
    # later cannot leave one out without being seen.
    work.emit("session.sealed", session.id)
    work.do(WipeSecrets(session.id))
    if not any(one.recording for one in open_sessions(work.state)):
        work.do(Record(on=False, session=session.id))


def _refused(work: Work, session: Session | None, error: RefusedError) -> None:
    work.emit(
        "order.refused",
        "" if session is None else session.id,
        id=str(work.data.get("id", "")),
        order=str(work.data.get("order", "")),
        reason=error.reason,
        missing=error.result.get("missing", []),
        conditions=error.result.get("conditions", []),
    )
    work.refuse(error.reason, **error.result)


def order_refused(work: Work) -> None:
    """An order whose signature does not hold: recorded, told, nothing else.

    An order that was answered before and is sent again is old by now; its first answer stands.
    Anyone may have written the id of one that was not: it is no answer to the genuine order of that
    name, which may still come, on paper if the hub keeps it back.
    """
    if _repeated(work):
        return
    session = work.session(work.data.get("session"))
    reason = str(work.data.get("reason") or "unsigned")
    work.emit(
        "order.refused",
        "" if session is None else session.id,
        id="",
        named=str(work.data.get("id", "")),
        order=str(work.data.get("order") or ""),
        reason=reason,
        missing=[],
        text=str(work.data.get("text") or "")[:300],
        **_typed_by(work),
    )
    more = {key: work.data[key] for key in ("left", "minutes") if key in work.data}
    work.refuse(reason, text=str(work.data.get("text") or ""), **more)


def statement(work: Work) -> None:
    """Take a statement: how a member dealt with a document."""
    if _repeated(work):
        return
    session = work.session(work.data.get("session"))
    try:
        _record_statement(work, session)
    except RefusedError as error:
        work.emit(
            "statement.refused",
            "" if session is None else session.id,
            id=str(work.data.get("id", "")),
            reason=error.reason,
        )
        work.refuse(error.reason, **error.result)


def _record_statement(work: Work, session: Session | None) -> None:
    args = Args(work.data)
    if session is None:
        raise RefusedError("other_session")
    if session.phase not in STATEMENT_PHASES:
        raise RefusedError("phase", missing=[f"phase_{session.phase.value}"])
    member = session.members.get(number_of(work.data.get("member")))
    if member is None:
        raise RefusedError("unknown_member")
    work.emit(
        "statement.accepted",
        session.id,
        id=str(work.data.get("id", "")),
        no=member.no,
        document=args.one_of("document", work.pack.gate.documents),
        outcome=args.one_of("outcome", _OUTCOMES),
        digest=str(work.data.get("digest") or ""),
        by=signer_json(signers_of(work.data.get("by"))),
        raw=str(work.data.get("raw") or ""),
    )
    work.accept()
