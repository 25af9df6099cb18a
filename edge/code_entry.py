"""Offline codes typed at a guest's room: whose list counts, and what a right or wrong one becomes.

A right code becomes the order of its slot and goes the way of every order; the room's record says
that it came as a code and who typed it. A wrong one is on the record too, and after five of them
the next ten minutes take none. What cannot be any code was misheard, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.crypto import verify
from edge.tries import Tries
from edge.turn import Turn
from protocols.messages.errors import RemoteError
from protocols.messages.offline_code import CodeList, Slot, code_text, judge_codes
from protocols.messages.trust import Keyring
from protocols.policy.room_fields import BY_CODE

ID_BYTES = 16


@dataclass(slots=True)
class CodeEntry:
    """The lists of the sessions this room is a guest of; owned by the loop.

    Args:
        tries: wrong codes of a session, kept on the disk.
        entropy: random bytes of a length, for the order's id: a refused one may be typed again.
    """

    tries: Tries
    entropy: Callable[[int], bytes]
    _lists: dict[str, CodeList] = field(default_factory=dict)

    def learn(self, sessions: Iterable[Mapping[str, Any]], keyring: Keyring) -> list[Turn]:
        """Takes the lists of the plan in force; one that the home room did not sign is named."""
        self._lists = {}
        refused: list[Turn] = []
        for plan in sessions:
            raw = plan.get("codes")
            if raw is None:
                continue
            session = str(plan["session"])
            place = {"session": session, "venue": str(plan["org"])}
            try:
                self._lists[session] = judge_codes(
                    str(raw).encode("utf-8"), keyring, verify, **place, home_org=plan["home_org"]
                )
            except RemoteError as error:
                data = {"session": session, "reason": str(error)[:300]}
                refused.append(
                    Turn("system", {"type": "codes.refused", "session": "", "data": data})
                )
        return refused

    def order(self, plan: Mapping[str, Any], code: bytes, by: Mapping[str, str]) -> Turn:
        """What a code that somebody typed is to the room: the order of its slot, or a refusal.

        Args:
            plan: the session's plan.
            code: as `read_code` gave it.
            by: who typed it, with the right PIN.
        """
        session = str(plan["session"])
        known = self._lists.get(session)
        if known is None:
            return self._refused(session, by, reason="no_codes")
        minutes = self.tries.minutes(session)
        if minutes:
            return self._refused(session, by, reason="code_locked", minutes=minutes)
        slot = known.find(code)
        if slot is None:
            return self._refused(session, by, reason="wrong_code", left=self.tries.wrong(session))
        self.tries.right(session)
        return self._order(plan, slot, code, by)

    def _order(
        self, plan: Mapping[str, Any], slot: Slot, code: bytes, by: Mapping[str, str]
    ) -> Turn:
        home = {"person": BY_CODE, "post": "", "role": "", "org": str(plan["home_org"])}
        data = {
            "id": self.entropy(ID_BYTES).hex(),
            "session": str(plan["session"]),
            "n": slot.n,
            "order": slot.order,
            "members": [],
            "venues": [],
            "committee": slot.committee,
            "exceptions": [],
            "reason": "",
            "by": home,
            "via": "code",
            "raw": "",
            "code": code_text(code),
            "typed_by": dict(by),
        }
        return Turn("order", data)

    @staticmethod
    def _refused(session: str, by: Mapping[str, str], **why: Any) -> Turn:
        about = {"id": "", "session": session, "order": "", **why}
        return Turn("order_refused", {**about, "typed_by": dict(by)})
