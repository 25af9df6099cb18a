"""The doors and their contents behind a simulated lock board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from edge.simulators.board import Request

ORDERS: Mapping[str, str] = {
    "key_open": "lock: opens with the mechanical key",
    "put": "lock: lays an item in; the door must be open",
    "take": "lock: takes the item out; the door must be open",
    "close": "lock: shuts the door",
    "jam": "lock, on: a jammed lock does not spring open",
}


@dataclass(slots=True)
class Locker:
    """One door and what lies behind it."""

    open: bool = False
    item: bool = False
    jammed: bool = False


class Cabinet:
    """Lockers 1..count."""

    def __init__(self, count: int) -> None:
        self.lockers = {lock: Locker() for lock in range(1, count + 1)}

    def pulse(self, lock: int) -> None:
        """The board drives the lock: the door springs open unless it is jammed or not there."""
        locker = self.lockers.get(lock)
        if locker is not None and not locker.jammed:
            locker.open = True

    def order(self, do: str, request: Request) -> None:
        """Obeys what a hand would do.

        Raises:
            ControlError: no such lock, or the door is shut.
        """
        lock = request.number("lock", low=1, high=len(self.lockers))
        on = request.flag("on", default=True) if do == "jam" else True
        request.done()
        locker = self.lockers[lock]
        if do in {"put", "take"}:
            if not locker.open:
                raise request.refuse(f"{do} at lock {lock}", "an open door", "a shut one")
            locker.item = do == "put"
        elif do == "jam":
            locker.jammed = on
        else:
            locker.open = do == "key_open"

    def state(self) -> dict[str, object]:
        """Every locker by number."""
        return {"lockers": {str(lock): asdict(locker) for lock, locker in self.lockers.items()}}

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over what `state` wrote; lockers beyond this cabinet's count are left out."""
        lockers = state["lockers"]
        if not isinstance(lockers, dict):
            raise TypeError(f"lockers: expected an object, got {type(lockers).__name__}")
        for key, fields in lockers.items():
            if int(key) in self.lockers:
                self.lockers[int(key)] = Locker(**fields)
