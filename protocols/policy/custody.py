"""What a locker's sensors say about a door that was opened on purpose, and about one that was not.

A deposit is the sequence closed, open, item absent, item present, closed; a release is closed,
open, item absent, closed. A board without item bits says `unknown`: then a person confirms. A door
that opens without an intent in the journal was opened by key or by force (RULES §8.6).
Readings come confirmed: two agreeing reads of the board (DESIGN §6.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

DOORS = ("open", "closed", "unknown")
ITEMS = ("present", "absent", "unknown")


class Stage(StrEnum):
    """How far a door in progress has come."""

    WAITING = "waiting"
    OPEN = "open"
    OPEN_EMPTY = "open_empty"
    OPEN_FULL = "open_full"
    SHUT_EMPTY = "shut_empty"
    SHUT_FULL = "shut_full"
    SHUT_UNKNOWN = "shut_unknown"


class Outcome(StrEnum):
    """What a finished door means."""

    DEPOSITED = "deposited"
    NOTHING = "nothing"
    CONFIRM = "confirm"
    RELEASED = "released"
    KEPT = "kept"
    TAKEN_OUT = "taken_out"
    SHUT = "shut"


SHUT = frozenset({Stage.SHUT_EMPTY, Stage.SHUT_FULL, Stage.SHUT_UNKNOWN})
"""The door has been open and is closed again."""

_BY_ITEM = {
    "open": {"absent": Stage.OPEN_EMPTY, "present": Stage.OPEN_FULL, "unknown": Stage.OPEN},
    "closed": {
        "absent": Stage.SHUT_EMPTY,
        "present": Stage.SHUT_FULL,
        "unknown": Stage.SHUT_UNKNOWN,
    },
}


def _tracks() -> dict[tuple[Stage, str, str], Stage]:
    table: dict[tuple[Stage, str, str], Stage] = {}
    for item in ITEMS:
        for stage in Stage:
            # A door that shut is finished; the next reading belongs to the next opening.
            table[(stage, "unknown", item)] = stage
            table[(stage, "open", item)] = stage if stage in SHUT else _BY_ITEM["open"][item]
            table[(stage, "closed", item)] = stage if stage in SHUT else _BY_ITEM["closed"][item]
        # Closed before it was ever seen open: still waiting for the lock to move.
        table[(Stage.WAITING, "closed", item)] = Stage.WAITING
    return table


TRACK_TABLE: Mapping[tuple[Stage, str, str], Stage] = MappingProxyType(_tracks())
"""(stage, door, item) to stage; complete."""

OUTCOMES: Mapping[tuple[str, Stage], Outcome] = MappingProxyType(
    {
        ("deposit", Stage.SHUT_FULL): Outcome.DEPOSITED,
        ("deposit", Stage.SHUT_EMPTY): Outcome.NOTHING,
        ("deposit", Stage.SHUT_UNKNOWN): Outcome.CONFIRM,
        ("release", Stage.SHUT_FULL): Outcome.KEPT,
        ("release", Stage.SHUT_EMPTY): Outcome.RELEASED,
        ("release", Stage.SHUT_UNKNOWN): Outcome.RELEASED,
        ("escorted", Stage.SHUT_FULL): Outcome.KEPT,
        ("escorted", Stage.SHUT_EMPTY): Outcome.TAKEN_OUT,
        ("escorted", Stage.SHUT_UNKNOWN): Outcome.TAKEN_OUT,
        ("override", Stage.SHUT_FULL): Outcome.SHUT,
        ("override", Stage.SHUT_EMPTY): Outcome.SHUT,
        ("override", Stage.SHUT_UNKNOWN): Outcome.SHUT,
    }
)
"""(why the door was opened, stage it ended in) to what that means."""


def track(stage: Stage, door: str, item: str) -> Stage:
    """Return the stage after one reading."""
    return TRACK_TABLE[(stage, door, item)]


def outcome(why: str, stage: Stage) -> Outcome | None:
    """Return what the finished door means, None while it is not finished."""
    return OUTCOMES.get((why, stage))


def unexplained(door_before: str, door_after: str, *, intended: bool, held: bool) -> bool:
    """Whether a door stands open that nobody here has opened.

    A door first seen open is a door left open, unless something is held behind it.
    """
    if door_after != "open" or intended:
        return False
    return door_before == "closed" or (door_before == "unknown" and held)
