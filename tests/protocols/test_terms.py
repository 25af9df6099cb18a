"""Every official word has one identifier, in both languages."""

import pytest

from protocols.terms import (
    TERMS,
    AwayReason,
    DepositItem,
    DocumentKind,
    FaultKind,
    MemberKind,
    OrderKind,
    Outcome,
    Role,
    SessionKind,
    Term,
    Verdict,
    member_label,
    term,
)

OFFICIAL = {
    "主场": "home venue",
    "副场": "guest venue",
    "客场": "guest venue",
    "机位": "station",
    "工位": "station",
    "评标委员会": "committee",
    "评委编号": "member number",
    "招标人代表": "tenderer's representative",
    "招标代理": "tenderer's agent",
    "见证人员": "witness",
    "副场协调员": "guest coordinator",
    "值班负责人": "manager on duty",
    "副职": "deputy on duty",
    "行政监督部门": "supervisor",
    "预约申请": "request",
    "受理": "accept",
    "不予受理": "decline",
    "评标开始指令": "start order",
    "休会": "break",
    "过夜休会": "adjourn",
    "延期评标": "postpone",
    "终止并重新组建评标委员会": "terminate and re-constitute",
    "继续评标": "continue",
    "评审结束指令": "end order",
    "离场放行": "release",
    "双人应急放行": "override by two",
    "离线指令码": "offline order code",
    "身份核验": "identity check",
    "签到": "sign-in",
    "物品寄存": "deposit",
    "违规携带": "prohibited item",
    "暂离登记": "leave-and-return record",
    "如厕": "toilet",
    "用餐": "meal",
    "就医": "medical",
    "质询": "inquiry",
    "就座": "seated",
    "推选组长": "lead chosen",
    "澄清": "clarification",
    "进入评标区登记": "visitor record",
    "对外联系登记": "outside-contact record",
    "签署": "signed",
    "签署并附不同意见": "signed with dissent",
    "拒签并书面说明": "refused in writing",
    "拒签未说明": "refused without reasons",
    "视为同意": "deemed consent",
    "依据条款": "article relied on",
    "个人评审表": "personal sheet",
    "评标汇总表": "summary",
    "评标报告": "report",
    "纸质签字页原件": "signed paper originals",
    "应急处置单": "contingency case",
    "封存": "seal",
    "启封": "unseal",
    "处置决定": "decision",
    "演练": "drill",
    "告警": "alarm",
    "确认": "acknowledge",
    "暂不处理（限时）": "shelve",
    "记录不一致": "fork",
    "记录缺口": "gap",
    "数据截至": "as of",
    "待确认": "unknown",
    "见证记录": "witness record",
    "专家考核记录": "appraisal record",
    "台账": "ledger",
    "移交清单": "hand-over list",
    "接收回执": "receipt",
    "全部": "received in full",
    "部分": "received in part",
    "退回": "refused",
    "存档": "archive",
    "校验程序": "verifier",
    "劳务费": "fee",
    "就餐费用": "meals",
}
LISTS = (
    AwayReason,
    DepositItem,
    DocumentKind,
    FaultKind,
    MemberKind,
    OrderKind,
    Outcome,
    Role,
    SessionKind,
    Verdict,
)
KEYS = {
    "phase": "idle prepared check_in evaluating on_break suspended adjourned signing ended closed "
    "postponed terminated",
    "member": "expected late identified deposited seated away released left absent declined "
    "withdrawn replaced removed",
    "order": "open start break resume suspend adjourn sign postpone terminate end member_release "
    "close",
    "document": "personal_sheet summary report",
    "outcome": "signed signed_with_dissent refused_in_writing refused_without_reasons",
    "fault": "power network device station system expert av record",
    "role": "operator fault_handler room_staff guest_coordinator witness home_manager "
    "tenderer_agent supervisor technician administrator service deputy",
    "item": "phone watch earphone tablet other",
    "away": "toilet meal medical inquiry",
    "booking": "draft requested accepted confirmed in_use ended closed declined expired withdrawn "
    "rescheduled no_show aborted",
    "case": "fault_open contained paused resumed decision_due continue_ordered postponed "
    "terminated reconstituted closed",
}


@pytest.mark.parametrize(("zh", "en"), OFFICIAL.items())
def test_every_official_word_is_there(zh, en):
    """The words of the official list, as a clerk would check them off."""
    found = [
        word
        for word in TERMS.values()
        if (word.zh == zh or zh in word.also or zh + "接收" == word.zh) and word.en.startswith(en)
    ]

    assert found


@pytest.mark.parametrize(("prefix", "names"), KEYS.items())
def test_every_list_is_complete(prefix, names):
    found = {key.split(".", 1)[1] for key in TERMS if key.startswith(prefix + ".")}

    assert found == set(names.split())


@pytest.mark.parametrize("cls", LISTS)
def test_every_value_of_a_list_has_its_label(cls):
    for value in cls:
        assert value.term == TERMS[value.key]
        assert value.key.endswith("." + value)


@pytest.mark.parametrize("key", list(TERMS))
def test_every_word_has_both_languages(key):
    word = TERMS[key]

    assert word.zh
    assert not word.zh.isascii()
    assert word.en.isascii()
    assert word.en.strip() == word.en != ""


def test_a_plain_word_has_one_identifier():
    plain = [word.zh for key, word in TERMS.items() if "." not in key]

    assert len(plain) == len(set(plain))


def test_a_word_comes_in_the_language_asked_for():
    assert term("home_venue") == "主场"
    assert term("home_venue", "en") == "home venue"
    assert Term("休会", "break").text("zh") == "休会"


def test_an_unknown_identifier_is_our_mistake():
    with pytest.raises(KeyError):
        term("no_such_word")


def test_a_member_is_shown_by_number():
    assert member_label(3) == "3号评委"
    assert member_label(3, "en") == "member 3"


def test_every_event_type_of_the_record_has_a_label():
    """The catalogue of events that rooms and hub write."""
    types = """
    epoch.opened record.gap room.started clock.fix plan.accepted plan.refused
    selftest.done device.lost device.back fault.raised fault.cleared power.state network.state
    seat.state locker.state locker.unexplained locker.fault media.segment media.damaged media.lost
    media.gap recording.state hub.rollback ack.bad journal.rolled_back cmd.accepted cmd.done
    cmd.refused visitor outside_contact help.called session.prepared phase.changed order.issued
    order.accepted order.refused statement.accepted statement.refused card.unknown member.late
    member.identified member.steps member.declined deposit.declared locker.opening locker.opened
    locker.open_failed locker.closed member.deposited member.seated member.unseated away.started
    away.ended gate.refused member.released release.notice member.left lead.chosen clarification
    saved.confirmed case.step fault.acked start.exception session.closed secrets.wiped
    booking.requested booking.accepted booking.declined booking.confirmed booking.withdrawn
    booking.expired booking.rescheduled duty.assigned duty.confirmed members.entered plan.published
    statement.received case.opened case.acked case.note case.scoped case.sealed case.unsealed
    case.decided case.closed alarm.acked appraisal.entered package.built package.offered
    package.verified receipt.issued command.issued controller.enrolled user.created
    user.role_changed stream.fork stream.rollback stream.clone stream.tail_lost stream.quarantine
    notice.sent"""

    assert {f"event.{name}" for name in types.split()} <= TERMS.keys()
