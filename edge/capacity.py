"""How long this room can stay offline: free space against what a room day writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from edge.config import RoomFile

EVENT_BYTES = 700  # measured on the demonstration day, row and index included
EVENTS_A_DAY = 5_000  # a full day with a fault or two, ten times the demonstration
VIDEO_BITS = 2_000_000  # 1080p25 by a camera set as in the purchase list
HOURS_A_DAY = 10
RESERVE = 0.05  # kept free for gap records and alarms


def capacity(room: RoomFile) -> dict[str, Any]:
    """Returns days offline for journal and video, with the figures they rest on."""
    state = (room.path.parent / room.get("controller", "state_dir")).resolve()
    media = (room.path.parent / room.get("media", "dir")).resolve()
    journal_free = _free(state)
    media_free = _free(media)
    video_day = VIDEO_BITS // 8 * 3600 * HOURS_A_DAY * len(room.cameras)
    return {
        "journal_days": int(journal_free / (EVENT_BYTES * EVENTS_A_DAY)),
        "video_days": round(media_free / video_day, 1),
        "journal_free_bytes": journal_free,
        "media_free_bytes": media_free,
        "assumed": {
            "events_a_day": EVENTS_A_DAY,
            "event_bytes": EVENT_BYTES,
            "video_bit_s": VIDEO_BITS,
            "hours_a_day": HOURS_A_DAY,
            "cameras": len(room.cameras),
        },
    }


def _free(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return max(0, int(usage.free - RESERVE * usage.total))
