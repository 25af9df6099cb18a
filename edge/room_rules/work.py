"""One decision in progress: each draft is folded at once, so that the next rule sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.room_rules.kinds import Answer, Draft, Effect, Input, Sound
from protocols.policy.pack import Pack
from protocols.policy.room_model import Member, RoomState, Session
from protocols.policy.room_state import apply, steady_ms


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

    def emit(self, event_type: str, session: str = "", /, **data: Any) -> None:  # noqa: ANN401
        """Draft an event and fold it."""
        self.emit_data(event_type, session, data)

    def emit_data(self, event_type: str, session: str, data: dict[str, Any]) -> None:
        """Draft an event from a mapping and fold it."""
        self.drafts.append(Draft(event_type, session, data))
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

    def do(self, *effects: Effect) -> None:
        """Add effects, in order."""
        self.effects.extend(effects)

    def accept(self, **result: Any) -> None:  # noqa: ANN401 a JSON value
        """Answer the asker: done."""
        self.do(Answer(str(self.data.get("id", "")), {"ok": True, **result}))

    def refuse(self, reason: str, **result: Any) -> None:  # noqa: ANN401 a JSON value
        """Answer the asker: refused, and why."""
        self.do(Answer(str(self.data.get("id", "")), {"ok": False, "reason": reason, **result}))
        self.do(Sound("refused"))

    def session(self, name: object) -> Session | None:
        """Return a session of this room."""
        return self.state.sessions.get(name) if isinstance(name, str) else None

    def member(self, session: str, number: int) -> Member:
        """Return a member that is known to exist."""
        return self.state.sessions[session].members[number]
