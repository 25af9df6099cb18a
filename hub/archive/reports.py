"""Reports for people: minutes as PDF/A, ledger as xlsx, an index for browsing as SQLite.

The minutes need a Chinese font on this machine; without one there is no PDF rather than empty
boxes, and the package's record says so.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlite_utils
import typst
import xlsxwriter

FONTS: Final = (
    "Noto Serif CJK SC",
    "Noto Sans CJK SC",
    "Source Han Serif SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "SimSun",
    "FangSong",
)
PDF_STANDARD: Final = "a-2b"
LINES_MAX: Final = 5000
"""Rows of minutes; a day has some hundreds."""

_PAGE: Final = """
#set document(title: sys.inputs.title)
#set page(paper: "a4", margin: 2cm, numbering: "1 / 1")
#set text(font: sys.inputs.font, size: 10pt, lang: "zh")
#let record = json(bytes(sys.inputs.data))
#align(center, text(size: 16pt, weight: "bold")[#record.title])
#v(4mm)
#table(columns: (32mm, 1fr), stroke: 0.4pt, ..record.facts.flatten())
#v(3mm)
#text(size: 12pt, weight: "bold")[成员 / Members]
#table(columns: record.columns.len(), stroke: 0.4pt,
  ..record.columns.map(c => strong(c)), ..record.members.flatten())
#v(3mm)
#text(size: 12pt, weight: "bold")[时间线 / Timeline]
#table(columns: (42mm, 34mm, 1fr), stroke: 0.4pt, ..record.lines.flatten())
"""


def chinese_font() -> str:
    """A Chinese font of this machine, '' if there is none."""
    known = {str(name).casefold(): str(name) for name in typst.Fonts().families()}
    return next((known[name.casefold()] for name in FONTS if name.casefold() in known), "")


def minutes_pdf(witness: Mapping[str, Any], session: Mapping[str, Any]) -> bytes | None:
    """The minutes as PDF/A-2b, or None without a Chinese font."""
    font = chinese_font()
    if not font:
        return None
    title = f"见证记录 {session['booking']}"
    page = {
        "title": title,
        "facts": [
            ["场次 Session", f"{session['booking']} · {session['session']}"],
            ["主场 Home", str(session["home_org"])],
            ["本场地 Venue", str(session["org"])],
            ["开始 Started", str(session["started_at"] or "—")],
            ["结束 Ended", str(session["ended_at"] or "—")],
        ],
        "columns": ["编号 No.", "身份核验 Identity", "寄存 Deposit", "签署 Documents", "离场 Left"],
        "members": [_member_cells(one) for one in witness["members"]],
        "lines": [_line_cells(one) for one in witness["timeline"][:LINES_MAX]],
    }
    inputs = {"font": font, "title": title, "data": json.dumps(page, ensure_ascii=False)}
    made = typst.compile(
        _PAGE.encode(), format="pdf", sys_inputs=inputs, pdf_standards=PDF_STANDARD
    )
    if not isinstance(made, bytes):
        raise TypeError(f"minutes: expected PDF bytes, got {type(made).__name__}")
    return made


def ledger_xlsx(
    witness: Mapping[str, Any], appraisal: Mapping[str, Any], session: Mapping[str, Any]
) -> bytes:
    """The ledger: session, members, orders, appraisal, timeline, a sheet each."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as book:
        head = book.add_format({"bold": True, "border": 1})
        _sheet(book, head, "场次", ["项目", "内容"], [[k, _cell(v)] for k, v in session.items()])
        columns = ["编号", "身份核验", "寄存", "签署", "离场"]
        _sheet(book, head, "成员", columns, [_member_cells(one) for one in witness["members"]])
        rows = [[o["n"], o["order"], _cell(o["by"]), o["issued_at"]] for o in witness["orders"]]
        _sheet(book, head, "指令", ["序号", "指令", "签发人", "时间"], rows)
        rows = [
            [e["member"], _cell(e["items"]), e["points"], e["remark"], e["post"], e["at"]]
            for e in appraisal["entries"]
        ]
        columns = ["编号", "事项", "分值", "说明", "记录人", "时间"]
        _sheet(book, head, "考核", columns, rows)
        rows = [_line_cells(one) for one in witness["timeline"]]
        _sheet(book, head, "时间线", ["时间", "事项", "内容"], rows)
    return file.getvalue()


def index_sqlite(
    path: Path, *, witness: Mapping[str, Any], media: Sequence[Mapping[str, Any]]
) -> None:
    """An index for browsing the package; one writer owns the file."""
    base = sqlite_utils.Database(path)
    try:
        rows = [
            {**line, "data": json.dumps(line["data"], ensure_ascii=False)}
            for line in witness["timeline"]
        ]
        base.table("timeline").insert_all(rows, pk=("ctl", "at", "seq"), replace=True)
        members = [{"no": one["no"], "data": _cell(one)} for one in witness["members"]]
        base.table("members").insert_all(members, pk="no", replace=True)
        listed = [{key: _cell(value) for key, value in one.items()} for one in media]
        if listed:
            base.table("media").insert_all(
                listed, pk=("ctl", "epoch", "seq"), replace=True, alter=True
            )
        base.vacuum()
    finally:
        base.close()


def _member_cells(one: Mapping[str, Any]) -> list[str]:
    def at(name: str) -> str:
        return str(one.get(name, {}).get("at", "—")) if isinstance(one.get(name), dict) else "—"

    signed = "；".join(f"{name}:{doc['outcome']}" for name, doc in one["documents"].items())
    return [f"{one['no']}号评委", at("identified"), at("deposited"), signed or "—", at("left")]


def _line_cells(line: Mapping[str, Any]) -> list[str]:
    return [str(line["at"]), str(line["zh"]), _cell(line["data"])[:400]]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _sheet(book: Any, head: Any, name: str, columns: list[str], rows: list[list[Any]]) -> None:
    sheet = book.add_worksheet(name)
    sheet.write_row(0, 0, columns, head)
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if isinstance(value, int):
                sheet.write_number(number, column, value)
            else:
                sheet.write_string(number, column, str(value))
    sheet.set_column(0, len(columns) - 1, 24)
    sheet.freeze_panes(1, 0)
