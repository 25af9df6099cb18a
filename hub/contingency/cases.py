"""Rows of contingency cases: read whole, written in small acts; decisions and notes only added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, insert, or_, select, update

from hub.store.tables_business import (
    booking_venue,
    case_decision,
    case_entry,
    case_fault,
    case_seal,
    case_step,
    contingency_case,
)
from protocols.policy.contingency import CaseClock, CaseTemplate, Option, Stamp, Step
from protocols.terms import Term

CLOSED: Final = "closed"
LIST_ROWS_MAX: Final = 500
MS_PER_S: Final = 1000


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A case with everything that was done in it."""

    row: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]
    steps: Mapping[str, Mapping[str, Any]]
    entries: tuple[Mapping[str, Any], ...]
    decisions: tuple[Mapping[str, Any], ...]
    seals: tuple[Mapping[str, Any], ...]

    @property
    def id(self) -> str:
        """`k-` + 12 hex."""
        return str(self.row["id"])

    @property
    def session(self) -> str:
        """Session id, '' outside of one."""
        return str(self.row["session"])

    @property
    def template(self) -> CaseTemplate:
        """The rules pinned when the case was opened."""
        return template_from(self.row["rule"])

    @property
    def clock(self) -> CaseClock:
        """Time counted so far."""
        return clock_of(self.row)


def clock_of(row: Mapping[str, Any]) -> CaseClock:
    """The stored clock of a case."""
    last = None
    if row["mark_boot"] is not None:
        last = Stamp(
            boot=str(row["mark_boot"]),
            mono_ms=int(row["mark_mono_ms"]),
            wall_ms=int(row["mark_wall"].timestamp() * MS_PER_S),
            trusted=bool(row["mark_trusted"]),
        )
    return CaseClock(elapsed_ms=int(row["elapsed_ms"]), last=last, exact=bool(row["exact"]))


def clock_values(clock: CaseClock, wall: datetime) -> dict[str, Any]:
    """Columns of a clock; a stopped one has no mark."""
    return {
        "elapsed_ms": clock.elapsed_ms,
        "exact": clock.exact,
        "mark_boot": clock.last.boot if clock.last else None,
        "mark_mono_ms": clock.last.mono_ms if clock.last else None,
        "mark_trusted": clock.last.trusted if clock.last else False,
        "mark_wall": wall,
    }


def template_json(template: CaseTemplate) -> dict[str, Any]:
    """The rules of a case as stored with it: the case pins its version of the pack."""
    return {
        "kind": template.kind,
        "stage": template.stage,
        "article": _term(template.article),
        "title": _term(template.title),
        "limit_s": template.limit_s,
        "at_limit": template.at_limit,
        "decider": template.decider,
        "deciders": list(template.deciders),
        "consequence": _term(template.consequence),
        "priority": template.priority,
        "scope": template.scope,
        "steps": [
            {
                "key": one.key,
                "zh": one.zh,
                "en": one.en,
                "kind": one.kind,
                "owner_role": one.owner_role,
                "needs_two": one.needs_two,
            }
            for one in template.steps
        ],
        "options": [
            {
                "key": one.key,
                "zh": one.zh,
                "en": one.en,
                "order": one.order,
                "effect": one.effect,
                "needs_seal": one.needs_seal,
            }
            for one in template.options
        ],
        "source": template.source,
        "verified": template.verified,
    }


def template_from(raw: Mapping[str, Any]) -> CaseTemplate:
    """The rules of a case back from their stored form."""
    terms: dict[str, Any] = {key: Term(**raw[key]) for key in ("article", "title", "consequence")}
    plain: dict[str, Any] = {
        key: raw[key]
        for key in (
            "kind",
            "stage",
            "limit_s",
            "at_limit",
            "decider",
            "priority",
            "scope",
            "source",
            "verified",
        )
    }
    return CaseTemplate(
        **terms,
        **plain,
        deciders=tuple(raw["deciders"]),
        steps=tuple(Step(**one) for one in raw["steps"]),
        options=tuple(Option(**one) for one in raw["options"]),
    )


def load(conn: Connection, case: str) -> CaseRecord | None:
    """The case of this id."""
    query = select(contingency_case).where(contingency_case.c.id == case)
    row = conn.execute(query).mappings().first()
    return None if row is None else _whole(conn, dict(row))


def listed(conn: Connection, *, session: str, open_only: bool, part: str = "") -> list[CaseRecord]:
    """Cases, open ones first, newest first; `part` narrows to an organisation and its sessions."""
    query = select(contingency_case)
    if part:
        taking = select(booking_venue.c.booking).where(booking_venue.c.org == part)
        query = query.where(
            or_(contingency_case.c.org == part, contingency_case.c.booking.in_(taking))
        )
    if session:
        query = query.where(contingency_case.c.session == session)
    if open_only:
        query = query.where(contingency_case.c.state != CLOSED)
    query = query.order_by(
        contingency_case.c.state == CLOSED, contingency_case.c.opened_at.desc()
    ).limit(LIST_ROWS_MAX)
    return [_whole(conn, dict(row)) for row in conn.execute(query).mappings().all()]


def open_at(conn: Connection, ctl: str, session: str) -> list[CaseRecord]:
    """Open cases of one room in one session, oldest first."""
    here = select(case_fault.c.case).where(case_fault.c.ctl == ctl)
    rows = conn.execute(
        select(contingency_case)
        .where(
            contingency_case.c.id.in_(here),
            contingency_case.c.session == session,
            contingency_case.c.state != CLOSED,
        )
        .order_by(contingency_case.c.number)
    ).mappings()
    return [_whole(conn, dict(row)) for row in rows.all()]


def of_fault(conn: Connection, ctl: str, fault: str) -> list[CaseRecord]:
    """The cases one fault of one room belongs to, one per session, oldest first."""
    rows = conn.execute(
        select(contingency_case)
        .join(case_fault, case_fault.c.case == contingency_case.c.id)
        .where(case_fault.c.ctl == ctl, case_fault.c.fault == fault)
        .order_by(contingency_case.c.opened_at, contingency_case.c.id)
    ).mappings()
    return [_whole(conn, dict(row)) for row in rows.all()]


def in_session(conn: Connection, ctl: str, fault: str, session: str) -> CaseRecord | None:
    """The case one fault of one room belongs to in one session."""
    return next((one for one in of_fault(conn, ctl, fault) if one.session == session), None)


def next_number(conn: Connection, *, drill: bool) -> int:
    """The next case number; drills count apart."""
    top = conn.execute(
        select(func.max(contingency_case.c.number)).where(contingency_case.c.drill == drill)
    ).scalar_one()
    return int(top or 0) + 1


def shown_number(number: int, *, drill: bool) -> str:
    """`#0417`, or `D-0031` for a drill."""
    return f"D-{number:04d}" if drill else f"#{number:04d}"


def create(conn: Connection, values: Mapping[str, Any]) -> None:
    """Writes a new case."""
    conn.execute(insert(contingency_case).values(**values))


def change(conn: Connection, case: str, values: Mapping[str, Any]) -> None:
    """Writes what moved in a case."""
    conn.execute(update(contingency_case).where(contingency_case.c.id == case).values(**values))


def add_fault(conn: Connection, values: Mapping[str, Any]) -> None:
    """Lets a case stand for one more fault; they keep the order in which they came."""
    mine = select(func.count()).select_from(case_fault).where(case_fault.c.case == values["case"])
    n = int(conn.execute(mine).scalar_one()) + 1
    conn.execute(insert(case_fault).values(**values, n=n))


def clear_fault(conn: Connection, case: str, ctl: str, fault: str, *, at: datetime) -> None:
    """A fault of a case is over."""
    conn.execute(
        update(case_fault)
        .where(case_fault.c.case == case, case_fault.c.ctl == ctl, case_fault.c.fault == fault)
        .where(case_fault.c.cleared_at.is_(None))
        .values(cleared_at=at)
    )


def reopen_fault(conn: Connection, case: str, ctl: str, fault: str, *, at: datetime) -> None:
    """The same fault has come back."""
    conn.execute(
        update(case_fault)
        .where(case_fault.c.case == case, case_fault.c.ctl == ctl, case_fault.c.fault == fault)
        .values(cleared_at=None, at=at)
    )


def set_step(conn: Connection, values: Mapping[str, Any]) -> None:
    """Writes where one step of the checklist stands; the history is in the entries."""
    key = (case_step.c.case == values["case"]) & (case_step.c.key == values["key"])
    done = conn.execute(update(case_step).where(key).values(**values))
    if done.rowcount == 0:
        conn.execute(insert(case_step).values(**values))


def add_entry(
    conn: Connection, case: str, what: str, data: Mapping[str, Any], *, by: str, at: datetime
) -> None:
    """Adds a line to the case's history; lines are never changed."""
    conn.execute(insert(case_entry).values(case=case, what=what, data=dict(data), by=by, at=at))


def add_decision(conn: Connection, values: Mapping[str, Any]) -> None:
    """Adds a decision; the database refuses to change one."""
    conn.execute(insert(case_decision).values(**values))


def add_seal(conn: Connection, values: Mapping[str, Any]) -> None:
    """Adds a sealing or unsealing."""
    conn.execute(insert(case_seal).values(**values))


def _whole(conn: Connection, row: dict[str, Any]) -> CaseRecord:
    def of(table: Any, *order: Any) -> tuple[Mapping[str, Any], ...]:
        query = select(table).where(table.c.case == row["id"]).order_by(*order)
        return tuple(dict(found) for found in conn.execute(query).mappings())

    return CaseRecord(
        row=row,
        faults=of(case_fault, case_fault.c.n),
        steps={str(one["key"]): one for one in of(case_step, case_step.c.at)},
        entries=of(case_entry, case_entry.c.id),
        decisions=of(case_decision, case_decision.c.n),
        seals=of(case_seal, case_seal.c.id),
    )


def _term(term: Term) -> dict[str, str]:
    return {"zh": term.zh, "en": term.en}
