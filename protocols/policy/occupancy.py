"""Whether somebody sits at a station: a pressure mat and a presence radar, fused.

Occupied: the mat is pressed. Vacant: the mat has been free for `clear_s` and the radar sees no
moving target; the radar alone never vacates, for a person who sits still looks like a chair to it.
Unknown is a state: a sensor that is silent says nothing (DESIGN §6.1).
"""

from __future__ import annotations

OCCUPIED = "occupied"
VACANT = "vacant"
UNKNOWN = "unknown"
SEAT_STATES = (OCCUPIED, VACANT, UNKNOWN)

RADAR_TARGETS = ("none", "moving", "still", "both")
"""LD2410 target states 0 to 3, see the module's serial protocol document."""
_MOVING = ("moving", "both")


def fuse(
    before: str,
    *,
    mat_on: bool | None,
    mat_off_ms: int,
    radar: str | None,
    clear_s: int,
) -> str:
    """Return occupied, vacant or unknown.

    Args:
        before: the state so far; it holds while the mat's time is running.
        mat_on: the mat is pressed; None = not known.
        mat_off_ms: how long the mat has been free.
        radar: one of RADAR_TARGETS; None = not known.
        clear_s: seconds the mat must be free.
    """
    if mat_on is None:
        return UNKNOWN
    if mat_on:
        return OCCUPIED
    if radar is None:
        return UNKNOWN
    if mat_off_ms >= clear_s * 1000 and radar not in _MOVING:
        return VACANT
    return before
