"""Second factors of this hub's people: set up, asked at sign-in, given back by an administrator.

Every change is a fact in the same transaction. A person of a role that must have one and has none
yet may do nothing but set it up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.accounts import second_factor as codes
from hub.accounts.account_log import FACTS_OF, AccountLog
from hub.accounts.actor import ROLES, Actor
from hub.facts import Facts
from hub.problems import Problem
from hub.store.engine import Store
from hub.store.tables_core import recovery_codes, second_factors

SET: Final = "user.second_factor_set"
RESET: Final = "user.second_factor_reset"
RECOVERED: Final = "user.recovery_code_used"
FACTOR_MISSING: Final = "second_factor_missing"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person stands: has one, must have one, paper codes left."""

    confirmed: bool
    needed: bool
    recovery_left: int


class Factors:
    """Second factors.

    Args:
        store: the database.
        facts: gets what changed.
        log: the accounts' own log; gets it too.
        key: of this hub, 32 bytes; seals the secrets.
        wall: the machine's own wall clock.
        needed: roles whose people must have one.
    """

    def __init__(
        self,
        *,
        store: Store,
        facts: Facts,
        log: AccountLog,
        key: bytes,
        wall: Callable[[], datetime],
        needed: Iterable[str] = (),
    ) -> None:
        self.needed_of = frozenset(needed)
        if not self.needed_of <= set(ROLES):
            raise ValueError(f"second factor: unknown roles {sorted(self.needed_of - set(ROLES))}")
        self._store, self._facts, self._log = store, facts, log
        self._key, self._wall = key, wall

    def missing(self, roles: Iterable[str], *, confirmed: bool) -> bool:
        """Whether a person of these roles must set one up first."""
        return not confirmed and not self.needed_of.isdisjoint(roles)

    def standing(self, actor: Actor) -> Standing:
        """How this person stands."""
        with self._store.read() as conn:
            count = select(func.count()).where(recovery_codes.c.person == actor.person)
            left = conn.execute(count.select_from(recovery_codes)).scalar_one()
            confirmed = self.confirmed(conn, actor.person)
        return Standing(confirmed, not self.needed_of.isdisjoint(actor.roles), int(left))

    def confirmed(self, conn: Connection, person: str) -> bool:
        """Whether this person has one."""
        row = select(second_factors.c.person).where(
            second_factors.c.person == person, second_factors.c.confirmed
        )
        return conn.execute(row).first() is not None

    def begin(self, actor: Actor) -> bytes:
        """A new secret, to be confirmed by a code; one that is in use stays until an administrator.

        Raises:
            Problem: 409 there is one.
        """
        secret = codes.new_secret()
        row: dict[str, Any] = {
            "person": actor.person,
            "sealed": codes.seal(self._key, actor.person, secret),
            "confirmed": False,
            "step": 0,
            "made_at": self._wall(),
        }
        with self._store.write() as conn:
            if self.confirmed(conn, actor.person):
                raise _there()
            conn.execute(second_factors.delete().where(second_factors.c.person == actor.person))
            conn.execute(second_factors.insert().values(row))
        return secret

    def confirm(self, actor: Actor, code: str) -> list[str]:
        """Puts the secret to use by a first code; returns the recovery codes, shown this once.

        Raises:
            Problem: 409 there is one, or none was begun; 422 another code.
        """
        made = codes.new_recovery_codes()
        with self._store.write() as conn:
            row = self._row(conn, actor.person)
            if row is None or row.confirmed:
                raise _there() if row is not None else _not_begun()
            step = self._step(row, code)
            if step is None:
                raise _wrong_code(422)
            conn.execute(
                second_factors.update()
                .where(second_factors.c.person == actor.person)
                .values(confirmed=True, step=step)
            )
            conn.execute(recovery_codes.delete().where(recovery_codes.c.person == actor.person))
            hashes = [codes.recovery_hash(actor.person, one) for one in made]
            rows = [{"sha256": one, "person": actor.person} for one in hashes]
            conn.execute(recovery_codes.insert(), rows)
            self._fact(conn, SET, actor, by=actor)
        return made

    def accept(self, actor: Actor, code: str) -> bool:
        """Whether this code of the telephone, or of the paper, opens; it does so once."""
        with self._store.write() as conn:
            row = self._row(conn, actor.person)
            step = None if row is None or not row.confirmed else self._step(row, code)
            if step is not None:
                conn.execute(
                    second_factors.update()
                    .where(second_factors.c.person == actor.person)
                    .values(step=step)
                )
                return True
            used = conn.execute(
                recovery_codes.delete().where(
                    recovery_codes.c.person == actor.person,
                    recovery_codes.c.sha256 == codes.recovery_hash(actor.person, code),
                )
            )
            if used.rowcount != 1:
                return False
            self._fact(conn, RECOVERED, actor, by=actor)
            return True

    def reset(self, conn: Connection, whom: Actor, *, by: Actor, reason: str) -> bool:
        """Takes a person's second factor away in this transaction; False where there was none."""
        conn.execute(recovery_codes.delete().where(recovery_codes.c.person == whom.person))
        gone = conn.execute(
            second_factors.delete().where(second_factors.c.person == whom.person)
        ).rowcount
        if gone:
            self._fact(conn, RESET, whom, by=by, reason=reason)
        return bool(gone)

    def _row(self, conn: Connection, person: str) -> Any:
        query = select(second_factors).where(second_factors.c.person == person)
        return conn.execute(query).one_or_none()

    def _step(self, row: Any, code: str) -> int | None:
        secret = codes.unseal(self._key, str(row.person), str(row.sealed))
        if secret is None or not (code.isascii() and code.isdigit()):
            return None
        at_s = self._wall().timestamp()
        return codes.matching_step(secret, code, at_s=at_s, after=int(row.step))

    def _fact(self, conn: Connection, what: str, whom: Actor, *, by: Actor, **more: str) -> None:
        signer = {"person": by.person, "post": by.post, "org": by.org}
        data = {"person": whom.person, "post": whom.post, "org": whom.org, "by": signer, **more}
        self._facts.append(conn, type=what, session="", data=data)
        other = "" if by.person == whom.person else by.post
        self._log.write(conn, what.removeprefix(FACTS_OF), whom.login, by=other)


def _wrong_code(status: int) -> Problem:
    return Problem(
        status,
        "second_factor_wrong",
        title="动态码不正确",
        title_en="The code is not right",
        where="code",
        expected="the six digits the telephone shows now, or a recovery code",
        got="another, or one that was used",
        do="wait for the next code and type it; check the telephone's time",
    )


def wrong_code() -> Problem:
    """The refusal of a sign-in with a wrong code."""
    return _wrong_code(401)


def code_needed() -> Problem:
    """The refusal of a sign-in without a code."""
    return Problem(
        401,
        "second_factor_needed",
        title="请输入动态码",
        title_en="The code of your telephone is needed",
        where="code",
        expected="the six digits the telephone shows now, or a recovery code",
        got="none",
        do="type the code and sign in again",
    )


def factor_missing(where: str) -> Problem:
    """The refusal of everything but setting one up."""
    return Problem(
        403,
        FACTOR_MISSING,
        title="本岗位须先启用动态码",
        title_en="Your role needs a second factor first",
        where=where,
        expected="a person with a second factor",
        got="none yet",
        do="set it up on the page /account",
    )


def _there() -> Problem:
    return Problem(
        409,
        "second_factor_there",
        title="动态码已启用",
        title_en="There is a second factor already",
        where="second factor",
        expected="none",
        got="one in use",
        do="ask an administrator of your organisation to reset it",
    )


def _not_begun() -> Problem:
    return Problem(
        409,
        "second_factor_not_begun",
        title="尚未开始设置动态码",
        title_en="No second factor was begun",
        where="second factor",
        expected="one that was begun",
        got="none",
        do="begin on the page /account",
    )
