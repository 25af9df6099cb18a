"""What every simulated board has: a line, a control channel, a state, a stock of misbehaviour."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

FAULT_KINDS = ("no_answer", "damage", "garbage_prefix", "byte_by_byte", "drop", "stall")
# These leave the answer readable in the end.
HARMLESS = frozenset({"garbage_prefix", "byte_by_byte"})
COUNT_MAX = 1_000_000
# Longer than every driver's timeout.
STALL_MS = 5_000
# Slower than any line, quicker than the silence that ends a frame (20 ms).
BYTE_GAP_MS = 2
GARBAGE_BYTES = 7


class ControlError(Exception):
    """A control command was refused; carries what, where, expected, got."""

    def __init__(self, *, what: str, where: str, expected: str, got: object) -> None:
        super().__init__(f"{where}: {what}: expected {expected}, got {got!r}")
        self.problem = {"what": what, "where": where, "expected": expected, "got": got}


@dataclass(slots=True)
class Request:
    """One control command; every field has to be taken, an unknown one is an error."""

    fields: dict[str, object]
    where: str

    def number(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """Takes an integer field.

        Raises:
            ControlError: missing, no integer, out of range.
        """
        value = self.fields.pop(name, default)
        if type(value) is not int or not low <= value <= high:
            raise self.refuse(f"field {name}", f"{low}..{high}", value)
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Takes a true/false field.

        Raises:
            ControlError: neither true nor false.
        """
        value = self.fields.pop(name, default)
        if not isinstance(value, bool):
            raise self.refuse(f"field {name}", "true or false", value)
        return value

    def word(self, name: str, allowed: tuple[str, ...], *, default: str | None = None) -> str:
        """Takes a field that is one of some words.

        Raises:
            ControlError: missing, or another word.
        """
        value = self.fields.pop(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self.refuse(f"field {name}", f"one of {', '.join(allowed)}", value)
        return value

    def text(self, name: str, *, default: str | None = None) -> str:
        """Takes a text field.

        Raises:
            ControlError: missing, or no text.
        """
        value = self.fields.pop(name, default)
        if not isinstance(value, str):
            raise self.refuse(f"field {name}", "a text", value)
        return value

    def done(self) -> None:
        """Says that all fields were taken.

        Raises:
            ControlError: one was not.
        """
        if self.fields:
            raise self.refuse("unknown field", "none more", sorted(self.fields))

    def refuse(self, what: str, expected: str, got: object) -> ControlError:
        """The error to raise, with this command's place."""
        return ControlError(what=what, where=self.where, expected=expected, got=got)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes for the line, `after_ms` from now."""

    data: bytes
    after_ms: int = 0


@dataclass(slots=True)
class Faults:
    """How the next answers misbehave: a count per kind."""

    chance: random.Random
    left: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, count: int) -> None:
        """The next `count` answers misbehave like this; `none` ends all misbehaviour."""
        if kind == "none":
            self.left.clear()
        else:
            self.left[kind] = count

    def takes(self, kind: str) -> bool:
        """Uses up one misbehaviour of this kind, if there is one."""
        count = self.left.get(kind, 0)
        if count > 1:
            self.left[kind] = count - 1
        else:
            self.left.pop(kind, None)
        return count > 0

    @property
    def harmless(self) -> bool:
        """Whether the next answer can still be read by the host."""
        return HARMLESS.issuperset(self.left)

    def pass_on(self, answer: bytes) -> list[Outgoing]:
        """The answer as it reaches the line."""
        if self.takes("no_answer"):
            return []
        if self.takes("damage"):
            at = self.chance.randrange(len(answer))
            flipped = answer[at] ^ 1 << self.chance.randrange(8)
            answer = answer[:at] + bytes((flipped,)) + answer[at + 1 :]
        if self.takes("drop"):
            at = self.chance.randrange(len(answer))
            answer = answer[:at] + answer[at + 1 :]
        if self.takes("garbage_prefix"):
            answer = self.chance.randbytes(GARBAGE_BYTES) + b"\xaa\xaa" + answer
        wait_ms = STALL_MS if self.takes("stall") else 0
        if self.takes("byte_by_byte"):
            return [
                Outgoing(answer[at : at + 1], wait_ms + at * BYTE_GAP_MS)
                for at in range(len(answer))
            ]
        return [Outgoing(answer, wait_ms)]


class Board(ABC):
    """One simulated board. Time comes in as an argument, bytes and commands go through methods."""

    kind: ClassVar[str]
    more_faults: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, seed: int = 0) -> None:
        # Misbehaviour has to be repeatable, not unguessable.
        self.chance = random.Random(seed)  # noqa: S311 - no secret depends on it
        self.faults = Faults(self.chance)

    @abstractmethod
    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; returns answers."""

    @abstractmethod
    def quiet(self) -> list[bytes]:
        """The line has been quiet since the last byte; returns answers."""

    def tick(self, _now_ms: int) -> list[bytes]:
        """Time went on; returns what the board says unasked."""
        return []

    @abstractmethod
    def orders(self) -> Mapping[str, str]:
        """The control commands of this board: word and what it takes."""

    @abstractmethod
    def order(self, do: str, request: Request) -> None:
        """Obeys one control command.

        Raises:
            ControlError: refused.
        """

    @abstractmethod
    def state(self) -> dict[str, object]:
        """What survives a kill, as JSON values."""

    @abstractmethod
    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over a state written by `state`.

        Raises:
            ControlError: it does not fit this board.
        """

    def control(self, fields: dict[str, object]) -> dict[str, object]:
        """Answers one control command; never raises on what it says."""
        where = f"{self.kind} control"
        request = Request(dict(fields), where)
        try:
            do = request.word("do", ("fault", "state", *self.orders()))
            if do == "fault":
                kinds = (*FAULT_KINDS, *self.more_faults, "none")
                kind = request.word("kind", kinds)
                count = request.number("count", low=1, high=COUNT_MAX, default=1)
                request.done()
                self.faults.add(kind, count)
            elif do == "state":
                request.done()
            else:
                self.order(do, request)
        except ControlError as error:
            return {"ok": False, "error": error.problem}
        return {"ok": True, "kind": self.kind, "state": self.state(), "faults": self.faults.left}
