"""What is handed over, on paper: recordings with their gaps, the hand-over list, every file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hub.archive import wording
from hub.archive.filing import Filing, Table
from hub.archive.wording import NONE, Stamp
from protocols.evidence.package import FileInfo

AV_FOLDER: Final = "data/av/"
AV_INDEX: Final = "data/av/index.json"


def recordings(filing: Filing, stamp: Stamp) -> Table:
    """Streams with start, end, files, bytes and the number of gaps."""
    rows = []
    for one in filing.av["streams"]:
        parts = one["segments"]
        begins = min((str(part.get("first_at", "")) for part in parts), default="")
        ends = max((str(part.get("last_at", "")) for part in parts), default="")
        held = sum(part["file"] is not None for part in parts)
        total = sum(int(part.get("bytes", 0)) for part in parts)
        gaps = f"{len(one['gaps'])} 处" if one["gaps"] else "无"
        count = f"{len(parts)}（入包 {held}）"
        rows.append([one["stream"], stamp(begins), stamp(ends), count, wording.size(total), gaps])
    columns = ("录制通道", "开始", "结束", "片段数", "总大小", "缺口")
    widths = (1.6, 1.2, 1.2, 1.4, 1.2, 0.8)
    return Table("av", "音视频录制", "Recordings", columns, widths, rows)


def gaps(filing: Filing, stamp: Stamp) -> Table:
    """Declared gaps of recordings, and of the record itself."""
    rows = []
    for stream in filing.av["streams"]:
        for one in stream["gaps"]:
            kind = wording.GAP_KINDS.get(one["type"], str(one["type"]))
            span = [stamp(one.get("from_at")), stamp(one.get("to_at"))]
            why = wording.cause(one.get("cause") or one.get("reason"))
            lasted = wording.duration(one.get("seconds"))
            rows.append([stream["stream"], kind, *span, lasted, why])
    for line in filing.witness["timeline"]:
        if line["type"] == "record.gap":
            data = line["data"]
            where = f"{filing.place(line['ctl'])} 记录"
            count = f"第 {data.get('from')}–{data.get('to')} 行"
            what = wording.cause(data.get("cause"))
            rows.append([where, "记录缺口", stamp(line["at"]), NONE, count, what])
    columns = ("通道／记录", "类别", "起", "止", "时长", "原因")
    widths = (1.6, 1, 1.2, 1.2, 1.2, 2)
    return Table("gaps", "已声明的缺口", "Declared gaps", columns, widths, rows)


def handover(filing: Filing) -> Table:
    """The hand-over list by group: how many files, how large, and a hash that names them."""
    rows = []
    for zh, names in _groups(filing.files):
        total = sum(filing.files[name].size for name in names)
        rows.append([zh, str(len(names)), wording.size(total), _digest(filing.files, names)])
    rows.append(["纸质签字页原件", "另附", NONE, "随移交包另行移交，份数由接收人当面清点"])
    columns = ("移交内容", "件数", "大小", "SHA-256")
    return Table("handover", "移交清单", "Hand-over list", columns, (2.2, 0.7, 1, 5), rows)


def files(filing: Filing) -> Table:
    """Every file of the payload with its size and hash."""
    rows = [
        [name.removeprefix("data/"), f"{info.size:,}", info.sha256]
        for name, info in sorted(filing.files.items())
    ]
    columns = ("文件（data/ 之下）", "字节", "SHA-256")
    return Table("files", "文件清单", "Files", columns, (3.6, 0.8, 4.4), rows)


def _groups(files: Mapping[str, FileInfo]) -> Iterator[tuple[str, list[str]]]:
    named = {
        "data/record/witness.json": "评标活动见证记录",
        "data/record/appraisal.json": "评标专家考核记录",
        "data/record/decisions.json": "应急处置记录与决定",
        "data/record/session.json": "场次信息",
        "data/record/policy.json": "适用规则",
        "data/record/calendar.json": "工作日历",
        AV_INDEX: "音视频目录（含缺口）",
    }
    for name, zh in named.items():
        if name in files:
            yield zh, [name]
    media = [name for name in files if name.startswith(AV_FOLDER) and name != AV_INDEX]
    for stream in sorted({name.split("/")[2] for name in media}):
        yield f"音视频片段 {stream}", [one for one in media if one.split("/")[2] == stream]
    for folder, zh in (
        ("data/streams/", "原始记录与封签"),
        ("data/keys/", "公钥与证书"),
        ("data/checkpoints/", "存证日志检查点与证明"),
    ):
        held = [name for name in files if name.startswith(folder)]
        if held:
            yield zh, held


def _digest(files: Mapping[str, FileInfo], names: Sequence[str]) -> str:
    """Of one file its own hash; of several the hash of their manifest lines in order."""
    if len(names) == 1:
        return files[names[0]].sha256
    lines = "".join(f"{files[name].sha256}  {name}\n" for name in sorted(names))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()
