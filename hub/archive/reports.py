"""Reports for people: witness record as PDF/A, ledger as xlsx, an index for browsing as SQLite.

The witness record needs a Chinese font on this machine; without one there is no PDF rather than
empty boxes, and the package's record says so.
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import sqlite_utils
import typst
import xlsxwriter

from hub.archive import tables_cases, tables_day, tables_kept, wording
from hub.archive.filing import Filing, Table

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
ERROR_CHARS_MAX = 200  # of the typesetter's words, in a package's notes
PDF_STANDARD: Final = "a-2b"
LINES_MAX: Final = 5000
"""Lines of the timeline on paper; a day has some hundreds. The ledger has all of them."""

TITLE: Final = "远程异地评标见证记录"
TITLE_EN: Final = "Witness record of a remote evaluation"
NUMERALS: Final = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
WITNESSING: Final = "见证人员（签字）"
SIGNERS: Final = (WITNESSING, "值班负责人（签字）")
NO_WITNESS: Final = "无（本场地未排见证人员）"
STATEMENT: Final = (
    "本记录由签名的原始记录自动生成，评委只以编号记载。原始记录见移交包 data/streams，"
    "各文件散列值见 manifest-sha256.txt；移交包可用其中的 verify.py 独立校验。"
)
NOTES: Final = {
    "cases": "“条文未核实”：所据条文尚未与原文核对，由有权人员确认后适用。",
    "gaps": "缺口由现场或中心在发生时声明并记入原始记录。",
    "handover": (
        "一项多件的，SHA-256 为 manifest-sha256.txt 中这些文件各行依次连接后的散列值；"
        "逐个文件的大小和散列值见台账“文件清单”。本记录、台账和检索库另列于清单文件。"
    ),
    "timeline": "本表不重复已由他行说明的事项，全部事项见台账。",
}

CELL_WIDTH_MAX: Final = 68
CELL_WIDTH_MIN: Final = 10
ROW_MAX: Final = 1_048_575
"""Rows of a sheet below its head, by the file format."""


def chinese_font() -> str:
    """A Chinese font of this machine, '' if there is none."""
    known = {str(name).casefold(): str(name) for name in typst.Fonts().families()}
    return next((known[name.casefold()] for name in FONTS if name.casefold() in known), "")


class UnprintableError(Exception):
    """The minutes could not be typeset; the package says so and is handed over without them."""


def minutes_pdf(filing: Filing) -> bytes | None:
    """The witness record as PDF/A-2b, or None without a Chinese font.

    Raises:
        UnprintableError: the typesetter refused the text; what it said is in the error.
    """
    font = chinese_font()
    if not font:
        return None
    source = resources.files("hub.archive").joinpath("minutes.typ").read_bytes()
    inputs = {"font": font, "data": json.dumps(minutes(filing), ensure_ascii=False)}
    try:
        made = typst.compile(source, format="pdf", sys_inputs=inputs, pdf_standards=PDF_STANDARD)
    except typst.TypstError as error:
        raise UnprintableError(str(error)[:ERROR_CHARS_MAX]) from error
    if not isinstance(made, bytes):
        raise TypeError(f"minutes: expected PDF bytes, got {type(made).__name__}")
    return made


def minutes(filing: Filing) -> dict[str, Any]:
    """What the page shows, as the typst source takes it."""
    stamp = wording.of_day(filing.day)
    tables = [
        tables_day.duty(filing),
        tables_day.members(filing, stamp),
        tables_day.away(filing, stamp),
        tables_day.orders(filing, stamp),
        tables_cases.cases(filing, stamp),
        tables_cases.decisions(filing, stamp),
        tables_cases.seals(filing, stamp),
        tables_kept.recordings(filing, stamp),
        tables_kept.gaps(filing, stamp),
        tables_day.appraisals(filing, stamp),
    ]
    # Without an entry there is nothing to seal or decide; the cases already say "none".
    told = [one for one in tables if one.rows or one.key not in {"decisions", "seals"}]
    sections = [_section(one) for one in told]
    sections += [_timeline(filing), _section(tables_kept.handover(filing))]
    for numeral, one in zip(NUMERALS, sections, strict=False):
        one["zh"] = f"{numeral}、{one['zh']}"
    return {
        "title": TITLE,
        "title_en": TITLE_EN,
        "zone": wording.ZONE,
        "made": _clock_parts(filing.made_at),
        "booking": str(filing.session["booking"]),
        "author": filing.venue(filing.session["org"]),
        "keywords": [str(filing.session["project_code"]), filing.package],
        "facts": tables_day.facts(filing),
        "sections": sections,
        "statement": STATEMENT,
        "signers": [[one, _unsigned(filing, one)] for one in SIGNERS],
    }


def _unsigned(filing: Filing, signer: str) -> str:
    """What stands instead of a line to sign on: a venue without a witness says that it has none."""
    witnesses = any(one["role"] == "witness" for one in filing.witness["on_duty"])
    return "" if signer != WITNESSING or witnesses else NO_WITNESS


def ledger_xlsx(filing: Filing) -> bytes:
    """The ledger: every table a sheet of its own, times in Beijing with their date."""
    file = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        look = {"border": 1, "text_wrap": True, "valign": "top"}
        head = book.add_format({**look, "bold": True, "bg_color": "#E6E8EA"})
        body = book.add_format(look)
        book.set_properties(
            {
                "created": datetime.fromisoformat(filing.made_at).astimezone(UTC),
                "title": f"台账 {filing.session['booking']}",
                "company": filing.venue(filing.session["org"]),
                "comments": f"时间均为{wording.ZONE}",
            }
        )
        for table in _ledger(filing):
            _sheet(book, table, head=head, body=body)
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


def _ledger(filing: Filing) -> list[Table]:
    """All tables in the ledger's order, with full dates."""
    stamp = wording.full
    head = Table("facts", "场次", "Session", ("项目", "内容"), (1, 3), tables_day.facts(filing))
    head.rows.append(["时间", f"均为{wording.ZONE}"])
    return [
        head,
        tables_day.duty(filing),
        tables_day.members(filing, stamp),
        tables_day.away(filing, stamp),
        tables_day.orders(filing, stamp),
        tables_cases.cases(filing, stamp),
        tables_cases.decisions(filing, stamp),
        tables_cases.seals(filing, stamp),
        tables_kept.recordings(filing, stamp),
        tables_kept.gaps(filing, stamp),
        tables_day.appraisals(filing, stamp),
        tables_day.timeline(filing, stamp, whole=True),
        tables_kept.handover(filing),
        tables_kept.files(filing),
    ]


def _section(table: Table) -> dict[str, Any]:
    return {
        "zh": table.zh,
        "en": table.en,
        "columns": list(table.columns),
        "widths": list(table.widths),
        "rows": table.rows,
        "empty": table.empty,
        "note": NOTES.get(table.key, "") if table.rows else "",
    }


def _timeline(filing: Filing) -> dict[str, Any]:
    """The timeline under a heading for each day; each line has only its time then."""
    table = tables_day.timeline(filing, wording.full, whole=False)
    kept = table.rows[:LINES_MAX]
    days = []
    for day, rows in groupby(kept, key=lambda row: row[0].partition(" ")[0]):
        told = [[row[0].partition(" ")[2] or row[0], *row[1:]] for row in rows]
        days.append({"day": _day(day), "rows": told})
    shown = _section(table) | {"rows": kept, "days": days}
    left = len(table.rows) - len(kept)
    if left:
        shown["note"] += f"此处列前 {LINES_MAX} 行，其余 {left} 行见台账“时间线”。"
    return shown


def _clock_parts(at: str) -> dict[str, int]:
    """The moment in UTC as typst builds one, so that the same records give the same bytes."""
    names = ("year", "month", "day", "hour", "minute", "second")
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return {name: getattr(moment, name) for name in names}


def _day(text: str) -> str:
    moment = wording.moment_of(f"{text}T00:00:00+08:00")
    return text if moment is None else wording.day_heading(moment.date())


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _sheet(book: Any, table: Table, *, head: Any, body: Any) -> None:
    sheet = book.add_worksheet(table.zh)
    sheet.write_row(0, 0, table.columns, head)
    rows = table.rows[:ROW_MAX]
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row):
            if value.removeprefix("-").isdecimal() and len(value) < CELL_WIDTH_MIN:
                sheet.write_number(number, column, int(value), body)
            else:
                sheet.write_string(number, column, value, body)
    for column, name in enumerate(table.columns):
        wide = max(_width(text) for text in (name, *(row[column] for row in rows)))
        sheet.set_column(column, column, min(max(wide + 2, CELL_WIDTH_MIN), CELL_WIDTH_MAX))
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer(f"&L{table.zh}　时间为{wording.ZONE}&R第 &P / &N 页")


def _width(text: str) -> int:
    """Columns of the widest line; a Chinese character takes two."""
    wide = {"W", "F", "A"}
    lines = text.split("\n")
    return max(sum(1 + (unicodedata.east_asian_width(one) in wide) for one in x) for x in lines)
