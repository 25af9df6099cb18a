"""What goes wrong on the day: mains, network, a key. Each case ends with a named decision."""

from __future__ import annotations

from functools import partial
from typing import Any

from hub.demo import look
from hub.demo.day import Day, at_once, ensure
from hub.demo.orders import order
from hub.demo.room_act import FREE, PRESSED, RoomHands
from hub.demo.supervise import until
from hub.demo.town import MAINS_PIN
from protocols.terms import FaultKind

OUTAGE_S = 3.0
OFFLINE_S = 4.0
SETTLE_S = 60.0
TAMPERED_LOCKER = 11  # nobody's locker: a key in the wrong place, not a release


def cut_mains(day: Day, guest: RoomHands) -> None:
    """Mains off at the guest: the UPS carries, a case opens by itself, people decide."""
    pins, ups = guest.site.hand("pins"), guest.site.hand("ups")
    ensure(
        "mains lost at the guest",
        lambda: look.open_faults(guest.state(), "power"),
        lambda: (pins.do(pin=MAINS_PIN, level=FREE), ups.do(do="mains", on=False)),
    )
    case = _case_of(day, "power", guest.site.place)
    day.say(f"  {guest.site.place}：市电中断，UPS 供电；应急处置单 {case['number']} 自动建立")
    _acknowledge(day, case)
    order(day, "suspend", "suspended")
    _steps(day, case, ("people_safe", "ups_carries", "call_property"))
    day.pause(OUTAGE_S)
    _decide(day, case, "物业答复即将恢复，UPS 余量充足，原地等候后继续。")
    ensure(
        "mains back at the guest",
        lambda: not look.open_faults(guest.state(), "power"),
        lambda: (pins.do(pin=MAINS_PIN, level=PRESSED), ups.do(do="mains", on=True)),
        within_s=20,
    )
    at_once([RoomHands(day, site).confirm_saved for site in day.town.rooms])
    order(day, "resume", "evaluating")
    _close(day, case)
    day.say(f"  市电恢复，逐人确认已存评分，继续评标；{case['number']} 已结案")


def cut_network(day: Day, guest: RoomHands) -> None:
    """The cable of the guest is pulled: the room goes on alone, then everything arrives."""
    link = guest.site.hand("link")
    ensure(
        "the guest's room sees the break",
        lambda: look.open_faults(guest.state(), "network"),
        lambda: link.do(do="cut"),
        within_s=15,
    )
    day.say(f"  {guest.site.place}：网络中断，现场照常；记录和录像在本地等候")
    member = day.of(guest.site.org)[-1]
    guest.leave_and_return(member, "toilet", 1.0)
    case = _case_of(day, "network", guest.site.place, within_s=30)
    day.say(f"  应急处置单 {case['number']}：失联，原因待确认")
    _acknowledge(day, case)
    _steps(day, case, ("find_rung", "local_record"))
    day.pause(OFFLINE_S)
    _decide(day, case, "现场照常记录，运营商抢修，恢复后核对补传。")
    ensure(
        "the guest's room is connected again",
        lambda: not look.open_faults(guest.state(), "network"),
        lambda: link.do(do="restore"),
        within_s=30,
    )
    until(
        "what waited has arrived",
        lambda: guest.state()["link"]["up"] and guest.state()["link"]["waiting"] == 0,
        within_s=40,
    )
    _close(day, case)
    day.say(f"  网络恢复，等候的记录全部到达；{case['number']} 已结案")


def open_with_key(day: Day, guest: RoomHands) -> None:
    """Somebody opens a locker with the mechanical key: recorded as what it is."""
    board = guest.site.hand("locker")

    def seen() -> bool:
        return bool(look.locker(guest.state(), TAMPERED_LOCKER).get("unexplained"))

    ensure("the key is noticed", seen, lambda: board.do(do="key_open", lock=TAMPERED_LOCKER))
    board.do(do="close", lock=TAMPERED_LOCKER)
    day.say(f"  {guest.site.place}：{TAMPERED_LOCKER} 号柜被钥匙打开，单独留痕，不算放行")


def settle_cases(day: Day) -> None:
    """Closes what other people's faults have opened, once each fault is over.

    On an ordinary day there is none; when somebody kills the broker or a room, its network case is
    as real as the one of the script and waits for the same decision.
    """
    for case in _open_cases(day):
        until(
            f"the fault of {case['number']} is over",
            partial(_is_over, day, case),
            within_s=SETTLE_S,
        )
        _acknowledge(day, case)
        _decide(day, case, "故障已排除，现场照常，继续评标。")
        _close(day, case)
        day.say(f"  {case['place']}：{case['number']} 已处置并结案")


def _is_over(day: Day, case: dict[str, Any]) -> bool:
    # A hole in the record does not end by itself: it is over once it has been decided upon.
    return case["kind"] == FaultKind.RECORD or bool(_case(day, case)["cleared_at"])


def _open_cases(day: Day) -> list[dict[str, Any]]:
    rows = day.manager().get("cases")["cases"]
    return [one for one in rows if one["session"] == day.session and one["state"] != "closed"]


def _case_of(day: Day, kind: str, place: str, *, within_s: float = 20.0) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        mine = (one for one in _open_cases(day) if (one["kind"], one["place"]) == (kind, place))
        return next(mine, None)

    found = until(f"a case for the {kind} fault", find, within_s=within_s)
    if not isinstance(found, dict):
        raise TypeError(f"case: expected an object, got {found!r}")
    return found


def _case(day: Day, case: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = day.manager().get(f"cases/{case['case']}")
    return answer


def _acknowledge(day: Day, case: dict[str, Any]) -> None:
    handler = day.user(day.town.home.org, "fault_handler")
    ensure(
        f"case {case['number']} acknowledged",
        lambda: _case(day, case).get("acked_at"),
        lambda: handler.post(f"cases/{case['case']}/ack", {}),
    )


def _steps(day: Day, case: dict[str, Any], keys: tuple[str, ...]) -> None:
    handler = day.user(day.town.home.org, "fault_handler")

    def steps() -> dict[str, str]:
        return {str(one["key"]): str(one["state"]) for one in _case(day, case)["steps"]}

    def tick(key: str) -> None:
        body = {"key": key, "state": "done", "reason": ""}
        ensure(
            f"step {key}",
            lambda: steps()[key] == "done",
            lambda: handler.post(f"cases/{case['case']}/steps", body),
        )

    # Before the planned start the list is another one.
    for key in sorted(steps().keys() & set(keys), key=keys.index):
        tick(key)


def _decide(day: Day, case: dict[str, Any], reason: str) -> None:
    """The home manager decides, a person in another role signs too."""
    ensure(
        f"case {case['number']} decided",
        lambda: _case(day, case)["decisions"],
        lambda: _sign(day, case, _waiting(day, case), reason),
    )


def _waiting(day: Day, case: dict[str, Any]) -> str:
    """The option that changes nothing for the members; before the start it has another name."""
    offered = [str(one["key"]) for one in _case(day, case)["options"]]
    return next((key for key in ("wait", "delay_start") if key in offered), offered[0])


def _sign(day: Day, case: dict[str, Any], option: str, reason: str) -> None:
    manager = day.manager()
    second = day.user(day.town.home.org, "witness")
    body = {
        "option": option,
        "reason": reason,
        "pin": manager.pin,
        "second_login": second.login,
        "second_pin": second.pin,
        "scope": "venue",
    }
    manager.post(f"cases/{case['case']}/decisions", body)


def _close(day: Day, case: dict[str, Any]) -> None:
    manager = day.manager()

    def close() -> None:
        # On a slow machine the limit may have passed: then a new decision is due first.
        if _case(day, case)["state"] == "decision_due":
            _sign(day, case, "continue", "时限已到，故障已排除，继续评标。")
        manager.post(f"cases/{case['case']}/close", {"summary": "故障消除，记录完整。"})

    ensure(
        f"case {case['number']} closed",
        lambda: _case(day, case)["state"] == "closed",
        close,
        within_s=10,
    )
