"""Official words: one English identifier per term, with its Chinese and English text.

Screens, forms, reports and codecs use these identifiers; nobody writes an official word twice.
Keys of `TERMS` are plain for the words of the rules (``home_venue`` 主场) and prefixed for the
values of a list (``phase.evaluating``, ``order.start``, ``event.member.late``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from protocols.terms_events import EVENT_LABELS

Lang = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Term:
    """One word in both languages; `also` holds official synonyms in Chinese."""

    zh: str
    en: str
    also: tuple[str, ...] = ()

    def text(self, lang: Lang) -> str:
        """Return the word in the language asked for."""
        return self.zh if lang == "zh" else self.en


class Labelled(StrEnum):
    """A value list whose members have their label in `TERMS` under a common prefix."""

    @property
    def key(self) -> str:
        """Key of the label in `TERMS`."""
        return f"{_PREFIXES[type(self).__name__]}.{self.value}"

    @property
    def term(self) -> Term:
        """Label in both languages."""
        return TERMS[self.key]


class FaultKind(Labelled):
    """What a contingency case is about (plan §8: power, network, device, station, system).

    `record` is the hub's own word: rows of the evidence record are lost (`record.gap`).
    """

    POWER = "power"
    NETWORK = "network"
    DEVICE = "device"
    STATION = "station"
    SYSTEM = "system"
    EXPERT = "expert"
    AV = "av"
    RECORD = "record"


class OrderKind(Labelled):
    """Orders that move a session or open a gate (WIRE §7)."""

    OPEN = "open"
    START = "start"
    BREAK = "break"
    RESUME = "resume"
    SUSPEND = "suspend"
    ADJOURN = "adjourn"
    SIGN = "sign"
    POSTPONE = "postpone"
    TERMINATE = "terminate"
    END = "end"
    MEMBER_RELEASE = "member_release"
    CLOSE = "close"


class DocumentKind(Labelled):
    """The three documents each member signs (plan §7)."""

    PERSONAL_SHEET = "personal_sheet"
    SUMMARY = "summary"
    REPORT = "report"


class Outcome(Labelled):
    """How a member dealt with a document."""

    SIGNED = "signed"
    SIGNED_WITH_DISSENT = "signed_with_dissent"
    REFUSED_IN_WRITING = "refused_in_writing"
    REFUSED_WITHOUT_REASONS = "refused_without_reasons"


class Role(Labelled):
    """Who somebody is in the procedure."""

    OPERATOR = "operator"
    FAULT_HANDLER = "fault_handler"
    ROOM_STAFF = "room_staff"
    GUEST_COORDINATOR = "guest_coordinator"
    WITNESS = "witness"
    HOME_MANAGER = "home_manager"
    DEPUTY = "deputy"
    TENDERER_AGENT = "tenderer_agent"
    SUPERVISOR = "supervisor"
    TECHNICIAN = "technician"
    ADMINISTRATOR = "administrator"
    SERVICE = "service"


class DepositItem(Labelled):
    """Devices that go into the locker."""

    PHONE = "phone"
    WATCH = "watch"
    EARPHONE = "earphone"
    TABLET = "tablet"
    OTHER = "other"


class AwayReason(Labelled):
    """Why a member leaves for a while."""

    TOILET = "toilet"
    MEAL = "meal"
    MEDICAL = "medical"
    INQUIRY = "inquiry"


class MemberKind(Labelled):
    """A member of the committee is an expert or the tenderer's representative."""

    EXPERT = "expert"
    TENDERER_REP = "tenderer_rep"


class SessionKind(Labelled):
    """What a booking is for."""

    EVALUATION = "evaluation"
    RE_EVALUATION = "re_evaluation"
    REVIEW = "review"
    DRILL = "drill"


class Verdict(Labelled):
    """What a receipt says of a hand-over."""

    FULL = "full"
    PARTIAL = "partial"
    REFUSED = "refused"


_PREFIXES = {
    "FaultKind": "fault",
    "OrderKind": "order",
    "DocumentKind": "document",
    "Outcome": "outcome",
    "Role": "role",
    "DepositItem": "item",
    "AwayReason": "away",
    "MemberKind": "member_kind",
    "SessionKind": "session_kind",
    "Verdict": "receipt",
}


def _rows(prefix: str, rows: dict[str, tuple[str, str]]) -> dict[str, Term]:
    return {f"{prefix}.{key}": Term(zh, en) for key, (zh, en) in rows.items()}


_WORDS = {
    "home_venue": Term("主场", "home venue"),
    "guest_venue": Term("副场", "guest venue", ("客场",)),
    "station": Term("机位", "station", ("工位",)),
    "committee": Term("评标委员会", "committee"),
    "member_number": Term("评委编号", "member number"),
    "tenderer": Term("招标人", "tenderer"),
    "tenderer_rep": Term("招标人代表", "tenderer's representative"),
    "tenderer_agent": Term("招标代理", "tenderer's agent"),
    "witness": Term("见证人员", "witness"),
    "guest_coordinator": Term("副场协调员", "guest coordinator"),
    "manager_on_duty": Term("值班负责人", "manager on duty"),
    "deputy_on_duty": Term("副职", "deputy on duty"),
    "supervisor": Term("行政监督部门", "supervisor"),
    "request": Term("预约申请", "request"),
    "accept": Term("受理", "accept"),
    "decline": Term("不予受理", "decline"),
    "start_order": Term("评标开始指令", "start order"),
    "break": Term("休会", "break"),
    "adjourn": Term("过夜休会", "adjourn"),
    "postpone": Term("延期评标", "postpone"),
    "terminate": Term("终止并重新组建评标委员会", "terminate and re-constitute"),
    "continue": Term("继续评标", "continue"),
    "end_order": Term("评审结束指令", "end order"),
    "release": Term("离场放行", "release"),
    "override_by_two": Term("双人应急放行", "override by two"),
    "offline_order_code": Term("离线指令码", "offline order code"),
    "identity_check": Term("身份核验", "identity check"),
    "sign_in": Term("签到", "sign-in"),
    "deposit": Term("物品寄存", "deposit"),
    "prohibited_item": Term("违规携带", "prohibited item"),
    "leave_and_return": Term("暂离登记", "leave-and-return record"),
    "seated": Term("就座", "seated"),
    "lead_chosen": Term("推选组长", "lead chosen"),
    "clarification": Term("澄清", "clarification"),
    "visitor_record": Term("进入评标区登记", "visitor record"),
    "outside_contact_record": Term("对外联系登记", "outside-contact record"),
    "signed": Term("签署", "signed"),
    "signed_with_dissent": Term("签署并附不同意见", "signed with dissent"),
    "refused_in_writing": Term("拒签并书面说明", "refused in writing"),
    "refused_without_reasons": Term("拒签未说明", "refused without reasons"),
    "deemed_consent": Term("视为同意", "deemed consent"),
    "legal_basis": Term("依据条款", "article relied on"),
    "personal_sheet": Term("个人评审表", "personal sheet"),
    "summary": Term("评标汇总表", "summary"),
    "report": Term("评标报告", "report"),
    "paper_originals": Term("纸质签字页原件", "signed paper originals"),
    "contingency_case": Term("应急处置单", "contingency case"),
    "seal": Term("封存", "seal"),
    "unseal": Term("启封", "unseal"),
    "decision": Term("处置决定", "decision"),
    "drill": Term("演练", "drill"),
    "alarm": Term("告警", "alarm"),
    "acknowledge": Term("确认", "acknowledge"),
    "shelve": Term("暂不处理（限时）", "shelve (for a time)"),
    "fork": Term("记录不一致", "fork"),
    "gap": Term("记录缺口", "gap"),
    "as_of": Term("数据截至", "as of"),
    "unknown": Term("待确认", "unknown"),
    "witness_record": Term("见证记录", "witness record"),
    "appraisal_record": Term("专家考核记录", "appraisal record"),
    "ledger": Term("台账", "ledger"),
    "handover_list": Term("移交清单", "hand-over list"),
    "receipt": Term("接收回执", "receipt"),
    "archive": Term("存档", "archive"),
    "verifier": Term("校验程序", "verifier"),
    "fee": Term("劳务费", "fee"),
    "meals": Term("就餐费用", "meals"),
    "av": Term("评标现场音视频资料", "audio and video"),
    "locker": Term("手机柜", "locker"),
    "lead": Term("组长", "lead"),
    "prequalification": Term("资格预审", "prequalification"),
}

_PHASES = {
    "idle": ("未安排", "idle"),
    "prepared": ("准备", "prepared"),
    "check_in": ("签到", "check-in"),
    "evaluating": ("评标", "evaluating"),
    "on_break": ("休会", "on break"),
    "suspended": ("已暂停", "suspended"),
    "adjourned": ("过夜休会", "adjourned"),
    "signing": ("签署", "signing"),
    "ended": ("结束", "ended"),
    "closed": ("关闭", "closed"),
    "postponed": ("已延期", "postponed"),
    "terminated": ("已终止", "terminated"),
}
_MEMBER_STATES = {
    "expected": ("未到", "expected"),
    "late": ("迟到", "late"),
    "identified": ("已核验", "identified"),
    "deposited": ("已寄存", "deposited"),
    "seated": ("在位", "seated"),
    "away": ("暂离", "away"),
    "released": ("已放行", "released"),
    "left": ("已离场", "left"),
    "absent": ("缺席", "absent"),
    "declined": ("拒绝寄存，不予入场", "declined, not admitted"),
    "withdrawn": ("回避退出", "withdrawn"),
    "replaced": ("已更换", "replaced"),
    "removed": ("已取消资格", "removed"),
}
_ORDERS = {
    "open": ("开始签到", "open check-in"),
    "start": ("评标开始指令", "start order"),
    "break": ("休会", "break"),
    "resume": ("继续评标", "continue"),
    "suspend": ("暂停评标", "suspend"),
    "adjourn": ("过夜休会", "adjourn"),
    "sign": ("进入签署", "open signing"),
    "postpone": ("延期评标", "postpone"),
    "terminate": ("终止并重新组建评标委员会", "terminate and re-constitute"),
    "end": ("评审结束指令", "end order"),
    "member_release": ("个别评委放行", "release of one member"),
    "close": ("关闭场次", "close the session"),
}
_DOCUMENTS = {
    "personal_sheet": ("个人评审表", "personal sheet"),
    "summary": ("评标汇总表", "summary"),
    "report": ("评标报告", "report"),
}
_OUTCOMES = {
    "signed": ("已签署", "signed"),
    "signed_with_dissent": ("签署并附不同意见", "signed with dissent"),
    "refused_in_writing": ("拒签并书面说明", "refused in writing"),
    "refused_without_reasons": ("拒签未说明", "refused without reasons"),
}
_FAULTS = {
    "power": ("市电中断", "mains lost"),
    "network": ("网络故障", "network fault"),
    "device": ("电子设备故障", "device fault"),
    "station": ("评标机位故障", "station fault"),
    "system": ("评标系统故障", "evaluation system fault"),
    "expert": ("专家缺席或身体不适", "expert absent or unwell"),
    "av": ("音视频中断", "audio or video lost"),
    "record": ("证据记录缺口", "gap in the evidence record"),
}
_ROLES = {
    "operator": ("值守人员", "operator"),
    "fault_handler": ("故障处置人员", "fault handler"),
    "room_staff": ("现场工作人员", "room staff"),
    "guest_coordinator": ("副场协调员", "guest coordinator"),
    "witness": ("见证人员", "witness"),
    "home_manager": ("主场值班负责人", "home manager on duty"),
    "deputy": ("值班副职", "deputy on duty"),
    "tenderer_agent": ("招标代理", "tenderer's agent"),
    "supervisor": ("行政监督部门", "supervisor"),
    "technician": ("技术人员", "technician"),
    "administrator": ("系统管理员", "administrator"),
    "service": ("系统服务", "service"),
}
_ITEMS = {
    "phone": ("手机", "phone"),
    "watch": ("电子手表", "watch"),
    "earphone": ("耳机", "earphone"),
    "tablet": ("平板电脑", "tablet"),
    "other": ("其他电子设备", "other device"),
}
_AWAY = {
    "toilet": ("如厕", "toilet"),
    "meal": ("用餐", "meal"),
    "medical": ("就医", "medical"),
    "inquiry": ("质询", "inquiry"),
}
_MEMBER_KINDS = {
    "expert": ("评标专家", "expert"),
    "tenderer_rep": ("招标人代表", "tenderer's representative"),
}
_SESSION_KINDS = {
    "evaluation": ("评标", "evaluation"),
    "re_evaluation": ("重新评标", "re-evaluation"),
    "review": ("复核", "review"),
    "drill": ("演练", "drill"),
}
_RECEIPTS = {
    "full": ("全部接收", "received in full"),
    "partial": ("部分接收", "received in part"),
    "refused": ("退回", "refused"),
}
_BOOKING_STATES = {
    "draft": ("草稿", "draft"),
    "requested": ("已申请", "requested"),
    "accepted": ("已受理", "accepted"),
    "confirmed": ("已确认", "confirmed"),
    "in_use": ("使用中", "in use"),
    "ended": ("已结束", "ended"),
    "closed": ("已关闭", "closed"),
    "declined": ("不予受理", "declined"),
    "expired": ("已过期", "expired"),
    "withdrawn": ("已撤回", "withdrawn"),
    "rescheduled": ("已改期", "rescheduled"),
    "no_show": ("未到场", "no-show"),
    "aborted": ("已中止", "aborted"),
}
_CASE_STATES = {
    "fault_open": ("待处置", "open"),
    "contained": ("已控制", "contained"),
    "paused": ("已暂停", "paused"),
    "resumed": ("已恢复", "resumed"),
    "decision_due": ("待决定", "decision due"),
    "continue_ordered": ("决定继续评标", "continue ordered"),
    "postponed": ("决定延期评标", "postponed"),
    "terminated": ("决定终止并重新组建", "terminated"),
    "reconstituted": ("已重新组建", "re-constituted"),
    "closed": ("已结案", "closed"),
}
_SCOPES = {
    "member": ("该评委", "this member"),
    "venue": ("本场地", "this venue"),
    "all": ("全部场地", "all venues"),
}
_STAGES = {
    "before_start": ("评标开始前", "before the start"),
    "during": ("评标开始后", "during the evaluation"),
    "after": ("评标结束后", "after the end"),
}

_TABLES = (
    ("phase", _PHASES),
    ("member", _MEMBER_STATES),
    ("order", _ORDERS),
    ("document", _DOCUMENTS),
    ("outcome", _OUTCOMES),
    ("fault", _FAULTS),
    ("role", _ROLES),
    ("item", _ITEMS),
    ("away", _AWAY),
    ("member_kind", _MEMBER_KINDS),
    ("session_kind", _SESSION_KINDS),
    ("receipt", _RECEIPTS),
    ("booking", _BOOKING_STATES),
    ("case", _CASE_STATES),
    ("scope", _SCOPES),
    ("stage", _STAGES),
    ("event", EVENT_LABELS),
)

TERMS: dict[str, Term] = _WORDS | {
    key: value for prefix, rows in _TABLES for key, value in _rows(prefix, rows).items()
}
"""Every official word and every label of a value list, by its identifier."""


def term(key: str, lang: Lang = "zh") -> str:
    """Return the word of an identifier.

    Raises:
        KeyError: the identifier is not in `TERMS`; a missing word is our own mistake.
    """
    return TERMS[key].text(lang)


def member_label(number: int, lang: Lang = "zh") -> str:
    """Name a member by number, never by name: 3号评委, member 3."""
    return f"{number}号评委" if lang == "zh" else f"member {number}"
