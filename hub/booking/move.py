"""A booking moved to another time: what may change, and the request that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hub.booking.body import RequestBody, read_request, without_nulls
from hub.booking.rows import Record
from hub.clock import iso_ms
from protocols.messages.strict import Reader

KEPT: Final = ("kind", "project_code", "project_kind", "home_org", "predecessor")
MOVABLE: Final = ("start_at", "duration_min", "exception")


def read_move(body: Mapping[str, Any], record: Record) -> tuple[RequestBody, str]:
    """The new request and why; rooms, stations and numbers of members are the old ones.

    Args:
        body: `{start_at, duration_min?, reason, exception?}`; an exception counts for one request.
        record: the booking that is moved.

    Raises:
        RemoteError: with the path of the first field that is not as it must be.
    """
    given = without_nulls(body)
    reader = Reader(given, where="booking")
    reason = reader.text("reason", chars_max=2000)
    row = record.row
    asked = {
        **{key: row[key] for key in KEPT},
        "start_at": iso_ms(row["start_at"]),
        "duration_min": row["duration_min"],
        "draw_conditions": row["draw"]["conditions"] or None,
        "venues": [
            {
                **{k: one[k] for k in ("org", "place", "experts", "tenderer_reps", "meal_fen")},
                "stations": list(record.stations_of(str(one["org"]))),
            }
            for one in record.venues
        ],
    }
    for key, value in given.items():
        if key in MOVABLE:
            asked[key] = value
        elif key != "reason":
            reader.fail(key, "no such field", type(value).__name__)
    wish = read_request(asked)
    if wish.start_at == row["start_at"] and wish.duration_min == row["duration_min"]:
        reader.fail("start_at", "another time than now", iso_ms(wish.start_at))
    return wish, reason
