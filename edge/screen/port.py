"""What the screen needs of the room; the room's desk provides it, tests bring their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class ScreenPort(Protocol):
    """See, act with PINs, confirm an order, pass one on. Called from the screen's threads."""

    def view(self) -> dict[str, Any]:
        """The room as keys and numbers (`protocols.policy.room_view`).

        Raises:
            TimeoutError: the room does not answer.
        """
        ...

    def subscribe(self) -> Iterator[int]:
        """Yields after each change, and now and then without one."""
        ...

    def act(
        self, act: str, session: str, args: Mapping[str, Any], by: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        """One staff act; `by` are (person, PIN)."""
        ...

    def order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Signs and gives an order: session, order, members, committee, reason, person, pin."""
        ...

    def typed_order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Takes an order that came as an offline code: session, text, person, pin."""
        ...

    def passed_on(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Shows an order's codes to the home manager: session, n, person, pin."""
        ...

    def duty(self) -> list[dict[str, str]]:
        """Who can act here: person, post, role, org, session."""
        ...

    def facts(self) -> dict[str, Any]:
        """Names of the place and of its cameras, and the room's clock."""
        ...
