"""What the filed witness record and the ledger say, and that no raw data stands in them."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from hub.archive import reports, wording
from hub.archive.sentences import CONDITIONS, SENTENCES, sentence
from protocols.policy import gate
from protocols.terms_events import EVENT_LABELS
from tests.hub.archive.paperwork import LONG_NAME, filing, line

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
PDFTOTEXT = shutil.which("pdftotext")
needs_font = pytest.mark.skipif(not reports.chinese_font(), reason="no Chinese font here")
needs_poppler = pytest.mark.skipif(PDFTOTEXT is None, reason="no pdftotext here")


def section(page: dict[str, Any], name: str) -> dict[str, Any]:
    """The section of that Chinese name, whatever its number."""
    found: dict[str, Any] = next(one for one in page["sections"] if one["zh"].endswith(name))
    return found


def _xml(raw: bytes) -> ET.Element:
    """A part of the workbook this test has just made itself."""
    return ET.fromstring(raw)  # noqa: S314


def rows(name: str) -> list[list[str]]:
    """Rows of one section of the day."""
    found: list[list[str]] = section(reports.minutes(filing()), name)["rows"]
    return found


def test_the_head_names_venues_officially_and_counts_in_beijing_time() -> None:
    page = reports.minutes(filing())
    facts = dict(page["facts"])
    assert page["title"] == "远程异地评标见证记录"
    assert facts["预约编号"] == "2026-1124-01"
    assert facts["项目代码"] == "HBSJ-2026-690"
    assert facts["主场单位"].startswith("湖北省公共资源交易中心")
    assert facts["副场单位"].startswith("长沙公共资源交易中心")
    assert facts["计划开始"] == "2026-11-24 09:00:00"
    assert facts["实际开始"] == "2026-11-24 09:00:21", "cut to the second, never rounded up"
    assert facts["评审结束"] == "2026-11-24 17:01:54"
    assert page["zone"] == "北京时间 UTC+08:00"


def test_an_end_out_of_the_ordinary_is_named() -> None:
    day = filing()
    moved = [{**one, "to": "postponed"} for one in day.witness["phases"]]
    page = reports.minutes(replace(day, witness={**day.witness, "phases": moved}))
    assert dict(page["facts"])["评审结束"].endswith("（已延期）")


def test_members_stand_by_number_with_every_step() -> None:
    present, absent = rows("评委记录")
    assert present[0] == "4号评委\n评标专家"
    assert present[1] == "08:59:35\n两名工作人员核验\n居民身份证\nCS-04"
    assert present[2] == "08:59:40\n手机、电子手表\n3号柜"
    assert present[3] == "08:59:41\n1号机位"
    assert present[4] == "如厕\n离开 09:20:00\n返回 09:25:00\n用餐\n离开 09:30:00\n返回 —"
    assert present[5:8] == [
        "已签署\n17:00:01",
        "已签署\n17:00:01",
        "签署并附不同意见\n17:00:02",
    ]
    assert present[8:] == ["17:02:00", "17:03:00"]
    assert absent == ["5号评委\n评标专家\n缺席", "—", "—", "—", "无", "—", "—", "—", "—", "—"]


def test_each_leaving_has_its_return() -> None:
    assert [one[4:6] for one in rows("暂离登记")] == [["09:20:00", "09:25:00"], ["09:30:00", "—"]]


def test_an_order_from_the_screen_has_the_post_the_room_saw() -> None:
    assert rows("指令") == [
        ["1", "评标开始指令", "全体", "HB-01（主场值班负责人）", "主场", "中心签发", "09:00:20"],
        [
            "2",
            "评审结束指令",
            "全体",
            "HB-01（主场值班负责人）",
            "主场",
            "现场屏幕签发",
            "17:01:54",
        ],
    ]


def test_a_guests_manager_is_not_called_the_home_venues() -> None:
    assert rows("值班人员") == [["CS-01", "值班负责人", "已确认"]]


def test_a_case_says_clock_article_and_who_decided() -> None:
    (case,) = rows("应急处置")
    assert case[:3] == ["第1号", "市电中断", "副场 二室"]
    assert case[5] == "约 1分01秒／30分00秒"
    assert case[6] == "第十六条【条文未核实】\n来源：代用办法"
    (decision,) = rows("处置决定")
    assert decision[1:] == [
        "原地等候",
        "本场地",
        "HB-01（主场值班负责人）；记录 HB-07（见证人员）",
        "UPS 余量充足。",
        "09:30:30",
    ]
    (seal,) = rows("封存")
    assert seal[1:3] == ["封存", LONG_NAME]


def test_declared_gaps_of_recording_and_record_are_listed() -> None:
    assert rows("音视频录制") == [
        ["room", "09:00:00", "17:00:00", "2（入包 2）", "2.0 KiB", "2 处"]
    ]
    assert rows("已声明的缺口") == [
        ["room", "缺口", "09:10:00", "09:10:18", "18秒", "市电中断"],
        ["room", "缺失", "—", "—", "—", "原因待确认"],
        ["副场 二室 记录", "记录缺口", "09:32:00", "—", "第 7–9 行", "记录存在缺口"],
    ]


def test_of_two_appraisals_the_newest_counts() -> None:
    first, second = rows("专家考核")
    assert first[1:3] + first[-1:] == ["迟到", "-10", "已更正"]
    assert second[1:3] + second[-1:] == ["无扣分事项", "0", "有效"]


def test_the_timeline_speaks_in_sentences_under_each_day() -> None:
    told = section(reports.minutes(filing()), "时间线")
    assert [one["day"] for one in told["days"]] == [
        "2026年11月18日（星期三）",
        "2026年11月24日（星期二）",
    ]
    lines = told["days"][1]["rows"]
    assert lines[0] == [
        "09:10:00 *",
        "副场 二室",
        "缺席",
        "5号评委缺席，经办 CS-04（现场工作人员）。",
    ]
    assert ["09:31:00", "中心", "处置步骤", "第1号单，“告知各场地”已完成。"] in lines
    assert ["09:34:00", "副场 二室", "其他事项", "类别 new.kind，内容见原始记录。"] in lines
    assert not any("签署结果已收到" in one for one in lines)


def test_a_timeline_too_long_for_paper_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "LINES_MAX", 3)
    told = section(reports.minutes(filing()), "时间线")
    assert len(told["rows"]) == 3
    assert "其余 6 行见台账" in told["note"]


def test_the_hand_over_list_counts_and_names_by_hash() -> None:
    listed = {row[0]: row[1:] for row in rows("移交清单")}
    assert listed["评标活动见证记录"] == ["1", "2.0 KiB", "1" * 64]
    lines = f"{'3' * 64}  data/av/room/a.mp4\n{'4' * 64}  data/av/room/b.mp4\n"
    assert listed["音视频片段 room"] == [
        "2",
        "2.0 KiB",
        hashlib.sha256(lines.encode()).hexdigest(),
    ]
    assert listed["纸质签字页原件"][0] == "另附"


@pytest.mark.parametrize("kind", sorted(SENTENCES))
def test_every_sentence_is_words_whatever_is_missing(kind: str) -> None:
    assert kind in EVENT_LABELS
    strange = dict.fromkeys(("members", "duration_ms", "results", "persons", "by"), 7)
    for data in ({}, {"no": 4, "by": [{"post": "CS-04"}], "reason": None}, strange):
        text = sentence(kind, data)
        assert not re.search(r"[{}\[\]]|None|，。|。。", text), text


def test_a_closed_door_says_what_is_missing() -> None:
    keys = {"document_summary": False, "sealing_photo": False, "order_end": False, "reason": True}
    conditions = [{"key": key, "met": met} for key, met in keys.items()]
    assert sentence("gate.refused", {"no": 4, "conditions": conditions}) == (
        "4号评委开柜条件未满足（《评标汇总表》未签署；封存未完成；评审结束指令未收到），"
        "柜门保持关闭。"
    )
    assert set(CONDITIONS) == set(gate.CONDITION_KEYS)


def test_a_clock_nobody_set_is_named_once_or_by_a_star() -> None:
    day = filing()
    for trust, said in (
        ("ntp", "各行记录时，时钟均经时间源校准"),
        ("rtc", "各行记录时，时钟均未经时间源校准"),
    ):
        lines = [{**one, "at_trust": trust} for one in day.witness["timeline"]]
        page = reports.minutes(replace(day, witness={**day.witness, "timeline": lines}))
        assert dict(page["facts"])["时钟"] == said
        assert not [row for row in section(page, "时间线")["rows"] if "*" in row[0]]
    assert dict(reports.minutes(day)["facts"])["时钟"].startswith("10 行中 1 行")


def test_another_type_has_its_label_alone() -> None:
    assert sentence("room.started", {"boot": "b", "nested": {"a": 1}}) == ""
    assert sentence("other", {"no": 3}) == "3号评委。"


def test_times_without_a_zone_or_unreadable_are_left_out() -> None:
    assert wording.full("2026-11-24T01:00:00") == "—"
    assert wording.full("soon") == wording.full(None) == "—"


def test_a_damaged_line_of_a_person_never_shows_json() -> None:
    strange: list[Any] = [{"a": 1}, [{}], 7, [], None, ["CS-04"]]
    for people in strange:
        assert "{" not in wording.posts(people)
    assert wording.duration(3_723) == "1小时02分03秒"
    assert wording.size(5 * 1024**5) == "5120.0 TiB"


@needs_font
@needs_poppler
def test_the_page_has_header_page_numbers_and_signature_lines(tmp_path: Path) -> None:
    path = tmp_path / "minutes.pdf"
    made = reports.minutes_pdf(filing())
    assert made is not None
    path.write_bytes(made)
    assert b"pdfaid" in made
    assert made == reports.minutes_pdf(filing()), "the same records give the same bytes"
    command = [str(PDFTOTEXT), "-layout", str(path), "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    text = done.stdout.decode().replace("\u200b", "")
    pages = [page for page in text.split("\f") if page.strip()]
    for number, page in enumerate(pages, start=1):
        assert "预约编号 2026-1124-01" in page
        assert f"第{number}/{len(pages)}页" in page.replace(" ", "")
    assert text.count("北京时间") == 1
    for word in (
        "见证人员（签字）",
        "无（本场地未排",
        "值班负责人（签字）",
        "移交清单",
        "条文未核实",
        "1" * 64,
    ):
        assert word in text
    assert not re.search(r"\d\dT\d\d:|\.\d{3}Z|[{}]|null|hubei|changsha", text)


def test_a_venue_without_a_witness_says_so_instead_of_an_empty_line() -> None:
    day = filing()
    none = "无（本场地未排见证人员）"
    assert reports.minutes(day)["signers"][0] == ["见证人员（签字）", none]
    witness = {"post": "CS-07", "role": "witness", "state": "confirmed"}
    duty = [*day.witness["on_duty"], witness]
    there = replace(day, witness={**day.witness, "on_duty": duty})
    assert reports.minutes(there)["signers"] == [
        ["见证人员（签字）", ""],
        ["值班负责人（签字）", ""],
    ]


def test_the_ledger_has_a_sheet_for_each_table_in_chinese() -> None:
    with zipfile.ZipFile(io.BytesIO(reports.ledger_xlsx(filing()))) as book:
        names = _xml(book.read("xl/workbook.xml")).iter(f"{SHEET}sheet")
        assert [one.get("name") for one in names] == [
            *("场次", "值班人员", "评委记录", "暂离登记", "指令", "应急处置", "处置决定", "封存"),
            *("音视频录制", "已声明的缺口", "专家考核", "时间线", "移交清单", "文件清单"),
        ]
        root = _xml(book.read("xl/sharedStrings.xml"))
        texts = {one.text or "" for one in root.iter(f"{SHEET}t")}
        members = _xml(book.read("xl/worksheets/sheet3.xml"))
    assert {"岗位编号", "2026-11-24 09:00:20", "均为北京时间 UTC+08:00"} <= texts
    assert not [one for one in texts if re.search(r"[{}]|\dT\d\d:|hubei", one)]
    widths = [float(str(one.get("width"))) for one in members.iter(f"{SHEET}col")]
    assert min(widths) >= reports.CELL_WIDTH_MIN


def test_what_begins_like_a_formula_stays_text() -> None:
    day = filing()
    lines = [line("01:00:00.000", "outside_contact", {"purpose": "=1+1", "by": "=cmd"})]
    book = reports.ledger_xlsx(replace(day, witness={**day.witness, "timeline": lines}))
    assert book == reports.ledger_xlsx(replace(day, witness={**day.witness, "timeline": lines}))
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        sheets = [one for one in parts.namelist() if one.startswith("xl/worksheets/")]
        assert not [one for one in sheets if b"<f>" in parts.read(one)]
