"""What the archive answers on the sample day: one package, checked, with a named gap."""

from __future__ import annotations

from typing import Any

PACKAGE = "pk-0123456789ab"
HASH = "9f" * 32


def row(**more: Any) -> dict[str, Any]:
    """One package that was checked and received in part."""
    gap = {
        "item": "av",
        "kind": "missing",
        "count": 1,
        "names": ["data/av/station-3/000012.mp4"],
        "zh": "缺少 1 段音视频",
        "en": "1 segment is missing",
    }
    receipt = {
        "verdict": "partial",
        "gaps": [gap],
        "by": {"post": "HB-07"},
        "at": "2026-11-25T02:00:00.000Z",
        "raw": "",
    }
    return {
        "package": PACKAGE,
        "session": "s-0123456789ab",
        "booking": "2026-1124-03",
        "org": "changsha",
        "role": "guest",
        "state": "verified",
        "stage": "built",
        "done": 6,
        "total": 6,
        "tag_sha256": HASH,
        "files": 412,
        "bytes": 13_314_398_617,
        "notes": ["PDF: no page was left out"],
        "error": None,
        "built_by": "CS-01",
        "verify_code": 3,
        "started_at": "2026-11-24T09:00:00.000Z",
        "built_at": "2026-11-24T09:02:00.000Z",
        "verified_at": "2026-11-25T02:00:00.000Z",
        "verify_report": {
            "code": 3,
            "first_bad": "data/av/station-3/000012.mp4",
            "counts": {"sound": 411, "incomplete": 1},
            "items": [
                {
                    "verdict": "incomplete",
                    "name": "data/av/station-3/000012.mp4",
                    "key": "no_segment",
                    "zh": "文件缺失",
                    "en": "the file is missing",
                }
            ],
        },
        "receipt": receipt,
        "receipts": [receipt],
        **more,
    }


def deadline() -> dict[str, Any]:
    """The hand-over of two guests; one has not built its package."""
    venues = [
        {"org": "changsha", "package": PACKAGE, "state": "met", "receipt": "partial"},
        {"org": "hubei", "package": None, "state": "overdue", "receipt": None},
    ]
    due = {
        "ended_on": "2026-11-24",
        "due_on": "2026-11-27",
        "provisional": False,
        "earliest": "2026-11-27",
        "latest": "2026-11-27",
        "working_days": 3,
    }
    return {"session": "s-0123456789ab", "due": due, "today": "2026-11-25", "venues": venues}
