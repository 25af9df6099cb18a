"""Makes the hand-over pages of what the archive answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.web.i18n import Both, Text, say
from hub.web.views_archive import (
    ArchiveView,
    Check,
    DueRow,
    GapRow,
    PackageRow,
    PackageView,
    ReadRow,
    Receipt,
)
from hub.web.views_common import Shape, State, Viewer, org_short

BUILDING: Final = ("home_manager", "deputy")
STAGES: Final = ("records", "streams", "media", "reports", "manifests", "signature")
KIB: Final = 1024
UNITS: Final = ("B", "KB", "MB", "GB", "TB")
STATE_SHAPES: Final = {
    "building": Shape.NOW,
    "built": Shape.NOW,
    "offered": Shape.NOW,
    "verified": Shape.OK,
    "failed": Shape.UNKNOWN,
}
DUTY_SHAPES: Final = {
    "open": Shape.NOW,
    "due_today": Shape.P3,
    "overdue": Shape.P2,
    "met": Shape.OK,
    "met_late": Shape.OK,
    "unsettled": Shape.UNKNOWN,
}
SOUND: Final = "sound"
"""A finding of the verifier that is as it should be."""
CONTENTS: Final = (
    "witness_record",
    "appraisal_record",
    "av",
    "events",
    "decisions",
    "signatures",
    "reports",
)
"""The hand-over list of the plan: what a package holds, in its order."""


def instant(text: str | None) -> datetime | None:
    """RFC 3339 as an aware instant."""
    return None if not text else datetime.fromisoformat(text)


def size_text(count: int | None) -> str:
    """`12.4 GB`; nothing where it is not known."""
    if count is None:
        return "–"
    value, unit = float(count), UNITS[0]
    for unit in UNITS:
        if value < KIB or unit == UNITS[-1]:
            break
        value /= KIB
    return f"{value:.0f} {unit}" if unit == UNITS[0] else f"{value:.1f} {unit}"


def package_state(row: Mapping[str, Any]) -> State:
    """How far a package is."""
    state = str(row["state"])
    return State(STATE_SHAPES.get(state, Shape.NONE), say(f"archive.state.{state}"))


def _verdict(receipt: Mapping[str, Any] | None) -> Text:
    return "" if receipt is None else say(f"term.receipt.{receipt['verdict']}")


def _short(org: str, names: Mapping[str, Both]) -> Both:
    return org_short(org, names.get(org, Both(org, org)))


def package_row(row: Mapping[str, Any], names: Mapping[str, Both]) -> PackageRow:
    """One line of the list."""
    return PackageRow(
        package=row["package"],
        href=f"/packages/{row['package']}",
        number=row["booking"],
        venue=_short(row["org"], names),
        built=instant(row["built_at"]),
        size=size_text(row["bytes"]),
        state=package_state(row),
        verdict=_verdict(row["receipt"]),
    )


def due_rows(
    viewer: Viewer,
    number: str,
    told: Mapping[str, Any],
    names: Mapping[str, Both],
) -> list[DueRow]:
    """One session's guests; an ended session without a guest's package is what people act on."""
    due = told["due"]
    if due is None:
        return []
    text: Text = due["due_on"]
    if due["provisional"]:
        text = say("archive.provisional", first=due["earliest"], last=due["latest"])
    return [
        DueRow(
            number=number,
            session_href=f"/sessions/{told['session']}",
            venue=_short(one["org"], names),
            ended_on=due["ended_on"],
            due_on=text,
            state=_duty(one["state"]),
            package=one["package"] or "",
            package_href=f"/packages/{one['package']}" if one["package"] else "",
            verdict=say(f"term.receipt.{one['receipt']}") if one["receipt"] else "",
            may_build=one["package"] is None and viewer.org == one["org"] and viewer.may(*BUILDING),
            build_action=f"/api/v1/sessions/{told['session']}/packages",
        )
        for one in told["venues"]
    ]


def _duty(state: str | None) -> State:
    word = state or "open"
    return State(DUTY_SHAPES.get(word, Shape.UNKNOWN), say(f"archive.duty.{word}"))


def archive_view(
    now: datetime,
    *,
    due: Sequence[DueRow],
    packages: Sequence[Mapping[str, Any]],
    names: Mapping[str, Both],
) -> ArchiveView:
    """The hand-over page."""
    return ArchiveView(now, tuple(due), tuple(package_row(one, names) for one in packages))


# ---- one package ----


def _receipt(one: Mapping[str, Any]) -> Receipt:
    shape = {"full": Shape.OK, "partial": Shape.NOW}.get(one["verdict"], Shape.UNKNOWN)
    by = one["by"]
    gaps = tuple(
        GapRow(
            say(f"archive.item.{gap['item']}"),
            gap["count"],
            Both(gap["zh"], gap["en"]),
            tuple(gap["names"]),
        )
        for gap in one["gaps"]
    )
    return Receipt(
        State(shape, say(f"term.receipt.{one['verdict']}")),
        datetime.fromisoformat(one["at"]),
        str(by.get("post", "–")) if isinstance(by, Mapping) else str(by),
        gaps,
    )


def _checks(report: Mapping[str, Any] | None) -> tuple[Check, ...]:
    """The verifier's findings: what is wrong first, what is sound as it stands."""
    if report is None:
        return ()
    made = []
    for item in report["items"]:
        bad = str(item["verdict"]) not in {SOUND, "0"}
        shape = Shape.UNKNOWN if bad else Shape.OK
        word = say("archive.check.bad" if bad else "archive.check.ok")
        made.append(Check(State(shape, word), item["name"], Both(item["zh"], item["en"])))
    return tuple(made)


def _check_text(row: Mapping[str, Any]) -> Text:
    code = row["verify_code"]
    return say("archive.verify.none") if code is None else say(f"archive.verify.{code}")


def _stages(row: Mapping[str, Any]) -> tuple[tuple[Text, str], ...]:
    if row["state"] != "building":
        return ()
    at = STAGES.index(row["stage"]) if row["stage"] in STAGES else 0
    return tuple(
        (say(f"archive.stage.{name}"), "dn" if i < at else "cur" if i == at else "")
        for i, name in enumerate(STAGES)
    )


def _facts(row: Mapping[str, Any], due: Text) -> tuple[tuple[Text, Text], ...]:
    rows: list[tuple[Text, Text]] = [
        (say("archive.files"), "–" if row["files"] is None else str(row["files"])),
        (say("archive.size"), size_text(row["bytes"])),
        (say("archive.built_by"), row["built_by"] or "–"),
        (say("archive.due"), due),
    ]
    if row["tag_sha256"]:
        rows.append((say("archive.hash"), row["tag_sha256"]))
    return tuple(rows)


def _contents(row: Mapping[str, Any]) -> tuple[tuple[State, Text], ...]:
    """The hand-over list; an item a receipt misses is marked."""
    receipt = row["receipt"]
    missing = {gap["item"] for gap in receipt["gaps"]} if receipt else set()
    made = row["state"] in {"built", "offered", "verified"}
    rows = []
    for item in CONTENTS:
        shape = Shape.UNKNOWN if item in missing else Shape.OK if made else Shape.OPEN
        rows.append((State(shape, say(f"archive.item.{item}")), say(f"archive.item.{item}.note")))
    outside = State(Shape.NONE, say("archive.item.paper_originals"))
    rows.append((outside, say("archive.item.paper_originals.note")))
    return tuple(rows)


_READS = {"package.read": "archive.read", "package.download": "archive.downloaded"}
"""Words for what somebody did with a package."""


def package_view(
    viewer: Viewer,
    row: Mapping[str, Any],
    *,
    now: datetime,
    names: Mapping[str, Both],
    home_org: str,
    due: Text,
    reads: Sequence[Mapping[str, Any]],
) -> PackageView:
    """The whole page."""
    receipts = [_receipt(one) for one in row["receipts"]]
    ready = row["state"] in {"built", "offered", "verified"}
    at_home = viewer.org == home_org and viewer.may(*BUILDING)
    failed = row["error"]
    return PackageView(
        now=now,
        package=row["package"],
        number=row["booking"],
        session_href=f"/sessions/{row['session']}",
        venue=names.get(row["org"], row["org"]),
        state=package_state(row),
        facts=_facts(row, due),
        stages=_stages(row),
        contents=_contents(row),
        notes=tuple(str(note) for note in row["notes"] or ()),
        failed=None if not failed else str(failed.get("title") or failed.get("what") or "–"),
        checks=_checks(row["verify_report"]),
        check_text=_check_text(row),
        receipt=receipts[-1] if receipts else None,
        older=tuple(reversed(receipts[:-1])),
        download=f"/api/v1/packages/{row['package']}/download" if ready else "",
        may_offer=row["state"] == "built" and viewer.org == row["org"] and viewer.may(*BUILDING),
        may_receipt=ready and at_home,
        receipt_reason=None if at_home else say("archive.receipt_who"),
        reads=tuple(
            ReadRow(datetime.fromisoformat(one["at"]), one["post"], say(_READS[one["act"]]))
            for one in reads
        ),
    )
