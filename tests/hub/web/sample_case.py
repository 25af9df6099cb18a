"""The contingency case of the sample day at 10:42: waiting for the second decision."""

from __future__ import annotations

from hub.web.i18n import Both, Text, say
from hub.web.views_case import (
    CaseClock,
    CaseLine,
    CaseListView,
    CaseView,
    DecisionOption,
    DecisionRecord,
    KnowsRow,
    Reserve,
    StepRow,
)
from hub.web.views_common import Shape, State
from hub.web.views_session import TimelineRow
from tests.hub.web.sample_views import CASE, NOW, SESSION, at, ph

PLACE = Both("长沙 二室", "Changsha Room 2")


def step(
    key: str, state: State, zh: str, en: str, *notes: Text, due: Text | None = None
) -> StepRow:
    return StepRow(key, state, Both(zh, en), notes, due, state.shape is Shape.NOW)


def by(post: str, clock: str) -> Text:
    return say("case.step_by", post=post, at=clock)


def steps() -> tuple[StepRow, ...]:
    done = State(Shape.OK, say("case.step_ticked"))
    now = State(Shape.NOW, say("case.step_now"))
    todo = State(Shape.OPEN, say("case.step_open"))

    return (
        step(
            "people_safe",
            done,
            "确认现场人员安全，出口畅通",
            "People are safe, exits clear",
            by("CS-12", "10:35:20"),
        ),
        step(
            "suspend",
            done,
            "暂停评标，告知各场地原地等候",
            "Suspend; tell every venue to wait",
            by("HB-07", "10:36:10"),
        ),
        step(
            "ups",
            done,
            "确认 UPS 接管机位与录制",
            "UPS carries stations and recording",
            by("CS-12", "10:36:40"),
            Both("UPS 93%", "UPS 93%"),
        ),
        step(
            "estate",
            done,
            "联系物业，问明原因和预计恢复时间",
            "Ask the building for cause and time",
            by("CS-12", "10:39:40"),
            Both("跳闸，约 15 分钟", "breaker, about 15 min"),
        ),
        step(
            "spare",
            now,
            "现场核实三室能否作为备用评标室",
            "Check on site whether Room 3 can serve",
            Both("CS-12", "CS-12"),
            due=say("case.step_due", at="10:50"),
        ),
        step(
            "save",
            todo,
            "UPS 降至 30% 前完成存分",
            "Scores saved before UPS is at 30%",
            Both("各评委", "each member"),
        ),
        step(
            "decide",
            todo,
            "记录处置决定",
            "Record the decision",
            say("term.role.home_manager"),
            due=say("case.step_due_decision"),
        ),
        step(
            "seal",
            todo,
            "封存评标资料（如延期或终止）",
            "Seal the material (if postponed or terminated)",
        ),
        step("saved", todo, "恢复前逐人确认“已存评分无误”", "Each member confirms saved scores"),
    )


def timeline() -> tuple[TimelineRow, ...]:
    rows = (
        ("10:41:50", "device", "UPS 78%，约 26 分钟", "UPS 78%, about 26 min", ""),
        (
            "10:39:40",
            "person",
            "CS-12 与物业通话：配电间跳闸，预计 15 分钟恢复",
            "CS-12 called the building: breaker tripped, about 15 min",
            "",
        ),
        ("10:37:05", "notice", "招标代理已读", "Tenderer's agent has read it", ""),
        ("10:36:31", "order", "休会：已发出、已接收、已执行", "Break: sent, received, acted", ""),
        (
            "10:36:10",
            "decision",
            "暂停评标，全体原地等候。决定人 HB-07，记录人 CS-12，依据第十六条",
            "Suspended, everybody waits. HB-07 decided, CS-12 recorded, Article 16",
            "key",
        ),
        (
            "10:36:02",
            "device",
            "机位 3 恢复写入，记录缺口 78 秒，全景覆盖",
            "Station 3 writes again, gap 78 s",
            "",
        ),
        ("10:35:20", "person", "CS-12 确认告警", "CS-12 acknowledged", ""),
        (
            "10:34:52",
            "system",
            "自动建单；提议范围：本场次全部场地",
            "Case opened; proposed scope: all venues",
            "",
        ),
        (
            "10:34:49",
            "alarm",
            "P1 市电中断；11 项后果告警并入",
            "P1 mains lost; 11 alarms merged",
            "al",
        ),
        (
            "10:34:44",
            "device",
            "市电触点断开，UPS 转电池 98%。计时起点",
            "Mains contact open, UPS on battery 98%. The clock starts",
            "key",
        ),
    )
    return tuple(TimelineRow(at(c), say(f"kind.{k}"), Both(zh, en), e) for c, k, zh, en, e in rows)


def knows() -> tuple[KnowsRow, ...]:
    def cell(value: str) -> State:
        if value == "-":
            return State(Shape.NONE, say("case.k.na"))
        if value == "?":
            return State(Shape.NOW, say("case.k.wait"))
        return State(Shape.OK, value)

    def row(name: Text, channel: Text, *cells: str) -> KnowsRow:
        sent, delivered, read, acked = (cell(c) for c in cells)
        return KnowsRow(name, channel, (sent, delivered, read, acked))

    screen, console = say("case.channel.screen"), say("case.channel.console")
    return (
        row(
            Both("副场现场　长沙 二室", "Guest room, Changsha Room 2"),
            screen,
            "10:34:49",
            "10:34:49",
            "10:35:11",
            "10:35:20",
        ),
        row(say("term.role.home_manager"), console, "10:34:52", "10:34:54", "10:35:30", "10:36:10"),
        row(
            Both("主场评委　301", "Members at home, 301"), screen, "10:36:12", "10:36:12", "-", "?"
        ),
        row(say("term.tenderer_agent"), console, "10:36:20", "10:36:24", "10:37:05", "?"),
        row(say("term.supervisor"), console, "10:36:20", "?", "?", "?"),
    )


def options() -> tuple[DecisionOption, ...]:
    rows = (
        ("wait", "原地等候，恢复后继续评标", "Wait in place, go on when restored", "plain"),
        ("spare_room", "转入备用评标室（须先现场核实）", "Move to the spare room", "plain"),
        ("postpone", "延期评标", "Postpone", "seal"),
        ("terminate", "终止并重新组建评标委员会", "Terminate and re-constitute", "seal"),
    )
    return tuple(
        DecisionOption(k, Both(zh, en), say(f"case.option.{note}")) for k, zh, en, note in rows
    )


def decisions() -> tuple[DecisionRecord, ...]:
    return (
        DecisionRecord(
            1,
            at("10:36:10"),
            say("term.order.suspend"),
            "HB-07",
            "HB-09",
            Both("第十六条", "Article 16"),
            "市电中断，原因未明。",
            superseded=False,
        ),
    )


def case(*, drill: bool = False) -> CaseView:
    """The case page; as an exercise it carries its own number and no session."""
    clock = CaseClock(
        label=say("case.clock.running"),
        since=at("10:34:44"),
        stopped_at=None,
        limit=say("case.clock.limit", limit="04:00:00", at="14:34:44"),
        used="3.10%",
        used_text=say("case.clock.used", percent="3%"),
        article=Both("第十六条", "Article 16"),
        article_note=say("case.stage", stage=say("term.stage.during")),
        unverified=say("case.unverified"),
        at_zero=say("case.at_zero"),
    )
    reserve = Reserve(
        label=say("case.reserve.to30"),
        value=say("case.reserve.about", n=17),
        now=say("case.reserve.now", percent="78%"),
        charge="78%",
        charge_text=say("case.reserve.charge_text", percent="78%"),
        mark="30%",
        note=say("case.reserve.note"),
    )
    evidence = (
        (State(Shape.OK, say("case.ev.hold")), say("case.ev.hold_note", at="10:24:44")),
        (State(Shape.NOW, say("case.ev.upload", done=37, all=52)), say("case.ev.recovered")),
        (
            State(Shape.OK, say("case.ev.gaps", n=1, span=say("span.sec", n=78))),
            say("case.ev.gaps_note"),
        ),
        (State(Shape.NONE, say("case.ev.not_sealed")), say("case.ev.not_sealed_note")),
    )
    rows = steps()
    return CaseView(
        now=NOW,
        case=CASE,
        number="D-0031" if drill else "#0417",
        level="p1",
        drill=drill,
        closed=False,
        what=State(Shape.P1, say("case.what", level="P1", fault=say("term.fault.power"))),
        place=PLACE,
        session_href=f"/sessions/{SESSION}",
        session_text="" if drill else say("case.session", no="1124-03", phase=ph("suspended")),
        scope=say("case.scope_chosen", scope=say("term.scope.all"), by="HB-07"),
        clock=clock,
        reserve=reserve,
        steps=rows,
        steps_done=4,
        timeline=timeline(),
        decisions=decisions(),
        options=options(),
        scopes=tuple((k, say(f"term.scope.{k}")) for k in ("member", "venue", "all")),
        basis=Both("第十六条", "Article 16"),
        may_decide=True,
        decider_present=True,
        decide_reason=None,
        decision_state=State(Shape.NOW, say("case.decision_due")),
        may_act=True,
        may_ack=False,
        may_close=False,
        close_reason=say("case.close_why_not"),
        may_seal=True,
        knows=knows(),
        evidence=evidence,
        summary="",
    )


def case_list() -> CaseListView:
    """One open and one closed case."""

    def line(number: str, state: State, opened: str, stopped: str, waiting: str) -> CaseLine:
        return CaseLine(
            number,
            f"/cases/{CASE}",
            state,
            say("term.fault.power"),
            PLACE,
            "1124-03",
            at(opened),
            at(stopped) if stopped else None,
            say(f"case.wait.{waiting}"),
            drill=False,
        )

    return CaseListView(
        NOW,
        (
            line(
                "#0417",
                State(Shape.P1, say("term.case.decision_due"), acked=True),
                "10:34:44",
                "",
                "decision",
            ),
            line("#0416", State(Shape.OK, say("term.case.closed")), "08:02:00", "08:10:31", "none"),
        ),
        open=1,
    )
