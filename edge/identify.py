"""Matches an ID number against the tags of the open sessions; the number goes no further.

Runs in the card reader's own thread: scrypt costs about 80 ms a session by intention, and the loop
must not wait for it. Tags live in memory only and are wiped when their session closes.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TagOf = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class SessionTags:
    """The tags of one session: salt (hex) and member number to tag (hex)."""

    salt: str
    tags: Mapping[int, str]


@dataclass(slots=True)
class Identifier:
    """Knows which member a number belongs to, and nothing else about it.

    Args:
        tag_of: scrypt of (number, salt), see `edge.crypto.member_tag`.
    """

    tag_of: TagOf
    _sessions: dict[str, SessionTags] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, session: str, tags: SessionTags) -> None:
        """Takes the tags of a session; a new plan replaces the old ones."""
        with self._lock:
            self._sessions[session] = tags

    def wipe(self, session: str) -> None:
        """Forgets a session's tags."""
        with self._lock:
            self._sessions.pop(session, None)

    def match(self, number: str) -> list[dict[str, Any]]:
        """Returns `[{"session", "no"}]` of every open session this number is a member of."""
        with self._lock:
            sessions = dict(self._sessions)
        found: list[dict[str, Any]] = []
        for session, known in sorted(sessions.items()):
            tag = self.tag_of(number, known.salt)
            found += [
                {"session": session, "no": no}
                for no, member in sorted(known.tags.items())
                if hmac.compare_digest(tag, member)
            ]
        return found
