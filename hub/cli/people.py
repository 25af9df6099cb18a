"""`hub user`: people, their keys, and the venue key that comes with a venue's first manager."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, select

from hub import crypto
from hub.accounts.account_log import KEPT, PASSWORD_RESET
from hub.accounts.actor import SIGNING_ROLES, VENUE_KEY_ROLES, Actor
from hub.accounts.hashing import check_pin, hash_password
from hub.app import Hub
from hub.cli.handout import write_trust
from hub.cli.initialise import POST_PREFIX
from hub.clock import iso_ms
from hub.config import ConfigError
from hub.keys.keyring import PIN_DIGITS_MIN, ROLE_VENUE
from hub.store.tables_core import key_wraps, keys
from protocols.messages.signed import Signer

By = tuple[str, str] | None
"""(login, password) of a manager who holds the venue's key."""


def add_user(
    hub: Hub,
    *,
    org: str,
    roles: Sequence[str],
    login: str,
    post: str,
    password: str,
    pin: str,
    by: By,
) -> Actor:
    """Adds a person with password, PIN, key and certificate.

    The first manager of a venue makes the venue's key; everyone after needs one who holds it.

    Raises:
        ConfigError: nobody vouches. Problem: a secret, role or login cannot be used.
    """
    check_pin(pin, PIN_DIGITS_MIN)
    hashed = hash_password(password)
    venue_seed = _venue_seed(hub, org, roles, by)
    with hub.store.write() as conn:
        post = post or hub.accounts.register.next_post(conn, POST_PREFIX.get(org, org[:2].upper()))
        person = hub.accounts.register.create(
            conn, login=login, password_hash=hashed, post=post, org=org, roles=roles
        )
        if set(roles) & set(VENUE_KEY_ROLES):
            _hold_venue_key(hub, conn, org=org, person=person, seed=venue_seed, password=password)
        _new_key(hub, conn, venue_seed, org=org, person=person, roles=roles, pin=pin)
    write_trust(hub)
    found = hub.accounts.register.by_person(person)
    if found is None:
        raise ConfigError(f"user {login}: expected to be stored, got nothing; look at the log")
    return found


def reset_user(hub: Hub, *, login: str, password: str, pin: str, by: By) -> None:
    """Gives a person a new password, PIN and key; the old key is retired.

    Raises:
        ConfigError: unknown login, or nobody vouches. Problem: a secret cannot be used.
    """
    check_pin(pin, PIN_DIGITS_MIN)
    hashed = hash_password(password)
    who = hub.accounts.register.actor_by_login(login)
    if who is None:
        raise _no_login(login, "an active user")
    venue_seed = _venue_seed(hub, who.org, (), by)
    with hub.store.write() as conn:
        hub.accounts.set_password(conn, who.person, hashed)
        hub.accounts.log.write(conn, PASSWORD_RESET, who.login)
        hub.accounts.factors.reset(conn, who, by=who, reason="hub user reset")
        data = {"person": who.person, "post": who.post, "org": who.org, "roles": list(who.roles)}
        at = hub.facts.append(conn, type="user.role_changed", session="", data=data)
        hub.keys.retire(conn, owner_kind="person", owner=who.person, epoch=at.epoch, seq=at.seq)
        if set(who.roles) & set(VENUE_KEY_ROLES):
            conn.execute(key_wraps.delete().where(key_wraps.c.holder == who.person))
            _hold_venue_key(
                hub, conn, org=who.org, person=who.person, seed=venue_seed, password=password
            )
        _new_key(hub, conn, venue_seed, org=who.org, person=who.person, roles=who.roles, pin=pin)
    write_trust(hub)


def log_lines(hub: Hub, *, login: str, days: int) -> list[str]:
    """What became of the accounts, the newest first, a line each: a head, then tabs between.

    A dash is a login that nobody has; the other words are those of `hub.accounts.account_log`.

    Raises:
        ConfigError: no such login, or days that cannot be.
    """
    if not 0 < days <= KEPT.days:
        raise ConfigError(
            f"days that cannot be\n  where: --days\n  expected: 1 to {KEPT.days}\n  got: {days}\n"
            "  do: the log is kept that long"
        )
    if login and hub.accounts.register.any_by_login(login) is None:
        raise _no_login(login, "a user of this hub")
    since = hub.clock.wall() - timedelta(days=days)
    rows = [one for one in hub.accounts.log.of(login or None) if one.at >= since]
    shown = ["\t".join(("at", "login", "what", "count", "from", "browser", "by"))]
    for one in rows:
        fields = (one.login, one.what, str(one.count), one.origin, one.browser, one.by)
        shown.append("\t".join([iso_ms(one.at), *(field or "-" for field in fields)]))
    return shown


def _no_login(login: str, expected: str) -> ConfigError:
    return ConfigError(
        f"no such login\n  where: --login\n  expected: {expected}\n  got: {login}\n"
        "  do: evalroom hub user list DATA"
    )


def _venue_seed(hub: Hub, org: str, roles: Sequence[str], by: By) -> bytes:
    """The venue's key: opened by whoever vouches, or new with the venue's first manager."""
    if hub.keys.public_key("venue", org) is None:
        if set(roles) & set(VENUE_KEY_ROLES):
            return crypto.new_seed()
        raise ConfigError(
            f"this venue has no key yet\n  where: --org {org}\n  expected: its first person to be "
            f"one of {', '.join(VENUE_KEY_ROLES)}\n  got: {', '.join(roles)}\n"
            "  do: add the manager first"
        )
    if by is None:
        raise ConfigError(
            f"nobody vouches\n  where: --by\n  expected: login of a manager of {org}\n"
            "  got: nothing\n  do: give --by LOGIN and that person's password"
        )
    login, secret = by
    manager = hub.accounts.register.actor_by_login(login)
    if manager is None or manager.org != org:
        raise ConfigError(
            f"not a manager of this venue\n  where: --by\n  expected: a login of {org}\n"
            f"  got: {login}\n  do: evalroom hub user list DATA --org {org}"
        )
    return hub.keys.open_venue_key(org, secret, manager.person)


def _hold_venue_key(
    hub: Hub, conn: Connection, *, org: str, person: str, seed: bytes, password: str
) -> None:
    wrapped = hub.keys.wrap(seed, password)
    known = conn.execute(
        select(keys.c.kid).where(keys.c.owner_kind == "venue", keys.c.owner == org, ~keys.c.retired)
    ).scalar_one_or_none()
    if known is None:
        hub.keys.add_key(
            conn,
            owner_kind="venue",
            owner=org,
            pub=crypto.public_of(seed),
            wraps={person: wrapped},
        )
    else:
        conn.execute(key_wraps.insert().values(kid=known, holder=person, wrapped=wrapped))


def _new_key(
    hub: Hub,
    conn: Connection,
    venue_seed: bytes,
    *,
    org: str,
    person: str,
    roles: Sequence[str],
    pin: str,
) -> None:
    if not set(roles) & SIGNING_ROLES:
        return
    seed = crypto.new_seed()
    pub = crypto.public_of(seed)
    kid = hub.keys.add_key(
        conn, owner_kind="person", owner=person, pub=pub, wraps={person: hub.keys.wrap(seed, pin)}
    )
    venue: Signer = crypto.signer(venue_seed, ROLE_VENUE)
    hub.keys.certify_with(
        venue,
        org,
        subject=person,
        kind="person",
        roles=sorted(roles),
        kid=kid,
        pub=pub.hex(),
    )
