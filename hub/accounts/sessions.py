"""The open sessions of a person: looked through and ended, by the person or an administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select

from hub.accounts.account_log import FACTS_OF, AccountLog
from hub.accounts.actor import Actor
from hub.facts import Facts
from hub.problems import Problem
from hub.store.engine import Store
from hub.store.tables_core import web_sessions

ENDED: Final = "user.sessions_ended"
IDENT_CHARS: Final = 16
"""Of the hash of its token: names a session and opens none."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One session; `own` is the one that asks."""

    ident: str
    since: datetime
    seen: datetime
    address: str
    agent: str
    own: bool


class OpenSessions:
    """Sessions by person.

    Args:
        store: the database.
        facts: gets who ended whose.
        log: the accounts' own log; gets it too.
    """

    def __init__(self, *, store: Store, facts: Facts, log: AccountLog) -> None:
        self._store, self._facts, self._log = store, facts, log

    def of(self, person: str, *, csrf: str = "") -> list[OpenSession]:
        """A person's sessions, the newest first; `csrf` tells the asking one."""
        query = select(web_sessions).where(web_sessions.c.person == person)
        with self._store.read() as conn:
            rows = conn.execute(query.order_by(web_sessions.c.seen_at.desc())).all()
        return [
            OpenSession(
                ident=str(row.token_sha256)[:IDENT_CHARS],
                since=row.created_at,
                seen=row.seen_at,
                address=row.address or "",
                agent=row.agent or "",
                own=row.csrf == csrf,
            )
            for row in rows
        ]

    def end(self, whom: Actor, *, by: Actor, ident: str = "", kept: str = "") -> int:
        """Ends one session of a person, or all but `kept`, a token's hash; returns how many.

        Raises:
            Problem: 404 no such session.
        """
        mine = [web_sessions.c.person == whom.person, web_sessions.c.token_sha256 != kept]
        if ident:
            mine.append(web_sessions.c.token_sha256.startswith(ident, autoescape=True))
        with self._store.write() as conn:
            gone = conn.execute(web_sessions.delete().where(*mine)).rowcount
            if not gone and ident:
                raise _no_session(ident)
            if gone:
                signer = {"person": by.person, "post": by.post, "org": by.org}
                data = {"person": whom.person, "post": whom.post, "org": whom.org}
                self._facts.append(
                    conn, type=ENDED, session="", data={**data, "count": gone, "by": signer}
                )
                other = "" if by.person == whom.person else by.post
                self._log.write(conn, ENDED.removeprefix(FACTS_OF), whom.login, by=other)
        return int(gone)


def _no_session(ident: str) -> Problem:
    return Problem(
        404,
        "no_such_sign_in",
        title="没有这个登录",
        title_en="No such sign-in",
        where="session",
        expected="one of the open sign-ins of this person",
        got=ident[:IDENT_CHARS],
        do="reload the page: it may have ended meanwhile",
    )
