"""`hub user close`, `reopen` and `oidc`: who may come in at all, and by whose word; on record."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.accounts.account_log import FACTS_OF
from hub.accounts.actor import Actor
from hub.accounts.hashing import hash_password
from hub.accounts.service import TOKEN_BYTES
from hub.accounts.vouching import Vouching
from hub.app import Hub
from hub.booking.erasure import NEEDED_STATES
from hub.cli.handout import write_trust
from hub.config import ConfigError
from hub.free_text import free_text
from hub.ports import allow, by
from hub.store.tables_business import booking, booking_duty
from hub.store.tables_core import key_wraps, keys, users

ROLES: Final = ("administrator", "home_manager")
ADMINISTERING: Final = ("administrator",)
CLOSED: Final = "user.closed"
REOPENED: Final = "user.reopened"
REASON_CHARS_MAX: Final = 200


def close_user(hub: Hub, actor: Actor, *, login: str, reason: str, last: bool) -> dict[str, Any]:
    """Ends a person's sessions, password, second factor and keys in one transaction.

    Args:
        hub: built, without services.
        actor: who does it; of the same organisation.
        login: whose account.
        reason: goes into the record.
        last: even the last administrator, or the last who holds the venue's key.

    Returns:
        Their post, and the bookings whose roster still names them: rooms that have a plan keep
        its keys until the roster is changed.

    Raises:
        ConfigError: no such account here, closed already, no reason, or the last one.
        Problem: 403 the role, 422 a personal number in the reason.
    """
    allow(actor, ROLES)
    reason = _reason(reason)
    with hub.store.write() as conn:
        whom = _colleague(hub, conn, actor, login, active=True)
        if not last:
            _refuse_last(conn, whom)
        found = {"closed": whom.login, "post": whom.post, "on_duty": _on_duty(conn, whom.person)}
        hub.accounts.set_password(
            conn, whom.person, hash_password(secrets.token_urlsafe(TOKEN_BYTES))
        )
        hub.accounts.factors.reset(conn, whom, by=actor, reason=reason)
        _vouching(hub).loose(conn, whom, by=actor)
        conn.execute(users.update().where(users.c.person == whom.person).values(active=False))
        at = _told(hub, conn, CLOSED, whom, actor=actor, reason=reason)
        hub.keys.retire(conn, owner_kind="person", owner=whom.person, epoch=at.epoch, seq=at.seq)
        conn.execute(key_wraps.delete().where(key_wraps.c.holder == whom.person))
    write_trust(hub)
    return found


def reopen_user(hub: Hub, actor: Actor, *, login: str, reason: str) -> dict[str, Any]:
    """Opens a closed account; its password and keys are gone for good, `user reset` gives new ones.

    Raises:
        ConfigError: no such account here, open already, or no reason.
        Problem: 403 the role, 422 a personal number in the reason.
    """
    allow(actor, ROLES)
    reason = _reason(reason)
    with hub.store.write() as conn:
        whom = _colleague(hub, conn, actor, login, active=False)
        conn.execute(users.update().where(users.c.person == whom.person).values(active=True))
        _told(hub, conn, REOPENED, whom, actor=actor, reason=reason)
    return {"reopened": whom.login, "post": whom.post}


def bind_user(hub: Hub, actor: Actor, *, login: str, subject: str) -> dict[str, Any]:
    """Binds a person to a subject of the provider in hub.toml; '' takes the binding away.

    The password stays good, and so do PIN and keys: the provider opens none of them.

    Raises:
        ConfigError: hub.toml names no provider; no such account here, or it is closed.
        Problem: 403 the role, 409 the subject is another person's, 422 it cannot be used.
    """
    allow(actor, ADMINISTERING)
    provider = hub.accounts.provider
    if subject and provider is None:
        raise ConfigError(
            "no provider\n  where: hub.toml [hub] oidc_issuer\n  expected: its address\n"
            "  got: nothing\n  do: name the provider first"
        )
    with hub.store.write() as conn:
        whom = _colleague(hub, conn, actor, login, active=True)
        if provider is not None and subject:
            issuer = provider.config.issuer
            _vouching(hub).bind(conn, whom, issuer=issuer, subject=subject, by=actor)
            return {"bound": whom.login, "post": whom.post}
        gone = _vouching(hub).loose(conn, whom, by=actor)
    return {"loosed": whom.login if gone else "", "post": whom.post}


def _vouching(hub: Hub) -> Vouching:
    return Vouching(store=hub.store, facts=hub.facts, accounts=hub.accounts)


def _reason(reason: str) -> str:
    if not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
        raise ConfigError(
            f"no reason\n  where: --reason\n  expected: 1 to {REASON_CHARS_MAX} characters\n"
            f"  got: {len(reason)}\n  do: say why; it stays in the record"
        )
    free_text(reason, where="user.reason")
    return reason.strip()


def _colleague(hub: Hub, conn: Connection, actor: Actor, login: str, *, active: bool) -> Actor:
    found = hub.accounts.register.any_by_login(login)
    if found is None or found.org != actor.org:
        raise ConfigError(
            f"no such login\n  where: --login\n  expected: a person of {actor.org}\n"
            f"  got: {login}\n  do: evalroom hub user list DATA --org {actor.org}"
        )
    is_active = select(users.c.active).where(users.c.person == found.person)
    if bool(conn.execute(is_active).scalar_one()) is not active:
        wanted, got = ("open", "closed already") if active else ("closed", "open already")
        raise ConfigError(
            f"nothing to do\n  where: --login\n  expected: an account that is {wanted}\n"
            f"  got: {login}, {got}\n  do: nothing"
        )
    return found


def _refuse_last(conn: Connection, whom: Actor) -> None:
    others = select(users.c.person, users.c.roles).where(
        users.c.org == whom.org, users.c.active, users.c.person != whom.person
    )
    left = {str(row.person): set(row.roles) for row in conn.execute(others)}
    if "administrator" in whom.roles and not any("administrator" in r for r in left.values()):
        raise _last("an administrator", whom)
    holders = set(
        conn.execute(
            select(key_wraps.c.holder)
            .join(keys, keys.c.kid == key_wraps.c.kid)
            .where(keys.c.owner_kind == "venue", keys.c.owner == whom.org, ~keys.c.retired)
        ).scalars()
    )
    if whom.person in holders and not holders & left.keys():
        raise _last("a person who holds the venue's key", whom)


def _last(what: str, whom: Actor) -> ConfigError:
    return ConfigError(
        f"the last one\n  where: --login\n  expected: {what} besides, in {whom.org}\n"
        f"  got: {whom.login} alone\n"
        "  do: add another first; or give --even-the-last, if nobody is to be left"
    )


def _on_duty(conn: Connection, person: str) -> list[str]:
    query = (
        select(booking.c.number)
        .join(booking_duty, booking_duty.c.booking == booking.c.number)
        .where(booking_duty.c.person == person, booking.c.state.in_(NEEDED_STATES))
        .order_by(booking.c.number)
    )
    return [str(number) for number in conn.execute(query).scalars()]


def _told(hub: Hub, conn: Connection, what: str, whom: Actor, *, actor: Actor, reason: str) -> Any:
    data = {"person": whom.person, "post": whom.post, "org": whom.org, "reason": reason}
    hub.accounts.log.write(conn, what.removeprefix(FACTS_OF), whom.login, by=actor.post)
    return hub.facts.append(conn, type=what, session="", data={**data, "by": by(actor)})
