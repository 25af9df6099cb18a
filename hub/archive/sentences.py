"""One sentence in Chinese for each common event of the witness timeline.

An event without a sentence has its official label alone; nothing here shows raw data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hub.archive.wording import (
    CHECKS,
    CONSENTS,
    METHODS,
    NONE,
    cause,
    device,
    duration,
    full,
    label,
    labels,
    mapping,
    member,
    on_duty,
    paper,
    post,
    posts,
    size,
)

Data = Mapping[str, Any]

CLARIFICATION: Final = {
    "asked": "提出",
    "sent": "已发出",
    "answered": "已答复",
    "expired": "逾期未答复",
}
STEP_STATES: Final = {"done": "已完成", "skipped": "未执行", "open": "待办"}
ON_OFF: Final = {"on": "正常", "off": "中断", "online": "市电供电", "battery": "电池供电"}
WHYS: Final = {"deposit": "寄存", "release": "放行取物", "override": "双人应急放行"}
CONDITIONS: Final = {
    "locker_assigned": "未分配手机柜",
    "locker_empty": "柜内未清空",
    "identified": "本人未核验身份",
    "phase_deposit": "当前阶段不办理寄存",
    "declared": "未申报寄存物品",
    "deposit_confirmed": "寄存未确认",
    "order_end": "评审结束指令未收到",
    "order_postpone": "延期评标指令未收到",
    "order_terminate": "终止指令未收到",
    "committee_here": "本场地评委文件签署未完成",
    "committee_elsewhere": "其他场地评委文件签署未完成",
    "member_release": "没有个别放行指令",
    "two_roles": "须两个不同岗位的人员办理",
    "reason": "未写明原因",
    "item_held": "柜内没有本人物品",
    "phase_escorted": "当前阶段不办理陪同取用",
    "door_free": "另一柜门尚未关闭",
    "door_closed": "柜门状态不符",
}
"""Why a door stays closed, by the keys of the gate's conditions."""
NOTICES: Final = {
    "door_open": "柜门仍开启",
    "item_left": "柜内仍有物品",
    "nothing_deposited": "未寄存物品",
}
CONSEQUENCES: Final = {
    "ups_carries": "由 UPS 供电",
    "records_wait": "现场照常记录，恢复后补传",
    "device_silent": "该设备读数不再可信",
    "seat_empty": "在位情况须现场核实",
    "scores_stop": "评分无法提交",
    "member_missing": "评标委员会人数不足",
    "recording_gap": "该路录制出现缺口",
    "rows_lost": "缺口期间的记录无法补回",
}


class _Fields(dict[str, Any]):
    """An event's data; what it does not tell reads '—'."""

    def __missing__(self, key: str) -> str:
        return NONE


def sentence(kind: str, data: Data) -> str:
    """What happened, in words; '' where the label says all there is to say."""
    write = SENTENCES.get(kind)
    if write is not None:
        try:
            return write(_Fields((key, one) for key, one in data.items() if one is not None))
        except (TypeError, ValueError):
            # A field of another kind than its event has: the label still holds, the record is kept.
            return ""
    number = data.get("no")
    return f"{member(number)}。" if isinstance(number, int) else ""


def _about(text: str, *, by: bool = True) -> Callable[[Data], str]:
    """`4号评委` before the text, who recorded it behind."""

    def write(data: Data) -> str:
        return f"{member(data['no'])}{text}{_tail(data) if by else '。'}"

    return write


def _identified(data: Data) -> str:
    how = METHODS.get(str(data.get("method")), str(data.get("method") or NONE))
    shown = paper(data.get("document"))
    return f"{member(data['no'])}身份核验通过：{how}，{shown}{_tail(data)}"


def _steps(data: Data) -> str:
    done = "、".join(name for key, name in CHECKS.items() if data.get(key) is True)
    return f"{member(data['no'])}已完成{done or '签到事项'}{_tail(data)}"


def _deposited(data: Data) -> str:
    what, door = labels("item", data.get("items")), data["locker"]
    return f"{member(data['no'])}寄存{what}于{door}号柜。"


def _away(data: Data) -> str:
    consent = CONSENTS.get(str(data.get("consent_by")), str(data.get("consent_by") or NONE))
    return (
        f"{member(data['no'])}因{label('away', data.get('reason'))}暂离，"
        f"{consent}同意，陪同 {data.get('escort') or NONE}，"
        f"预计 {data.get('expected_min') or NONE} 分钟。"
    )


def _order(data: Data) -> str:
    numbers = [member(no) for no in data.get("members") or ()]
    whom = f"，对象 {'、'.join(numbers)}" if numbers else ""
    return f"第{data['n']}号指令“{label('order', data.get('order'))}”{whom}"


def _issued(data: Data) -> str:
    return f"{_order(data)}，签发 {posts(data.get('by'))}。"


def _accepted(data: Data) -> str:
    return f"{_order(data)}现场已接收，签发 {posts(data.get('by'))}。"


def _phase(data: Data) -> str:
    before, to = label("phase", data.get("from")), label("phase", data.get("to"))
    return f"由“{before}”转为“{to}”。"


def _statement(data: Data) -> str:
    what = label("document", data.get("document"))
    outcome = label("outcome", data.get("outcome"))
    who = posts(data.get("by"))
    source = f"，来源：{who}" if who != NONE else ""
    return f"{member(data['no'])}《{what}》{outcome}{source}。"


def _opening(data: Data) -> str:
    why = WHYS.get(str(data.get("why")), str(data.get("why") or NONE))
    whose = f"，{member(data['no'])}" if data.get("no") else ""
    return f"{data['locker']}号柜{whose}，用途：{why}{_tail(data)}"


def _closed(data: Data) -> str:
    inside = {"present": "柜内有物", "absent": "柜内无物", "empty": "柜内无物"}
    what = inside.get(str(data.get("item")), "柜内情况待确认")
    return f"{data['locker']}号柜已关闭，{what}。"


def _raised(data: Data) -> str:
    kind = label("fault", data.get("kind"))
    what = cause(data.get("what"))
    why = "" if what in {kind, "原因待确认"} else f"：{what}"
    then = CONSEQUENCES.get(str(data.get("consequence")), "")
    return f"{kind}{why}{'；' + then if then else ''}。"


def _cleared(data: Data) -> str:
    lasted = duration(int(data.get("duration_ms") or 0) // 1000)
    return f"{label('fault', data.get('kind'))}消除，持续 {lasted}。"


def _power(data: Data) -> str:
    mains = ON_OFF.get(str(data.get("mains")), "待确认")
    ups = ON_OFF.get(str(data.get("ups")), "待确认")
    charge = data.get("charge_pct")
    left = f"，电量 {charge}%" if charge is not None else ""
    odd = "；市电触点与 UPS 读数不一致" if data.get("disagree") else ""
    return f"市电{mains}；UPS {ups}{left}{odd}。"


def _network(data: Data) -> str:
    good = data.get("rung") == "ok"
    return "与中心的连接正常。" if good else f"{cause(data.get('rung'))}。"


def _said(text: object) -> str:
    """What a person wrote, without its own full stop."""
    return str(text or NONE).strip().rstrip("。.")


def _case_number(data: Data) -> str:
    number = data.get("case_number")
    return f"第{number}号单，" if number else ""


def _case_opened(data: Data) -> str:
    limit = data.get("limit_s")
    within = f"，处置时限 {duration(limit)}" if limit else ""
    kind, article = label("fault", data.get("kind")), data.get("article") or NONE
    return f"第{data['number']}号应急处置单：{kind}，依据{article}{within}。"


def _decided(data: Data) -> str:
    basis = data.get("basis")
    basis = mapping(basis).get("zh") if isinstance(basis, Mapping) else basis
    option = data.get("option_zh")
    chosen = f"“{option}”，" if option else ""
    return (
        f"{_case_number(data)}{chosen}决定人 {post(data.get('decided_by'))}，"
        f"记录 {post(data.get('recorded_by'))}，"
        f"影响范围：{label('scope', data.get('scope'))}，依据{basis or NONE}。"
        f"理由：{_said(data.get('reason'))}。"
    )


def _case_step(data: Data) -> str:
    state = STEP_STATES.get(str(data.get("state")), str(data.get("state") or NONE))
    why = f"（{_said(data['reason'])}）" if data.get("reason") else ""
    step = data.get("step_zh")
    what = f"“{step}”" if step else "一项步骤"
    return f"{_case_number(data)}{what}{state}{why}{_tail(data)}"


def _gap(data: Data) -> str:
    begins, ends = full(data.get("from_at")), full(data.get("to_at"))
    long = data.get("seconds")
    lasted = f"，{duration(long)}" if long is not None else ""
    return f"{data.get('stream') or NONE}：{begins} 至 {ends}{lasted}，{_why(data)}。"


def _why(data: Data) -> str:
    return cause(data.get("cause") or data.get("reason"))


def _record_gap(data: Data) -> str:
    return f"第 {data['from']} 至 {data['to']} 行未能保存，{cause(data.get('cause'))}。"


def _appraised(data: Data) -> str:
    said = f"；{_said(data['remark'])}" if data.get("remark") else ""
    number, points = member(data["member"]), data["points"]
    return f"{number}计 {points} 分{said}，记录 {posts(data.get('by'))}。"


def _selftest(data: Data) -> str:
    results = [one for one in data.get("results") or () if isinstance(one, Mapping)]
    bad = [device(one.get("device")) for one in results if one.get("ok") is not True]
    if data.get("ok"):
        return f"{len(results)} 项全部通过。"
    return f"{len(results)} 项中 {len(bad)} 项未通过：{'、'.join(bad) or NONE}。"


def _recording(data: Data) -> str:
    words = {"on": "正在录制", "off": "停止录制", "fault": "录制故障"}
    state = words.get(str(data.get("state")), str(data.get("state") or NONE))
    why = f"（{cause(data['reason'])}）" if data.get("reason") else ""
    return f"{data['stream']}：{state}{why}。"


def _refused(data: Data) -> str:
    unmet = [
        _condition(str(one.get("key")))
        for one in data.get("conditions") or ()
        if isinstance(one, Mapping) and one.get("met") is not True
    ]
    why = f"（{'；'.join(unmet)}）" if unmet else ""
    return f"{member(data['no'])}开柜条件未满足{why}，柜门保持关闭。"


def _condition(key: str) -> str:
    if key.startswith("document_"):
        return f"《{label('document', key.removeprefix('document_'))}》未签署"
    if key.startswith("sealing_"):
        return "封存未完成"
    return CONDITIONS.get(key, "其他条件")


def _packed(data: Data) -> str:
    return f"{data['package']}，共 {data['files']} 个文件、{size(int(data['bytes']))}{_tail(data)}"


def _rows(data: Data) -> int:
    return sum(one["rows"] for one in data["epochs"])


def _receipt(data: Data) -> str:
    return f"{data['package']}：{label('receipt', data.get('verdict'))}{_tail(data)}"


def _persons(data: Data) -> str:
    return f"{'、'.join(on_duty(one) for one in data.get('persons') or ())}。"


def _visitor(data: Data) -> str:
    way = {"in": "进入", "out": "离开"}.get(str(data.get("state")), "")
    devices = f"；携带设备：{data['devices']}" if data.get("devices") else ""
    who, why = data.get("who_post") or NONE, data.get("purpose") or NONE
    return f"{who}{way}评标区，事由：{why}{devices}{_tail(data)}"


def _clarification(data: Data) -> str:
    state = CLARIFICATION.get(str(data.get("state")), NONE)
    return f"澄清{state}，编号 {data.get('ref') or NONE}{_tail(data)}"


def _swapped(data: Data) -> str:
    move = f"由{data['from']}号机位换至{data['station']}号机位"
    return f"{member(data['no'])}{move}，原因：{data.get('reason') or NONE}。"


def _acted(data: Data) -> str:
    who = posts(data.get("by"))
    return f"经办 {who}。" if who != NONE else ""


def _tail(data: Data) -> str:
    """Who handled it, as the end of a sentence; only the end where nobody is named."""
    return f"，{_acted(data)}" if _acted(data) else "。"


SENTENCES: Final[Mapping[str, Callable[[Data], str]]] = {
    "member.identified": _identified,
    "member.steps": _steps,
    "member.late": _about("迟到", by=False),
    "member.declined": _about("拒绝寄存，不予入场"),
    "member.absent": _about("缺席"),
    "member.withdrawn": _about("回避退出"),
    "member.removed": _about("被取消资格"),
    "member.replaced": _about("已更换"),
    "member.deposited": _deposited,
    "member.seated": lambda d: f"{member(d['no'])}在{d['station']}号机位就座。",
    "member.unseated": _about("离开机位", by=False),
    "member.released": lambda d: f"{member(d['no'])}离场放行，{d['locker']}号柜。",
    "member.left": _about("离开评标区"),
    "deposit.declared": lambda d: (
        f"{member(d['no'])}申报寄存{labels('item', d.get('items'))}{_tail(d)}"
    ),
    "away.started": _away,
    "away.ended": _about("返回机位"),
    "gate.refused": _refused,
    "release.notice": lambda d: (
        f"{member(d['no'])}：{NOTICES.get(str(d.get('what')), '请现场确认')}。"
    ),
    "release.confirmed": _about("放行已现场确认"),
    "lead.chosen": _about("被推选为组长"),
    "saved.confirmed": _about("确认已存评分无误"),
    "statement.accepted": _statement,
    "statement.received": _statement,
    "order.issued": _issued,
    "order.accepted": _accepted,
    "order.confirmed": lambda d: f"{_order(d)}的签名指令已到，印证离线指令码。",
    "order.refused": lambda d: f"{_order(d)}未执行。",
    "phase.changed": _phase,
    "session.prepared": lambda d: f"预约 {d['booking']} 的场次计划已送达评标室。",
    "locker.opening": _opening,
    "locker.opened": lambda d: f"{d['locker']}号柜已开启。",
    "locker.open_failed": lambda d: f"{d['locker']}号柜未能开启。",
    "locker.closed": _closed,
    "locker.unexplained": lambda d: f"{d['locker']}号柜柜门状态变化，没有对应的开柜程序。",
    "locker.acked": lambda d: f"{d['locker']}号柜{_tail(d)}",
    "locker.fault": lambda d: f"{d['locker']}号柜。",
    "locker.confirmed_empty": lambda d: f"{d['locker']}号柜{_tail(d)}",
    "card.unknown": lambda d: f"出示的{paper(d.get('layout'))}不在本场次名单内，未予通过。",
    "fault.raised": _raised,
    "fault.cleared": _cleared,
    "fault.acked": _acted,
    "alarm.acked": _acted,
    "alarm.closed": lambda d: f"查明：{_said(d.get('reason'))}{_tail(d)}",
    "power.state": _power,
    "network.state": _network,
    "system.state": lambda d: f"评标系统{'可用' if d.get('state') == 'ok' else '不可用'}。",
    "device.lost": lambda d: f"{device(d.get('device'))}失联。",
    "device.back": lambda d: f"{device(d.get('device'))}恢复。",
    "selftest.done": _selftest,
    "recording.state": _recording,
    "media.gap": _gap,
    "media.lost": _gap,
    "media.damaged": _gap,
    "record.gap": _record_gap,
    "visitor": _visitor,
    "outside_contact": lambda d: f"事由：{d.get('purpose') or NONE}{_tail(d)}",
    "help.called": _acted,
    "clarification": _clarification,
    "station.swapped": _swapped,
    "start.exception": lambda d: f"理由：{d.get('reason') or NONE}{_tail(d)}",
    "case.opened": _case_opened,
    "case.acked": lambda d: f"{_case_number(d)}{_acted(d)}",
    "case.step": _case_step,
    "case.scoped": lambda d: (
        f"{_case_number(d)}影响范围：{label('scope', d.get('scope'))}{_tail(d)}"
    ),
    "case.decided": _decided,
    "case.closed": lambda d: (
        f"{_case_number(d)}{_said(d.get('summary'))}，结案人 {posts(d.get('by'))}。"
    ),
    "appraisal.entered": _appraised,
    "booking.requested": lambda d: (
        f"预约 {d['booking']}，计划 {full(d.get('start_at'))} 开始{_tail(d)}"
    ),
    "booking.accepted": _acted,
    "booking.confirmed": _acted,
    "members.entered": lambda d: f"录入 {d['count']} 名评委的编号{_tail(d)}",
    "duty.assigned": _persons,
    "duty.confirmed": lambda d: f"{d.get('post') or NONE} 已确认值班。",
    "plan.published": lambda d: f"第{d['n']}版场次计划已签名下发。",
    "package.built": _packed,
    "package.offered": lambda d: f"{d['package']}{_tail(d)}",
    "package.verified": lambda d: f"{d['package']}{_tail(d)}",
    "receipt.issued": _receipt,
    "session.closed": lambda _: "评标室本场次记录关闭。",
    "session.sealed": lambda d: f"评标室清点本场次记录，共 {_rows(d)} 条。",
    "record.closed": lambda d: f"中心清点本场次记录，共 {_rows(d)} 条。",
    "identity.erased": lambda d: f"{d['count']} 名评委的身份信息已按要求销毁。",
    "secrets.wiped": lambda _: "评标室内的身份比对数据已清除。",
}
