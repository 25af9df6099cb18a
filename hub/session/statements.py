"""Statements: what became of a member's document, by the evaluation system or by two persons."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from hub import crypto
from hub.booking_link import SessionLink, link_of
from hub.clock import iso_ms
from hub.keys.duty import session_signer
from hub.ports import Actor, Parts, decoding, refuse
from hub.session.orders import no_session, rooms_of
from hub.store.tables_business import session_statement
from protocols.messages.acts import DOCUMENTS, OUTCOMES, Statement
from protocols.messages.orders import (
    AcceptedStatement,
    OrderBook,
    Refused,
    SessionBook,
    judge_statement,
)
from protocols.messages.signed import Signed, parse_message
from protocols.messages.strict import HEX64

STATEMENT_BYTES_MAX: Final = 16 * 1024
"""A header line and at most two signatures."""


def receive(parts: Parts, raw: bytes) -> dict[str, Any]:
    """Takes a signed statement as the evaluation system sent it; the same one twice is one.

    Raises:
        Problem: 404 unknown session, 422 not a statement or not signed as it must be.
    """
    with decoding("statement"):
        signed = parse_message(raw, limit=STATEMENT_BYTES_MAX)
        said = Statement.read(signed)
    with parts.store.read() as conn:
        link = _link(conn, said.session)
    # Nobody is signed in here: whoever cannot sign learns nothing of the members.
    accepted = _judged(parts, signed, link)
    with parts.store.read() as conn:
        _known_member(conn, link, said.member)
    return _keep(parts, accepted, raw=raw, link=link)


def by_two(
    parts: Parts,
    first: tuple[Actor, str],
    second: tuple[Actor, str],
    *,
    session: str,
    member: int,
    document: str,
    outcome: str,
    digest: str,
) -> dict[str, Any]:
    """Two persons in different roles state what became of a document.

    Args:
        parts: the hub's parts.
        first: who enters it, with the PIN.
        second: who confirms it, with the PIN.
        session: session id.
        member: number.
        document: personal_sheet, summary or report.
        outcome: one of the four outcomes.
        digest: SHA-256 of the document in hex.

    Raises:
        Problem: 403 wrong PIN or not on duty, 422 same person or role, or a field.
    """
    _check_words(document=document, outcome=outcome, digest=digest)
    _two_persons(first[0], second[0])
    with parts.store.read() as conn:
        link = _link(conn, session)
        _known_member(conn, link, f"x{member}")
    signer, _ = session_signer(parts, session, *first)
    other, _ = session_signer(parts, session, *second)
    statement = Statement(
        session=session, member=f"x{member}", document=document, outcome=outcome, digest=digest
    )
    raw = statement.seal([signer, other])
    with decoding("statement"):
        signed = parse_message(raw, limit=STATEMENT_BYTES_MAX)
    return _keep(parts, _judged(parts, signed, link), raw=raw, link=link)


def listed(conn: Connection, session: str) -> list[dict[str, Any]]:
    """Statements of a session, oldest first."""
    rows = conn.execute(
        select(session_statement)
        .where(session_statement.c.session == session)
        .order_by(session_statement.c.received_at)
    ).mappings()
    return [
        {
            **{key: row[key] for key in ("id", "member", "document", "outcome", "digest", "by")},
            "received_at": iso_ms(row["received_at"]),
        }
        for row in rows
    ]


def _keep(
    parts: Parts, accepted: AcceptedStatement, *, raw: bytes, link: SessionLink
) -> dict[str, Any]:
    said = accepted.statement
    by = [
        {"subject": actor.principal.subject, "role": actor.role, "org": actor.principal.venue_org}
        for actor in accepted.signers
    ]
    answer = {"id": accepted.id, "session": said.session, "outcome": said.outcome}
    with parts.store.write() as conn:
        known = conn.execute(
            select(session_statement.c.id).where(session_statement.c.id == accepted.id)
        ).first()
        if known is not None:
            return {**answer, "repeated": True}
        no = int(said.member.removeprefix("x"))
        conn.execute(
            insert(session_statement).values(
                id=accepted.id,
                session=said.session,
                member=no,
                document=said.document,
                outcome=said.outcome,
                digest=said.digest,
                by=by,
                raw=raw,
                received_at=parts.clock.wall(),
            )
        )
        data = {
            "id": accepted.id,
            "no": no,
            "document": said.document,
            "outcome": said.outcome,
            "by": by,
            "raw": base64.b64encode(raw).decode("ascii"),
        }
        parts.facts.append(conn, type="statement.received", session=link.session, data=data)
        for ctl, _ in rooms_of(conn, link.session):
            parts.fleet.send(conn, ctl, "statement", accepted.id, raw)
    return {**answer, "repeated": False}


def _judged(parts: Parts, signed: Signed, link: SessionLink) -> AcceptedStatement:
    book = OrderBook().with_session(
        SessionBook(
            session=link.session, home_org=link.home_org, org=link.home_org, venues=link.orgs
        )
    )
    judged = judge_statement(book, signed, parts.keys.keyring(), crypto.verify)
    if isinstance(judged, Refused):
        raise refuse(
            422,
            f"statement_{judged.code}",
            zh="签署结果未被认可",
            en="The statement does not count",
            where=f"session {link.session}",
            expected="the home venue's certified system, or two persons in different roles",
            got=judged.text,
            do="由评标系统重新发送，或由两名不同岗位人员录入",
        )
    return judged


def _link(conn: Connection, session: str) -> SessionLink:
    link = link_of(conn, session)
    if link is None:
        raise no_session(session)
    return link


def _known_member(conn: Connection, link: SessionLink, token: str) -> None:
    numbers = {f"x{no}" for no in link.members(conn)}
    if token not in numbers:
        raise refuse(
            422,
            "unknown_member",
            zh="该场次没有这个评委编号",
            en="The session has no such member",
            where="statement.member",
            expected=", ".join(sorted(numbers)) or "members entered by the venues",
            got=token,
            do="核对评委编号，写作 x3",
        )


def _check_words(**words: str) -> None:
    allowed: Mapping[str, tuple[str, ...]] = {"document": DOCUMENTS, "outcome": OUTCOMES}
    for name, known in allowed.items():
        if words[name] not in known:
            raise _field(name, " or ".join(known), words[name])
    if HEX64.match(words["digest"]) is None:
        raise _field("digest", "SHA-256 of the document, 64 hex digits", words["digest"])


def _two_persons(first: Actor, second: Actor) -> None:
    if first.person == second.person:
        raise _field("second", "another person", first.post)


def _field(name: str, expected: str, got: str) -> Exception:
    return refuse(
        422,
        "statement_invalid",
        zh="签署结果内容不完整",
        en="The statement is not complete",
        where=f"statement.{name}",
        expected=expected,
        got=got,
        do="按所列字段更正",
    )
