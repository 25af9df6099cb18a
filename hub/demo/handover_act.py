"""Act three, the next working day: appraisal, package of the guest, receipt of the home venue."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hub.demo.day import CHINA, EVALUATION_AT, Day, at_once, ensure, utc
from hub.demo.fault_act import settle_cases
from hub.demo.people import Member
from hub.demo.supervise import until
from hub.demo.town import RoomSite

UPLOAD_S = 60.0
BUILD_S = 60.0


def wait_uploads(day: Day) -> None:
    """Everything the rooms recorded is at the hub: events acknowledged, media stored."""
    for site in day.town.rooms:
        _wait_sent(site)
    until(
        "every recorded segment is stored",
        lambda: day.view()["media_missing"] == 0,
        within_s=UPLOAD_S,
    )


def _wait_sent(site: RoomSite) -> None:
    def sent() -> bool:
        state = site.screen().state()
        # The last segment of a stream is told after the session has closed.
        recording = any(one["state"] == "on" for one in state["streams"])
        return not recording and state["link"]["waiting"] == 0

    until(f"{site.place} has sent everything", sent, within_s=UPLOAD_S)


def play_handover(day: Day) -> None:
    """Every guest hands over; the home venue checks and gives receipts."""
    on = EVALUATION_AT.date() + timedelta(days=1)
    day.town.set_wall(utc(datetime.combine(on, time(9, 30), tzinfo=CHINA)))
    day.say(f"[{on}] 移交：考核、打包、校验、回执（3 个工作日内）")
    settle_cases(day)
    at_once([partial(_hand_over, day, site) for site in day.town.guests])


def _hand_over(day: Day, site: RoomSite) -> None:
    for member in day.of(site.org):
        _appraise(day, site, member)
    day.packages[site.org] = _build(day, site)
    _receipt(day, site)


def package_path(day: Day, org: str) -> Path:
    """The folder of an organisation's package."""
    return day.town.data / "packages" / day.packages[org]


def _appraise(day: Day, site: RoomSite, member: Member) -> None:
    staff = day.user(site.org, "guest_coordinator")
    body = {"member": member.no, "items": [], "remark": "履职正常。"}
    ensure(
        f"appraisal of {member.no}号评委",
        lambda: any(one["member"] == member.no for one in day.view()["appraisals"]),
        lambda: staff.post(f"sessions/{day.session}/appraisals", body),
    )


def _build(day: Day, site: RoomSite) -> str:
    manager = day.user(site.org, "home_manager")

    def built() -> dict[str, Any] | None:
        rows = manager.get(f"packages?session={day.session}")["packages"]
        mine = [one for one in rows if one["org"] == site.org and one["state"] != "failed"]
        return mine[0] if mine else None

    ensure(
        f"package of {site.org}",
        built,
        lambda: manager.post(f"sessions/{day.session}/packages", {"password": manager.password}),
        tries=3,
        within_s=BUILD_S,
    )
    ready = until(
        f"package of {site.org} is built",
        lambda: (found := built()) and found["state"] in {"built", "offered", "verified"} and found,
        within_s=BUILD_S,
    )
    if not isinstance(ready, dict):
        raise TypeError(f"package: expected an object, got {ready!r}")
    day.say(f"  {site.org} 打包并以场地密钥签名：{ready['package']}")
    return str(ready["package"])


def _receipt(day: Day, site: RoomSite) -> None:
    home = day.manager()
    package = day.packages[site.org]
    ensure(
        f"receipt for {package}",
        lambda: home.get(f"packages/{package}").get("receipt"),
        lambda: home.post(f"packages/{package}/receipt", {"password": home.password}),
        within_s=BUILD_S,
    )
    verdict = home.get(f"packages/{package}")["receipt"]["verdict"]
    day.say(f"  主场校验并出具回执：{verdict}")
