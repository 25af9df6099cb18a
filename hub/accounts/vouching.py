"""People whom an outside provider vouches for: bound to its subject by an administrator.

A subject that nobody bound is nobody: signing in makes no account and gives no role. The person's
keys stay wrapped under the person's own PIN and password; the provider opens none of them.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from hub.accounts.account_log import FACTS_OF, NOBODY
from hub.accounts.actor import Actor, SignedIn
from hub.accounts.provider import SUBJECT_CHARS_MAX, Vouched
from hub.accounts.service import Accounts
from hub.facts import Facts
from hub.problems import Problem, bad_request
from hub.store.engine import Store
from hub.store.tables_accounts import provider_subjects
from hub.store.tables_core import users, web_sessions

BOUND: Final = "user.provider_bound"
LOOSED: Final = "user.provider_loosed"
UNBOUND: Final = "provider_unbound"


class Vouching:
    """Who is who at the provider.

    Args:
        store: the database.
        facts: gets who was bound, without the subject: it may be a staff number.
        accounts: opens the sessions.
    """

    def __init__(self, *, store: Store, facts: Facts, accounts: Accounts) -> None:
        self._store, self._facts, self._accounts = store, facts, accounts

    def person(self, issuer: str, vouched: Vouched, address: str) -> Actor:
        """Whom the subject was bound to.

        Raises:
            Problem: 401 nobody, or somebody whose account is closed.
        """
        bound = provider_subjects.c
        query = (
            select(users.c.login)
            .join(provider_subjects, bound.person == users.c.person)
            .where(bound.issuer == issuer, bound.subject == vouched.subject)
        )
        with self._store.read() as conn:
            login = conn.execute(query).scalar_one_or_none()
        found = None if login is None else self._accounts.register.actor_by_login(str(login))
        if found is None:
            self._accounts.log.failed(NOBODY, address)
            raise unbound()
        return found

    def sign_in(
        self, person: str, *, strong: bool, code: str, address: str, agent: str
    ) -> tuple[str, SignedIn]:
        """Opens a session: (cookie token, who); whoever has a second factor is asked for it.

        Args:
            person: as `person` found it.
            strong: the provider has seen a second factor that hub.toml takes for one.
            code: of the own second factor, '' for none yet.
            address: where from.
            agent: what the browser calls itself.

        Raises:
            Problem: 401 the code is needed or wrong, or the account is closed; 429 too many tries.
        """
        found = self._accounts.register.by_person(person)
        actor = None if found is None else self._accounts.register.actor_by_login(found.login)
        if actor is None:
            raise unbound()
        if not strong:
            self._accounts.check_code(actor, code, address)
        return self._accounts.open_session(actor, address=address, agent=agent, vouched=strong)

    def bind(self, conn: Connection, whom: Actor, *, issuer: str, subject: str, by: Actor) -> None:
        """Binds a person to a subject in this transaction, instead of the one before.

        Raises:
            Problem: 409 the subject is another person's; 422 no subject.
        """
        if not 0 < len(subject) <= SUBJECT_CHARS_MAX:
            raise bad_request(
                "subject_invalid",
                what="the subject cannot be used",
                where="--subject",
                expected=f"1 to {SUBJECT_CHARS_MAX} characters",
                got=f"{len(subject)}",
                do="take the value `sub` from the provider's list of people",
            )
        self.loose(conn, whom, by=by)
        row = {"person": whom.person, "issuer": issuer, "subject": subject}
        try:
            conn.execute(provider_subjects.insert().values(row))
        except IntegrityError as error:
            raise Problem(
                409,
                "subject_taken",
                title="该统一身份已关联其他账号",
                title_en="The subject is another person's",
                where="--subject",
                expected="a subject that nobody is bound to",
                got="one that somebody is",
                do="loose that person first",
            ) from error
        self._told(conn, BOUND, whom, by=by)

    def loose(self, conn: Connection, whom: Actor, *, by: Actor) -> bool:
        """Takes the binding away and ends the sessions; False where there was none."""
        own = provider_subjects.c.person == whom.person
        if not conn.execute(provider_subjects.delete().where(own)).rowcount:
            return False
        conn.execute(web_sessions.delete().where(web_sessions.c.person == whom.person))
        self._told(conn, LOOSED, whom, by=by)
        return True

    def _told(self, conn: Connection, what: str, whom: Actor, *, by: Actor) -> None:
        signer = {"person": by.person, "post": by.post, "org": by.org}
        data: dict[str, Any] = {"person": whom.person, "post": whom.post, "org": whom.org}
        self._facts.append(conn, type=what, session="", data={**data, "by": signer})
        self._accounts.log.write(conn, what.removeprefix(FACTS_OF), whom.login, by=by.post)


def unbound() -> Problem:
    """The refusal of a subject that nobody is bound to."""
    return Problem(
        401,
        UNBOUND,
        title="该统一身份未关联账号",
        title_en="No account is bound to this identity",
        where="sign-in",
        expected="an identity that an administrator bound to an account",
        got="another",
        do="ask your administrator for `evalroom hub user oidc`",
    )
