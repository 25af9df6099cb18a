"""JSON API of running sessions: `/api/v1/sessions/{s}`, `/api/v1/statements`, `/api/v1/commands`.

Bodies:

    POST sessions/{s}/orders      {order, pin, members?: [no], venues?: [org], committee?,
                                   exceptions?: [text], reason?}
    POST statements               the evaluation system's signed message, raw bytes
    POST sessions/{s}/statements  {member, document, outcome, digest, pin, second_login, second_pin}
    POST commands                 {session, ctl, verb, args, expect?: {obj, epoch, seq}, pin,
                                   second_login?, second_pin?}
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request

from hub.free_text import free_text
from hub.ports import Parts, refuse
from hub.session.service import Sessions
from hub.web.api_body import PIN_CHARS_MAX, Fields, json_body, raw_body
from hub.web.api_once import once

Body = Annotated[dict[str, Any], Depends(json_body)]
Raw = Annotated[bytes, Depends(raw_body)]
MEMBERS_MAX = 64
MEMBER_NO_MAX = 99
WORD_CHARS_MAX = 64


class HasSessions(Parts, Protocol):
    """The part of the hub this API uses."""

    sessions: Sessions


def router(hub: HasSessions) -> APIRouter:
    """Routes of sessions."""
    api = APIRouter(prefix="/api/v1", tags=["sessions"])
    _add_reading(api, hub)
    _add_acts(api, hub)
    _add_commands(api, hub)
    return api


def _add_reading(api: APIRouter, hub: HasSessions) -> None:
    @api.get("/sessions/{session}", operation_id="get_session")
    def view(request: Request, session: str) -> dict[str, Any]:
        """One session: all venues, members, lanes, orders, why nobody may leave yet."""
        return hub.sessions.view_for(hub.accounts.actor(request), session)

    @api.get("/sessions/{session}/timeline", operation_id="session_timeline")
    def timeline(
        request: Request, session: str, after: int = 0, limit: int = 200
    ) -> dict[str, Any]:
        """The witness timeline behind a row id."""
        who = hub.accounts.actor(request)
        return hub.sessions.timeline_for(who, session, after, limit)


def _add_acts(api: APIRouter, hub: HasSessions) -> None:
    @api.post("/sessions/{session}/orders", operation_id="issue_order", status_code=201)
    def order(request: Request, session: str, body: Body) -> dict[str, Any]:
        """Signs an order with the PIN and sends it to the rooms."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="order")
        word = fields.text("order", chars_max=WORD_CHARS_MAX)
        pin = fields.text("pin", chars_max=PIN_CHARS_MAX)
        members = _numbers(fields.items("members", items_max=MEMBERS_MAX))
        venues = _texts(fields.items("venues"), "order.venues")
        committee = fields.text("committee", chars_max=WORD_CHARS_MAX, default="")
        exceptions = _texts(fields.items("exceptions", items_max=16), "order.exceptions")
        for one in exceptions:
            free_text(one, where="order.exceptions")
        reason = fields.text("reason", default="")
        fields.done()
        return once(
            hub,
            who,
            request,
            body,
            lambda: hub.sessions.issue_order(
                who,
                session,
                word,
                pin,
                members,
                committee,
                exceptions,
                venues=venues,
                reason=reason,
            ),
        )

    @api.post("/statements", operation_id="receive_statement")
    def statement(raw: Raw) -> dict[str, Any]:
        """The evaluation system's signed statement; its signature is its sign-in."""
        return hub.sessions.receive_statement(raw)

    @api.post("/sessions/{session}/statements", operation_id="statement_by_two", status_code=201)
    def by_two(request: Request, session: str, body: Body) -> dict[str, Any]:
        """Two persons in different roles state what became of a document."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="statement")
        member = fields.integer("member", 1, MEMBER_NO_MAX)
        document, outcome, digest, pin, second_login, second_pin = (
            fields.text(key, chars_max=WORD_CHARS_MAX)
            for key in ("document", "outcome", "digest", "pin", "second_login", "second_pin")
        )
        fields.done()
        return once(
            hub,
            who,
            request,
            body,
            lambda: hub.sessions.statement_by_two(
                who,
                session,
                member,
                document,
                outcome,
                pin,
                second_login,
                second_pin,
                digest=digest,
            ),
        )


def _add_commands(api: APIRouter, hub: HasSessions) -> None:
    @api.post("/commands", operation_id="issue_command", status_code=201)
    def command(request: Request, body: Body) -> dict[str, Any]:
        """Signs a command for one room with the PIN; an override needs two persons."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="command")
        session, ctl, verb, pin = (
            fields.text(key, chars_max=WORD_CHARS_MAX) for key in ("session", "ctl", "verb", "pin")
        )
        args, expect = fields.object("args"), fields.object("expect")
        second_login = fields.text("second_login", chars_max=WORD_CHARS_MAX, default="")
        second_pin = fields.text("second_pin", chars_max=PIN_CHARS_MAX, default="")
        fields.done()
        return once(
            hub,
            who,
            request,
            body,
            lambda: hub.sessions.issue_command(
                who,
                session=session,
                ctl=ctl,
                verb=verb,
                args=args,
                expect=expect,
                pin=pin,
                second_login=second_login,
                second_pin=second_pin,
            ),
        )


def _numbers(items: list[Any]) -> tuple[int, ...]:
    bad = [one for one in items if type(one) is not int or not 1 <= one <= MEMBER_NO_MAX]
    if bad:
        raise _not_a(bad[0], "order.members", f"member numbers 1 to {MEMBER_NO_MAX}")
    return tuple(items)


def _texts(items: list[Any], where: str) -> tuple[str, ...]:
    bad = [one for one in items if not isinstance(one, str)]
    if bad:
        raise _not_a(bad[0], where, "texts")
    return tuple(items)


def _not_a(got: object, where: str, expected: str) -> Exception:
    return refuse(
        422,
        "body_invalid",
        zh="提交内容不符合要求",
        en="The body is not as it must be",
        where=where,
        expected=expected,
        got=repr(got)[:80],
        do="按所列字段更正后重新提交",
    )
