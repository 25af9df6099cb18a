"""Who there is: the people of a hub, by login, person and post."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import IntegrityError

from hub.accounts.actor import ROLES, Actor
from hub.accounts.names import check_names
from hub.facts import Facts
from hub.problems import Problem, bad_request
from hub.store.engine import Store
from hub.store.tables_core import users
from protocols.messages.identity import person_id

ENTROPY_BYTES: Final = 6


class Register:
    """Users of one hub.

    Args:
        store: the database.
        facts: gets `user.created`.
        wall: the machine's own clock.
    """

    def __init__(self, *, store: Store, facts: Facts, wall: Callable[[], datetime]) -> None:
        self._store = store
        self._facts = facts
        self._wall = wall

    def actor_by_login(self, login: str) -> Actor | None:
        """An active user by login name: the second person of a two-person act."""
        with self._store.read() as conn:
            row = conn.execute(
                select(users).where(users.c.login == login, users.c.active)
            ).one_or_none()
        return None if row is None else actor_of(row)

    def any_by_login(self, login: str) -> Actor | None:
        """A user by login name, active or not."""
        with self._store.read() as conn:
            row = conn.execute(select(users).where(users.c.login == login)).one_or_none()
        return None if row is None else actor_of(row)

    def by_person(self, person: str) -> Actor | None:
        """A user by person id, active or not."""
        with self._store.read() as conn:
            row = conn.execute(select(users).where(users.c.person == person)).one_or_none()
        return None if row is None else actor_of(row)

    def people(self, org: str = "", role: str = "") -> list[Actor]:
        """Active users of an organisation (or all) with this role (or any), by post."""
        query = select(users).where(users.c.active).order_by(users.c.post)
        if org:
            query = query.where(users.c.org == org)
        with self._store.read() as conn:
            found = [actor_of(row) for row in conn.execute(query)]
        return [one for one in found if not role or role in one.roles]

    def create(
        self,
        conn: Connection,
        *,
        login: str,
        password_hash: str,
        post: str,
        org: str,
        roles: Sequence[str],
        lang: str = "zh-CN",
    ) -> str:
        """Adds a user in this transaction; returns the person id.

        Raises:
            Problem: 422 unknown role, no login, no post; 409 login or post taken.
        """
        check_names(login, post)
        unknown = sorted(set(roles) - set(ROLES))
        if unknown or not roles:
            raise bad_request(
                "role_unknown",
                what="a role is not known",
                where="user.roles",
                expected=", ".join(ROLES),
                got=", ".join(unknown) or "none",
                do="give one of them",
            )
        person = person_id(secrets.token_bytes(ENTROPY_BYTES))
        row: dict[str, Any] = {
            "person": person,
            "login": login,
            "post": post,
            "org": org,
            "roles": list(roles),
            "lang": lang,
            "password": password_hash,
            "active": True,
            "created_at": self._wall(),
        }
        try:
            conn.execute(users.insert().values(row))
        except IntegrityError as error:
            raise Problem(
                409,
                "user_taken",
                title="账号或岗位号已存在，或单位不存在",
                title_en="The login or post is taken, or the organisation unknown",
                where="user.login, user.post, user.org",
                expected="a new login, a new post, a known organisation",
                got=f"{login}, {post}, {org}",
                do="choose another",
            ) from error
        data = {"person": person, "post": post, "org": org, "roles": list(roles)}
        self._facts.append(conn, type="user.created", session="", data=data)
        return person

    def next_post(self, conn: Connection, prefix: str) -> str:
        """The post after the highest there is with this prefix, `HB-07`."""
        taken = conn.execute(select(users.c.post).where(users.c.post.startswith(f"{prefix}-")))
        ends = (post.rsplit("-", 1)[1] for post in taken.scalars())
        numbers = [int(end) for end in ends if end.isdecimal()]
        return f"{prefix}-{max(numbers, default=0) + 1:02d}"


def actor_of(row: Row[tuple[object, ...]]) -> Actor:
    """A row of `users` as who acts."""
    return Actor(
        person=row.person,
        login=row.login,
        post=row.post,
        org=row.org,
        roles=tuple(row.roles),
        lang=row.lang,
    )
