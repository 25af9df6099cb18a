"""A booking as JSON: what screens and programs read. Never a name or a number of a member."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hub.booking.rows import Record
from hub.clock import iso_ms


def instant(value: datetime | None) -> str | None:
    """RFC 3339 UTC, or None."""
    return None if value is None else iso_ms(value)


def taken(held: Mapping[str, Any]) -> dict[str, Any]:
    """What holds a station, for those it does not concern: from when to when, and no more."""
    return {
        "booking": None,
        "state": "taken",
        "occupied_from": held["occupied_from"],
        "occupied_to": held["occupied_to"],
        "start_at": None,
        "duration_min": None,
        "kind": None,
    }


def booking_json(
    record: Record,
    *,
    names: Mapping[str, tuple[str, str]],
    rooms: Mapping[str, Mapping[str, Any]],
    viewer_org: str,
) -> dict[str, Any]:
    """The whole booking.

    Args:
        record: as stored.
        names: organisation id -> names in Chinese and English.
        rooms: room id -> its row.
        viewer_org: only this organisation sees the masks of its own members; '' sees none.
    """
    row = record.row
    return {
        "number": record.number,
        "session": record.session,
        "kind": row["kind"],
        "state": record.state,
        "project_code": row["project_code"],
        "project_kind": row["project_kind"],
        "predecessor": row["predecessor"],
        "replaces": row["replaces"],
        "home_org": record.home_org,
        "start_at": instant(row["start_at"]),
        "duration_min": row["duration_min"],
        "occupied_from": instant(row["occupied_from"]),
        "occupied_to": instant(row["occupied_to"]),
        "draw": row["draw"],
        "findings": row["findings"],
        "exception": row["exception"],
        "reason": row["reason"],
        "requested_by": row["requested_by"],
        "requested_at": instant(row["requested_at"]),
        "published_at": instant(row["published_at"]),
        "published_n": row["published_n"],
        "ended_at": instant(row["ended_at"]),
        "venues": [_venue(record, venue, names=names, rooms=rooms) for venue in record.venues],
        "members": [_member(member, viewer_org=viewer_org) for member in record.members],
        "duty": [_duty(person) for person in record.duty],
    }


def _venue(
    record: Record,
    venue: Mapping[str, Any],
    *,
    names: Mapping[str, tuple[str, str]],
    rooms: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    org = str(venue["org"])
    name, name_en = names.get(org, (org, org))
    room = rooms.get(str(venue["place"]), {})
    return {
        "org": org,
        "name": name,
        "name_en": name_en,
        "role": venue["role"],
        "place": venue["place"],
        "room": room.get("name", ""),
        "ctl": room.get("ctl"),
        "state": venue["state"],
        "experts": venue["experts"],
        "tenderer_reps": venue["tenderer_reps"],
        "stations": list(record.stations_of(org)),
        "meal_fen": venue["meal_fen"],
        "decided_at": instant(venue["decided_at"]),
        "reason": venue["reason"],
        "members_entered": sum(member["org"] == org for member in record.members),
        "duty_confirmed": sum(
            person["org"] == org and person["state"] != "assigned" for person in record.duty
        ),
        "certified": any(
            person["org"] == org and person["cert"] is not None for person in record.duty
        ),
    }


def _member(member: Mapping[str, Any], *, viewer_org: str) -> dict[str, Any]:
    shown = {
        "no": member["no"],
        "org": member["org"],
        "kind": member["kind"],
        "station": member["station"],
        "locker": member["locker"],
    }
    if member["org"] == viewer_org:
        shown["masked"] = member["masked"]
    return shown


def _duty(person: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "person": person["person"],
        "post": person["post"],
        "role": person["role"],
        "org": person["org"],
        "state": person["state"],
        "kid": person["kid"],
        "certified": person["cert"] is not None,
        "confirmed_at": instant(person["confirmed_at"]),
    }
