"""What the booking service answers on the sample day, as plain objects."""

from __future__ import annotations

from typing import Any

NAMES = {
    "hubei": ("湖北省公共资源交易中心", "Hubei Public Resources Trading Centre"),
    "changsha": ("长沙公共资源交易中心", "Changsha Public Resources Trading Centre"),
}


def venue(
    org: str, role: str, place: str, room: str, experts: int, reps: int, state: str
) -> dict[str, Any]:
    return {
        "org": org,
        "name": NAMES[org][0],
        "name_en": NAMES[org][1],
        "role": role,
        "place": place,
        "room": room,
        "ctl": "c-0123456789ab",
        "state": state if state in {"requested", "declined"} else "accepted",
        "experts": experts,
        "tenderer_reps": reps,
        "stations": [f"{place}-{n}" for n in range(1, experts + reps + 1)],
        "meal_fen": 3000 if role == "guest" else None,
        "decided_at": "2026-11-18T02:00:00.000Z",
        "reason": "",
        "members_entered": experts + reps if state == "confirmed" else 0,
        "duty_confirmed": 2,
        "certified": False,
    }


def member(no: int, org: str, kind: str, **own: Any) -> dict[str, Any]:
    return {"no": no, "org": org, "kind": kind, "station": no, "locker": no, **own}


def person(n: str, post: str, role: str, org: str, duty: str) -> dict[str, Any]:
    return {
        "person": f"p-00000000000{n}",
        "post": post,
        "role": role,
        "org": org,
        "state": duty,
        "kid": None,
        "certified": duty == "certified",
        "confirmed_at": None,
    }


def booking(number: str = "2026-1124-03", state: str = "confirmed", **more: Any) -> dict[str, Any]:
    """One booking of two venues and five members."""
    seen = {"masked": {"name": "张**", "id_number": "4201************1X"}}
    return {
        "number": number,
        "session": "s-0123456789ab",
        "kind": "evaluation",
        "state": state,
        "project_code": "HB-2026-0417",
        "project_kind": "construction",
        "predecessor": None,
        "home_org": "hubei",
        "start_at": "2026-11-24T01:00:00.000Z",
        "duration_min": 240,
        "occupied_from": "2026-11-24T00:30:00.000Z",
        "occupied_to": "2026-11-24T05:30:00.000Z",
        "draw": {"conditions": "建筑施工专业 4 人"},
        "reason": "",
        "findings": [
            {
                "code": "calendar",
                "level": "warn",
                "zh": "2027 年日历为暂定",
                "en": "The 2027 calendar is provisional",
            }
        ],
        "exception": {"reason": "原定机位检修", "approver": "HB-01", "approver_org": "hubei"},
        "requested_by": "p-00000000000a",
        "requested_at": "2026-11-17T02:00:00.000Z",
        "published_at": None,
        "published_n": 0,
        "ended_at": None,
        "venues": [
            venue("hubei", "home", "hubei-301", "301", 2, 1, state),
            venue("changsha", "guest", "changsha-2", "二室", 2, 0, state),
        ],
        "members": [
            member(1, "hubei", "expert", **seen),
            member(2, "hubei", "expert", **seen),
            member(3, "hubei", "tenderer_rep", **seen),
            member(4, "changsha", "expert"),
            member(5, "changsha", "expert"),
        ],
        "duty": [
            person("a", "HB-07", "home_manager", "hubei", "assigned"),
            person("b", "HB-21", "room_staff", "hubei", "confirmed"),
            person("c", "CS-12", "guest_coordinator", "changsha", "certified"),
        ],
        **more,
    }


def directory() -> list[dict[str, Any]]:
    """Two organisations that share stations."""

    def room(org: str, no: str, name: str) -> dict[str, Any]:
        stations = [
            {"id": f"{org}-{no}-{n}", "n": n, "locker": n, "kind": "desk", "active": True}
            for n in range(1, 5)
        ]
        return {"id": f"{org}-{no}", "room": no, "name": name, "ctl": None, "stations": stations}

    def org(
        ident: str, kind: str, partners: list[str], rooms: list[dict[str, Any]]
    ) -> dict[str, Any]:
        return {
            "org": ident,
            "name": NAMES[ident][0],
            "name_en": NAMES[ident][1],
            "level": "province",
            "kind": kind,
            "partners": partners,
            "rooms": rooms,
        }

    return [
        org(
            "changsha",
            "assisting",
            ["hubei"],
            [room("changsha", "2", "二室"), room("changsha", "3", "三室")],
        ),
        org(
            "hubei",
            "implementing",
            ["changsha"],
            [room("hubei", "301", "301"), room("hubei", "302", "302")],
        ),
    ]


def day_grid(day: str = "2026-11-24") -> dict[str, Any]:
    """Eight stations; one booking held, one asked for."""

    def held(number: str, state: str, begins: str, ends: str) -> dict[str, Any]:
        return {
            "booking": number,
            "state": state,
            "start_at": begins,
            "duration_min": 240,
            "occupied_from": begins,
            "occupied_to": ends,
            "kind": "evaluation",
        }

    first = held(
        "2026-1124-03", "confirmed", "2026-11-24T00:30:00.000Z", "2026-11-24T05:30:00.000Z"
    )
    second = held(
        "2026-1124-07", "requested", "2026-11-24T06:00:00.000Z", "2026-11-24T09:00:00.000Z"
    )
    units = []
    for org, room, name in (("changsha", "changsha-2", "二室"), ("hubei", "hubei-301", "301")):
        for n in range(1, 5):
            taken = [first] if n < 4 else []
            taken += [second] if org == "hubei" and n < 3 else []
            units.append(
                {
                    "station": f"{room}-{n}",
                    "org": org,
                    "room": room,
                    "room_name": name,
                    "n": n,
                    "held": taken,
                }
            )
    return {"day": day, "from": "2026-11-23T16:00:00.000Z", "stations": units}


def people() -> list[dict[str, Any]]:
    """Colleagues who may be put on duty."""
    return [
        {
            "person": "p-00000000000a",
            "login": "hubei.home_manager",
            "post": "HB-07",
            "org": "hubei",
            "roles": ["home_manager"],
            "lang": "zh-CN",
        },
        {
            "person": "p-00000000000b",
            "login": "hubei.room_staff",
            "post": "HB-21",
            "org": "hubei",
            "roles": ["room_staff", "witness"],
            "lang": "zh-CN",
        },
    ]
