"""A whole day as a package's records hold it, written by hand for the tests of the reports."""

from __future__ import annotations

from typing import Any

from hub.archive.filing import Filing
from protocols.evidence.package import FileInfo
from protocols.terms_events import EVENT_LABELS

HOME, GUEST, HUB = "c-0000000000aa", "c-0000000000bb", "h-0000000000cc"
STAFF = {"org": "changsha", "person": "p-1", "post": "CS-04", "role": "room_staff"}
MANAGER = {"org": "hubei", "person": "p-2", "post": "HB-01", "role": "home_manager"}
WITNESS = {"org": "hubei", "person": "p-3", "post": "HB-07", "role": "witness"}
LONG_NAME = "seal" * 20


def line(at: str, kind: str, data: dict[str, Any], *, ctl: str = GUEST) -> dict[str, Any]:
    """One line of the timeline; `at` is a time of 24 November in UTC."""
    zh, en = EVENT_LABELS.get(kind, (kind, kind))
    moment = at if "T" in at else f"2026-11-24T{at}Z"
    told = {"at": moment, "at_trust": "ntp", "ctl": ctl, "seq": 1, "type": kind}
    return {**told, "zh": zh, "en": en, "data": data}


def filing(**changes: Any) -> Filing:
    """The guest's day; `changes` replace whole records."""
    parts: dict[str, Any] = {
        "session": _session(),
        "witness": _witness(),
        "appraisal": {"entries": _entries()},
        "decisions": {"cases": [_case()]},
        "av": _recorded(),
        "package": "pk-1",
        "made_at": "2026-11-25T01:30:03.000Z",
        "catalogue": {"late": "迟到"},
        "files": {
            "data/record/witness.json": FileInfo(size=2048, sha256="1" * 64, sm3=""),
            "data/av/index.json": FileInfo(size=10, sha256="2" * 64, sm3=""),
            "data/av/room/a.mp4": FileInfo(size=1024, sha256="3" * 64, sm3=""),
            "data/av/room/b.mp4": FileInfo(size=1024, sha256="4" * 64, sm3=""),
        },
    }
    return Filing(**{**parts, **changes})


def _session() -> dict[str, Any]:
    venue = {"place": "p", "meal_fen": None}
    home = {"org": "hubei", "name": "湖北省公共资源交易中心", "role": "home", "room": "301"}
    guest = {"org": "changsha", "name": "长沙公共资源交易中心", "role": "guest", "room": "二室"}
    return {
        "session": "s-1",
        "booking": "2026-1124-01",
        "project_code": "HBSJ-2026-690",
        "kind": "evaluation",
        "org": "changsha",
        "home_org": "hubei",
        "lead": 1,
        "predecessor": None,
        "start_at": "2026-11-24T01:00:00.000Z",
        "started_at": "2026-11-24T01:00:21.999Z",
        "ended_at": "2026-11-24T09:01:54.670Z",
        "venues": [
            {**venue, **home, "ctl": HOME, "place": "hubei-301"},
            {**venue, **guest, "ctl": GUEST, "place": "changsha-2"},
        ],
        "members": [{"no": 1}, {"no": 4}, {"no": 5}],
    }


def _witness() -> dict[str, Any]:
    signed = {"outcome": "signed", "at": "2026-11-24T09:00:01.000Z"}
    dissent = {"outcome": "signed_with_dissent", "at": "2026-11-24T09:00:02.000Z"}
    card = {"at": "2026-11-24T00:59:35.636Z", "method": "two_staff", "document": "id_card"}
    stored = {"at": "2026-11-24T00:59:40.000Z", "items": ["phone", "watch"], "locker": 3}
    present = {
        "no": 4,
        "kind": "expert",
        "station": 1,
        "locker": 3,
        "identified": {**card, "by": [STAFF]},
        "deposited": stored,
        "seated": {"at": "2026-11-24T00:59:41.000Z"},
        "documents": {"personal_sheet": signed, "summary": signed, "report": dissent},
        "released": {"at": "2026-11-24T09:02:00.000Z"},
        "left": {"at": "2026-11-24T09:03:00.000Z"},
    }
    absent = {"no": 5, "kind": "expert", "station": 2, "locker": 4, "documents": {}}
    order = {"members": [], "venues": [], "committee": "", "via": "hub"}
    unnamed = {"org": "", "person": "p-2", "post": "", "role": ""}
    return {
        "draw": {"conditions": "市政工程"},
        "on_duty": [{"post": "CS-01", "role": "home_manager", "state": "confirmed"}],
        "members": [present, absent],
        "orders": [
            {**order, "id": "o1", "n": 1, "order": "start", "by": MANAGER}
            | {"issued_at": "2026-11-24T01:00:20.000Z"},
            {**order, "id": "o2", "n": 2, "order": "end", "by": unnamed, "via": "screen"}
            | {"issued_at": "2026-11-24T09:01:54.000Z"},
        ],
        "phases": [{"ctl": HOME, "to": "ended", "at": "2026-11-24T09:01:54.670Z"}],
        "timeline": _timeline(),
    }


def _timeline() -> list[dict[str, Any]]:
    away = {"no": 4, "reason": "toilet", "by": [STAFF], "escort": "CS-12", "consent_by": "lead"}
    accepted = {"id": "o2", "n": 2, "order": "end", "members": [], "by": [MANAGER]}
    return [
        line("2026-11-18T02:00:00.000Z", "booking.accepted", {"by": STAFF}, ctl=HUB),
        line("01:10:00.000", "member.absent", {"no": 5, "by": [STAFF]}) | {"at_trust": "none"},
        line("01:20:00.000", "away.started", {**away, "expected_min": 5}),
        line("01:25:00.000", "away.ended", {"no": 4, "by": [STAFF]}),
        line("01:30:00.000", "away.started", {**away, "reason": "meal", "expected_min": 30}),
        line("01:31:00.000", "case.step", {"case": "k-1", "key": "tell", "state": "done"}, ctl=HUB),
        line("01:32:00.000", "record.gap", {"epoch": "e", "from": 7, "to": 9, "cause": "gap"}),
        line("01:33:00.000", "statement.received", {"no": 4}, ctl=HUB),
        line("01:34:00.000", "new.kind", {"inner": {"deep": 1}}),
        line("09:01:54.500", "order.accepted", accepted),
    ]


def _entries() -> list[dict[str, Any]]:
    at = "2026-11-25T01:30:00.000Z"
    first = {"member": 4, "items": ["late"], "points": -10, "remark": "", "post": "CS-06", "at": at}
    return [first, {**first, "items": [], "points": 0, "remark": "履职正常。"}]


def _case() -> dict[str, Any]:
    rule = {
        "verified": False,
        "source": "代用办法",
        "options": [{"key": "wait", "zh": "原地等候"}],
        "steps": [{"key": "tell", "zh": "告知各场地"}],
    }
    decision = {
        "n": 1,
        "option": "wait",
        "scope": "venue",
        "decided_by": MANAGER,
        "recorded_by": WITNESS,
        "second": WITNESS,
        "reason": "UPS 余量充足。",
        "at": "2026-11-24T01:30:30.000Z",
    }
    seal = {"action": "seal", "seal_no": LONG_NAME, "what": "资料一箱", "persons": [STAFF]}
    return {
        "id": "k-1",
        "number": 1,
        "drill": False,
        "kind": "power",
        "place": "changsha-2",
        "started_at": "2026-11-24T01:30:00.000Z",
        "cleared_at": "2026-11-24T01:31:01.000Z",
        "elapsed_ms": 61_900,
        "exact": False,
        "limit_s": 1800,
        "article": "第十六条",
        "state": "closed",
        "rule": rule,
        "decisions": [decision],
        "seals": [{**seal, "at": "2026-11-24T01:40:00.000Z"}],
    }


def _recorded() -> dict[str, Any]:
    part = {"type": "media.segment", "bytes": 1024, "file": "data/av/room/a.mp4"}
    spans = [("01:00:00", "01:10:00"), ("01:10:18", "09:00:00")]
    segments = [
        {**part, "first_at": f"2026-11-24T{a}.000Z", "last_at": f"2026-11-24T{b}.000Z"}
        for a, b in spans
    ]
    hole = {"from_at": "2026-11-24T01:10:00.000Z", "to_at": "2026-11-24T01:10:18.000Z"}
    gap = {"type": "media.gap", **hole, "seconds": 18, "cause": "power-1"}
    lost = {"type": "media.lost", "sha256": "5" * 64, "reason": ""}
    return {"streams": [{"stream": "room", "segments": segments, "gaps": [gap, lost]}]}
