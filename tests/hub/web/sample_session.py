"""The session of the sample day at 15:26, in the middle of signing."""

from __future__ import annotations

from datetime import datetime

from hub.web.i18n import Both, Text, say
from hub.web.views_common import Shape, State, percent
from hub.web.views_session import (
    AvView,
    Bar,
    CaseLine,
    CaseMark,
    Condition,
    GapNote,
    Lane,
    LockerCell,
    MemberGroup,
    MemberRow,
    OrderChoice,
    OrderRow,
    PhaseStep,
    RoomMap,
    SeatCell,
    SessionLine,
    SessionListView,
    SessionView,
    TimelineRow,
)
from tests.hub.web.sample_views import CASE, CHANGSHA, HUBEI, LATER, SESSION, at, ph, room

DOCS = ("personal_sheet", "summary", "report")


def ok(text: Text, clock: str = "", note: Text | None = None) -> State:
    return State(Shape.OK, text, at=at(clock) if clock else None, note=note)


def signed(clock: str, key: str = "cell.signed") -> State:
    return ok(say(key), clock)


def to_sign(note: Text) -> State:
    return State(Shape.NOW, say("cell.sign_wait"), note=note, current=True)


def member(
    no: int,
    role: Text,
    times: tuple[str, str, str],
    items: tuple[int, str],
    docs: tuple[State, State, State],
    *,
    method: str = "card",
    seat: State | None = None,
) -> MemberRow:
    """One row of the progress table."""
    cells = (
        ok(say(f"cell.{method}"), times[0]),
        ok(say("cell.items", n=items[0], locker=items[1]), times[1]),
        seat or ok(say("cell.seated"), times[2]),
        *docs,
        State(Shape.LOCK, say("cell.locked")),
    )
    return MemberRow(no, role, cells)


def groups() -> tuple[MemberGroup, ...]:
    expert = say("term.member_kind.expert")
    away = State(
        Shape.PAUSE,
        say("cell.away", reason=say("term.away.toilet")),
        note=say("cell.away_note", at="15:23", min=6),
        current=True,
    )
    home = (
        member(
            1,
            say("lead"),
            ("08:31", "08:33", "08:36"),
            (2, "03"),
            (signed("15:04"), signed("15:09"), to_sign(say("cell.sign_last"))),
        ),
        member(
            2,
            say("term.member_kind.tenderer_rep"),
            ("08:38", "08:40", "08:43"),
            (1, "05"),
            (signed("15:06"), signed("15:12"), signed("15:19")),
        ),
    )
    guest = (
        member(
            3,
            expert,
            ("08:34", "08:36", "08:39"),
            (1, "02"),
            (signed("15:05"), signed("15:14"), to_sign(say("cell.sign_delivered", at="15:20"))),
        ),
        member(
            4,
            expert,
            ("08:32", "08:35", "08:38"),
            (3, "04"),
            (signed("15:07"), signed("15:13"), signed("15:24", "cell.dissent")),
            method="two_staff",
        ),
        member(
            5,
            expert,
            ("08:42", "08:44", ""),
            (1, "07"),
            (
                signed("15:10"),
                to_sign(say("cell.sign_delivered", at="15:15")),
                State(Shape.OPEN, say("cell.not_yet")),
            ),
            seat=away,
        ),
    )
    return (
        MemberGroup(say("home"), HUBEI, room("301"), home),
        MemberGroup(say("guest"), CHANGSHA, room("二室"), guest),
    )


def conditions() -> tuple[Condition, ...]:
    def waiting(no: int, *docs: str) -> Text:
        names: Text = say(f"term.document.{docs[0]}")
        for name in docs[1:]:
            names = say("list.and", a=names, b=say(f"term.document.{name}"))
        return say("gate.waiting_docs", member=say("member.no", no=no), documents=names)

    return (
        Condition(
            False,
            say("gate.documents", done=11, all=15),
            (waiting(3, "report"), waiting(5, "summary", "report"), waiting(1, "report")),
        ),
        Condition(False, say("gate.order_missing"), (say("gate.order_who"),)),
        Condition(True, say("gate.record_ok"), (say("gate.record_ok_line"),)),
    )


def orders() -> tuple[OrderRow, ...]:
    names = ("sent", "accepted", "acted", "confirmed")
    marks = tuple(State(Shape.OK, say(f"order.mark.{name}")) for name in names)
    rows = (("start", "09:02:10"), ("break", "10:36:31"), ("resume", "10:52:30"))
    return tuple(OrderRow(say(f"term.order.{o}"), "HB-07", at(c), marks) for o, c in rows)


def av() -> AvView:
    begin, end = at("08:30"), at("15:30")
    whole = (end - begin).total_seconds()

    def x(clock: str | datetime) -> str:
        moment = at(clock) if isinstance(clock, str) else clock
        return percent((moment - begin).total_seconds(), whole)

    def lane(zh: str, en: str, gap: str = "", state: State | None = None) -> Lane:
        gaps = (Bar(x(gap), "0.90%"),) if gap else ()
        return Lane(
            Both(zh, en), (Bar("0%", "99.17%"),), gaps, state or State(Shape.OK, say("av.on"))
        )

    low = State(Shape.P3, Both("码率低", "Low rate"), acked=True)
    lanes = (
        lane("301 全景", "301 overview"),
        lane("301 机位 1", "301 station 1"),
        lane("301 机位 2", "301 station 2"),
        lane("301 拾音", "301 sound"),
        lane("二室 全景", "Room 2 overview"),
        lane("二室 机位 3", "Room 2 st. 3", "10:34:44"),
        lane("二室 机位 4", "Room 2 st. 4"),
        lane("二室 机位 5", "Room 2 st. 5", "13:12:05", low),
    )
    notes = (
        GapNote(
            at("10:34:44"),
            at("10:36:02"),
            say(
                "av.gap_note",
                stream=Both("二室 机位 3", "Room 2 station 3"),
                span=say("span.sec", n=78),
                cause=Both("市电中断，该机位未接 UPS", "mains lost, not on UPS"),
            ),
        ),
        GapNote(
            at("13:12:05"),
            at("13:12:29"),
            say(
                "av.gap_note",
                stream=Both("二室 机位 5", "Room 2 station 5"),
                span=say("span.sec", n=24),
                cause=Both("摄像机重启", "camera restarted"),
            ),
        ),
    )
    return AvView(
        summary=say("av.summary_gaps", n=8, gaps=2, span=say("span.min_sec", m=1, s=42)),
        hours=tuple((x(f"{h:02d}:00"), f"{h:02d}:00") for h in range(9, 16)),
        lanes=lanes,
        marks=(
            CaseMark(
                x("10:34:44"), "1", say("av.mark", what=say("term.fault.power"), at="10:34:44")
            ),
            CaseMark(
                x("13:12:05"), "2", say("av.mark", what=say("term.fault.network"), at="13:12:05")
            ),
        ),
        labels=((x("10:34:44"), "1"), (x("13:12:05"), "2")),
        notes=notes,
    )


def rooms() -> tuple[RoomMap, ...]:
    def seat(no: str, look: str, who: int | None = None, state: str = "on") -> SeatCell:
        text = (
            say("seat.spare")
            if who is None
            else say("seat.member", no=who, state=say(f"seat.{state}"))
        )
        return SeatCell(no, text, look)

    def locker(n: int, full: tuple[int, ...], unknown: tuple[int, ...]) -> LockerCell:
        look = "f" if n in full else "o" if n in unknown else ""
        word = say({"f": "locker.full", "o": "unknown", "": "locker.empty"}[look])
        return LockerCell(f"{n:02d}", look, say("locker.of", no=f"{n:02d}", state=word))

    def lockers(full: tuple[int, ...], unknown: tuple[int, ...] = ()) -> tuple[LockerCell, ...]:
        return tuple(locker(n, full, unknown) for n in range(1, 13))

    return (
        RoomMap(
            room("301"),
            (seat("1", "on", 1), seat("2", "on", 2), seat("3", ""), seat("4", "")),
            say("locker.summary", n=2),
            lockers((3, 5)),
        ),
        RoomMap(
            room("二室"),
            (seat("1", "on", 3), seat("2", "on", 4), seat("3", "aw", 5, "away"), seat("4", "")),
            say("locker.summary_unknown", n=3, list="09"),
            lockers((2, 4, 7), (9,)),
        ),
    )


def timeline() -> tuple[TimelineRow, ...]:
    rows = (
        (
            "15:24:08",
            "sign",
            "4号评委 评标报告：签署并附不同意见",
            "Member 4, report: signed with dissent",
            "",
        ),
        (
            "15:23:40",
            "away",
            "5号评委 离开机位，如厕；组长同意，CS-12 陪同",
            "Member 5 left the seat, toilet; lead agreed, CS-12 escorts",
            "",
        ),
        ("15:20:02", "sign", "评标报告送达 3号评委", "Report delivered to member 3", ""),
        ("15:02:15", "phase", "进入签署", "Signing opened", ""),
        (
            "13:12:29",
            "device",
            "二室 机位 5 恢复写入，缺口 24 秒",
            "Room 2 station 5 writes again, gap 24 s",
            "",
        ),
        ("12:00:00", "away", "用餐，全体；手机柜未开启", "Meal, everybody; no locker opened", ""),
        (
            "10:52:30",
            "order",
            "继续评标；全体确认“已存评分无误”",
            "Continue; all confirmed their saved scores",
            "key",
        ),
        ("10:49:05", "device", "二室市电恢复", "Mains back in Room 2", ""),
        (
            "10:36:10",
            "decision",
            "暂停评标，原地等候（HB-07）",
            "Suspended, wait in place (HB-07)",
            "key",
        ),
        (
            "10:34:44",
            "alarm",
            "二室市电中断，处置单 #0417",
            "Mains lost in Room 2, case #0417",
            "al",
        ),
    )
    return tuple(TimelineRow(at(c), say(f"kind.{k}"), Both(zh, en), e) for c, k, zh, en, e in rows)


def phases(current: str = "signing") -> tuple[PhaseStep, ...]:
    names = ("booked", "prepared", "check_in", "evaluating", "signing", "ended", "closed")
    cut = names.index(current)
    return tuple(
        PhaseStep(say(f"step.{name}"), "dn" if i < cut else "cur" if i == cut else "")
        for i, name in enumerate(names)
    )


def choices() -> tuple[OrderChoice, ...]:
    def choice(order: str, enabled: bool, reason: Text | None = None, **more: bool) -> OrderChoice:
        return OrderChoice(
            order, say(f"term.order.{order}"), say(f"orders.mean.{order}"), enabled, reason, **more
        )

    return (
        choice("end", False, say("orders.docs_open", n=4), committee=True),
        choice("break", True),
        choice("member_release", True, members=True),
    )


def session() -> SessionView:
    """The session page of the sample day."""
    facts = (
        (say("home"), say("session.fact.venue", org=HUBEI, room=room("301"))),
        (say("guest"), say("session.fact.venue", org=CHANGSHA, room=room("二室"))),
        (say("session.fact.start"), "09:02"),
        (say("session.fact.used"), say("session.fact.used_value", span="05:44")),
    )
    case = CaseLine(
        f"/cases/{CASE}",
        State(Shape.OK, Both("#0417 已结案", "#0417 closed")),
        Both("市电中断至继续评标 17 分 46 秒", "17 min 46 s from mains loss to continuing"),
    )
    return SessionView(
        now=LATER,
        session=SESSION,
        number="2026-1124-03",
        kind=say("term.session_kind.evaluation"),
        drill=False,
        facts=facts,
        phases=phases(),
        groups=groups(),
        members_summary=say("session.summary", n=5, done=11, all=15),
        lockers_summary=say("session.lockers", n=5),
        conditions=conditions(),
        unmet=2,
        gate_note=say("gate.note"),
        leaving=False,
        all_left=False,
        orders=orders(),
        choices=choices(),
        member_nos=(1, 2, 3, 4, 5),
        may_order=True,
        may_state=True,
        av=av(),
        rooms=rooms(),
        timeline=timeline(),
        timeline_total=214,
        timeline_all=False,
        cases=(case,),
        package_href="",
        package_text=say("session.package_none"),
        appraisal_open=False,
        appraisal_items=(("late", Both("迟到 -10", "Late -10")),),
    )


def session_list() -> SessionListView:
    """Two sessions of the sample day."""
    opened = State(Shape.P2, say("alarm.k.locker.unexplained", locker=11))
    due = State(
        Shape.P1,
        say("board.att.case", case="#0417", state=say("term.case.decision_due")),
        acked=True,
    )
    kind = say("term.session_kind.evaluation")
    rows = (
        SessionLine(
            at("09:00"),
            "2026-1124-03",
            f"/sessions/{SESSION}",
            kind,
            HUBEI,
            CHANGSHA,
            ph("suspended"),
            say("board.members.seated", n=5, all=5),
            due,
        ),
        SessionLine(
            at("08:30"),
            "2026-1124-01",
            f"/sessions/{SESSION}",
            kind,
            HUBEI,
            Both("南京市公共资源交易中心", "Nanjing Centre"),
            ph("ended"),
            say("board.members.left", n=5, all=5),
            opened,
        ),
    )
    return SessionListView(LATER, rows)
