"""Wrong PINs and passwords of keys: five tries, then ten minutes, through restarts and clock steps.

A try is written down before the secret is tried, so that neither a crash nor a guess beside it
gives one for nothing; the right secret wipes the count. Time is the machine's steady clock since
its boot: the wall clock plays no part. After a reboot only the time since then is known to have
passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Row, delete, insert, select, update

from hub.clock import Clock, boot_id
from hub.problems import Problem
from hub.store.engine import Store
from hub.store.tables_core import secret_tries

TRIES_MAX: Final = 5
LOCK_MS: Final = 10 * 60 * 1000
"""WIRE §7: five tries, then ten minutes by monotonic clock."""


class Tries:
    """Counts tries per holder of a secret: persons and venues, so no more rows than those.

    Args:
        store: the database; never called inside one of its transactions, which a refusal ends.
        clock: its steady time.
        boot: id of this machine's boot.
    """

    def __init__(self, store: Store, clock: Clock, boot: Callable[[], str] = boot_id) -> None:
        self._store = store
        self._clock = clock
        self._boot = boot

    def begin(self, holder: str) -> int:
        """Writes down one try; returns how many are left after it.

        Raises:
            Problem: 429 the holder's tries are used up and the time is not over.
        """
        mine = secret_tries.c.holder == holder
        stamp = {"boot": self._boot(), "mono_ms": self._clock.mono_ms()}
        with self._store.write(mirrored=False) as conn:
            row = conn.execute(select(secret_tries).where(mine)).first()
            wait_ms = self._wait_ms(row)
            if row is None:
                conn.execute(insert(secret_tries).values(holder=holder, tries=1, **stamp))
                return TRIES_MAX - 1
            if not wait_ms:
                tries = row.tries + 1 if row.tries < TRIES_MAX else 1
                conn.execute(update(secret_tries).where(mine).values(tries=tries, **stamp))
                return TRIES_MAX - int(tries)
        raise Problem(
            429,
            "secret_locked",
            title="尝试次数过多，请稍后再试",
            title_en="Too many wrong tries",
            where=holder,
            expected=f"at most {TRIES_MAX} wrong tries",
            got=f"{row.tries}",
            do=f"wait {wait_ms // 1000 + 1} s",
        )

    def right(self, holder: str) -> None:
        """The secret was right: the count begins anew."""
        with self._store.write(mirrored=False) as conn:
            conn.execute(delete(secret_tries).where(secret_tries.c.holder == holder))

    def _wait_ms(self, row: Row[tuple[object, ...]] | None) -> int:
        if row is None or row.tries < TRIES_MAX:
            return 0
        now = self._clock.mono_ms()
        passed = now - row.mono_ms if row.boot == self._boot() else now
        return max(0, LOCK_MS - passed)
