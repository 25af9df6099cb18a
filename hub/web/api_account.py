"""JSON API of one's own account, and of what an administrator does for a colleague's.

Bodies:

    POST account/password               {old, new, again}
    POST account/sessions/end           {}            all but this one
    POST account/sessions/{ident}/end   {}
    POST account/second-factor          {password}    answers the secret, once
    POST account/second-factor/confirm  {code}        answers the recovery codes, once
    POST people/{login}/sessions/end         {}
    POST people/{login}/second-factor/reset  {reason}
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, Request

from hub.accounts import second_factor
from hub.accounts.actor import Actor, SignedIn
from hub.accounts.sessions import OpenSessions
from hub.clock import iso_ms
from hub.keys.passwords import change_password
from hub.ports import Parts, allow, refuse
from hub.problems import not_found
from hub.web.api_accounts import address_of
from hub.web.api_body import SECRET_CHARS_MAX, Fields, json_body
from hub.web.views_account import LOG_SHOWN

Body = Annotated[dict[str, Any], Depends(json_body)]
CODE_CHARS_MAX: Final = 64
HUB_NAME: Final = "evalroom"
ADMINISTERING: Final = ("administrator",)


class HasAccount(Parts, Protocol):
    """The part of the hub this API uses."""


def router(hub: HasAccount) -> APIRouter:
    """Routes under `/api/v1/account` and `/api/v1/people`."""
    api = APIRouter(prefix="/api/v1", tags=["accounts"])
    sessions = OpenSessions(store=hub.store, facts=hub.facts, log=hub.accounts.log)
    _add_own(api, hub, sessions)
    _add_factor(api, hub)
    _add_colleagues(api, hub, sessions)
    return api


def _add_own(api: APIRouter, hub: HasAccount, sessions: OpenSessions) -> None:
    @api.get("/account", operation_id="account")
    def account(request: Request) -> dict[str, Any]:
        """Who one is, the second factor, every open session, what became of the account."""
        who: SignedIn = hub.accounts.of_request(request)
        return _told(hub, who, sessions)

    @api.post("/account/password", operation_id="change_password")
    def password(request: Request, body: Body) -> dict[str, Any]:
        """Changes the own password; every other session ends."""
        who: SignedIn = hub.accounts.of_request(request)
        fields = Fields(body, where="account")
        old, new, again = (
            fields.text(key, chars_max=SECRET_CHARS_MAX) for key in ("old", "new", "again")
        )
        fields.done()
        if new != again:
            raise _not_alike()
        hub.accounts.check_password(who.actor, old, address_of(request))
        change_password(
            store=hub.store,
            facts=hub.facts,
            held=hub.keys,
            accounts=hub.accounts,
            who=who,
            old=old,
            new=new,
        )
        return {"changed": True}

    @api.post("/account/sessions/end", operation_id="end_other_sessions")
    def end_others(request: Request, body: Body) -> dict[str, Any]:
        """Ends every session but this one."""
        who: SignedIn = hub.accounts.of_request(request)
        Fields(body, where="account").done()
        return {"ended": sessions.end(who.actor, by=who.actor, kept=who.token_sha256)}

    @api.post("/account/sessions/{ident}/end", operation_id="end_session")
    def end_one(request: Request, ident: str, body: Body) -> dict[str, Any]:
        """Ends one of the own sessions."""
        who: SignedIn = hub.accounts.of_request(request)
        Fields(body, where="account").done()
        return {"ended": sessions.end(who.actor, by=who.actor, ident=ident)}


def _told(hub: HasAccount, who: SignedIn, sessions: OpenSessions) -> dict[str, Any]:
    standing = hub.accounts.factors.standing(who.actor)
    return {
        "actor": who.actor.document(),
        "second_factor": {
            "confirmed": standing.confirmed,
            "needed": standing.needed,
            "recovery_left": standing.recovery_left,
        },
        "sessions": [
            {
                "session": one.ident,
                "since": iso_ms(one.since),
                "seen": iso_ms(one.seen),
                "address": one.address,
                "agent": one.agent,
                "own": one.own,
            }
            for one in sessions.of(who.actor.person, csrf=who.csrf)
        ],
        "log": [
            {
                "at": iso_ms(one.at),
                "what": one.what,
                "count": one.count,
                "origin": one.origin,
                "browser": one.browser,
                "by": one.by,
            }
            for one in hub.accounts.log.of(who.actor.login, limit=LOG_SHOWN)
        ],
    }


def _add_factor(api: APIRouter, hub: HasAccount) -> None:
    @api.post("/account/second-factor", operation_id="begin_second_factor", status_code=201)
    def begin(request: Request, body: Body) -> dict[str, Any]:
        """A new secret for the telephone; it counts once a code of it was typed."""
        actor: Actor = hub.accounts.actor(request)
        fields = Fields(body, where="account")
        given = fields.text("password", chars_max=SECRET_CHARS_MAX)
        fields.done()
        hub.accounts.check_password(actor, given, address_of(request))
        secret = hub.accounts.factors.begin(actor)
        uri = second_factor.uri(secret, login=actor.login, hub=HUB_NAME)
        return {"secret": second_factor.shown(secret), "uri": uri}

    @api.post("/account/second-factor/confirm", operation_id="confirm_second_factor")
    def confirm(request: Request, body: Body) -> dict[str, Any]:
        """Puts the second factor to use; answers the recovery codes."""
        actor: Actor = hub.accounts.actor(request)
        fields = Fields(body, where="account")
        code = fields.text("code", chars_max=CODE_CHARS_MAX)
        fields.done()
        return {"recovery_codes": hub.accounts.factors.confirm(actor, code.strip())}


def _add_colleagues(api: APIRouter, hub: HasAccount, sessions: OpenSessions) -> None:
    def colleague(actor: Actor, login: str) -> Actor:
        allow(actor, ADMINISTERING)
        found: Actor | None = hub.accounts.register.actor_by_login(login)
        if found is None or found.org != actor.org:
            raise not_found("person", f"login {login[:CODE_CHARS_MAX]}")
        return found

    @api.post("/people/{login}/sessions/end", operation_id="end_sessions_of")
    def end_all(request: Request, login: str, body: Body) -> dict[str, Any]:
        """An administrator ends every session of a colleague."""
        actor: Actor = hub.accounts.actor(request)
        Fields(body, where="account").done()
        return {"ended": sessions.end(colleague(actor, login), by=actor)}

    @api.post("/people/{login}/second-factor/reset", operation_id="reset_second_factor")
    def reset(request: Request, login: str, body: Body) -> dict[str, Any]:
        """An administrator takes a colleague's second factor away and ends the sessions."""
        actor: Actor = hub.accounts.actor(request)
        fields = Fields(body, where="account")
        reason = fields.text("reason")
        fields.done()
        whom = colleague(actor, login)
        if whom.person == actor.person:
            raise _not_oneself()
        with hub.store.write() as conn:
            gone = hub.accounts.factors.reset(conn, whom, by=actor, reason=reason)
            sessions.end(whom, by=actor)
        return {"reset": gone}


def _not_alike() -> Exception:
    return refuse(
        422,
        "password_again",
        zh="两次输入的新密码不一致",
        en="The new password was typed differently the second time",
        where="account.again",
        expected="the new password once more",
        got="another",
        do="重新输入两次新密码",
    )


def _not_oneself() -> Exception:
    return refuse(
        409,
        "own_second_factor",
        zh="不能重设本人的动态码",
        en="Nobody resets the own second factor",
        where="login",
        expected="a colleague",
        got="oneself",
        do="请其他管理员办理，或使用恢复码登录",
    )
