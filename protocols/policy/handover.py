"""Hand-over from a guest venue to the home venue: by when, and whether it is complete.

Plan §10: within 3 working days after the evaluation ended the guest hands over the witness record,
the experts' appraisal record and the audio and video. Signed paper originals travel outside the
platform; they are listed and named until they arrive, and do not hold up the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from protocols.policy.errors import PolicyError
from protocols.policy.workdays import Due, add_workdays
from protocols.terms import TERMS, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from protocols.policy.pack import Pack
    from protocols.policy.workdays import Calendar

NAMES_MAX = 1000
"""Names of missing or altered things kept per item; the rest is a number."""


def handover_due(ended_on: date, pack: Pack, calendar: Calendar) -> Due:
    """Return the day by which the guest hands over (plan §10).

    Args:
        ended_on: the day of the end order in Asia/Shanghai; it is not counted.
        pack: policy in force for the session.
        calendar: working days known so far.
    """
    return add_workdays(ended_on, pack.handover.working_days, calendar)


def fee_due(ended_on: date, pack: Pack, calendar: Calendar) -> Due:
    """Return the day by which the tenderer pays the experts (plan §12)."""
    return add_workdays(ended_on, pack.fees.pay_working_days, calendar)


@dataclass(frozen=True, slots=True)
class HandoverItem:
    """One kind of material as the list names it and as it arrived.

    Attributes:
        kind: witness_record, appraisal_record, av or paper_originals.
        listed: how many the hand-over list names.
        received: how many arrived unaltered.
        missing: names of those that did not arrive.
        altered: names of those whose hash does not match the list.
    """

    kind: str
    listed: int
    received: int
    missing: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


class GapKind(StrEnum):
    """What is wrong with an item."""

    ABSENT = "absent"
    MISSING = "missing"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class HandoverGap:
    """One named gap of a receipt."""

    item: str
    kind: GapKind
    count: int
    names: tuple[str, ...]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the home venue's receipt says. `outside`: items still awaited on paper."""

    verdict: Verdict
    gaps: tuple[HandoverGap, ...]
    outside: tuple[str, ...]

    @property
    def may_delete_at_guest(self) -> bool:
        """Only a full receipt lets the guest's copy age out; partial and refused block it."""
        return self.verdict is Verdict.FULL


def completeness(items: Sequence[HandoverItem], pack: Pack) -> Completeness:
    """Compare what arrived with what the pack requires.

    Refused: something was altered, or nothing required arrived. Partial: something is missing,
    by name. Full: everything required and listed arrived.

    Raises:
        PolicyError: an item of unknown kind, twice, or with impossible numbers.
    """
    given = _by_kind(items, pack)
    outside = pack.handover.carried_outside
    gaps: list[HandoverGap] = []
    arrived = 0
    for kind in pack.handover.items:
        if kind in outside:
            continue
        item = given.get(kind)
        if item is None or item.listed == 0:
            gaps.append(_gap(kind, GapKind.ABSENT, 1, ()))
            continue
        arrived += item.received
        gaps.extend(_gaps_of(item))
    awaited = tuple(kind for kind in outside if kind not in given or _short(given[kind]) > 0)
    if arrived == 0 or any(gap.kind is GapKind.ALTERED for gap in gaps):
        verdict = Verdict.REFUSED
    else:
        verdict = Verdict.PARTIAL if gaps else Verdict.FULL
    return Completeness(verdict=verdict, gaps=tuple(gaps), outside=awaited)


def _by_kind(items: Sequence[HandoverItem], pack: Pack) -> dict[str, HandoverItem]:
    given: dict[str, HandoverItem] = {}
    for index, item in enumerate(items):
        where = f"handover[{index}]"
        if item.kind not in pack.handover.items:
            raise PolicyError(
                f"{where}.kind",
                expected="one of " + ", ".join(pack.handover.items),
                got=item.kind,
                do="list it under one of these kinds",
            )
        if item.kind in given:
            raise PolicyError(
                f"{where}.kind", expected="each kind once", got=item.kind, do="add the numbers up"
            )
        counts = (item.received, len(item.missing), len(item.altered))
        if min(item.listed, *counts) < 0 or sum(counts) > item.listed:
            raise PolicyError(
                f"{where}",
                expected=f"at most {item.listed} received and missing",
                got=counts,
                do="count again against the hand-over list",
            )
        given[item.kind] = item
    return given


def _short(item: HandoverItem) -> int:
    return item.listed - item.received - len(item.altered) if item.listed else 1


def _gaps_of(item: HandoverItem) -> list[HandoverGap]:
    gaps: list[HandoverGap] = []
    short = _short(item)
    if short:
        gaps.append(_gap(item.kind, GapKind.MISSING, short, item.missing))
    if item.altered:
        gaps.append(_gap(item.kind, GapKind.ALTERED, len(item.altered), item.altered))
    return gaps


_TEXTS = {
    GapKind.ABSENT: ("{zh}：未移交", "{en}: not handed over"),
    GapKind.MISSING: ("{zh}：缺 {count} 项", "{en}: {count} missing"),
    GapKind.ALTERED: ("{zh}：{count} 项与清单不符", "{en}: {count} differ from the list"),
}


def _gap(kind: str, what: GapKind, count: int, names: tuple[str, ...]) -> HandoverGap:
    zh, en = _TEXTS[what]
    term = TERMS[kind]
    return HandoverGap(
        item=kind,
        kind=what,
        count=count,
        names=names[:NAMES_MAX],
        zh=zh.format(zh=term.zh, count=count),
        en=en.format(en=term.en, count=count),
    )


class DutyState(StrEnum):
    """How the duty to hand over stands on a day."""

    OPEN = "open"
    DUE_TODAY = "due_today"
    OVERDUE = "overdue"
    MET = "met"
    MET_LATE = "met_late"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True)
class HandoverDays:
    """Days (Asia/Shanghai) on which the package was sent, received whole, and receipted full."""

    sent_on: date | None = None
    received_on: date | None = None
    receipt_on: date | None = None


def handover_state(due: Due, today: date, days: HandoverDays, pack: Pack) -> DutyState:
    """Say how the duty stands; the pack says which day fulfils it.

    A partial receipt fulfils nothing: the due date keeps running. UNSETTLED: the calendar is not
    known far enough to say whether a passed provisional date was the real one.
    """
    met_on = {
        "sent": days.sent_on,
        "received": days.received_on,
        "receipt": days.receipt_on,
    }[pack.handover.met_by]
    day = today if met_on is None else met_on
    if day > due.earliest and due.provisional and day <= due.latest:
        return DutyState.UNSETTLED
    late = day > due.latest
    if met_on is not None:
        return DutyState.MET_LATE if late else DutyState.MET
    if late:
        return DutyState.OVERDUE
    return DutyState.DUE_TODAY if today == due.date else DutyState.OPEN
