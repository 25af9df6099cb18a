"""What became of the accounts: who signed in and out, what failed, what was changed.

A table of its own beside the record: the record is kept for good and handed to every party, and
whoever guesses at the door must not be able to write into it. A change and its row here are one
transaction. Failures change nothing: they are counted in memory and written by `flush`, each
second, as one row per login and minute, so that a flood fills no disk and an answer takes as long
for a login that is there as for one that is not. No password stands here, no name, and of a login
that nobody has not even the word: people type passwords into the wrong field.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub.accounts.browsers import browser_of
from hub.accounts.limiter import net_of
from hub.store.engine import Store
from hub.store.tables_accounts import account_log

SIGNED_IN: Final = "signed_in"
SIGNED_IN_OUTSIDE: Final = "signed_in_outside"
"""By an outside provider."""
FAILED: Final = "sign_in_failed"
SIGNED_OUT: Final = "signed_out"
EXPIRED: Final = "sign_in_expired"
PASSWORD_CHANGED: Final = "password_changed"  # noqa: S105 - a word of the log
PASSWORD_RESET: Final = "password_reset"  # noqa: S105 - a word of the log
FACTS_OF: Final = "user."
"""What is a fact too has the same word here, without this."""
NOBODY: Final = ""
"""The login of whoever typed one that is not there."""
COMMAND_LINE: Final = "command line"
"""Where a sign-in without a browser comes from."""
FAILED_EACH: Final = timedelta(minutes=1)
KEPT: Final = timedelta(days=200)
"""Six months are the law's least (Cybersecurity Law, Art. 21); three weeks for whoever is late."""
ROWS_MAX: Final = 10_000
"""Of one login and kind: who guesses for a week without a pause loses his own oldest rows."""
LOOK: Final = timedelta(hours=1)
SHOWN_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `by`: post of whoever did it to another's account; `count` of failures."""

    at: datetime
    login: str
    what: str
    count: int
    origin: str
    browser: str
    by: str


@dataclass(slots=True)
class _Failures:
    first: datetime
    count: int
    origin: str


class AccountLog:
    """The rows.

    Args:
        store: the database.
        wall: the machine's own wall clock.
    """

    def __init__(self, *, store: Store, wall: Callable[[], datetime]) -> None:
        self._store, self._wall = store, wall
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, datetime], _Failures] = {}
        self._looked: datetime | None = None

    def write(
        self,
        conn: Connection,
        what: str,
        login: str,
        *,
        address: str = "",
        agent: str = "",
        by: str = "",
    ) -> None:
        """Adds a row in this transaction.

        Args:
            conn: of an open `Store.write()`.
            what: one of the words of the log.
            login: whose account.
            address: where from; kept as far as it tells one machine from another.
            agent: what the browser calls itself; its family and system are kept.
            by: post of whoever did it, where it was another person.
        """
        row: dict[str, Any] = {
            "at": self._wall(),
            "login": login,
            "what": what,
            "count": 1,
            "origin": net_of(address),
            "browser": browser_of(agent),
            "by": by,
        }
        conn.execute(account_log.insert().values(row))

    def failed(self, login: str, address: str) -> None:
        """Counts a wrong password or code; NOBODY for a login that is not there."""
        now = self._wall()
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            found = self._failures.setdefault((login, minute), _Failures(now, 0, ""))
            found.count += 1
            found.origin = net_of(address)

    def flush(self) -> None:
        """Writes the failures counted since."""
        with self._lock:
            counted, self._failures = self._failures, {}
        if not counted:
            return
        with self._store.write(mirrored=False) as conn:
            for (login, minute), tried in counted.items():
                self._add(conn, login, minute, tried)

    def _add(self, conn: Connection, login: str, minute: datetime, tried: _Failures) -> None:
        rows = account_log.c
        there = account_log.update().where(
            rows.login == login,
            rows.what == FAILED,
            rows.at >= minute,
            rows.at < minute + FAILED_EACH,
        )
        more = {"count": rows.count + tried.count, "origin": tried.origin}
        if conn.execute(there.values(more)).rowcount:
            return
        row: dict[str, Any] = {"at": tried.first, "login": login, "what": FAILED, "by": ""}
        row |= {"count": tried.count, "origin": tried.origin, "browser": ""}
        conn.execute(account_log.insert().values(row))

    def of(self, login: str | None = None, *, limit: int = SHOWN_MAX) -> list[Entry]:
        """The newest rows of a login, of NOBODY, or of all (None), the newest first."""
        self.flush()
        query = select(account_log).order_by(account_log.c.at.desc(), account_log.c.id.desc())
        if login is not None:
            query = query.where(account_log.c.login == login)
        with self._store.read() as conn:
            found = conn.execute(query.limit(limit)).mappings().all()
        return [Entry(**{name: row[name] for name in Entry.__slots__}) for row in found]

    def tick(self) -> None:
        """Each second: the failures; each hour: what is past its time goes."""
        self.flush()
        now = self._wall()
        if self._looked is not None and abs(now - self._looked) < LOOK:
            return
        self._looked = now
        with self._store.write(mirrored=False) as conn:
            conn.execute(account_log.delete().where(account_log.c.at < now - KEPT))
            _thin(conn)


def _thin(conn: Connection) -> None:
    rows = account_log.c
    many = (
        select(rows.login, rows.what)
        .group_by(rows.login, rows.what)
        .having(func.count() > ROWS_MAX)
    )
    for login, what in conn.execute(many).all():
        same = (rows.login == login) & (rows.what == what)
        last = select(rows.id).where(same).order_by(rows.id.desc()).offset(ROWS_MAX).limit(1)
        oldest = conn.execute(last).scalar_one()
        conn.execute(account_log.delete().where(same, rows.id <= oldest))
