"""Rooms that enrol themselves: a one-time code, a request that a person compares, an answer.

Of a code the hub keeps the hash. The first sound request with it counts, every other one is refused
and recorded; nobody is let in before a manager has seen the same fingerprint at both ends.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from hub import crypto
from hub.keys.authority import RequestError, read_request
from hub.ports import Parts, refuse
from hub.problems import Problem
from hub.store.tables_core import enrolments
from protocols.messages.enrolment import CODE_HOURS, EnrolmentRequest, code_hash

OPEN: Final = "open"
ASKED: Final = "asked"
APPROVED: Final = "approved"
REFUSED: Final = "refused"


def offer(conn: Connection, parts: Parts, code: str, room: dict[str, Any], by: str) -> None:
    """Keeps the hash of a fresh code for a room: `org`, `room`, `name`, `stations`."""
    now = parts.clock.wall()
    row = {"code_hash": code_hash(code), "state": OPEN, "made_by": by, "made_at": now}
    until = {"until_at": now + dt.timedelta(hours=CODE_HOURS)}
    empty = {"request": None, "fingerprint": "", "ctl": "", "decided_by": ""}
    conn.execute(enrolments.insert().values({**row, **until, **empty, **room}))
    data = {"place": f"{room['org']}-{room['room']}", "by": by, "code": code_hash(code)[:16]}
    parts.facts.append(conn, type="enrolment.offered", session="", data=data)


def ask(parts: Parts, request: EnrolmentRequest) -> dict[str, Any]:
    """Takes a room's request, or answers the same one again.

    Returns:
        `state`, `fingerprint`, and once it is approved `answer`.

    Raises:
        Problem: 403 no such code, it is used, over or refused, or the request proves nothing.
    """
    with parts.store.write() as conn:
        mine = enrolments.c.code_hash == code_hash(request.code)
        row = conn.execute(select(enrolments).where(mine)).first()
        cause = "code" if row is None else _cause(parts, row, request)
        if not cause and row is not None and row.state == OPEN:
            keys = {"csr": request.csr, "sign": request.sign_pub, "seal": request.seal_pub}
            asked = {"state": ASKED, "fingerprint": request.fingerprint, "request": keys}
            free = mine & (enrolments.c.state == OPEN)
            first = conn.execute(update(enrolments).where(free).values(asked))
            cause = "" if first.rowcount else "used"
            if not cause:
                _record(conn, parts, row, "enrolment.asked", request)
        elif row is not None and cause:
            _record(conn, parts, row, "enrolment.refused", request, cause=cause)
        state = conn.execute(select(enrolments).where(mine)).first()
    if cause or state is None:
        raise _refusal(cause)
    answer = (state.request or {}).get("answer") if state.state == APPROVED else None
    return {"state": state.state, "fingerprint": state.fingerprint, "answer": answer}


def _cause(parts: Parts, row: Row[Any], request: EnrolmentRequest) -> str:
    """Why a request is refused; empty if it is not."""
    if parts.clock.wall() > row.until_at:
        return "late"
    if not request.proven(crypto.verify):
        return "unproven"
    try:
        read_request(request.csr.encode("ascii"))
    except RequestError:
        return "unproven"
    if row.state == REFUSED:
        return "refused"
    if row.state != OPEN and row.fingerprint != request.fingerprint:
        return "used"
    return ""


def decide(
    conn: Connection, parts: Parts, row: Row[Any], state: str, by: str, answer: dict[str, Any]
) -> None:
    """Keeps what a person decided of a request; it is decided once.

    Raises:
        Problem: 409 nothing waits to be decided.
    """
    mine = (enrolments.c.code_hash == row.code_hash) & (enrolments.c.state == ASKED)
    ctl = str(answer.get("id", {}).get("ctl", ""))
    now = {"state": state, "decided_by": by, "ctl": ctl}
    kept = {"request": {**row.request, "answer": answer}}
    if not conn.execute(update(enrolments).where(mine).values({**now, **kept})).rowcount:
        raise refuse(
            409,
            "enrolment_decided",
            zh="该登记申请已有结论",
            en="This enrolment has been decided",
            where="enrolment",
            expected="a request that waits",
            got=row.state,
            do="重新生成登记码",
        )
    if state == REFUSED:
        data = {"place": f"{row.org}-{row.room}", "cause": "person", "by": by}
        data |= {"fingerprint": row.fingerprint, "code": row.code_hash[:16]}
        parts.facts.append(conn, type="enrolment.refused", session="", data=data)


def waiting(conn: Connection, fingerprint: str) -> Row[Any] | None:
    """The request with this fingerprint that waits for a person."""
    wanted = "".join(fingerprint.split()).lower()
    rows = conn.execute(select(enrolments).where(enrolments.c.state == ASKED)).all()
    return next((one for one in rows if one.fingerprint.replace(" ", "") == wanted), None)


def _record(
    conn: Connection,
    parts: Parts,
    row: Row[Any],
    kind: str,
    request: EnrolmentRequest,
    *,
    cause: str = "",
) -> None:
    data = {"place": f"{row.org}-{row.room}", "fingerprint": request.fingerprint}
    data |= {"code": row.code_hash[:16], **({"cause": cause} if cause else {})}
    parts.facts.append(conn, type=kind, session="", data=data)


def _refusal(cause: str) -> Problem:
    return refuse(
        403,
        "enrolment_refused",
        zh="登记申请未被接受",
        en="The enrolment is refused",
        where="enrolment",
        expected="an unused code of the last 24 hours and keys that prove themselves",
        got=cause,
        do="请管理员重新生成登记码",
    )
