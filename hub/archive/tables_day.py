"""The day on paper: facts, roster, members by number, orders, appraisal, timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from hub.archive import wording
from hub.archive.filing import Filing, Table, role_word
from hub.archive.sentences import sentence
from hub.archive.tables_cases import case_words
from hub.archive.wording import NONE, Stamp, label, labels, mapping, member
from protocols.terms import TERMS, DocumentKind

SILENT: Final = frozenset(
    {"statement.received", "locker.opening", "power.state", "seat.state", "epoch.opened"}
)
"""Told by another line of the timeline already; the streams and the ledger keep them."""
MARKED: Final = {
    "member.late": "late",
    "member.declined": "declined",
    "member.absent": "absent",
    "member.withdrawn": "withdrawn",
    "member.removed": "removed",
    "member.replaced": "replaced",
}
"""What stands under a member's number where the day was not an ordinary one."""
UNSET: Final = " *"
OTHER: Final = "其他事项"


def absences(filing: Filing) -> dict[int, list[dict[str, Any]]]:
    """Member number -> each leaving with its return, in order."""
    found: dict[int, list[dict[str, Any]]] = {}
    for line in filing.witness["timeline"]:
        number = line["data"].get("no")
        if not isinstance(number, int):
            continue
        if line["type"] == "away.started":
            found.setdefault(number, []).append({**line["data"], "out": line["at"], "back": ""})
        elif line["type"] == "away.ended" and found.get(number):
            found[number][-1]["back"] = line["at"]
    return found


def facts(filing: Filing) -> list[list[str]]:
    """The head of the document: what, where, when."""
    session, full = filing.session, wording.full
    drawn = str(mapping(filing.witness.get("draw")).get("conditions") or NONE)
    mine = filing.witness["members"]
    experts = sum(one["kind"] == "expert" for one in mine)
    venues = [
        [
            f"{role_word(one['role'])}单位",
            f"{one['name']}（评标室 {one['room']}）"
            + ("　本记录单位" if one["org"] == session["org"] else ""),
        ]
        for one in session["venues"]
    ]
    lead = session.get("lead")
    rows = [
        ["预约编号", str(session["booking"])],
        ["项目代码", str(session["project_code"])],
        ["场次类别", label("session_kind", session["kind"])],
        *venues,
        ["计划开始", full(session["start_at"])],
        ["实际开始", full(session["started_at"])],
        ["评审结束", filing.ending],
        ["抽取条件", drawn],
        [
            "评委人数",
            f"全部 {len(session['members'])} 名；本场地 {len(mine)} 名（专家 {experts} 名）",
        ],
        ["组长", member(lead) if lead else NONE],
        ["时钟", clocks(filing)],
        ["场次编号", str(session["session"])],
        ["移交包编号", filing.package],
        ["制作时间", full(filing.made_at)],
    ]
    if filing.fingerprints:
        named = "；".join(f"{whose} {kid}" for whose, kid in filing.fingerprints.items())
        rows.append(["密钥指纹", named])
    if session.get("predecessor"):
        rows.insert(3, ["原预约编号", str(session["predecessor"])])
    return rows


def duty(filing: Filing) -> Table:
    """Who was on duty, by post."""
    states = {"confirmed": "已确认", "assigned": "已安排"}
    # Whoever manages a guest venue is on duty there, not the home venue's manager.
    guest = filing.session["org"] != filing.session["home_org"]
    manager = TERMS["manager_on_duty"].zh
    rows = [
        [
            str(one["post"]),
            manager if guest and one["role"] == "home_manager" else label("role", one["role"]),
            states.get(one["state"], str(one["state"])),
        ]
        for one in sorted(filing.witness["on_duty"], key=lambda one: str(one["post"]))
    ]
    columns = ("岗位编号", "岗位", "值班确认")
    return Table("duty", "值班人员", "On duty", columns, (1, 2, 1), rows)


def members(filing: Filing, stamp: Stamp) -> Table:
    """Every member of the venue by number, with each step of the day."""
    columns = (
        *("编号", "身份核验", "物品寄存", "就座", "暂离／返回"),
        *("个人评审表", "评标汇总表", "评标报告", "离场放行", "离场"),
    )
    widths = (1.3, 1.8, 1.4, 1.3, 2, 1.5, 1.5, 1.5, 1.3, 1.3)
    trips = absences(filing)
    marks = _marks(filing)
    rows = [
        _member(one, stamp, trips=trips.get(one["no"], []), marks=marks.get(one["no"], []))
        for one in filing.witness["members"]
    ]
    return Table("members", "评委记录", "Members by number", columns, widths, rows)


def away(filing: Filing, stamp: Stamp) -> Table:
    """Leave-and-return record."""
    mine = {one["no"] for one in filing.witness["members"]}
    rows = [
        [
            member(number),
            label("away", one.get("reason")),
            wording.CONSENTS.get(str(one.get("consent_by")), str(one.get("consent_by") or NONE)),
            str(one.get("escort") or NONE),
            stamp(one["out"]),
            stamp(one["back"]),
            wording.posts(one.get("by")),
        ]
        for number, trips in sorted(absences(filing).items())
        if number in mine
        for one in trips
    ]
    columns = ("编号", "事由", "同意人", "陪同", "离开", "返回", "经办")
    widths = (1, 0.8, 0.8, 1, 1, 1, 2)
    return Table("away", "暂离登记", "Leave and return", columns, widths, rows)


def orders(filing: Filing, stamp: Stamp) -> Table:
    """Orders with their issuer's post and time."""
    lines = filing.witness["timeline"]
    heard = {
        x["data"].get("id"): x["data"].get("by") for x in lines if x["type"] == "order.accepted"
    }
    rows = []
    for one in filing.witness["orders"]:
        issuer = one["by"] if one["by"].get("post") else heard.get(one["id"]) or one["by"]
        whom = "、".join(member(no) for no in one["members"] or ()) or "全体"
        via = wording.VIAS.get(one["via"], str(one["via"]))
        name = label("order", one["order"])
        home = (one["by"].get("org") or filing.session["home_org"]) == filing.session["home_org"]
        side = role_word("home" if home else "guest")
        rows.append(
            [str(one["n"]), name, whom, wording.posts(issuer), side, via, stamp(one["issued_at"])]
        )
    columns = ("序号", "指令", "对象", "签发人岗位", "签发方", "方式", "签发时间")
    widths = (0.6, 2, 1.4, 2.6, 0.9, 1.3, 1.2)
    return Table("orders", "指令", "Orders", columns, widths, rows)


def appraisals(filing: Filing, stamp: Stamp) -> Table:
    """Every appraisal entry; of one member the newest counts."""
    entries = filing.appraisal["entries"]
    last = {one["member"]: number for number, one in enumerate(entries)}
    rows = [
        [
            member(one["member"]),
            "、".join(filing.catalogue.get(key, str(key)) for key in one["items"]) or "无扣分事项",
            str(one["points"]),
            str(one["remark"] or NONE),
            str(one["post"]),
            stamp(one["at"]),
            "有效" if last[one["member"]] == number else "已更正",
        ]
        for number, one in enumerate(entries)
    ]
    columns = ("编号", "考核事项", "计分", "说明", "记录岗位", "时间", "状态")
    widths = (1, 2.2, 0.7, 2.4, 1, 1.5, 0.8)
    return Table("appraisal", "专家考核", "Appraisal", columns, widths, rows)


def timeline(filing: Filing, stamp: Stamp, *, whole: bool) -> Table:
    """The timeline in sentences; `whole` keeps what another line tells already."""
    names = case_words(filing)
    # A star on every line would tell nothing; the head of the document says it once.
    mixed = not all(_unset(line) for line in filing.witness["timeline"])
    rows = [
        [
            stamp(line["at"]) + (UNSET if mixed and _unset(line) else ""),
            filing.place(line["ctl"]),
            *_told(line, names),
        ]
        for line in filing.witness["timeline"]
        if whole or line["type"] not in SILENT
    ]
    columns = ("时间", "记录处", "事项", "内容")
    return Table("timeline", "时间线", "Timeline", columns, (0.9, 1.1, 1.8, 5.6), rows)


def _marks(filing: Filing) -> dict[Any, list[str]]:
    found: dict[Any, list[str]] = {}
    for line in filing.witness["timeline"]:
        if line["type"] in MARKED:
            word = label("member", MARKED[line["type"]])
            known = found.setdefault(line["data"].get("no"), [])
            if word not in known:
                known.append(word)
    return found


def clocks(filing: Filing) -> str:
    """How far the clocks behind the timeline had been set by a time source."""
    lines = filing.witness["timeline"]
    unset = sum(_unset(line) for line in lines)
    if not unset:
        return "各行记录时，时钟均经时间源校准"
    if unset == len(lines):
        return "各行记录时，时钟均未经时间源校准"
    return f"{len(lines)} 行中 {unset} 行记录时时钟未经时间源校准，时间线中以 * 标出"


def _unset(line: Mapping[str, Any]) -> bool:
    # A clock that only ran on by its battery is not one a time source had set.
    return line.get("at_trust") != "ntp"


def _told(line: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The label and the sentence; a type without an official word is named in the sentence."""
    if line["zh"] == line["type"]:
        return [OTHER, f"类别 {line['type']}，内容见原始记录。"]
    data = mapping(line["data"])
    case = names.get(str(data.get("case")))
    if case is not None:
        words = {
            "case_number": case["number"],
            "step_zh": case["steps"].get(data.get("key")),
            "option_zh": case["options"].get(data.get("option")),
        }
        data = {**data, **words}
    return [str(line["zh"]), sentence(str(line["type"]), data) or NONE]


def _member(
    one: Mapping[str, Any],
    stamp: Stamp,
    *,
    trips: Sequence[Mapping[str, Any]],
    marks: Sequence[str],
) -> list[str]:
    def at(name: str) -> str:
        return stamp(mapping(one.get(name)).get("at"))

    known, stored = mapping(one.get("identified")), mapping(one.get("deposited"))
    method = wording.METHODS.get(str(known.get("method")), "")
    shown = wording.paper(known.get("document")) if known else ""
    items = labels("item", stored.get("items")) if stored else ""
    locker = f"{stored['locker']}号柜" if stored.get("locker") else ""
    place = f"{one['station']}号机位" if one["station"] and one.get("seated") else ""
    kind = label("member_kind", one["kind"])
    return [
        _lines(member(one["no"]), kind, *marks),
        _lines(at("identified"), method, shown, wording.codes(known.get("by"))),
        _lines(at("deposited"), items, locker),
        _lines(at("seated"), place),
        "\n".join(_trip(trip, stamp) for trip in trips) or "无",
        *(_signed(mapping(one["documents"].get(kind.value)), stamp) for kind in DocumentKind),
        at("released"),
        at("left"),
    ]


def _trip(trip: Mapping[str, Any], stamp: Stamp) -> str:
    out, back = f"离开 {stamp(trip['out'])}", f"返回 {stamp(trip['back'])}"
    return _lines(label("away", trip.get("reason")), out, back)


def _signed(document: Mapping[str, Any], stamp: Stamp) -> str:
    if not document:
        return NONE
    return _lines(label("outcome", document.get("outcome")), stamp(document.get("at")))


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
