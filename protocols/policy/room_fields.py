"""One recorded event on its way into the state, and strict access to its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from protocols.policy.members import MemberInput, next_step
from protocols.policy.room_model import (
    Member,
    OrderSeen,
    RoomState,
    Session,
    Signer,
    UnreadableEvent,
)

SIGNERS_MAX = 8
"""More people never answer for one act."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One event. `now_ms` is its steady moment, `rev` its (epoch, seq)."""

    type: str
    session: str
    data: Mapping[str, Any]
    now_ms: int
    at: str
    rev: tuple[str, int]

    def refuse(self, key: str, expected: str) -> UnreadableEvent:
        """Build the error for one field."""
        return UnreadableEvent(f"{self.type}.{key}", expected=expected, got=self.data.get(key))

    def text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.data.get(key)
        if not isinstance(value, str):
            raise self.refuse(key, "a text")
        return value

    def words(self, key: str) -> str:
        """Return a text that may be missing: '' then."""
        return "" if self.data.get(key) is None else self.text(key)

    def one_of(self, key: str, allowed: tuple[str, ...]) -> str:
        """Return one of a few words."""
        value = self.text(key)
        if value not in allowed:
            raise self.refuse(key, "one of " + ", ".join(allowed))
        return value

    def number(self, key: str) -> int:
        """Return a whole number that must be there."""
        value = self.data.get(key)
        if type(value) is not int:
            raise self.refuse(key, "a whole number")
        return value

    def number_or_none(self, key: str) -> int | None:
        """Return a whole number that may be missing."""
        return None if self.data.get(key) is None else self.number(key)

    def rows(self, key: str) -> tuple[Any, ...]:
        """Return a list; missing means empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            raise self.refuse(key, "a list")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        rows = self.rows(key)
        if not all(isinstance(row, str) for row in rows):
            raise self.refuse(key, "a list of texts")
        return rows

    def numbers(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        rows = self.rows(key)
        if not all(type(row) is int for row in rows):
            raise self.refuse(key, "a list of whole numbers")
        return rows

    def objects(self, key: str) -> tuple[Fact, ...]:
        """Return a list of objects, each readable like an event."""
        rows = self.rows(key)
        if not all(isinstance(row, Mapping) for row in rows):
            raise self.refuse(key, "a list of objects")
        return tuple(replace(self, type=f"{self.type}.{key}", data=row) for row in rows)

    def inner(self, key: str) -> Fact:
        """Return an object inside the data."""
        value = self.data.get(key)
        if not isinstance(value, Mapping):
            raise self.refuse(key, "an object")
        return replace(self, type=f"{self.type}.{key}", data=value)

    def signers(self, key: str = "by") -> tuple[Signer, ...]:
        """Return who acted; one person or a list."""
        return signers_of(self.data.get(key))


BY_CODE: Final = "code"
"""Who gave an order that came as an offline code: whoever knew it, and that is the home room."""


def is_by_code(seen: OrderSeen) -> bool:
    """Whether an accepted order came as an offline code, its signed bytes not yet."""
    return [one.person for one in seen.by] == [BY_CODE]


def signers_of(value: object) -> tuple[Signer, ...]:
    """Return people from `by` in any of its forms: an object, a list of objects, or a word."""
    rows = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(_signer(row) for row in rows[:SIGNERS_MAX] if isinstance(row, (Mapping, str)))


def _signer(row: Mapping[str, Any] | str) -> Signer:
    if isinstance(row, str):
        return Signer(person=row)
    found = {key: row.get(key) for key in ("person", "post", "role", "org")}
    return Signer(**{key: value for key, value in found.items() if isinstance(value, str)})


def signer_json(people: tuple[Signer, ...]) -> list[dict[str, str]]:
    """Return people as events carry them."""
    return [
        {"person": one.person, "post": one.post, "role": one.role, "org": one.org} for one in people
    ]


def with_session(state: RoomState, session: Session) -> RoomState:
    """Return the state with one session replaced."""
    return state.evolve(sessions={**state.sessions, session.id: session})


def with_member(session: Session, member: Member) -> Session:
    """Return the session with one member replaced."""
    return replace(session, members={**session.members, member.no: member})


def moved(member: Member, what: MemberInput, now_ms: int) -> Member:
    """Return the member after `what`; as he was where the table refuses it."""
    step = next_step(member.step, what, away=member.away is not None)
    return member if step is None else replace(member, step=step, since_ms=now_ms)


def edit_member(state: RoomState, fact: Fact, edit: Callable[[Member], Member]) -> RoomState:
    """Return the state with the event's member edited; as it is if nobody here is meant."""
    number = fact.number("no")
    session = state.sessions.get(fact.session)
    member = session.members.get(number) if session is not None else None
    if session is None or member is None:
        return state
    revs = {**state.revs, f"member:{fact.session}:{number}": fact.rev}
    return replace(with_session(state, with_member(session, edit(member))), revs=revs)
