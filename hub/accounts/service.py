"""Accounts: sign-in and server-side sessions.

A session is a random token of which only the SHA-256 is stored, so a copied database signs nobody
in. Lifetimes run on the machine's clock, which no demonstration shifts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select
from starlette.requests import Request

from hub.accounts.account_log import (
    EXPIRED,
    NOBODY,
    SIGNED_IN,
    SIGNED_IN_OUTSIDE,
    SIGNED_OUT,
    AccountLog,
)
from hub.accounts.actor import Actor, SignedIn
from hub.accounts.devices import DEVICE_COOKIE, Devices
from hub.accounts.factors import Factors, code_needed, factor_missing, wrong_code
from hub.accounts.hashing import matches, unknown_password
from hub.accounts.limiter import Limiter, Turns
from hub.accounts.provider import ATTEMPT_S, Provider
from hub.accounts.refusals import busy, csrf_missing, not_signed_in, too_many, wrong
from hub.accounts.register import Register, actor_of
from hub.accounts.slips import Slips
from hub.clock import Clock
from hub.facts import Facts
from hub.store.engine import Store
from hub.store.tables_core import second_factors, users, web_sessions

COOKIE: Final = "er_session"
HOST_COOKIE: Final = f"__Host-{COOKIE}"
"""Over https: browsers take this name only with Secure, for `/` and without a domain, so no
neighbour of the hub's name can plant one. Over loopback http they would refuse it."""
CSRF_HEADER: Final = "x-csrf"
TOKEN_BYTES: Final = 32
SESSION_IDLE: Final = timedelta(hours=12)
SESSION_LONGEST: Final = timedelta(days=30)
"""A wall board stays signed in for a month; a desk is signed out over night."""
SEEN_EVERY: Final = timedelta(minutes=5)
"""How exactly idleness is known; writing at each request would cost a commit each."""
SESSIONS_PER_PERSON_MAX: Final = 16
ADDRESS_CHARS_MAX: Final = 64
AGENT_CHARS_MAX: Final = 120
OWN_ACCOUNT: Final = "own account"
"""Counts the wrong passwords of whoever sits at an open session apart from those of sign-ins."""
VOUCHED: Final = "vouched for"
"""Counts the wrong codes of whom a provider vouches for: strangers add nothing to them."""
WITHOUT_FACTOR: Final = ("/account", "/api/v1/account", "/api/v1/me", "/api/v1/sign-out")
"""Where a person comes who must set up a second factor first."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Accounts:
    """Users of one hub and their sessions.

    Args:
        store: the database.
        facts: gets `user.created`, `user.role_changed`.
        clock: the machine's own clock, without a demonstration's offset.
        secure: whether cookies are for https only.
        secret: of this hub, 32 bytes; new when empty. Words given to browsers are known again by
            it, and it seals the secrets of second factors.
        needed: roles whose people must have a second factor.
        provider: that vouches for people from outside, or None.
    """

    def __init__(
        self,
        *,
        store: Store,
        facts: Facts,
        clock: Clock,
        secure: bool,
        secret: bytes = b"",
        needed: Iterable[str] = (),
        provider: Provider | None = None,
    ) -> None:
        self.secure, self.provider = secure, provider
        self.cookie = HOST_COOKIE if secure else COOKIE
        self.device_cookie = f"__Host-{DEVICE_COOKIE}" if secure else DEVICE_COOKIE
        self._store = store
        self._clock = clock
        self._limiter = Limiter()
        self._turns = Turns()
        secret = secret or secrets.token_bytes(TOKEN_BYTES)
        self.devices = Devices(secret)

        def wall() -> datetime:
            return self._clock.wall()  # whichever clock that is then: a test turns it later

        self.vouched = Slips(secret, kind="vouched", wall=wall, good_s=ATTEMPT_S)
        self.register = Register(store=store, facts=facts, wall=wall)
        self.log = AccountLog(store=store, wall=wall)
        self.factors = Factors(
            store=store, facts=facts, log=self.log, key=secret, wall=wall, needed=needed
        )
        # Unknown logins cost the same time as known ones.
        self._nobody = unknown_password()

    def sign_in(
        self,
        login: str,
        password: str,
        address: str,
        device: str = "",
        *,
        code: str = "",
        agent: str = "",
    ) -> tuple[str, SignedIn]:
        """Checks a password and opens a session: (cookie token, who).

        Args:
            login: as typed.
            password: as typed.
            address: where from.
            device: the browser's device word, '' for none; counts only if it is this login's.
            code: of the second factor, for whom has one.
            agent: what the browser calls itself.

        Raises:
            Problem: 401 wrong or without a code, 429 too many failures or too many at once.
        """
        known = device if self.devices.knows(device, login) else ""
        now_ms = self._clock.mono_ms()
        wait_ms = self._limiter.wait_ms(login, address, now_ms, device=known)
        if wait_ms:
            raise too_many(login, wait_ms)
        with self._store.read() as conn:
            row = conn.execute(select(users).where(users.c.login == login)).one_or_none()
        with self._turns.turn(known=bool(known)) as mine:
            if not mine:
                raise busy()
            good = matches(row.password if row is not None else self._nobody, password)
        if row is None or not good or not row.active:
            self._limiter.failed(login, address, now_ms, device=known)
            self.log.failed(NOBODY if row is None else login, address)
            raise wrong()
        actor = actor_of(row)
        self._ask_code(actor, code, address, device=known)
        return self.open_session(actor, address=address, agent=agent)

    def _ask_code(self, actor: Actor, code: str, address: str, *, device: str) -> None:
        if self._has_factor(actor) and not self._second(actor, code):
            self._limiter.failed(actor.login, address, self._clock.mono_ms(), device=device)
            self.log.failed(actor.login, address)
            raise wrong_code()
        self._limiter.succeeded(actor.login, address, device=device)

    def _has_factor(self, actor: Actor) -> bool:
        with self._store.read() as conn:
            return self.factors.confirmed(conn, actor.person)

    def _second(self, actor: Actor, code: str) -> bool:
        """Whether the code opens; to have typed none yet is no failure."""
        if not code.strip():
            raise code_needed()
        return self.factors.accept(actor, code.strip())

    def check_password(self, actor: Actor, password: str, address: str) -> None:
        """Refuses an act in the account of a person who does not know its password.

        Raises:
            Problem: 403 another password, 429 too many failures or too many at once.
        """
        now_ms = self._clock.mono_ms()
        wait_ms = self._limiter.wait_ms(actor.login, address, now_ms, device=OWN_ACCOUNT)
        if wait_ms:
            raise too_many(actor.login, wait_ms)
        with self._store.read() as conn:
            query = select(users.c.password).where(users.c.person == actor.person)
            stored = str(conn.execute(query).scalar_one())
        with self._turns.turn(known=True) as mine:
            if not mine:
                raise busy()
            good = matches(stored, password)
        if not good:
            self._limiter.failed(actor.login, address, now_ms, device=OWN_ACCOUNT)
            self.log.failed(actor.login, address)
            raise wrong(403)
        self._limiter.succeeded(actor.login, address, device=OWN_ACCOUNT)

    def check_code(self, actor: Actor, code: str, address: str) -> None:
        """Asks a person somebody else vouches for for the own second factor, where there is one.

        Raises:
            Problem: 401 the code is needed, or wrong; 429 too many failures.
        """
        now_ms = self._clock.mono_ms()
        wait_ms = self._limiter.wait_ms(actor.login, address, now_ms, device=VOUCHED)
        if wait_ms:
            raise too_many(actor.login, wait_ms)
        self._ask_code(actor, code, address, device=VOUCHED)

    def open_session(
        self, actor: Actor, *, address: str = "", agent: str = "", vouched: bool | None = None
    ) -> tuple[str, SignedIn]:
        """Opens a session of a person who has shown who he is: (cookie token, who).

        Args:
            actor: the person.
            address: where from.
            agent: what the browser calls itself.
            vouched: by an outside provider, and whether it has seen a second factor; None by none.
        """
        token, csrf = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock.wall()
        digest = _digest(token)
        with self._store.write(mirrored=False) as conn:
            _end_oldest(conn, actor.person)
            conn.execute(
                web_sessions.insert().values(
                    token_sha256=digest,
                    person=actor.person,
                    csrf=csrf,
                    created_at=now,
                    seen_at=now,
                    address=address[:ADDRESS_CHARS_MAX],
                    agent=agent[:AGENT_CHARS_MAX],
                    vouched=vouched,
                )
            )
            what = SIGNED_IN if vouched is None else SIGNED_IN_OUTSIDE
            self.log.write(conn, what, actor.login, address=address, agent=agent)
        return token, SignedIn(actor=actor, csrf=csrf, token_sha256=digest)

    def sign_out(self, token: str, *, what: str = SIGNED_OUT) -> None:
        """Ends a session; an unknown one is ended already."""
        own = web_sessions.c.token_sha256 == _digest(token)
        with self._store.write(mirrored=False) as conn:
            found = select(users.c.login, web_sessions.c.address, web_sessions.c.agent)
            found = found.join(users, users.c.person == web_sessions.c.person).where(own)
            row = conn.execute(found).one_or_none()
            if row is None:
                return
            conn.execute(web_sessions.delete().where(own))
            where = {"address": row.address or "", "agent": row.agent or ""}
            self.log.write(conn, what, row.login, **where)

    def signed_in(self, token: str) -> SignedIn | None:
        """Who this cookie belongs to, or None."""
        digest = _digest(token)
        with self._store.read() as conn:
            row = conn.execute(
                select(
                    users,
                    web_sessions.c.csrf,
                    web_sessions.c.created_at.label("since"),
                    web_sessions.c.seen_at,
                    web_sessions.c.vouched,
                    second_factors.c.confirmed,
                )
                .join(users, users.c.person == web_sessions.c.person)
                .outerjoin(second_factors, second_factors.c.person == users.c.person)
                .where(web_sessions.c.token_sha256 == digest)
            ).one_or_none()
        now = self._clock.wall()
        if row is None or not row.active:
            return None
        if now - row.seen_at > SESSION_IDLE or now - row.since > SESSION_LONGEST:
            self.sign_out(token, what=EXPIRED)
            return None
        if now - row.seen_at > SEEN_EVERY:
            with self._store.write(mirrored=False) as conn:
                conn.execute(
                    web_sessions.update()
                    .where(web_sessions.c.token_sha256 == digest)
                    .values(seen_at=now)
                )
        actor = actor_of(row)
        missing = self.factors.missing(actor.roles, confirmed=bool(row.confirmed or row.vouched))
        return SignedIn(actor, csrf=str(row.csrf), token_sha256=digest, factor_missing=missing)

    def of_request(self, request: Request) -> SignedIn:
        """Who sends this request; one that changes something must carry its session's csrf word.

        Raises:
            Problem: 401 not signed in, 403 without `X-CSRF`, or without the second factor that
                this role must have.
        """
        token = request.cookies.get(self.cookie, "")
        found = self.signed_in(token) if token else None
        if found is None:
            raise not_signed_in(request.url.path, self.cookie)
        if found.factor_missing and not request.url.path.startswith(WITHOUT_FACTOR):
            raise factor_missing(request.url.path)
        if request.method not in READING:
            self.check_csrf(found, request.headers.get(CSRF_HEADER, ""))
        return found

    def actor(self, request: Request) -> Actor:
        """The person behind a request; see `of_request`."""
        return self.of_request(request).actor

    def check_csrf(self, found: SignedIn, given: str) -> None:
        """Refuses a request another site made a browser send.

        Raises:
            Problem: 403.
        """
        if not secrets.compare_digest(found.csrf.encode(), given.encode()):
            raise csrf_missing(given)

    def set_password(
        self, conn: Connection, person: str, password_hash: str, *, kept: str = ""
    ) -> None:
        """Changes a password and ends every session of that person but `kept`, a token's hash."""
        conn.execute(users.update().where(users.c.person == person).values(password=password_hash))
        others = web_sessions.c.token_sha256 != kept
        conn.execute(web_sessions.delete().where(web_sessions.c.person == person, others))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _end_oldest(conn: Connection, person: str) -> None:
    rows = conn.execute(
        select(web_sessions.c.token_sha256)
        .where(web_sessions.c.person == person)
        .order_by(web_sessions.c.seen_at.desc())
    ).scalars()
    for old in list(rows)[SESSIONS_PER_PERSON_MAX - 1 :]:
        conn.execute(web_sessions.delete().where(web_sessions.c.token_sha256 == old))
