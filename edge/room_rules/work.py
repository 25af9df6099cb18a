"""One decision in progress: each draft is folded at once, so that the next rule sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.room_rules.kinds import Answer, Draft, Effect, Input, Sound
from protocols.policy.pack import Pack
from protocols.policy.plain_text import personal_number
from protocols.policy.room_fields import signer_json
from protocols.policy.room_model import Member, RoomState, Session, Signer, UnreadableEvent
from protocols.policy.room_state import apply, steady_ms

TEXT_CHARS_MAX = 200
"""A reason or purpose as staff type it: one line on a screen."""


class RefusedError(Exception):
    """An act, order or command is refused; nothing has been drafted for it.

    Attributes:
        reason: key of the reason.
        result: what else the asker is told.
    """

    def __init__(self, reason: str, **result: Any) -> None:
        """Keep both."""
        self.reason = reason
        self.result = result
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Args:
    """What a person or the hub asked for, read strictly; a wrong field refuses the whole act."""

    data: Mapping[str, Any]

    def _fail(self, key: str, expected: str) -> RefusedError:
        return RefusedError(
            "bad_argument", where=key, expected=expected, got=repr(self.data.get(key))[:80]
        )

    def number(self, key: str) -> int:
        """Return a whole number."""
        value = self.data.get(key)
        if type(value) is not int:
            raise self._fail(key, "a whole number")
        return value

    def words(self, key: str, *, needed: bool = False) -> str:
        """Return a short typed text without a number that points at a person; '' if missing."""
        value = self.data.get(key, "")
        if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
            raise self._fail(key, f"a text of at most {TEXT_CHARS_MAX} characters")
        if needed and not value.strip():
            raise self._fail(key, "a text")
        found = personal_number(value)
        if found is not None:  # the text itself is not repeated: answers are kept
            expected = "no number of a document or telephone"
            raise RefusedError("bad_argument", where=key, expected=expected, got=found.value)
        return value.strip()

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return one of a few words."""
        value = self.data.get(key)
        if value not in allowed:
            raise self._fail(key, "one of " + ", ".join(allowed))
        return str(value)

    def choices(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of some of a few words, each once."""
        value = self.data.get(key)
        if not isinstance(value, (list, tuple)) or any(item not in allowed for item in value):
            raise self._fail(key, "a list of " + ", ".join(allowed))
        return tuple(dict.fromkeys(value))


@dataclass(slots=True)
class Work:
    """The state as far as decided, and what was decided so far."""

    state: RoomState
    inp: Input
    pack: Pack
    drafts: list[Draft] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)

    @property
    def now_ms(self) -> int:
        """Steady time of this input, in the line of the state's own moments."""
        return steady_ms(self.state, self.inp.mono_ms, self.inp.at)

    @property
    def data(self) -> Mapping[str, Any]:
        """The input's data."""
        return self.inp.data

    def emit(self, event_type: str, session: str = "", /, **data: Any) -> None:
        """Draft an event and fold it."""
        self.emit_data(event_type, session, data)

    def emit_data(self, event_type: str, session: str, data: dict[str, Any]) -> None:
        """Draft an event from a mapping and fold it.

        Raises:
            UnreadableEvent: the data cannot be used; nothing is drafted.
        """
        self.state = apply(
            self.state,
            event_type,
            session,
            data,
            seq=self.state.seq + 1,
            mono_ms=self.inp.mono_ms,
            at=self.inp.at,
            epoch=self.state.epoch,
        )
        self.drafts.append(Draft(event_type, session, data))

    def pass_on(self, event_type: str, session: str, data: dict[str, Any]) -> None:
        """Draft an event as it came; what the state cannot use is journalled all the same."""
        try:
            self.emit_data(event_type, session, data)
        except UnreadableEvent:
            self.drafts.append(Draft(event_type, session, data))

    def do(self, *effects: Effect) -> None:
        """Add effects, in order."""
        self.effects.extend(effects)

    def accept(self, **result: Any) -> None:
        """Answer the asker: done."""
        self.do(Answer(str(self.data.get("id", "")), {"ok": True, **result}))

    def refuse(self, reason: str, **result: Any) -> None:
        """Answer the asker: refused, and why."""
        self.do(Answer(str(self.data.get("id", "")), {"ok": False, "reason": reason, **result}))
        self.do(Sound("refused"))

    def command_accepted(self, by: tuple[Signer, ...]) -> None:
        """Draft that the command of this input is carried out from here on."""
        self.emit(
            "cmd.accepted",
            "",
            id=str(self.data.get("id", "")),
            verb=str(self.data.get("verb", "")),
            by=signer_json(by),
        )

    def command_done(self, result: str = "done") -> None:
        """Draft how the command of this input ended."""
        self.emit(
            "cmd.done",
            "",
            id=str(self.data.get("id", "")),
            verb=str(self.data.get("verb", "")),
            result=result,
        )

    def answered_before(self) -> str | None:
        """Return what this id was answered: from the state, or as the loop found it in the journal.

        The state has the latest answers only; `stored` is the journal's, which has all of them.
        """
        name = str(self.data.get("id", ""))
        if not name:
            return None
        stored = self.state.answers.get(name, self.data.get("stored"))
        return stored if isinstance(stored, str) else None

    def session(self, name: object) -> Session | None:
        """Return a session of this room."""
        return self.state.sessions.get(name) if isinstance(name, str) else None

    def member(self, session: str, number: int) -> Member:
        """Return a member that is known to exist."""
        return self.state.sessions[session].members[number]
