"""The offline order codes that the home room draws and keeps (WIRE §7).

Drawn when the room learns the plan of a session it is home of, so that they are with the guests
long before a line fails. The codes stay in the journal's small state until the session is closed;
what is told is their signed hashes. One is shown only for an order that stands in this room's
record: a code is the order, and nobody may give an order that no record has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.journal import Journal
from edge.remote import told_key
from edge.turn import Turn
from protocols.messages.offline_code import CODE_BYTES, SLOTS, CodeList, Slot, code_text
from protocols.messages.signed import Signer

KV_CODES = "codes:"
"""Before a session's id: its codes by venue, in hex, in the order of `SLOTS`. A secret."""


@dataclass(slots=True)
class CodeBook:
    """The codes of the sessions this room is home of; owned by the loop.

    Args:
        entropy: random bytes of a length.
        signers: this controller, whose key the home venue has certified.
        closed: whether a session is closed, so that it gets no codes any more.
    """

    journal: Journal
    entropy: Callable[[int], bytes]
    signers: tuple[Signer, ...]
    closed: Callable[[str], bool]

    def learn(self, sessions: Iterable[Mapping[str, Any]]) -> list[Turn]:
        """Draws what is missing for these plans; returns the hashes that nobody was told yet."""
        turns: list[Turn] = []
        for plan in sessions:
            session = str(plan["session"])
            if self.closed(session):
                self.forget(session)
            elif plan.get("role") == "home":
                turns += self._tell(session, self._drawn(session, _guests(plan)))
        return turns

    def _drawn(self, session: str, guests: list[str]) -> dict[str, list[bytes]]:
        known = self._kept(session)
        missing = [venue for venue in guests if venue not in known]
        for venue in missing:
            known[venue] = [self.entropy(CODE_BYTES) for _ in SLOTS]
        if missing:
            kept = {venue: b"".join(codes).hex() for venue, codes in known.items()}
            self.journal.kv_put(KV_CODES + session, json.dumps(kept).encode("ascii"))
        return {venue: known[venue] for venue in guests}

    def _tell(self, session: str, drawn: Mapping[str, list[bytes]]) -> list[Turn]:
        turns = []
        for venue, codes in drawn.items():
            if self.journal.kv_get(told_key(session, venue)) is not None:
                continue
            raw = CodeList.of(session, venue, codes).seal(self.signers).decode("ascii")
            data = {"venue": venue, "raw": raw}
            turns.append(Turn("system", {"type": "codes.drawn", "session": session, "data": data}))
        return turns

    def text(self, session: str, venue: str, slot: Slot) -> str:
        """The code of a slot as it is read out, empty where none was drawn."""
        codes = self._kept(session).get(venue)
        return code_text(codes[SLOTS.index(slot)]) if codes else ""

    def forget(self, session: str) -> None:
        """Wipes a closed session's codes from the files."""
        if self.journal.kv_get(KV_CODES + session):
            self.journal.kv_wipe(KV_CODES + session, b"")

    def _kept(self, session: str) -> dict[str, list[bytes]]:
        kept = json.loads(self.journal.kv_get(KV_CODES + session) or b"{}")
        return {venue: _parted(bytes.fromhex(text)) for venue, text in kept.items()}


def _parted(whole: bytes) -> list[bytes]:
    return [whole[at : at + CODE_BYTES] for at in range(0, len(whole), CODE_BYTES)]


def _guests(plan: Mapping[str, Any]) -> list[str]:
    return [str(one["org"]) for one in plan["venues"] if one["org"] != plan["org"]]
