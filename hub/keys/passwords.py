"""A person changes the own password: the venue's key with it, and other sessions end."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from hub.accounts.account_log import PASSWORD_CHANGED
from hub.accounts.actor import SignedIn
from hub.accounts.hashing import hash_password
from hub.accounts.service import Accounts
from hub.facts import Facts
from hub.keys.keyring import Keys
from hub.store.engine import Store
from hub.store.tables_core import key_wraps, keys

CHANGED: Final = "user.password_changed"


def change_password(
    *, store: Store, facts: Facts, held: Keys, accounts: Accounts, who: SignedIn, old: str, new: str
) -> None:
    """Gives the person a new password; only the session that asks stays open.

    The password was checked before; where it also opens the venue's key, both change together.

    Args:
        store: the database.
        facts: gets that it was changed.
        held: the keyring.
        accounts: the person's account.
        who: the person with the session that asks.
        old: the password until now.
        new: the password from now on.

    Raises:
        Problem: 422 too short or too long.
    """
    actor, hashed = who.actor, hash_password(new)
    kid = _venue_key(store, actor.org, actor.person)
    wrapped: Any = None
    if kid is not None:
        wrapped = held.wrap(held.open_venue_key(actor.org, old, actor.person), new)
    with store.write() as conn:
        accounts.set_password(conn, actor.person, hashed, kept=who.token_sha256)
        if wrapped is not None:
            own = (key_wraps.c.kid == kid) & (key_wraps.c.holder == actor.person)
            conn.execute(key_wraps.update().where(own).values(wrapped=wrapped))
        data = {"person": actor.person, "post": actor.post, "org": actor.org}
        facts.append(conn, type=CHANGED, session="", data=data)
        accounts.log.write(conn, PASSWORD_CHANGED, actor.login)


def _venue_key(store: Store, org: str, person: str) -> str | None:
    """The venue's key this person's password opens, if any."""
    query = (
        select(keys.c.kid)
        .join(key_wraps, key_wraps.c.kid == keys.c.kid)
        .where(
            keys.c.owner_kind == "venue",
            keys.c.owner == org,
            ~keys.c.retired,
            key_wraps.c.holder == person,
        )
    )
    with store.read() as conn:
        found = conn.execute(query).scalar_one_or_none()
    return None if found is None else str(found)
