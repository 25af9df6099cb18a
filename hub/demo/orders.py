"""Orders of the home manager at the hub, and how the script knows that they are in force."""

from __future__ import annotations

from typing import Any

from hub.demo import look
from hub.demo.day import Day, ensure


def order(day: Day, word: str, phase: str, **more: Any) -> None:
    """The home manager issues an order at the hub; done when every room is in the phase."""
    manager = day.manager()
    body = {"order": word, "pin": manager.pin, **more}
    ensure(
        f"order {word} in force at every venue",
        lambda: all(
            look.phase(site.screen().state(), day.session) == phase for site in day.town.rooms
        ),
        lambda: issued(day, word) or manager.post(f"sessions/{day.session}/orders", body),
        within_s=15,
    )


def issued(day: Day, word: str, *, after: int = 0) -> bool:
    """Whether the hub already holds this order, and no room has refused it."""
    return any(
        one["order"] == word and one["n"] > after and not one.get("refused")
        for one in day.view()["orders"]
    )
