"""A booking as an iCalendar file (RFC 5545): when and where, by organisation; never a person.

Times are given in Asia/Shanghai with their zone's definition; China has kept one offset since 1991.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

ZONE: Final = "Asia/Shanghai"
CHINA: Final = ZoneInfo(ZONE)
MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
GIVEN: Final = ("confirmed", "in_use", "ended", "closed")
"""States of a booking that stands; one that was given up is sent as cancelled."""
CANCELLED: Final = ("withdrawn", "rescheduled", "aborted", "no_show")
FOLD_OCTETS: Final = 75
_ZONE_LINES: Final = (
    "BEGIN:VTIMEZONE",
    f"TZID:{ZONE}",
    "BEGIN:STANDARD",
    "DTSTART:19910915T010000",
    "TZOFFSETFROM:+0900",
    "TZOFFSETTO:+0800",
    "TZNAME:CST",
    "END:STANDARD",
    "END:VTIMEZONE",
)


def calendar_file(booking: Mapping[str, Any], *, org: str, hub: str, changed_at: datetime) -> str:
    """The file, lines ended by CRLF and folded at 75 octets.

    Args:
        booking: as `hub.booking.view.booking_json` shows it, in one of the states above.
        org: the reader's organisation; its room is the place.
        hub: the hub's id, part of the event's lasting name.
        changed_at: when the booking last changed.
    """
    begins = datetime.fromisoformat(booking["start_at"])
    ends = begins + timedelta(minutes=booking["duration_min"])
    stamp = f"{changed_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    venues = "；".join(_venue(one) for one in booking["venues"])
    own = next((one for one in booking["venues"] if one["org"] == org), booking["venues"][0])
    event = (
        "BEGIN:VEVENT",
        f"UID:{booking['number']}@{hub}",
        f"DTSTAMP:{stamp}",
        f"LAST-MODIFIED:{stamp}",
        f"SEQUENCE:{booking['published_n'] + (booking['state'] in CANCELLED)}",
        f"STATUS:{'CANCELLED' if booking['state'] in CANCELLED else 'CONFIRMED'}",
        f"DTSTART;TZID={ZONE}:{_local(begins)}",
        f"DTEND;TZID={ZONE}:{_local(ends)}",
        f"SUMMARY:{_text('远程异地评标 ' + booking['number'])}",
        f"LOCATION:{_text(_venue(own))}",
        f"DESCRIPTION:{_text(venues)}",
        "END:VEVENT",
    )
    head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//evalroom//hub//ZH", "METHOD:PUBLISH")
    lines = (*head, *_ZONE_LINES, *event, "END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _venue(venue: Mapping[str, Any]) -> str:
    role = "主场" if venue["role"] == "home" else "副场"
    return f"{role} {venue['name']} {venue['room']}".strip()


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%Y%m%dT%H%M%S}"


def _text(value: str) -> str:
    """RFC 5545 §3.3.11."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        value = value.replace(plain, escaped)
    return value


def _folded(line: str) -> Iterator[str]:
    """RFC 5545 §3.1: at most 75 octets a line, never within a character."""
    part, size = "", 0
    for char in line:
        width = len(char.encode("utf-8"))
        if size + width > FOLD_OCTETS:
            yield part
            part, size = " ", 1
        part, size = part + char, size + width
    yield part
