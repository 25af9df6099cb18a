"""This room as a witness of the hub's log: checks that it only grows, and co-signs (WIRE §3).

Owned by the loop. Its memory is one note in the journal, written before any signature leaves. What
it takes up without a proof, and what it refuses, is an event of this room's own record, with the
notes that prove it; a plain co-signature is none, or the log would never come to rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge.crypto import verify
from edge.journal import Journal
from edge.turn import Turn
from protocols.evidence.checkpoint import (
    Note,
    NoteSignature,
    Question,
    cosign,
    joined,
    parse_note,
    parse_question,
)
from protocols.evidence.witness import REFUSALS, Answer, judge
from protocols.messages.errors import RemoteError
from protocols.messages.signed import Sign
from protocols.messages.trust import HubKey

KV_WITNESS: Final = "witness"
BEGAN: Final = "witness.began"
REFUSED: Final = "witness.refused"
REFUSED_MS: Final = 60_000
"""A hub that goes on asking must not fill the record with it."""


@dataclass(slots=True)
class Witness:
    """Answers what the hub asks.

    Args:
        ctl: this controller, the name of its signatures.
        hub: the hub of the trust file.
        public, sign: this controller's signing key.
        wall_s: seconds since 1970, as well as this room knows; nobody decides anything by it.
        contradicted: the last checkpoint asked about was refused; shown at the room's screen.
    """

    ctl: str
    hub: HubKey
    journal: Journal
    public: bytes
    sign: Sign
    wall_s: Callable[[], int]
    mono_ms: Callable[[], int]
    contradicted: bool = False
    _quiet_until_ms: int = field(default=0)

    def asked(self, payload: bytes, *, retained: bool) -> tuple[bytes, list[Turn]]:
        """The answer to one question, `b""` for none, and what goes into the record.

        Raises:
            RemoteError: no question, or none of this hub.
        """
        if retained:
            raise RemoteError("a retained question", where="down/checkpoint", got="retained")
        question = parse_question(payload)
        held = self._held()
        public = bytes.fromhex(self.hub.pub)
        found = judge(held, question, hub=self.hub.id, public=public, verify=verify)
        self.contradicted = found in REFUSALS
        if found is Answer.BEGIN:
            cause = "new_origin" if held is not None else "no_memory"
            return b"", [_note(BEGAN, question.note, held, cause)]
        if found is Answer.COSIGN:
            return self._cosigned(question), []
        turns = []
        if found in REFUSALS and self.mono_ms() >= self._quiet_until_ms:
            self._quiet_until_ms = self.mono_ms() + REFUSED_MS
            turns = [_note(REFUSED, question.note, held, found.value)]
        return held.encode() if held is not None else b"", turns

    def _cosigned(self, question: Question) -> bytes:
        line: NoteSignature = cosign(
            question.note.checkpoint,
            name=self.ctl,
            public=self.public,
            time_s=max(self.wall_s(), 0),
            sign=self.sign,
        )
        answer = joined(question.note, [line]).encode()
        self.journal.append((), kv={KV_WITNESS: answer})
        return answer

    def _held(self) -> Note | None:
        """The note held; one that cannot be read any more counts as lost."""
        kept = self.journal.kv_get(KV_WITNESS)
        try:
            return parse_note(kept) if kept else None
        except RemoteError:
            return None


def _note(kind: str, seen: Note, held: Note | None, reason: str) -> Turn:
    """A fact that stands for itself: both notes, as they were signed."""
    data = {
        "origin": seen.checkpoint.origin,
        "size": seen.checkpoint.size,
        "reason": reason,
        "note": seen.encode().decode(),
        "held": held.encode().decode() if held is not None else "",
    }
    return Turn("system", {"type": kind, "session": "", "data": data})
