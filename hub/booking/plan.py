"""What a room is told of a session (interface: the `sessions` of the plan message).

Numbers and tags only: the plan names persons on duty by post, members by number. Wrapped keys go to
their own venue's room alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.booking.rows import Record
from hub.clock import iso_ms


def session_plan(
    record: Record,
    *,
    org: str,
    tags: str,
    names: Mapping[str, tuple[str, str]],
    controllers: Mapping[str, str],
    rooms: Mapping[str, Mapping[str, Any]],
    system: str,
) -> dict[str, Any]:
    """The session as the controller of `org` gets it.

    Args:
        record: the booking.
        org: the venue the controller stands in.
        tags: sealed box of `{"3": tag}` of the members there.
        names: organisation id -> names.
        controllers: organisation id -> controller id ('' where none is enrolled).
        rooms: room id -> its row.
        system: key id of the evaluation system's certified key, '' where none is.
    """
    role = "home" if org == record.home_org else "guest"
    return {
        "session": record.session,
        "booking": record.number,
        "kind": record.row["kind"],
        "start_at": iso_ms(record.row["start_at"]),
        "duration_min": record.row["duration_min"],
        "org": org,
        "role": role,
        "home_org": record.home_org,
        "venues": [
            {
                "org": venue["org"],
                "role": venue["role"],
                "ctl": controllers.get(str(venue["org"]), ""),
                "place": venue["place"],
                "name": venue_name(venue, names=names, rooms=rooms),
            }
            for venue in record.venues
        ],
        "members": [
            {
                "no": member["no"],
                "kind": member["kind"],
                "org": member["org"],
                "here": member["org"] == org,
                "station": member["station"] if member["org"] == org else None,
                "locker": member["locker"] if member["org"] == org else None,
            }
            for member in record.members
        ],
        "salt": record.row["salt"],
        "tags": tags,
        "duty": [
            {
                "person": person["person"],
                "post": person["post"],
                "role": person["role"],
                "org": person["org"],
                "kid": person["kid"],
                "wrapped": person["wrapped"] if person["org"] == org else None,
            }
            for person in record.duty
            if person["state"] != "assigned"
        ],
        "system_kid": system,
    }


def venue_name(
    venue: Mapping[str, Any],
    *,
    names: Mapping[str, tuple[str, str]],
    rooms: Mapping[str, Mapping[str, Any]],
) -> str:
    """Organisation and room in one line, as the screens of the other venues show it."""
    org = names.get(str(venue["org"]), (str(venue["org"]), ""))[0]
    room = rooms.get(str(venue["place"]), {}).get("name", "")
    return f"{org} {room}".strip()
