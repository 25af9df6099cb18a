"""Everything of the offline codes in one room: those it drew as home, those it takes as guest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.code_book import CodeBook
from edge.code_entry import CodeEntry
from edge.journal import Journal, StorageError
from edge.tries import Tries
from edge.turn import Turn
from protocols.messages.signed import Signer
from protocols.messages.trust import Keyring

KV_CODE_TRIES = "code-tries"


@dataclass(frozen=True, slots=True)
class CodeSide:
    """Both halves; a plan is told to both."""

    book: CodeBook
    entry: CodeEntry

    def learn(self, sessions: Iterable[Mapping[str, Any]], keyring: Keyring) -> list[Turn]:
        """The sessions of a plan that is taken up; returns what the record has to say of it."""
        plans = list(sessions)
        return [*self.book.learn(plans), *self.entry.learn(plans, keyring)]


def build_code_side(
    journal: Journal,
    now_ms: Callable[[], int],
    entropy: Callable[[int], bytes],
    signers: tuple[Signer, ...],
    closed: Callable[[str], bool],
) -> CodeSide:
    """Wires both halves to the journal, with the wrong tries it has kept.

    Args:
        journal: what the loop writes.
        now_ms: the room's steady time.
        entropy: random bytes of a length.
        signers: this controller.
        closed: whether a session is closed.
    """

    def keep(tries: bytes) -> None:
        # On a full disk they count in memory only: no order is taken then anyway.
        with contextlib.suppress(StorageError):
            journal.kv_put(KV_CODE_TRIES, tries)

    tries = Tries(now_ms, keep)
    tries.recall(journal.kv_get(KV_CODE_TRIES))
    return CodeSide(CodeBook(journal, entropy, signers, closed), CodeEntry(tries, entropy))
