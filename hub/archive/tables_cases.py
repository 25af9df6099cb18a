"""Contingency cases on paper: fault, clock, article, decisions with deciders and reason, seals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.archive import wording
from hub.archive.filing import Filing, Table
from hub.archive.wording import NONE, Stamp, label, mapping


def cases(filing: Filing, stamp: Stamp) -> Table:
    """Contingency cases: fault, clock, article; one row each."""
    rows = []
    for one in filing.decisions["cases"]:
        rule = mapping(one["rule"])
        article = str(one["article"] or NONE)
        if not rule.get("verified"):
            article += f"【条文未核实】\n来源：{rule.get('source') or NONE}"
        rows.append(
            [
                case_name(one),
                label("fault", one["kind"]),
                filing.room(one["place"]),
                stamp(one["started_at"]),
                stamp(one["cleared_at"]),
                clock(one),
                article,
                label("case", one["state"]),
            ]
        )
    columns = ("单号", "故障", "场地", "开始", "恢复", "计时／时限", "依据条款", "状态")
    widths = (1, 1.2, 1.1, 1.1, 1.1, 1.4, 3.6, 0.9)
    return Table("cases", "应急处置", "Contingency cases", columns, widths, rows)


def decisions(filing: Filing, stamp: Stamp) -> Table:
    """What was decided in each case, by whom, and why."""
    rows = []
    for case in filing.decisions["cases"]:
        options = {one["key"]: one["zh"] for one in mapping(case["rule"]).get("options", ()) or ()}
        for one in case["decisions"]:
            signers = [wording.post(one["decided_by"]), f"记录 {wording.post(one['recorded_by'])}"]
            if one["second"] and one["second"] != one["recorded_by"]:
                signers.append(f"第二签署 {wording.post(one['second'])}")
            rows.append(
                [
                    f"{case_name(case)}-{one['n']}",
                    options.get(one["option"], str(one["option"])),
                    label("scope", one["scope"]),
                    "；".join(signers),
                    str(one["reason"] or NONE),
                    stamp(one["at"]),
                ]
            )
    columns = ("决定", "处置决定", "影响范围", "决定人", "理由", "时间")
    widths = (1, 2.2, 0.9, 2.2, 2.6, 1.1)
    return Table("decisions", "处置决定", "Decisions", columns, widths, rows)


def seals(filing: Filing, stamp: Stamp) -> Table:
    """Seals of the cases."""
    actions = {"seal": "封存", "unseal": "启封", "sealed": "封存", "unsealed": "启封"}
    rows = [
        [
            case_name(case),
            actions.get(one["action"], str(one["action"])),
            str(one["seal_no"]),
            str(one["what"]),
            wording.posts(one["persons"]),
            stamp(one["at"]),
        ]
        for case in filing.decisions["cases"]
        for one in case["seals"]
    ]
    columns = ("单号", "事项", "封条号", "内容", "办理人", "时间")
    return Table("seals", "封存", "Seals", columns, (0.8, 0.8, 1.2, 2.6, 2.4, 1.1), rows)


def case_name(case: Mapping[str, Any]) -> str:
    """`第1号`, `演练第1号`."""
    return f"{'演练' if case['drill'] else ''}第{case['number']}号"


def clock(case: Mapping[str, Any]) -> str:
    """How long it lasted against the limit; a clock that was not exact says so."""
    lasted = wording.duration(int(case["elapsed_ms"] or 0) // 1000)
    limit = wording.duration(case["limit_s"]) if case["limit_s"] else "不限时"
    return f"{'' if case['exact'] else '约 '}{lasted}／{limit}"


def case_words(filing: Filing) -> dict[str, Mapping[str, Any]]:
    """Case id -> its number and the names of its steps and options, as its rule had them."""
    return {
        str(one["id"]): {
            "number": one["number"],
            **{
                part: {x["key"]: x["zh"] for x in mapping(one["rule"]).get(part) or ()}
                for part in ("steps", "options")
            },
        }
        for one in filing.decisions["cases"]
    }
