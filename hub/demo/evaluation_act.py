"""Act two, the evaluation day: from self-test to the last member out of the door."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from hub.crypto import read_private, signer
from hub.demo import look
from hub.demo.day import ARRIVE_BEFORE, EVALUATION_AT, Day, at_once, ensure, utc
from hub.demo.fault_act import cut_mains, cut_network, open_with_key, settle_cases
from hub.demo.orders import order
from hub.demo.people import Member
from hub.demo.room_act import RoomHands
from hub.demo.supervise import until
from protocols.messages.acts import DOCUMENTS, Statement
from protocols.messages.signed import Signer
from protocols.messages.trust import ROLE_SYSTEM

EVALUATE_S = 4.0
LEAVE_S = 2.0


def play_evaluation(day: Day) -> None:
    """The whole day at all venues."""
    day.town.set_wall(utc(EVALUATION_AT - ARRIVE_BEFORE))
    rooms = [RoomHands(day, site) for site in day.town.rooms]
    home, guests = rooms[0], rooms[1:]
    day.say(f"[{EVALUATION_AT:%Y-%m-%d}] 评标日：各场地自检")
    at_once([room.selftest for room in rooms])
    order(day, "open", "check_in")
    day.say("  开始签到：刷身份证、寄存物品、就座")
    at_once([partial(_arrivals, room) for room in rooms])
    order(day, "start", "evaluating")
    day.say("  评标开始指令已在各场地生效，录像进行中")
    _evaluate(day, home, guests)
    order(day, "sign", "signing")
    _refused_release(day, home)
    _sign(day)
    _end_on_the_home_screen(day, home)
    at_once([partial(_departures, room) for room in rooms])
    settle_cases(day)
    order(day, "close", "closed")
    day.say("  场次关闭，房间内的身份信息已清除")


def _arrivals(room: RoomHands) -> None:
    here = room.day.of(room.site.org)
    for member in here:
        if member.late:
            _wait_late(room, member)
        room.check_in(member)
        how = "刷身份证" if member.card else "未带身份证，两名工作人员核验"
        room.day.say(f"  {room.site.place}：{member.no}号评委 {how}，寄存 {len(member.items)} 件")
    if room.site is not room.day.town.home:
        room.stranger()
        room.day.say(f"  {room.site.place}：一张无关的身份证，不予识别")


def _wait_late(room: RoomHands, member: Member) -> None:
    until(
        f"{member.no}号评委 is late",
        lambda: look.member(room.state(), room.session, member.no).get("late"),
        within_s=60,
    )
    room.day.say(f"  {member.no}号评委 迟到，已记录")


def _evaluate(day: Day, home: RoomHands, guests: list[RoomHands]) -> None:
    guest = guests[0]
    ensure(
        "lead chosen",
        lambda: look.session_of(home.state(), day.session).get("lead") == 1,
        lambda: home.act("lead.choose", {"no": 1}),
    )
    day.pause(EVALUATE_S)
    away = day.of(guest.site.org)[0]
    guest.leave_and_return(away, "toilet", LEAVE_S)
    day.say(f"  {away.no}号评委 暂离（如厕，陪同），已返回")
    settle_cases(day)
    cut_mains(day, guest)
    settle_cases(day)
    cut_network(day, guest)
    open_with_key(day, guest)


def _refused_release(day: Day, home: RoomHands) -> None:
    member = next(one for one in day.of(home.site.org) if one.card and not one.late)
    before = refusals(day)
    ensure(
        "an early release is refused",
        lambda: refusals(day) > before,
        lambda: home.present(member.name, member.number),
    )
    home.site.hand("idcard").do(do="remove")
    day.say(f"  {member.no}号评委 提前要求取物：拒绝，并列出未满足的条件")


def refusals(day: Day) -> int:
    """How often the gate said no, as recorded at the hub."""
    return sum(row["type"] == "gate.refused" for row in timeline(day))


def timeline(day: Day) -> list[dict[str, Any]]:
    """The whole witness timeline, page by page."""
    rows: list[dict[str, Any]] = []
    after, more = 0, True
    while more:
        page = day.manager().get(f"sessions/{day.session}/timeline?after={after}&limit=500")
        rows += page["entries"]
        after, more = page["next"], page["more"]
    return rows


def _sign(day: Day) -> None:
    day.say("  签署：三份文件，评标系统逐份回执")
    key = read_private(day.town.data / "demo-system" / f"{day.town.home.org}.key")
    system = signer(key, ROLE_SYSTEM)
    lead_last = sorted(day.members, key=lambda one: one.no == 1)
    for document in DOCUMENTS:
        for member in lead_last:
            _statement(day, member, document, system)
    until("all documents signed", lambda: _all_signed(day), within_s=30)
    dissent = next(one for one in day.members if one.dissents)
    day.say(f"  15 份签署结果已到各场地；{dissent.no}号评委 签署并附不同意见")


def _statement(day: Day, member: Member, document: str, system: Signer) -> None:
    dissents = member.dissents and document == DOCUMENTS[-1]
    said = Statement(
        session=day.session,
        member=f"x{member.no}",
        document=document,
        outcome="signed_with_dissent" if dissents else "signed",
        digest=hashlib.sha256(f"{day.session}/{member.no}/{document}".encode()).hexdigest(),
    )
    raw = said.seal([system])
    until(
        f"statement of {member.no}号评委",
        lambda: day.manager().post_raw("statements", raw) is not None,
        within_s=20,
    )


def _all_signed(day: Day) -> bool:
    return all(member["signed"] for member in day.view()["members"])


def _end_on_the_home_screen(day: Day, home: RoomHands) -> None:
    until(
        "every venue's room knows all documents",
        lambda: all(look.signed_all(site.screen().state(), day.session) for site in day.town.rooms),
        within_s=30,
    )
    manager = day.manager()
    body = {
        "session": day.session,
        "order": "end",
        "members": [],
        "committee": "complete",
        "reason": "",
        "person": manager.person,
        "pin": manager.pin,
    }
    ensure(
        "end order in force at home",
        lambda: look.phase(home.state(), day.session) in {"ended", "closed"},
        lambda: home.screen.order(body),
    )
    until(
        "end order in force at every venue",
        lambda: all(
            look.phase(site.screen().state(), day.session) == "ended" for site in day.town.rooms
        ),
        within_s=40,
    )
    day.say("  评审结束指令：在主场现场屏确认，已转达各副场")


def _departures(room: RoomHands) -> None:
    for member in room.day.of(room.site.org):
        room.go_home(member)
        room.day.say(f"  {room.site.place}：{member.no}号评委 取物、离场")
    room.confirm_empty()
