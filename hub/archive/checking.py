"""Checks a package as anyone would, and turns what was found into the words of a receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from protocols.evidence.verifier import ALTERED, INCOMPLETE, SOUND, Report, verify_package
from protocols.policy.handover import Completeness, HandoverItem, completeness
from protocols.policy.pack import Pack

NAMES_MAX: Final = 40
"""Names in one receipt: its header is one line of at most 16 KiB."""
AV_PREFIX: Final = "data/av/"
_OF_ITEM: Final = {
    "no_witness": "witness_record",
    "no_appraisal": "appraisal_record",
    "no_av": "av",
    "no_segment": "av",
    "av_hole": "av",
}
_BY_FILE: Final = {
    "data/record/witness.json": "witness_record",
    "data/record/appraisal.json": "appraisal_record",
}


@dataclass(slots=True)
class FolderFiles:
    """A package folder; links and special files are reported, never followed."""

    root: Path
    _links: set[str] = field(default_factory=set)

    def names(self) -> Iterator[str]:
        """All files, by relative name."""
        pending = [""]
        while pending:
            folder = pending.pop()
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    name = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{name}/")
                        continue
                    if not entry.is_file(follow_symlinks=False):
                        self._links.add(name)
                    yield name

    def is_link(self, name: str) -> bool:
        """Whether the name is a link or a special file."""
        return name in self._links

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return (self.root / name).lstat().st_size

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return (self.root / name).read_bytes()


def check(folder: Path, trust: bytes | None, lang: str = "zh") -> Report:
    """The verifier's report on a package folder."""
    return verify_package(FolderFiles(folder), trust, lang)


def report_json(report: Report) -> dict[str, Any]:
    """A report as JSON, bounded."""
    return {
        "code": report.code,
        "first_bad": report.first_bad,
        "counts": dict(report.counts),
        "items": [
            {
                "verdict": one.verdict,
                "name": one.name,
                "key": one.key,
                "zh": one.text("zh"),
                "en": one.text("en"),
            }
            for one in report.items[:NAMES_MAX]
        ],
    }


def judged(report: Report, pack: Pack) -> Completeness:
    """What a receipt says of this report: full, partial with named gaps, or refused."""
    counts = _listed(report)
    missing: dict[str, list[str]] = {}
    altered: dict[str, list[str]] = {}
    for one in report.items:
        item = _item_of(one.name, one.key)
        if one.verdict == INCOMPLETE:
            missing.setdefault(item, []).append(one.name)
        elif one.verdict == ALTERED:
            altered.setdefault(item, []).append(one.name)
    items = []
    for kind in ("witness_record", "appraisal_record", "av"):
        gone, bad = missing.get(kind, []), altered.get(kind, [])
        listed = max(counts[kind], len(gone) + len(bad))
        items.append(
            HandoverItem(
                kind=kind,
                listed=listed,
                received=max(0, listed - len(gone) - len(bad)),
                missing=tuple(gone[:NAMES_MAX]),
                altered=tuple(bad[:NAMES_MAX]),
            )
        )
    return completeness(items, pack)


def gaps_json(found: Completeness) -> list[dict[str, Any]]:
    """Named gaps of a receipt."""
    return [
        {
            "item": gap.item,
            "kind": str(gap.kind.value),
            "count": gap.count,
            "names": list(gap.names[:NAMES_MAX]),
            "zh": gap.zh,
            "en": gap.en,
        }
        for gap in found.gaps
    ]


def declared_gaps(report: Report) -> list[str]:
    """Gaps that the record itself declares; they change no verdict and stand in the receipt."""
    return [
        f"{one.name}: {one.text('en')}"
        for one in report.items
        if one.verdict == SOUND and one.key in {"gap", "av_gap"}
    ][:NAMES_MAX]


def _listed(report: Report) -> Mapping[str, int]:
    segments = int(report.counts.get("segments", 0))
    declared = any(one.key == "av_gap" for one in report.items)
    return {
        "witness_record": 1,
        "appraisal_record": 1,
        "av": max(segments, 1) if segments or declared else 0,
    }


def _item_of(name: str, key: str) -> str:
    """Where a finding belongs; what is none of the three is the witness record's matter."""
    if key in _OF_ITEM:
        return _OF_ITEM[key]
    if name in _BY_FILE:
        return _BY_FILE[name]
    return "av" if name.startswith(AV_PREFIX) else "witness_record"
