"""The fold of the record up to one row, kept in the journal's small state when rows are pruned.

Without it a start would know less than the run before it: faults would be numbered from 1 again,
lockers, orders and answers forgotten. It holds what the fold holds, so no secret and no name.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from protocols.policy.errors import PolicyError
from protocols.policy.room_model import RoomConfig, RoomState
from protocols.policy.room_state import from_json, initial, recorded, to_json

KV_FOLD = "fold"
COUNTED = ("fault_count", "openings")
"""What numbers are made of; a number given twice would name two things."""
log = logging.getLogger("evalroom.edge.snapshot")


def snapshot(state: RoomState, epoch: str, seq: int) -> dict[str, bytes]:
    """The small state that keeps this fold of all rows up to (epoch, seq)."""
    kept = {"epoch": epoch, "seq": seq, "state": to_json(recorded(state))}
    return {KV_FOLD: json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8")}


def resumed(
    kept: bytes | None, config: RoomConfig, epochs: Collection[str]
) -> tuple[RoomState, tuple[str, int] | None]:
    """The state a start begins with, and the row behind which it goes on folding.

    Args:
        kept: what `snapshot` kept; None before rows were ever pruned.
        config: what stands in the room now.
        epochs: those of the journal; one that is not among them was lost with a damaged file.

    Returns:
        (state, None) where every row that is left must be folded. What another program kept, or
        a damaged file, gives its counters at least.
    """
    if kept is None:
        return initial(config), None
    found = json.loads(kept)
    if found["epoch"] in epochs:
        try:
            return _in(from_json(found["state"]), config), (found["epoch"], found["seq"])
        except PolicyError as error:
            log.warning("the kept fold cannot be used, its counters are: %s", error)
    numbers: dict[str, Any] = {name: found["state"].get(name, 0) for name in COUNTED}
    return replace(initial(config), **numbers), None


def _in(state: RoomState, config: RoomConfig) -> RoomState:
    """The same state in a room where something may have been added or taken away since."""
    empty = initial(config)
    return state.evolve(
        config=config,
        lockers={**empty.lockers, **state.lockers},
        seats={**empty.seats, **state.seats},
        devices={**empty.devices, **state.devices},
        streams={**empty.streams, **state.streams},
    )
