"""Slows down guessing, and locks nobody out: strangers' failures are the strangers' own.

Failures are counted per login and address together, so wrong guesses from elsewhere never keep a
person from signing in. A browser that has signed in before carries a word of the hub's (the device
cookie) and is counted by itself: it gets in although somebody guesses at the same address. Every
wait ends by itself, after minutes. Nothing here touches a session that is open.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

FAILURES_FREE: Final = 5
"""Wrong passwords of one login at one address before anybody waits."""
ADDRESS_FAILURES_FREE: Final = 30
"""An office shares one address; beyond this, each login's second guess from there waits too."""
WAIT_FIRST_MS: Final = 5_000
WAIT_LONGEST_MS: Final = 5 * 60 * 1000
ADDRESS_WAIT_LONGEST_MS: Final = 60 * 1000
FORGOTTEN_MS: Final = 10 * 60 * 1000
"""After so long without a failure a count begins anew; longer than any wait."""
TRACKED_MAX: Final = 10_000
"""Names are made up by whoever guesses; the oldest counter goes."""
IPV6_HOST_BITS: Final = 64
"""A machine has a whole /64 of addresses to guess from."""
TURNS_MAX: Final = 16
STRANGERS_MAX: Final = 12
"""Of the server's 40 threads: whoever floods the sign-in leaves the others to open sessions, and
four turns to browsers that have been here before."""


@dataclass(slots=True)
class _Count:
    failures: int
    last_ms: int
    until_ms: int = 0


class Limiter:
    """Counts failures and makes each wait longer than the one before; time is an argument."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    def wait_ms(self, login: str, address: str, now_ms: int, *, device: str = "") -> int:
        """How long this login must wait here; 0 is not at all.

        Args:
            login: as typed.
            address: where from.
            now_ms: steady clock.
            device: known word of a browser that signed this login in before; '' is a stranger's.
        """
        with self._lock:
            own = self._left(_pair(login, address, device), now_ms)
            if own is None:
                return 0  # not one failure yet: whatever others did, here is a first try
            return own if device else max(own, self._left(_from(address), now_ms) or 0)

    def failed(self, login: str, address: str, now_ms: int, *, device: str = "") -> None:
        """Counts a wrong password."""
        with self._lock:
            self._count(_pair(login, address, device), now_ms, FAILURES_FREE, WAIT_LONGEST_MS)
            if not device:
                self._count(_from(address), now_ms, ADDRESS_FAILURES_FREE, ADDRESS_WAIT_LONGEST_MS)
            while len(self._counts) > TRACKED_MAX:
                self._counts.pop(next(iter(self._counts)))

    def succeeded(self, login: str, address: str, *, device: str = "") -> None:
        """Forgets the failures of a login here; those of the address stay."""
        with self._lock:
            self._counts.pop(_pair(login, address, device), None)

    def _count(self, key: str, now_ms: int, free: int, longest_ms: int) -> None:
        count = self._counts.pop(key, None)
        if count is None or now_ms - count.last_ms >= FORGOTTEN_MS:
            count = _Count(0, now_ms)
        count.failures += 1
        count.last_ms = now_ms
        beyond = count.failures - free
        if beyond >= 0:
            # 2**20 is past every limit: the exponent needs no more.
            count.until_ms = now_ms + min(longest_ms, WAIT_FIRST_MS * 2 ** min(beyond, 20))
        self._counts[key] = count

    def _left(self, key: str, now_ms: int) -> int | None:
        count = self._counts.get(key)
        if count is None or now_ms - count.last_ms >= FORGOTTEN_MS:
            return None
        return max(0, count.until_ms - now_ms)


class Turns:
    """The one place where passwords are hashed, and how many may stand in line for it.

    One hash at a time: 19 MiB each, and guessing gets no second core.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._lock = threading.Lock()
        self._one = threading.Semaphore(1)

    @contextmanager
    def turn(self, *, known: bool) -> Iterator[bool]:
        """Waits for a turn; False at once where too many wait already."""
        with self._lock:
            free = self._waiting < (TURNS_MAX if known else STRANGERS_MAX)
            self._waiting += free
        if not free:
            yield False
            return
        try:
            with self._one:
                yield True
        finally:
            with self._lock:
                self._waiting -= 1


def _pair(login: str, address: str, device: str) -> str:
    return f"device:{login}:{device}" if device else f"login:{login}@{net_of(address)}"


def _from(address: str) -> str:
    return f"from:{net_of(address)}"


def net_of(address: str) -> str:
    """An address as far as it tells one machine from another: of IPv6 the network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 4 or found.ipv4_mapped:  # noqa: PLR2004 - the protocol's name
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_HOST_BITS), strict=False))
