"""The people on duty in this room and their PINs: one unlocked key per act, five tries.

A PIN is right when it opens the person's wrapped session key; nothing of it is kept. Wrong ones
are counted by `edge.tries`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.crypto import WRAP_N, CryptoError, unwrap_key
from edge.tries import TRIES_MAX, Tries

PIN_DIGITS_MIN = 8


class DutyError(Exception):
    """A PIN or person is not accepted; `problem` is what the screen shows."""

    def __init__(
        self, what: str, *, expected: str, got: str, do: str, reason: str = "", **values: int
    ) -> None:
        """Keeps the parts for the screen; a PIN is never among them.

        Args:
            what: what was refused; `expected`, `got`, `do`: as everywhere.
            expected: what would have been right.
            got: what came.
            do: the next step.
            reason: word under which the screen says it in the reader's language.
            values: numbers those sentences name, for example `left` tries.
        """
        super().__init__(f"{what}: expected {expected}, got {got}; {do}")
        self.problem = {"what": what, "expected": expected, "got": got, "do": do, **values}
        if reason:
            self.problem["reason"] = reason


@dataclass(frozen=True, slots=True)
class DutyPerson:
    """One duty person of a session's plan; `wrapped` None = of another venue."""

    session: str
    person: str
    post: str
    role: str
    org: str
    kid: str
    wrapped: Mapping[str, Any] | None

    def public(self) -> dict[str, str]:
        """What goes into events and onto screens: no name, no key."""
        return {"person": self.person, "post": self.post, "role": self.role, "org": self.org}


@dataclass(slots=True)
class DutyRoster:
    """Who may act in this room, by session.

    Args:
        now_ms: steady time; it goes on across restarts where tries are kept.
        keep: makes the tries durable; called after a wrong PIN and when a right one clears them.
        wrap_n: what a guess costs; keys wrapped at another cost stay closed.
    """

    now_ms: Callable[[], int]
    keep: Callable[[bytes], None] = lambda _tries: None
    wrap_n: int = WRAP_N
    _people: dict[tuple[str, str], DutyPerson] = field(default_factory=dict)
    _tries: Tries = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    # One PIN at a time: side by side they would get more than five tries, and 128 MiB each.
    _one: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Clock and disk may be put in their places later."""

        def now_ms() -> int:
            return self.now_ms()

        def keep(tries: bytes) -> None:
            self.keep(tries)

        self._tries = Tries(now_ms, keep)

    def learn(self, session: str, people: list[DutyPerson]) -> None:
        """Takes a session's roster; a new plan replaces the old one."""
        with self._lock:
            self._drop(session)
            self._people |= {(session, one.person): one for one in people}

    def forget(self, session: str) -> None:
        """Drops a session's people and wrapped keys."""
        with self._lock:
            self._drop(session)

    def _drop(self, session: str) -> None:
        self._people = {key: one for key, one in self._people.items() if key[0] != session}

    def recall(self, kept: bytes | None) -> None:
        """Takes up the tries that were kept before a restart; rubbish counts as none."""
        self._tries.recall(kept)

    def here(self, session: str = "") -> list[DutyPerson]:
        """Those who can unlock a key in this room, of one session or of any."""
        people = [one for one in self._people.values() if one.wrapped is not None]
        return [one for one in people if session in ("", one.session)]

    def unlock(self, session: str, person: str, pin: str) -> tuple[DutyPerson, bytes]:
        """Returns the person and the 32-byte seed of the session key; for one act.

        Raises:
            DutyError: unknown person, wrong PIN, or locked after five wrong ones.
        """
        found = next((one for one in self.here(session) if one.person == person), None)
        if found is None or found.wrapped is None:
            raise DutyError(
                "person on duty",
                expected="one of this session's duty persons at this venue",
                got=person[:32],
                do="choose a name from the list, or have the plan published again",
                reason="not_on_duty",
            )
        with self._one:
            return found, self._seed(found, found.wrapped, pin)

    def _seed(self, found: DutyPerson, wrapped: Mapping[str, Any], pin: str) -> bytes:
        person = found.person
        self._allow(person)
        if len(pin) < PIN_DIGITS_MIN or not pin.isdigit():
            raise DutyError(
                "PIN",
                expected=f"at least {PIN_DIGITS_MIN} digits",
                got=f"{len(pin)} characters",
                do="enter the PIN again",
                reason="pin_short",
            )
        try:
            seed = unwrap_key(wrapped, pin, self.wrap_n)
        except CryptoError as error:
            left = self._tries.wrong(person)
            raise DutyError(
                "PIN",
                expected="this person's PIN",
                got=f"another; {left} tries left",
                do="enter it again; after five wrong ones wait 10 minutes",
                reason="pin_wrong",
                left=left,
            ) from error
        self._tries.right(person)
        return seed

    def _allow(self, person: str) -> None:
        minutes = self._tries.minutes(person)
        if minutes:
            raise DutyError(
                "PIN",
                expected="no more than five wrong PINs in a row",
                got=f"{TRIES_MAX} wrong ones",
                do=f"wait {minutes} minutes, or let another duty person act",
                reason="pin_locked",
                minutes=minutes,
            )
